//! A trainable tensor with its name. Layers hold [`Parameter`]s of compile-time shapes; code that handles all of them
//! (optimiser, state, statistics) uses [`AnyParameter`], so that it is compiled once.

use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Cpu, CpuError, Gradients, Tensor, TensorFromVec};

use crate::nn::ops::storage::{self, Buffer};
use crate::units::LayerIdx;

/// The role of a parameter in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The weights of a convolution or linear layer: the ones in the layer's statistics.
    Weight,
    /// A bias, or a batch norm's scale or shift.
    Other,
}

/// A trainable tensor of shape `S`.
#[derive(Clone, Debug)]
pub(super) struct Parameter<S: Shape> {
    /// Its values.
    pub(super) tensor: Tensor<S, f32, Cpu>,
    name: String,
    layer: LayerIdx,
    role: Role,
}

impl<S: Shape> Parameter<S> {
    /// A parameter with these values, which fill `shape` row-major.
    pub(super) fn new(
        device: &Cpu,
        shape: S,
        values: Vec<f32>,
        name: String,
        layer: LayerIdx,
        role: Role,
    ) -> Result<Self, CpuError> {
        Ok(Parameter { tensor: device.try_tensor_from_vec(values, shape)?, name, layer, role })
    }
}

/// A parameter of any shape.
pub(super) trait AnyParameter {
    /// Its name in the state dict.
    fn name(&self) -> &str;

    /// The layer it belongs to.
    fn layer(&self) -> LayerIdx;

    /// Its role in its layer.
    fn role(&self) -> Role;

    /// Its shape in memory.
    fn shape(&self) -> Vec<usize>;

    /// Its values, row-major.
    fn values(&self) -> &[f32];

    /// Its values, mutable.
    fn values_mut(&mut self) -> &mut [f32];

    /// The gradient with respect to it; zeros if nothing has contributed.
    fn gradient<'g>(&self, gradients: &'g mut Gradients<f32, Cpu>) -> Result<&'g Buffer, CpuError>;
}

impl<S: Shape> AnyParameter for Parameter<S> {
    fn name(&self) -> &str {
        &self.name
    }

    fn layer(&self) -> LayerIdx {
        self.layer
    }

    fn role(&self) -> Role {
        self.role
    }

    fn shape(&self) -> Vec<usize> {
        self.tensor.shape().concrete().into()
    }

    fn values(&self) -> &[f32] {
        storage::values(&self.tensor)
    }

    fn values_mut(&mut self) -> &mut [f32] {
        storage::values_mut(&mut self.tensor)
    }

    fn gradient<'g>(&self, gradients: &'g mut Gradients<f32, Cpu>) -> Result<&'g Buffer, CpuError> {
        gradients.get_or_alloc_mut(&self.tensor).map(|gradient| &*gradient)
    }
}
