//! Networks behind one object-safe trait: the trainer drives any compiled shape through [`Network`] and never sees
//! dfdx. [`build`] finds the compiled shape for a lane; [`describe`] describes it without drawing weights.

use std::sync::Once;

use rayon::ThreadPoolBuilder;

use crate::datasets::Batch;
use crate::event::{Mode, Pass, Values};
use crate::experiment::{ArchitectureEntry, Lane, Optimizer};
use crate::metric::{Axis, HEAD, Metric, Points};
use crate::structure::Structure;
use crate::units::{InputShape, LayerIdx};

mod error;
mod builder;
pub mod module;
mod layer;
mod rows;
mod block;
mod architectures;
mod trained;
mod chance;
mod measure;
mod memory;
mod changes;
mod optimizer;
mod initialisation;
mod state;
mod start;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod oracles;
#[cfg(test)]
mod tests;

pub use changes::Changes;
pub use error::ModelError;
pub use measure::{HISTOGRAMS, WITH_HISTOGRAMS, metrics};
pub use memory::Memory;
pub use start::{Fitted, Outline};

pub use crate::nn::ops::Stream;

/// A network as its modules declare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The form and size of an example.
    pub input: InputShape,
    /// The number of classes.
    pub classes: usize,
    /// Its layers and blocks.
    pub structure: Structure,
    /// What its blocks measure that not all networks have.
    pub measured: Vec<Metric>,
    /// The heads of a block's attention; 0 without attention.
    pub heads: usize,
}

impl Description {
    /// The axes of its metrics other than layers and blocks.
    pub fn axes(&self) -> Vec<Axis> {
        let heads = Points::Numbers((1..=self.heads).map(|head| head as f64).collect());
        let axis = Axis { name: HEAD.to_owned(), points: heads };
        Some(axis).into_iter().filter(|axis| !axis.points.is_empty()).collect()
    }
}

/// A network with its optimiser, ready to train. It need not be `Send`: each lane builds its own in its thread.
pub trait Network {
    /// What it reads and tells apart, its layers and blocks.
    fn description(&self) -> &Description;

    /// The metrics that a step returns for its layers and blocks, in this order.
    fn metrics(&self) -> Vec<Metric>;

    /// The bytes of activations that a training step on so many examples keeps from the forward to the backward pass,
    /// with every branch computed; found without computing. The head's own of a residual network are not counted.
    fn activation_bytes(&self, examples: usize) -> u64;

    /// Makes one update on a batch. If the forward or backward pass gives a NaN or infinity, the update is skipped and
    /// running statistics are restored, so that the network stays that of the last valid step.
    fn train_step(&mut self, batch: &Batch, learning_rate: f64, wanted: Wanted) -> StepResult;

    /// Computes loss and errors on a batch without changing anything, running statistics included.
    fn evaluate(&mut self, batch: &Batch, mode: Mode) -> Evaluation;

    /// Computes the class scores of a batch, `[batch][classes]`, without changing anything.
    fn logits(&mut self, batch: &Batch, mode: Mode) -> Vec<f32>;

    /// Whether the network can be computed with these changes: every block that is left out has a shortcut, or keeps the
    /// shape of its input; blocks that change places have tensors and outputs of the same shapes.
    fn can_change(&self, changes: &Changes) -> bool;

    /// As [`Network::evaluate`], with changes that are possible.
    fn evaluate_changed(&mut self, batch: &Batch, mode: Mode, changes: &Changes) -> Evaluation;

    /// As [`Network::logits`], with changes that are possible.
    fn logits_changed(&mut self, batch: &Batch, mode: Mode, changes: &Changes) -> Vec<f32>;

    /// Computes the output of every block for a batch, without changing anything.
    fn streams(&mut self, batch: &Batch, mode: Mode) -> Vec<Stream>;

    /// Computes the gradient of the mean loss of a batch with respect to every parameter, with the statistics of the
    /// batch and without random decisions, and changes nothing.
    fn gradients(&mut self, batch: &Batch) -> LossGradient;

    /// Every parameter and buffer with the names, order and layout of the state dict of the PyTorch reference.
    fn state(&self) -> Vec<NamedTensor>;

    /// Restores the values of [`Network::state`]. Every tensor must be there with its shape; on an error
    /// nothing is changed.
    fn load_state(&mut self, state: &[NamedTensor]) -> Result<(), ModelError>;

    /// The optimiser's state between steps: `optimizer.updates` and, for each parameter,
    /// `optimizer.first_moment.<name>` (SGD: the momentum buffer) and `optimizer.second_moment.<name>`.
    fn optimizer_state(&self) -> Vec<NamedTensor>;

