//! A model with its optimiser: training steps and evaluations, for any architecture.

use std::rc::Rc;
use std::time::{Duration, Instant};

use dfdx::losses::cross_entropy_with_logits_loss;
use dfdx::tensor::{Cache, Cpu, CpuError, Gradients, NoneTape, OwnedTape};
use dfdx::tensor_ops::Backward;

use crate::datasets::Batch;
use crate::event::Mode;
use crate::experiment;
use crate::metric::Metric;
use crate::model::builder::Builder;
use crate::model::entry::{Entry, EntryMut};
use crate::model::layer::Logits;
use crate::model::measure::{self, Weights};
use crate::model::optimizer::Optimizer;
use crate::model::parameter::AnyParameter;
use crate::model::{Evaluation, ModelError, NamedTensor, Network, StepResult, Wanted, state};
use crate::nn::kernels::InstructionSet;
use crate::nn::ops::storage::{values, values_mut, zeros};
use crate::nn::ops::{Buffers, Context, Normalisation, Record, Recorder};
use crate::nn::thread_pool::ThreadPool;
use crate::topology::Topology;

/// An architecture's compiled network, without optimiser.
pub(super) trait Model {
    /// Computes the logits of images, NHWC, and records the operations on a tape.
    fn trace(
        &mut self,
        device: &Cpu,
        pixels: &[f32],
        context: &Context,
    ) -> Result<Logits<OwnedTape<f32, Cpu>>, CpuError>;

    /// Computes the logits of images, NHWC.
    fn infer(
        &mut self,
        device: &Cpu,
        pixels: &[f32],
        context: &Context,
    ) -> Result<Logits<NoneTape>, CpuError>;

    /// Its tensors in the state dict's order.
    fn entries(&self) -> Vec<Entry<'_>>;

    /// Its tensors in the state dict's order, mutable.
    fn entries_mut(&mut self) -> Vec<EntryMut<'_>>;
}

/// Constructs a compiled network.
pub(super) type Make = fn(&Builder) -> Result<Box<dyn Model>, CpuError>;

/// Why operations on the device cannot fail: its errors are wrong lengths and, unless memory runs out, which
/// aborts, nothing else.
const INFALLIBLE: &str = "shapes are types, and lengths are checked where batches and states come in";

/// Steps after which the device's unused buffers, such as those of other batch sizes, are released.
const STEPS_BETWEEN_CLEANINGS: u64 = 256;

/// A model with its optimiser.
pub(super) struct Trained {
    model: Box<dyn Model>,
    optimizer: Optimizer,
    topology: Topology,
    device: Cpu,
    instructions: InstructionSet,
    workers: Rc<ThreadPool>,
    /// The memory of activations, of their gradients and of weights as the kernels read them.
    pub(super) buffers: Buffers,
    steps: u64,
}

impl Trained {
    /// A network before its first step. `threads`, at least 1, is how many a step may use; results don't depend on it.
    pub(super) fn new(
        make: Make,
        builder: Builder,
        settings: &experiment::Optimizer,
        threads: usize,
    ) -> Trained {
        let model = make(&builder).expect(INFALLIBLE);
        let (device, topology) = builder.finish();
        let lengths: Vec<usize> = state::parameters(&model.entries()).map(|p| p.values().len()).collect();
        let optimizer = Optimizer::new(settings, &lengths);
        let (instructions, workers) = (InstructionSet::detect(), Rc::new(ThreadPool::new(threads)));
        Trained {
            model,
            optimizer,
            topology,
            device,
            instructions,
            workers,
            buffers: Buffers::default(),
            steps: 0,
        }
    }

    /// The context of a pass, with this network's threads and memory.
    fn context(&self, normalisation: Normalisation, recorder: Option<Recorder>) -> Context {
        Context {
            instructions: self.instructions,
            normalisation,
            recorder,
            workers: Rc::clone(&self.workers),
            buffers: self.buffers.clone(),
        }
    }

