//! Global average pooling.

use dfdx::shapes::{Const, HasShape};
use dfdx::tensor::{Cpu, CpuError, PutTape, SplitTape, Tape, Tensor};

use super::Features;
use super::storage::{give_back, take_gradient, values, values_mut, zeros};
use crate::nn::kernels::{Size, pooling as kernel};

/// Computes the mean of each channel over each image: `[batch][H][W][C]` gives `[batch][C]`.
pub fn global_average<const H: usize, const W: usize, const C: usize, T: Tape<f32, Cpu> + 'static>(
    x: Features<H, W, C, T>,
) -> Result<Tensor<(usize, Const<C>), f32, Cpu, T>, CpuError> {
    let (x, mut tape) = x.split_tape();
    let size = Size::new(x.shape().0, H, W);
    let mut y = zeros(x.device(), (size.batch, Const::<C>))?;
    kernel::forward::<C>(size, values(&x), values_mut(&mut y));

    let output = y.clone();
    tape.add_backward_op(move |gradients| {
        let dy = take_gradient(gradients, &output)?;
        kernel::gradient::<C>(size, &dy, gradients.get_or_alloc_mut(&x)?);
        give_back(x.device(), dy)
    });
    Ok(y.put_tape(tape))
}