    /// Restores the values of [`Network::optimizer_state`], so that training goes on as if never stopped.
    /// On an error nothing is changed.
    fn load_optimizer_state(&mut self, state: &[NamedTensor]) -> Result<(), ModelError>;

    /// SHA-256, in hex, of the tensors of the state that a plain network and one with option-A shortcuts share: all but
    /// those of shortcuts. Taken before the first step, it shows that two lanes start from the same weights.
    fn shared_weights_hash(&self) -> String;
}

/// The statistics that a step should return besides its loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Every layer's and block's scalars.
    pub scalars: bool,
    /// Every layer's histograms.
    pub histograms: bool,
}

/// The result of a training step.
#[derive(Clone, Debug, Default)]
pub struct StepResult {
    /// Mean cross-entropy of all that is labelled in the batch, before the update, in nats.
    pub loss: f32,
    /// Labelled images, vectors or positions of the batch that were classified wrongly before the update.
    pub wrong: usize,
    /// Those that are labelled.
    pub labelled: usize,
    /// The values of [`Network::metrics`], if wanted, and those of [`WITH_HISTOGRAMS`], if histograms are.
    pub statistics: Values,
    /// The histograms of every layer, if wanted: values of [`HISTOGRAMS`].
    pub histograms: Values,
    /// Where a NaN or infinity occurred first; checked in every step.
    pub non_finite: Option<NonFinite>,
    /// Milliseconds spent on statistics outside the operations themselves.
    pub statistics_ms: f64,
}

/// Where a NaN or infinity occurred first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonFinite {
    /// The first layer in the order of the pass; none if only the loss is not finite.
    pub layer: Option<LayerIdx>,
    /// The pass.
    pub pass: Pass,
}

/// The result of an evaluation of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evaluation {
    /// Sum of the cross-entropy over all that is labelled in the batch, in nats.
    pub loss_sum: f64,
    /// Labelled images, vectors or positions that were classified wrongly.
    pub wrong: usize,
    /// Those that are labelled.
    pub labelled: usize,
}

/// The loss of a batch and its gradient.
#[derive(Clone, Debug, Default)]
pub struct LossGradient {
    /// The mean cross-entropy of all that is labelled in the batch, in nats.
    pub loss: f32,
    /// What is labelled.
    pub labelled: usize,
    /// The gradient with respect to each parameter, with the names, shapes and order of [`Network::state`], which has
    /// buffers between them.
    pub tensors: Vec<NamedTensor>,
}

/// A tensor with its name, as in a checkpoint.
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

/// Every architecture with the keys it declares, for the parser of experiments.
pub fn available() -> Vec<ArchitectureEntry> {
    architectures::ALL.iter().map(|architecture| (architecture.entry)()).collect()
}

/// Describes a lane's network.
///
/// # Errors
/// If the lane's architecture, its settings or the examples' shape are not compiled in; says what is.
pub fn describe(
    lane: &Lane,
    input: impl Into<InputShape>,
    classes: usize,
) -> Result<Description, ModelError> {
    Ok(architectures::build(lane, input.into(), classes, None)?.description)
}

/// Finds the memory for training a lane's network on batches of `batch` examples, with `threads` threads in a step.
///
/// # Errors
/// As [`describe`].
pub fn memory(
    lane: &Lane,
    input: InputShape,
    classes: usize,
    batch: usize,
    optimizer: &Optimizer,
    threads: usize,
) -> Result<Memory, ModelError> {
    start_no_threads();
    Ok(Memory::of(architectures::build(lane, input, classes, None)?, batch, optimizer, threads))
}

/// Builds the network of a lane with weights drawn from `seed` and an optimiser that has made no step.
///
/// Each tensor is drawn from a random stream of its own, by name, so that networks which differ only in their shortcuts
/// start alike. `threads`, at least 1, is how many a step of this network may use; results don't depend on it.
///
/// # Errors
/// As [`describe`].
pub fn build(
    lane: &Lane,
    input: impl Into<InputShape>,
    classes: usize,
    seed: u64,
    optimizer: &Optimizer,
    threads: usize,
) -> Result<Box<dyn Network>, ModelError> {
    start_no_threads();
    let built = architectures::build(lane, input.into(), classes, Some(seed))?;
    Ok(Box::new(trained::Trained::new(built, seed, optimizer, threads)))
}

/// Keeps dfdx from starting threads. It multiplies the head's matrices with as many as rayon's pool has, and asking for
/// their number starts one per core, which would have nothing to do: these products are far below the size from which
/// they are split. A pool that uses the current thread starts none, and with one thread it is never given work.
fn start_no_threads() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that there already is a pool, which is fine.
        let _ = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
    });
}
