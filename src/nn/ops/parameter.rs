//! Trainable tensors, shared by the layer that reads them and the network that updates and saves them.

use std::cell::{Ref, RefCell, RefMut};

use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Cpu, CpuError, Gradients, Tensor, TensorFromVec};

use super::storage::{self, Buffer};

/// A trainable tensor of shape `S`.
#[derive(Debug)]
pub struct Parameter<S: Shape>(RefCell<Tensor<S, f32, Cpu>>);

impl<S: Shape> Parameter<S> {
    /// A parameter with these values, which fill `shape` row-major.
    pub fn new(device: &Cpu, shape: S, values: Vec<f32>) -> Result<Self, CpuError> {
        Ok(Parameter(RefCell::new(device.try_tensor_from_vec(values, shape)?)))
    }

    /// The tensor, for dfdx's own operations. It must be dropped before the values are changed, which would copy them.
    pub fn tensor(&self) -> Tensor<S, f32, Cpu> {
        self.0.borrow().clone()
    }
}

/// A parameter of any shape.
pub trait AnyParameter {
    /// Its shape in memory.
    fn shape(&self) -> Vec<usize>;

    /// Its values, row-major.
    fn values(&self) -> Ref<'_, [f32]>;

    /// Its values, mutable.
    fn values_mut(&self) -> RefMut<'_, [f32]>;

    /// The gradient with respect to it; zeros if nothing has contributed.
    fn gradient<'g>(&self, gradients: &'g mut Gradients<f32, Cpu>) -> Result<&'g mut Buffer, CpuError>;
}

impl<S: Shape> AnyParameter for Parameter<S> {
    fn shape(&self) -> Vec<usize> {
        self.0.borrow().shape().concrete().into()
    }

    fn values(&self) -> Ref<'_, [f32]> {
        Ref::map(self.0.borrow(), storage::values)
    }

    fn values_mut(&self) -> RefMut<'_, [f32]> {
        RefMut::map(self.0.borrow_mut(), storage::values_mut)
    }

    fn gradient<'g>(&self, gradients: &'g mut Gradients<f32, Cpu>) -> Result<&'g mut Buffer, CpuError> {
        gradients.get_or_alloc_mut(&*self.0.borrow())
    }
}
