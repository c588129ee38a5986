//! The linear layer, by dfdx's own operations, and the measurement of its output.

use dfdx::shapes::{Axis, Const, HasShape};
use dfdx::tensor::{Cpu, CpuError, PutTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::{BroadcastTo, PermuteTo, TryAdd, TryMatMul};

use super::Context;
use super::storage::values;
use crate::units::LayerIdx;

/// Computes `y = x weights^T + bias`: `[batch][IN]` by `[out][IN]` gives `[batch][out]`; the number of outputs
/// is known only at run time.
pub fn linear<const IN: usize, T: Tape<f32, Cpu>>(
    x: Tensor<(usize, Const<IN>), f32, Cpu, T>,
    weights: &Tensor<(usize, Const<IN>), f32, Cpu>,
    bias: &Tensor<(usize,), f32, Cpu>,
) -> Result<Tensor<(usize, usize), f32, Cpu, T>, CpuError> {
    let y = x.try_matmul(weights.retaped::<T>().try_permute()?)?;
    let shape = *y.shape();
    y.try_add(bias.retaped::<T>().try_broadcast_like::<_, Axis<0>>(&shape)?)
}

/// Records the output of a layer without batch norm, and its gradient; returns the output unchanged.
pub fn observed<T: Tape<f32, Cpu> + 'static>(
    y: Tensor<(usize, usize), f32, Cpu, T>,
    layer: LayerIdx,
    context: &Context,
) -> Tensor<(usize, usize), f32, Cpu, T> {
    let Some(recorder) = context.recorder.clone() else { return y };
    let (y, mut tape) = y.split_tape();
    recorder.logits(layer, values(&y), y.shape().1);
    let observed = y.clone();
    tape.add_backward_op(move |gradients| {
        recorder.logits_gradient(layer, gradients.get_or_alloc_mut(&observed)?);
        Ok(())
    });
    y.put_tape(tape)
}
