//! Convolution with square kernels, padding `KERNEL / 2`, without bias.

use dfdx::shapes::{Const, HasShape, Rank4};
use dfdx::tensor::{Cpu, CpuError, PutTape, SplitTape, Tape, Tensor};

use super::storage::{give_back, take_gradient, values, values_mut, zeros};
use super::{Context, Features};
use crate::nn::kernels::{Size, convolution as kernel};

/// What a convolution reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// The images of the batch, whose gradient nobody needs.
    Images,
    /// Another layer's output.
    Activations,
}

/// Computes `y = x * weights`: `[batch][H][W][IN]` by `[KERNEL][KERNEL][IN][OUT]` gives
/// `[batch][HO][WO][OUT]`, with `HO = H / STRIDE` and `WO = W / STRIDE`.
pub fn convolution<
    const KERNEL: usize,
    const STRIDE: usize,
    const H: usize,
    const W: usize,
    const IN: usize,
    const HO: usize,
    const WO: usize,
    const OUT: usize,
    T: Tape<f32, Cpu> + 'static,
>(
    x: Features<H, W, IN, T>,
    weights: &Tensor<Rank4<KERNEL, KERNEL, IN, OUT>, f32, Cpu>,
    inputs: Inputs,
    context: &Context,
) -> Result<Features<HO, WO, OUT, T>, CpuError> {
    const {
        assert!(KERNEL == 1 || KERNEL == 3, "kernels have a side of 1 or 3");
        assert!(HO * STRIDE == H && WO * STRIDE == W, "the stride divides height and width");
    }
    let (x, mut tape) = x.split_tape();
    let set = context.instructions;
    let batch = x.shape().0;
    let size = Size::new(batch, H, W);
    let mut y = zeros(x.device(), (batch, Const::<HO>, Const::<WO>, Const::<OUT>))?;
    kernel::forward::<KERNEL, STRIDE, IN, OUT>(set, size, values(&x), values(weights), values_mut(&mut y));

    let output = y.clone();
    let weights = weights.clone();
    tape.add_backward_op(move |gradients| {
        let dy = take_gradient(gradients, &output)?;
        let dweights = gradients.get_or_alloc_mut(&weights)?;
        kernel::weight_gradient::<KERNEL, STRIDE, IN, OUT>(set, size, values(&x), &dy, dweights);
        if inputs == Inputs::Activations {
            let dx = gradients.get_or_alloc_mut(&x)?;
            kernel::input_gradient::<KERNEL, STRIDE, IN, OUT>(set, size, &dy, values(&weights), dx);
        }
        give_back(x.device(), dy)
    });
    Ok(y.put_tape(tape))
}
