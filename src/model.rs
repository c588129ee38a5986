//! Networks behind one object-safe face: the trainer drives any compiled shape through [`Network`] and never
//! sees dfdx. [`build`] finds the compiled shape for a lane.

use crate::datasets::Batch;
use crate::event::{Columns, LayerHistograms, Mode, Pass};
use crate::topology::Topology;
use crate::units::LayerIdx;

/// A network with its optimiser, ready to train.
pub trait Network {
    /// Its layers and blocks.
    fn topology(&self) -> &Topology;

    /// Makes one update on a batch.
    fn train_step(&mut self, batch: &Batch, learning_rate: f64, wanted: Wanted) -> StepResult;

    /// Computes loss and errors on a batch without changing anything, running statistics included.
    fn evaluate(&mut self, batch: &Batch, mode: Mode) -> Evaluation;

    /// Every parameter and buffer with the names and layout of the state dict of the PyTorch reference.
    fn state(&self) -> Vec<NamedTensor>;
}

/// The statistics that a step is to give beside its loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Every layer's and block's scalars.
    pub scalars: bool,
    /// Every layer's histograms.
    pub histograms: bool,
}

/// What a training step gives.
#[derive(Clone, Debug, Default)]
pub struct StepResult {
    /// Mean cross-entropy of the batch before the update, in nats.
    pub loss: f32,
    /// Images of the batch classified wrongly before the update.
    pub wrong: usize,
    /// Statistics by layer and block, where wanted.
    pub statistics: Columns,
    /// Histograms by layer, where wanted.
    pub histograms: Option<Vec<LayerHistograms>>,
    /// Where a NaN or infinity showed first; looked for in every step.
    pub non_finite: Option<NonFinite>,
    /// Milliseconds that went to statistics outside the operations themselves.
    pub statistics_ms: f64,
}

/// Where a NaN or infinity showed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonFinite {
    /// The first layer in the order of the pass; none where only the loss is not finite.
    pub layer: Option<LayerIdx>,
    /// The pass.
    pub pass: Pass,
}

/// What an evaluation of a batch gives.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evaluation {
    /// Sum over the batch of the cross-entropy, in nats.
    pub loss_sum: f64,
    /// Images classified wrongly.
    pub wrong: usize,
}

/// A tensor by name, as it stands in a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// The state dict's name: `layer1.0.conv1.weight`.
    pub name: String,
    /// Its shape in PyTorch's layout (convolutions: out, in, height, width).
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub data: TensorData,
}

/// The values of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    /// Parameters and running statistics.
    F32(Vec<f32>),
    /// `num_batches_tracked`.
    I64(Vec<i64>),
}

// To come, in rooms of their own:
// pub fn catalogue() -> Vec<ArchitectureEntry>
// pub fn topology(lane: &Lane, input: ImageShape, classes: usize) -> Result<Topology, ModelError>
// pub fn activation_bytes(topology: &Topology, batch: usize) -> u64      (memory a step holds)
// pub fn build(lane: &Lane, input: ImageShape, classes: usize, seed: u64, optimizer: &Optimizer)
//     -> Result<Box<dyn Network>, ModelError>
