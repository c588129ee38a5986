//! A pass over fixed examples without an update.

use std::ops::Range;

use crate::datasets::{Batch, Dataset, Examples};
use crate::event::{Mode, Split};
use crate::experiment::Training;
use crate::model::Network;
use crate::units::Step;

/// The passes of an evaluation after `step` updates, in order. Training error is measured in both modes of batch norm,
/// since running statistics that lag behind make an early network look worse than it is; before the first update they
/// are empty, and only batch statistics are used.
pub(super) fn passes(step: Step) -> &'static [(Split, Mode)] {
    match step {
        Step(0) => &[(Split::Train, Mode::Batch)],
        Step(_) => &[(Split::Train, Mode::Eval), (Split::Train, Mode::Batch), (Split::Test, Mode::Eval)],
    }
}

/// One pass, batch by batch, so that orders can be carried out in between.
pub(super) struct Pass<'a> {
    dataset: &'a Dataset,
    examples: &'a Examples,
    mode: Mode,
    batch: usize,
    /// The number of examples to evaluate.
    end: usize,
    done: usize,
    loss_sum: f64,
    wrong: usize,
    labelled: usize,
}

impl<'a> Pass<'a> {
    /// The pass over a split: the first `evaluate_images` for training, all for testing. With batch statistics only
    /// whole batches are used, since a remainder would have different ones; unless there is no whole one.
    pub(super) fn new(dataset: &'a Dataset, training: &Training, split: Split, mode: Mode) -> Pass<'a> {
        let (examples, most) = match split {
            Split::Train => (&dataset.train, training.evaluate_images),
            Split::Test => (&dataset.test, usize::MAX),
        };
        let wanted = examples.len().min(most);
        let batch = training.batch.max(1);
        let end = match mode {
            Mode::Batch if wanted >= batch => wanted - wanted % batch,
            _ => wanted,
        };
        Pass { dataset, examples, mode, batch, end, done: 0, loss_sum: 0.0, wrong: 0, labelled: 0 }
    }

    /// Whether it has no examples, and so no result.
    pub(super) fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// The examples of the next batch; none at the end.
    fn next_range(&self) -> Option<Range<usize>> {
        (self.done < self.end).then(|| self.done..(self.done + self.batch).min(self.end))
    }

    /// Evaluates the next batch; false if there is none.
    pub(super) fn advance(&mut self, network: &mut dyn Network, batch: &mut Batch) -> bool {
        let Some(range) = self.next_range() else { return false };
        self.done = range.end;
        self.dataset.evaluation_batch(self.examples, range, batch);
        let found = network.evaluate(batch, self.mode);
        self.loss_sum += found.loss_sum;
        self.wrong += found.wrong;
        self.labelled += found.labelled;
        true
    }

    /// The mean loss over all that is labelled in the examples evaluated so far, images or positions of sequences, and
    /// the share classified wrongly; none without labels.
    pub(super) fn result(&self) -> Option<(f32, f32)> {
        let labelled = self.labelled as f64;
        (self.labelled > 0)
            .then(|| ((self.loss_sum / labelled) as f32, (self.wrong as f64 / labelled) as f32))
    }
}
