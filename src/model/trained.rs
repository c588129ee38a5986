//! A network with its optimiser: training steps and evaluations, for any architecture.

use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use dfdx::losses::cross_entropy_with_logits_loss;
use dfdx::tensor::{Cache, Cpu, CpuError, Gradients, PutTape, TensorFrom};
use dfdx::tensor_ops::Backward;

use crate::datasets::{Batch, NO_LABEL};
use crate::event::Mode;
use crate::experiment;
use crate::metric::Metric;
use crate::model::architectures::Built;
use crate::model::builder::{Entry, Named};
use crate::model::chance::{Everything, OfStep};
use crate::model::initialisation::shared_weights_hash;
use crate::model::layer::Logits;
use crate::model::measure::{self, Weights};
use crate::model::optimizer::Optimizer;
use crate::model::{
    Changes, Description, Evaluation, LossGradient, ModelError, NamedTensor, Network, StepResult, Stream,
    Wanted, state,
};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle;
use crate::nn::ops::rows::{RowLogits, RowLoss, cross_entropy as cross_entropy_of_rows};
use crate::nn::ops::storage::{values, values_mut, zeros};
use crate::nn::ops::{Buffers, Chance, Context, Normalisation, Record, Recorder, Tape};
use crate::nn::thread_pool::ThreadPool;
use crate::units::InputShape;

mod probed;

/// An architecture's modules, without parameters and optimiser.
pub(super) trait Model {
    /// Computes the logits of a batch.
    fn forward(&self, batch: &Batch, device: &Cpu, context: &Context) -> Scores;
}

/// The logits of a batch.
pub(super) enum Scores {
    /// In one of dfdx's tensors, with the tape that led to it.
    Tensor(Logits),
    /// In rows, whose tape is the context's.
    Rows(RowLogits),
}

impl Scores {
    /// `[rows][classes]`.
    fn values(&self, context: &Context) -> Vec<f32> {
        match self {
            Scores::Tensor(logits) => values(logits).to_vec(),
            Scores::Rows(logits) => logits.values(context),
        }
    }
}

/// Why operations on the device cannot fail: its errors are wrong lengths and, unless memory runs out, which
/// aborts, nothing else.
const INFALLIBLE: &str = "shapes are types, and lengths are checked where batches and states come in";

/// Steps after which the device's unused buffers, such as those of other batch sizes, are released.
const STEPS_BETWEEN_CLEANINGS: u64 = 256;

/// A network with its optimiser.
pub(super) struct Trained {
    model: Box<dyn Model>,
    entries: Vec<Entry>,
    description: Description,
    optimizer: Optimizer,
    device: Cpu,
    instructions: InstructionSet,
    workers: Rc<ThreadPool>,
    /// The memory of activations, of their gradients and of weights as the kernels read them.
    pub(super) buffers: Buffers,
    /// What is decided at random in the step after so many updates.
    pub(super) chance: Box<dyn Fn(i64) -> Rc<dyn Chance>>,
    steps: u64,
}

/// The bytes that a step takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    /// Of the pool of buffers, what is in use at the end of the forward pass.
    pub(super) kept: u64,
    /// What is taken of it besides.
    pub(super) besides: u64,
    /// The most working memory of a thread.
    pub(super) scratch: u64,
    /// How many threads can work at a time.
    pub(super) shares: usize,
}

impl Trained {
    /// A network before its first step. `seed` is that of random decisions in training; `threads`, at least 1, is how
    /// many a step may use; results don't depend on it.
    pub(super) fn new(built: Built, seed: u64, settings: &experiment::Optimizer, threads: usize) -> Trained {
        let Built { lane, device, description, entries, model } = built;
        let optimizer = Optimizer::new(settings, &lane, state::parameters(&entries));
        Trained {
            model,
            entries,
            description,
            optimizer,
            device,
            instructions: InstructionSet::detect(),
            workers: Rc::new(ThreadPool::new(threads)),
            buffers: Buffers::default(),
            chance: Box::new(move |updates| Rc::new(OfStep { seed, updates })),
            steps: 0,
        }
    }

