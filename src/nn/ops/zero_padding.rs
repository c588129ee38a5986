//! The shortcut without parameters where the shape changes (option A of He et al. 2015, section 3.3).

use dfdx::shapes::{Const, HasShape};
use dfdx::tensor::{Cpu, CpuError, PutTape, SplitTape, Tape};

use super::Features;
use super::storage::{give_back, take_gradient, values, values_mut, zeros};
use crate::nn::kernels::{Size, subsample as kernel};

/// Keeps every second pixel of every second row and adds channels of zeros, half before and half after.
pub fn zero_padding<
    const H: usize,
    const W: usize,
    const IN: usize,
    const HO: usize,
    const WO: usize,
    const OUT: usize,
    T: Tape<f32, Cpu> + 'static,
>(
    x: Features<H, W, IN, T>,
) -> Result<Features<HO, WO, OUT, T>, CpuError> {
    const { assert!(HO * 2 == H && WO * 2 == W, "the shortcut halves height and width") };
    let (x, mut tape) = x.split_tape();
    let size = Size::new(x.shape().0, H, W);
    let mut y = zeros(x.device(), (size.batch, Const::<HO>, Const::<WO>, Const::<OUT>))?;
    kernel::forward::<IN, OUT>(size, values(&x), values_mut(&mut y));

    let output = y.clone();
    tape.add_backward_op(move |gradients| {
        let dy = take_gradient(gradients, &output)?;
        kernel::gradient::<IN, OUT>(size, &dy, gradients.get_or_alloc_mut(&x)?);
        give_back(x.device(), dy)
    });
    Ok(y.put_tape(tape))
}