    fn check(&self, batch: &Batch) {
        let length = batch.labels.len() * self.topology.input.len();
        assert!(
            length > 0 && numbers(batch).len() == length,
            "a batch has one example of {} per label",
            self.topology.input
        );
        let known = |&label: &u16| usize::from(label) < self.topology.classes;
        assert!(batch.labels.iter().all(known), "labels are below the number of classes");
    }

    /// Computes the loss, its gradients and the measurements of the operations.
    fn forward_and_backward(&mut self, batch: &Batch, wanted: Wanted) -> Result<Passes, CpuError> {
        let (layers, blocks) = (self.topology.layers.len(), self.topology.blocks.len());
        let recorder = Recorder::new(layers, blocks, wanted.scalars, wanted.histograms);
        let context = self.context(Normalisation::Training, Some(recorder.clone()));
        let logits = self.model.trace(&self.device, numbers(batch), &context)?;
        let classes = self.topology.classes;
        let wrong = values(&logits)
            .chunks_exact(classes)
            .zip(&batch.labels)
            .filter(|(z, y)| is_wrong(z, **y))
            .count();
        let mut targets = zeros(&self.device, (batch.labels.len(), classes))?;
        let rows = values_mut(&mut targets).chunks_exact_mut(classes);
        rows.zip(&batch.labels).for_each(|(row, &label)| row[usize::from(label)] = 1.0);
        let loss = cross_entropy_with_logits_loss(logits, targets);
        let value = values(&loss)[0];
        let gradients = loss.try_backward()?;
        Ok(Passes { loss: value, wrong, gradients, record: recorder.take() })
    }
}

/// The results of the forward and backward pass.
struct Passes {
    loss: f32,
    wrong: usize,
    gradients: Gradients<f32, Cpu>,
    record: Record,
}

impl Network for Trained {
    fn topology(&self) -> &Topology {
        &self.topology
    }

    fn metrics(&self) -> Vec<Metric> {
        measure::metrics(&self.topology)
    }

    fn train_step(&mut self, batch: &Batch, learning_rate: f64, wanted: Wanted) -> StepResult {
        self.check(batch);
        let set = self.instructions;
        let running = state::running(&self.model.entries());
        let mut passes = self.forward_and_backward(batch, wanted).expect(INFALLIBLE);
        let mut entries = self.model.entries_mut();
        let mut parameters: Vec<&mut dyn AnyParameter> = state::parameters_mut(&mut entries).collect();

        let begin = Instant::now();
        let mut weights = Weights::before(set, &self.topology, &parameters, &mut passes.gradients, wanted)
            .expect(INFALLIBLE);
        let mut measuring: Duration = begin.elapsed();

        let mut non_finite = measure::first_non_finite(&passes.record, passes.loss, &weights);
        let gradients = &mut passes.gradients;
        let changes = non_finite.is_none().then(|| {
            self.optimizer.update(set, learning_rate, &mut parameters, gradients).expect(INFALLIBLE)
        });

        let begin = Instant::now();
        weights.after(set, &parameters, changes.as_deref());
        if non_finite.is_some() {
            state::restore_running(&mut entries, running);
        }
        non_finite = non_finite.or_else(|| weights.first_non_finite_after());
        let statistics = if wanted.scalars {
            measure::values(&passes.record, &weights, &self.topology)
        } else {
            Default::default()
        };
        let histograms = if wanted.histograms {
            measure::histograms(&mut passes.record, &mut weights)
        } else {
            Default::default()
        };
        measuring += begin.elapsed() + passes.record.histogram_time;

        drop(passes.gradients);
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_BETWEEN_CLEANINGS) {
            self.device.empty_cache();
        }
        StepResult {
            loss: passes.loss,
            wrong: passes.wrong,
            labelled: batch.labels.len(),
            statistics,
            histograms,
            non_finite,
            statistics_ms: measuring.as_secs_f64() * 1e3,
        }
    }

    fn evaluate(&mut self, batch: &Batch, mode: Mode) -> Evaluation {
        let logits = self.logits(batch, mode);
        let mut evaluation = Evaluation { labelled: batch.labels.len(), ..Evaluation::default() };
        for (logits, &label) in logits.chunks_exact(self.topology.classes).zip(&batch.labels) {
            evaluation.loss_sum += cross_entropy(logits, label);
            evaluation.wrong += usize::from(is_wrong(logits, label));
        }
        evaluation
    }

    fn logits(&mut self, batch: &Batch, mode: Mode) -> Vec<f32> {
        self.check(batch);
        let normalisation = match mode {
            Mode::Eval => Normalisation::Running,
            Mode::Batch => Normalisation::Batch,
        };
        let context = self.context(normalisation, None);
        let logits = self.model.infer(&self.device, numbers(batch), &context).expect(INFALLIBLE);
        values(&logits).to_vec()
    }

    fn state(&self) -> Vec<NamedTensor> {
        state::of_model(&self.model.entries())
    }

    fn load_state(&mut self, state: &[NamedTensor]) -> Result<(), ModelError> {
        state::check(state, &self.state())?;
        state::load_model(&mut self.model.entries_mut(), state);
        Ok(())
    }

    fn optimizer_state(&self) -> Vec<NamedTensor> {
        state::of_optimizer(&self.optimizer, &self.model.entries())
    }

    fn load_optimizer_state(&mut self, state: &[NamedTensor]) -> Result<(), ModelError> {
        state::check(state, &self.optimizer_state())?;
        state::load_optimizer(&mut self.optimizer, &self.model.entries(), state);
        Ok(())
    }
}