    /// The context of an evaluation, with this network's threads and memory.
    fn context(&self, normalisation: Normalisation) -> Context {
        Context {
            instructions: self.instructions,
            normalisation,
            recorder: None,
            workers: Rc::clone(&self.workers),
            buffers: self.buffers.clone(),
            tape: Tape::default(),
            chance: None,
            without: None,
        }
    }

    /// The context of a training step.
    fn training(&self, recorder: Option<Recorder>) -> Context {
        let chance = Some((self.chance)(self.optimizer.updates()));
        Context { recorder, chance, tape: Tape::recording(), ..self.context(Normalisation::Training) }
    }

    fn check(&self, batch: &Batch) {
        let Description { input, classes, .. } = &self.description;
        let found = match input {
            InputShape::Sequence { .. } => {
                let tokens = batch.inputs.tokens();
                tokens
                    .expect("expected a batch of tokens, found numbers, which this network cannot read")
                    .len()
            }
            InputShape::Image(_) | InputShape::Vector { .. } => {
                let numbers = batch.inputs.numbers();
                numbers
                    .expect("expected a batch of numbers, found tokens, which this network cannot read")
                    .len()
            }
        };
        assert!(
            found > 0 && found == self.examples(batch) * input.len(),
            "a batch has examples of {input} and their labels"
        );
        let known = |&label: &u16| label == NO_LABEL || usize::from(label) < *classes;
        assert!(batch.labels.iter().all(known), "labels are below the number of classes");
    }

    /// The examples of a batch.
    fn examples(&self, batch: &Batch) -> usize {
        match self.description.input {
            InputShape::Sequence { context, .. } => batch.labels.len() / context,
            InputShape::Image(_) | InputShape::Vector { .. } => batch.labels.len(),
        }
    }

    /// Computes the loss, its gradients and the measurements of the operations.
    fn forward_and_backward(&self, batch: &Batch, wanted: Wanted) -> Result<Passes, CpuError> {
        let structure = &self.description.structure;
        let (layers, blocks) = (structure.layers.len(), structure.blocks.len());
        let recorder = Recorder::new(self.instructions, [layers, blocks], wanted.scalars, wanted.histograms);
        let context = self.training(Some(recorder.clone()));
        let scores = self.model.forward(batch, &self.device, &context);
        let (loss, gradients) = self.backward(scores, batch, &context)?;
        Ok(Passes { loss, gradients, record: recorder.take() })
    }

    /// The loss, and its gradients.
    fn backward(
        &self,
        scores: Scores,
        batch: &Batch,
        context: &Context,
    ) -> Result<(Loss, Gradients<f32, Cpu>), CpuError> {
        let classes = self.description.classes;
        match scores {
            Scores::Tensor(logits) => {
                let rows = values(&logits).chunks_exact(classes).zip(&batch.labels);
                let wrong = rows.filter(|(z, y)| is_wrong(z, **y)).count();
                let mut targets = zeros(&self.device, (batch.labels.len(), classes))?;
                let rows = values_mut(&mut targets).chunks_exact_mut(classes);
                rows.zip(&batch.labels).for_each(|(row, &label)| row[usize::from(label)] = 1.0);
                let loss = cross_entropy_with_logits_loss(logits, targets);
                let mean = values(&loss)[0];
                Ok((Loss { mean, wrong, labelled: batch.labels.len() }, loss.try_backward()?))
            }
            Scores::Rows(logits) => {
                let RowLoss { sum, wrong, labelled } = cross_entropy_of_rows(&logits, &batch.labels, context);
                let mean = (sum / labelled.max(1) as f64) as f32;
                // The gradient has been left with the logits; the tape only has to run.
                let end = self.device.tensor(mean).put_tape(context.tape.take());
                Ok((Loss { mean, wrong, labelled }, end.try_backward()?))
            }
        }
    }

