//! Convolution with square kernels of 1 or 3, padding `KERNEL / 2` and stride 1 or 2.

use super::reference::Convolution;
use super::{InstructionSet, Size};

/// Computes `y = x * weights`.
///
/// Shapes: x `[size][INPUTS]`, weights `[KERNEL][KERNEL][INPUTS][OUTPUTS]`, y `[size / STRIDE][OUTPUTS]`.
pub fn forward<const KERNEL: usize, const STRIDE: usize, const INPUTS: usize, const OUTPUTS: usize>(
    _set: InstructionSet,
    size: Size,
    x: &[f32],
    weights: &[f32],
    y: &mut [f32],
) {
    let plain = Convolution { kernel: KERNEL, stride: STRIDE, inputs: INPUTS, outputs: OUTPUTS };
    y.iter_mut().zip(plain.forward(size, x, weights)).for_each(|(y, sum)| *y = sum as f32);
}

/// Adds the gradient with respect to the input to `dx`, for the gradient `dy` with respect to the output.
///
/// `size` is the input's; shapes as in [`forward`].
pub fn input_gradient<const KERNEL: usize, const STRIDE: usize, const INPUTS: usize, const OUTPUTS: usize>(
    _set: InstructionSet,
    size: Size,
    dy: &[f32],
    weights: &[f32],
    dx: &mut [f32],
) {
    let plain = Convolution { kernel: KERNEL, stride: STRIDE, inputs: INPUTS, outputs: OUTPUTS };
    dx.iter_mut().zip(plain.input_gradient(size, dy, weights)).for_each(|(dx, sum)| *dx += sum as f32);
}

/// Adds the gradient with respect to the weights to `dweights`, for the gradient `dy` with respect to the output.
///
/// `size` is the input's; shapes as in [`forward`].
pub fn weight_gradient<
    const KERNEL: usize,
    const STRIDE: usize,
    const INPUTS: usize,
    const OUTPUTS: usize,
>(
    _set: InstructionSet,
    size: Size,
    x: &[f32],
    dy: &[f32],
    dweights: &mut [f32],
) {
    let plain = Convolution { kernel: KERNEL, stride: STRIDE, inputs: INPUTS, outputs: OUTPUTS };
    dweights.iter_mut().zip(plain.weight_gradient(size, x, dy)).for_each(|(dw, sum)| *dw += sum as f32);
}
