//! The source of batches for training steps. Does not know whether they are made on demand or ahead.

use crate::datasets::{Augmentation, Batch, BatchOrder, Dataset};
use crate::experiment::Experiment;
use crate::units::Step;

/// The batches of a lane's steps.
pub trait Batches {
    /// The batch of a step. Steps are requested one after another, from the first that the lane has to make.
    fn next(&mut self, step: Step) -> &Batch;
}

/// The batches that an experiment draws from its training examples, each made on demand.
pub struct Drawn<'a> {
    dataset: &'a Dataset,
    order: BatchOrder,
    augmentation: Augmentation,
    batch: Batch,
}

impl<'a> Drawn<'a> {
    /// The batches of an experiment; `order` must be for its training examples and batch size.
    pub fn new(experiment: &Experiment, dataset: &'a Dataset, order: BatchOrder) -> Drawn<'a> {
        let augmentation = Augmentation::of(&experiment.data, experiment.seed);
        Drawn { dataset, order, augmentation, batch: Batch::default() }
    }

    /// Fills a batch with the examples of a step, independently of earlier calls.
    pub fn fill(&mut self, step: Step, into: &mut Batch) {
        self.dataset.training_batch(self.order.indices(step), step, self.augmentation, into);
    }
}

impl Batches for Drawn<'_> {
    fn next(&mut self, step: Step) -> &Batch {
        let mut batch = std::mem::take(&mut self.batch);
        self.fill(step, &mut batch);
        self.batch = batch;
        &self.batch
    }
}