    /// Computes loss and errors on a batch.
    fn evaluation(&self, batch: &Batch, context: &Context) -> Evaluation {
        self.check(batch);
        match self.model.forward(batch, &self.device, context) {
            Scores::Tensor(logits) => {
                let mut evaluation = Evaluation { labelled: batch.labels.len(), ..Evaluation::default() };
                let rows = values(&logits).chunks_exact(self.description.classes);
                for (logits, &label) in rows.zip(&batch.labels) {
                    evaluation.loss_sum += cross_entropy(logits, label);
                    evaluation.wrong += usize::from(is_wrong(logits, label));
                }
                evaluation
            }
            Scores::Rows(logits) => {
                let RowLoss { sum, wrong, labelled } = cross_entropy_of_rows(&logits, &batch.labels, context);
                Evaluation { loss_sum: sum, wrong, labelled }
            }
        }
    }

    /// Computes the logits of a batch.
    fn logits_in(&self, batch: &Batch, context: &Context) -> Vec<f32> {
        self.check(batch);
        self.model.forward(batch, &self.device, context).values(context)
    }

    /// Counts the memory of a training step on a batch, without computing it.
    pub(super) fn count(&self, examples: usize) -> Counts {
        let labels = match self.description.input {
            InputShape::Sequence { context, .. } => vec![0; examples * context],
            InputShape::Image(_) | InputShape::Vector { .. } => vec![0; examples],
        };
        let batch = Batch { labels, ..Batch::default() };
        let buffers = Buffers::counting();
        let chance: Option<Rc<dyn Chance>> = Some(Rc::new(Everything));
        let context = Context { buffers: buffers.clone(), chance, ..self.training(None) };
        let running = state::running(&self.entries);
        let scores = self.model.forward(&batch, &self.device, &context);
        state::restore_running(&self.entries, running);
        let kept = buffers.bytes_in_use() as u64;
        drop(self.backward(scores, &batch, &context).expect(INFALLIBLE));
        Counts {
            kept,
            besides: buffers.bytes() as u64 - kept,
            scratch: buffers.scratch_bytes() as u64,
            shares: bundle::shares(examples).len(),
        }
    }
}

#[cfg(test)]
impl Trained {
    /// The measurements of the blocks in a training step, without an update.
    pub(super) fn blocks(&mut self, batch: &Batch) -> Vec<crate::nn::ops::BlockRecord> {
        let running = state::running(&self.entries);
        let wanted = Wanted { scalars: true, histograms: false };
        let passes = self.forward_and_backward(batch, wanted).expect(INFALLIBLE);
        state::restore_running(&self.entries, running);
        passes.record.blocks
    }

    /// The logits of the next training step.
    pub(super) fn training_logits(&self, batch: &Batch) -> Vec<f32> {
        let chance = Some((self.chance)(self.optimizer.updates()));
        let context = Context { chance, ..self.context(Normalisation::Batch) };
        self.model.forward(batch, &self.device, &context).values(&context)
    }
}

/// The loss of a batch.
#[derive(Clone, Copy, Debug)]
struct Loss {
    /// The mean over labelled rows, in nats.
    mean: f32,
    /// Labelled rows that are classified wrongly.
    wrong: usize,
    /// Labelled rows.
    labelled: usize,
}

/// The results of the forward and backward pass.
struct Passes {
    loss: Loss,
    gradients: Gradients<f32, Cpu>,
    record: Record,
}

impl Network for Trained {
    fn description(&self) -> &Description {
        &self.description
    }

    fn metrics(&self) -> Vec<Metric> {
        measure::metrics(&self.description)
    }

    fn activation_bytes(&self, examples: usize) -> u64 {
        self.count(examples).kept
    }

