//! Tensors' values as slices, without copies: the interface between dfdx's tensors and the kernels. Has the only unsafe
//! code of the operations.

use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Cpu, CpuError, Gradients, Storage, Tensor, ZerosTensor};

/// The buffer behind a tensor or a gradient.
pub type Buffer = <Cpu as Storage<f32>>::Vec;

/// The values of a contiguous tensor, row-major.
///
/// # Panics
/// Panics where the tensor is a permuted or broadcast view, or empty.
pub fn values<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> &[f32] {
    let length = contiguous_length(tensor);
    let first: *const f32 = &tensor[S::Concrete::default()];
    // SAFETY: `first` points to the first value of the tensor's buffer, which the borrow of the tensor keeps
    // alive and unchanged. By `contiguous_length` the last of `length` values is `length - 1` after the first in the
    // same buffer, so that all of them are inside it, and all are initialised.
    unsafe { std::slice::from_raw_parts(first, length) }
}

/// The mutable values of a contiguous tensor; a buffer that is shared with another tensor is copied first.
///
/// # Panics
/// Panics where the tensor is a permuted or broadcast view, or empty.
pub fn values_mut<S: Shape, T>(tensor: &mut Tensor<S, f32, Cpu, T>) -> &mut [f32] {
    let length = contiguous_length(tensor);
    let first: *mut f32 = &mut tensor[S::Concrete::default()];
    // SAFETY: as in `values`; indexing mutably has made this tensor the buffer's only owner, and the mutable
    // borrow of the tensor keeps it so.
    unsafe { std::slice::from_raw_parts_mut(first, length) }
}

/// The number of values of a tensor, after checking that they are contiguous in row-major order.
fn contiguous_length<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> usize {
    let shape = *tensor.shape();
    let (lengths, strides) = (shape.concrete(), shape.strides());
    let first: *const f32 = &tensor[S::Concrete::default()];
    for axis in 0..S::NUM_DIMS {
        let mut index = S::Concrete::default();
        index[axis] = lengths[axis] - 1;
        let last: *const f32 = &tensor[index];
        let distance = (last as usize).wrapping_sub(first as usize) / size_of::<f32>();
        assert_eq!(distance, (lengths[axis] - 1) * strides[axis], "axis {axis} of {shape:?} is contiguous");
    }
    shape.num_elements()
}

/// Makes a tensor of zeros from the device's cache of buffers.
pub fn zeros<S: Shape>(device: &Cpu, shape: S) -> Result<Tensor<S, f32, Cpu>, CpuError> {
    device.try_zeros_like(&shape)
}

/// Takes the gradient with respect to a tensor out of the map. To be called in the backward operation of the tensor's
/// producer, when the gradient is final.
pub(crate) fn take_gradient<S: Shape>(
    gradients: &mut Gradients<f32, Cpu>,
    tensor: &Tensor<S, f32, Cpu>,
) -> Result<Vec<f32>, CpuError> {
    Ok(std::mem::take(&mut **gradients.get_or_alloc_mut(tensor)?))
}

#[cfg(test)]
mod tests {
    use dfdx::shapes::{Axes2, Rank1, Rank2};
    use dfdx::tensor::{AsArray, Cpu, Tensor, TensorFrom};
    use dfdx::tensor_ops::{BroadcastTo, PermuteTo};

    use super::{values, values_mut};

    fn matrix() -> Tensor<Rank2<2, 3>, f32, Cpu> {
        Cpu::default().tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    }

    #[test]
    fn values_are_those_of_the_tensor() {
        assert_eq!(values(&matrix()), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn writing_leaves_a_clone_as_it_was() {
        let mut written = matrix();
        let clone = written.clone();
        values_mut(&mut written)[4] = 50.0;
        assert_eq!(written.array(), [[1.0, 2.0, 3.0], [4.0, 50.0, 6.0]]);
        assert_eq!(clone.array(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    }

    #[test]
    #[should_panic(expected = "is contiguous")]
    fn a_permuted_view_is_refused() {
        let view: Tensor<Rank2<3, 2>, f32, Cpu> = matrix().permute::<_, Axes2<1, 0>>();
        values(&view);
    }

    #[test]
    #[should_panic(expected = "is contiguous")]
    fn a_broadcast_view_is_refused() {
        let row: Tensor<Rank1<3>, f32, Cpu> = Cpu::default().tensor([1.0, 2.0, 3.0]);
        let view: Tensor<Rank2<2, 3>, f32, Cpu> = row.broadcast();
        values(&view);
    }
}