impl Drop for Trained {
    fn drop(&mut self) {
        // Otherwise the cache would keep the memory of every tensor dropped after this.
        self.device.disable_cache();
    }
}

/// What the network reads of a batch.
///
/// # Panics
/// If these are tokens.
fn numbers(batch: &Batch) -> &[f32] {
    batch.inputs.numbers().expect("expected a batch of numbers, found tokens, which this network cannot read")
}

/// Whether the first of the largest logits is not the label's; any NaN counts as wrong.
fn is_wrong(logits: &[f32], label: u16) -> bool {
    let label = usize::from(label);
    let own = logits[label];
    !logits.iter().enumerate().all(|(class, &z)| own > z || (own == z && class >= label))
}

/// The cross-entropy of an image, in nats.
fn cross_entropy(logits: &[f32], label: u16) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&z| f64::from(z - largest).exp()).sum();
    sum.ln() + f64::from(largest) - f64::from(logits[usize::from(label)])
}

#[cfg(test)]
mod tests {
    use super::{cross_entropy, is_wrong};

    #[test]
    fn ties_go_to_the_first_class_and_nan_is_wrong() {
        assert!(!is_wrong(&[1.0, 3.0, 2.0], 1));
        assert!(is_wrong(&[1.0, 3.0, 2.0], 2));
        assert!(!is_wrong(&[3.0, 3.0], 0));
        assert!(is_wrong(&[3.0, 3.0], 1));
        assert!(is_wrong(&[f32::NAN, 3.0], 1));
        assert!(is_wrong(&[f32::NAN, 3.0], 0));
    }

    #[test]
    fn cross_entropy_is_that_of_the_closed_form() {
        assert!((cross_entropy(&[0.0; 10], 3) - 10_f64.ln()).abs() < 1e-12);
        let p = 1.0_f64.exp() / (1.0_f64.exp() + 1.0);
        assert!((cross_entropy(&[1.0, 0.0], 0) + p.ln()).abs() < 1e-7);
        assert!((cross_entropy(&[1000.0, 0.0], 1) - 1000.0).abs() < 1e-9);
        assert!(cross_entropy(&[f32::NAN, 0.0], 1).is_nan());
    }
}