    fn train_step(&mut self, batch: &Batch, learning_rate: f64, wanted: Wanted) -> StepResult {
        self.check(batch);
        let (set, structure) = (self.instructions, &self.description.structure);
        let running = state::running(&self.entries);
        let mut passes = self.forward_and_backward(batch, wanted).expect(INFALLIBLE);
        let parameters: Vec<&Named> = state::parameters(&self.entries).collect();
        // Out of the map, which lends only one at a time.
        let gradients: Vec<Vec<f32>> = parameters
            .iter()
            .map(|named| mem::take(&mut **named.parameter.gradient(&mut passes.gradients).expect(INFALLIBLE)))
            .collect();

        let begin = Instant::now();
        let workers = &self.workers;
        let mut weights = Weights::before(set, structure, &parameters, &gradients, wanted, workers);
        let mut measuring: Duration = begin.elapsed();

        let mut non_finite = measure::first_non_finite(&passes.record, passes.loss.mean, &weights);
        let changes = non_finite
            .is_none()
            .then(|| self.optimizer.update(set, learning_rate, &parameters, &gradients, workers));

        let begin = Instant::now();
        weights.after(set, &parameters, changes.as_deref());
        if non_finite.is_some() {
            state::restore_running(&self.entries, running);
        }
        non_finite = non_finite.or_else(|| weights.first_non_finite_after());
        let mut statistics = if wanted.scalars {
            measure::values(&passes.record, &weights, &self.description)
        } else {
            Default::default()
        };
        if wanted.histograms {
            statistics = statistics.and(measure::with_histograms(&passes.record));
        }
        let histograms = if wanted.histograms {
            measure::histograms(&mut passes.record, &mut weights)
        } else {
            Default::default()
        };
        measuring += begin.elapsed() + passes.record.histogram_time;

        for (named, gradient) in parameters.iter().zip(gradients) {
            **named.parameter.gradient(&mut passes.gradients).expect(INFALLIBLE) = gradient;
        }
        drop(passes.gradients);
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_BETWEEN_CLEANINGS) {
            self.device.empty_cache();
        }
        StepResult {
            loss: passes.loss.mean,
            wrong: passes.loss.wrong,
            labelled: passes.loss.labelled,
            statistics,
            histograms,
            non_finite,
            statistics_ms: measuring.as_secs_f64() * 1e3,
        }
    }

    fn evaluate(&mut self, batch: &Batch, mode: Mode) -> Evaluation {
        self.evaluation(batch, &self.context(normalisation(mode)))
    }

    fn logits(&mut self, batch: &Batch, mode: Mode) -> Vec<f32> {
        self.logits_in(batch, &self.context(normalisation(mode)))
    }

    fn can_change(&self, changes: &Changes) -> bool {
        self.fits(changes)
    }

    fn evaluate_changed(&mut self, batch: &Batch, mode: Mode, changes: &Changes) -> Evaluation {
        self.changed(mode, changes, |network, context| network.evaluation(batch, context))
    }

    fn logits_changed(&mut self, batch: &Batch, mode: Mode, changes: &Changes) -> Vec<f32> {
        self.changed(mode, changes, |network, context| network.logits_in(batch, context))
    }

    fn streams(&mut self, batch: &Batch, mode: Mode) -> Vec<Stream> {
        self.streams_of(batch, mode)
    }

    fn gradients(&mut self, batch: &Batch) -> LossGradient {
        self.gradients_of(batch)
    }

    fn state(&self) -> Vec<NamedTensor> {
        state::of_model(&self.entries)
    }

    fn load_state(&mut self, state: &[NamedTensor]) -> Result<(), ModelError> {
        state::check(state, &self.state())?;
        state::load_model(&self.entries, state);
        Ok(())
    }

    fn optimizer_state(&self) -> Vec<NamedTensor> {
        state::of_optimizer(&self.optimizer, &self.entries)
    }

    fn load_optimizer_state(&mut self, state: &[NamedTensor]) -> Result<(), ModelError> {
        state::check(state, &self.optimizer_state())?;
        state::load_optimizer(&mut self.optimizer, &self.entries, state);
        Ok(())
    }

    fn shared_weights_hash(&self) -> String {
        shared_weights_hash(&self.entries)
    }
}

/// What batch norm normalises by.
fn normalisation(mode: Mode) -> Normalisation {
    match mode {
        Mode::Eval => Normalisation::Running,
        Mode::Batch => Normalisation::Batch,
    }
}

impl Drop for Trained {
    fn drop(&mut self) {
        // Otherwise the cache would keep the memory of every tensor dropped after this.
        self.device.disable_cache();
    }
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
