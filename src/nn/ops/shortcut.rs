//! The shortcut without parameters where the shape changes (option A of He et al. 2015, section 3.3).

use std::rc::Rc;

use dfdx::tensor::{Cpu, CpuError, NoneTape, Tape};

use super::activation::Activation;
use super::{Context, Features};
use crate::nn::kernels::bundle::{Shape, bundles};
use crate::nn::sweeps;

/// Keeps every second pixel of every second row and adds channels of zeros, half before and half after. Its input is
/// [`shared`](Features::shared) with a layer that has formed it, whose tape is continued.
pub fn zero_padding<
    const H: usize,
    const W: usize,
    const IN: usize,
    const HO: usize,
    const WO: usize,
    const OUT: usize,
    T: Tape<f32, Cpu> + 'static,
>(
    x: &Features<H, W, IN>,
    tape: &mut T,
    context: &Context,
) -> Result<Features<HO, WO, OUT>, CpuError> {
    const { assert!(HO * 2 == H && WO * 2 == W, "the shortcut halves height and width") };
    let (input, output) = (Shape::new(H, W, IN), Shape::new(HO, WO, OUT));
    let x = Rc::clone(&x.activation);
    let shares = x.shares();
    let mut y = context.buffers.take(bundles(x.images) * output.bundle());
    {
        let kept = x.kept();
        let of_parts = x.divide(&kept, &shares).zip(super::activation::divide_mut(output, &mut y, &shares));
        context.workers.run(shares.iter().zip(of_parts), |(share, (x, y))| {
            sweeps::subsample(input, output, share, x, y)
        });
    }
    let y: Features<HO, WO, OUT> = Features::of(Activation::only_added(output, x.images, y), NoneTape);

    let shortcut = Rc::clone(&y.activation);
    let context = context.clone();
    tape.add_backward_op(move |_| {
        let Some(dy) = shortcut.take_extra() else { return Ok(()) };
        let shares = x.shares();
        let mut dx = context.buffers.take(bundles(x.images) * input.bundle());
        let of_parts = shortcut.divide(&dy, &shares).zip(x.divide_mut(&mut dx, &shares));
        context.workers.run(shares.iter().zip(of_parts), |(share, (dy, dx))| {
            sweeps::subsample_gradient(input, output, share, dy, dx);
        });
        x.add_extra(dx);
        Ok(())
    });
    Ok(y)
}
