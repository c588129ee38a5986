//! A pass over fixed examples without an update.

use crate::datasets::{Batch, Dataset, Examples};
use crate::event::{Mode, Split};
use crate::experiment::Training;
use crate::model::{Evaluation, Network};
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

/// The first examples of a split, batch by batch, unaugmented.
pub(super) struct Fixed<'a> {
    dataset: &'a Dataset,
    examples: &'a Examples,
    batch: usize,
    /// The number of examples.
    end: usize,
    done: usize,
}

impl<'a> Fixed<'a> {
    /// At most so many examples, in batches of `batch`. With batch statistics only whole batches are used, since a
    /// remainder would have different ones; unless there is no whole one.
    pub(super) fn new(
        dataset: &'a Dataset,
        split: Split,
        most: usize,
        batch: usize,
        mode: Mode,
    ) -> Fixed<'a> {
        let examples = match split {
            Split::Train => &dataset.train,
            Split::Test => &dataset.test,
        };
        let (wanted, batch) = (examples.len().min(most), batch.max(1));
        let end = match mode {
            Mode::Batch if wanted >= batch => wanted - wanted % batch,
            _ => wanted,
        };
        Fixed { dataset, examples, batch, end, done: 0 }
    }

    /// Fills the next batch; false if there is none.
    pub(super) fn next(&mut self, batch: &mut Batch) -> bool {
        let range = self.done..(self.done + self.batch).min(self.end);
        self.done = range.end;
        if !range.is_empty() {
            self.dataset.evaluation_batch(self.examples, range.clone(), batch);
        }
        !range.is_empty()
    }
}

/// The sum of what batches were evaluated to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total(Evaluation);

impl Total {
    /// Adds a batch.
    pub(super) fn add(&mut self, found: Evaluation) {
        self.0.loss_sum += found.loss_sum;
        self.0.wrong += found.wrong;
        self.0.labelled += found.labelled;
    }

    /// The mean loss over all that is labelled, images or positions of sequences, and the share classified wrongly; none
    /// without labels.
    pub(super) fn result(&self) -> Option<(f32, f32)> {
        let Evaluation { loss_sum, wrong, labelled } = self.0;
        let count = labelled as f64;
        (labelled > 0).then(|| ((loss_sum / count) as f32, (wrong as f64 / count) as f32))
    }
}

/// One pass, batch by batch, so that orders can be carried out in between.
pub(super) struct Pass<'a> {
    fixed: Fixed<'a>,
    mode: Mode,
    total: Total,
}

impl<'a> Pass<'a> {
    /// The pass over a split: the first `evaluate_images` for training, all for testing.
    pub(super) fn new(dataset: &'a Dataset, training: &Training, split: Split, mode: Mode) -> Pass<'a> {
        let most = match split {
            Split::Train => training.evaluate_images,
            Split::Test => usize::MAX,
        };
        let fixed = Fixed::new(dataset, split, most, training.batch, mode);
        Pass { fixed, mode, total: Total::default() }
    }

    /// Whether it has no examples, and so no result.
    pub(super) fn is_empty(&self) -> bool {
        self.fixed.end == 0
    }

    /// Evaluates the next batch; false if there is none.
    pub(super) fn advance(&mut self, network: &mut dyn Network, batch: &mut Batch) -> bool {
        let is_one = self.fixed.next(batch);
        if is_one {
            self.total.add(network.evaluate(batch, self.mode));
        }
        is_one
    }

    /// The mean loss and the error over the examples evaluated so far.
    pub(super) fn result(&self) -> Option<(f32, f32)> {
        self.total.result()
    }
}
