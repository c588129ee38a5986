//! The order in which training examples are drawn: a permutation of the split for each epoch, the same in every
//! lane of a run.

use sha2::{Digest, Sha256};

use super::DatasetError;
use crate::random::{hex, shuffle, stream};
use crate::units::Step;

/// Which examples each step trains on. The permutation of an epoch depends on the seed, the epoch and the
/// number of examples alone, so that the examples of any step are known without those before it. Examples left over after the
/// last whole batch of an epoch are skipped.
#[derive(Clone, Debug)]
pub struct BatchOrder {
    batch: usize,
    seed: u64,
    /// The epoch that `permutation` is of, from 0.
    epoch: u64,
    permutation: Vec<u32>,
}

impl BatchOrder {
    /// The order for a split of `examples` examples, at most 2^32, in batches of at least one.
    ///
    /// # Errors
    /// If a batch is larger than the split.
    pub fn new(examples: usize, batch: usize, seed: u64) -> Result<BatchOrder, DatasetError> {
        if batch > examples || batch == 0 {
            return Err(DatasetError::BatchTooLarge { batch, examples });
        }
        let mut order = BatchOrder { batch, seed, epoch: 0, permutation: vec![0; examples] };
        order.permute(0);
        Ok(order)
    }

    /// Steps per epoch.
    pub(crate) fn steps_per_epoch(&self) -> u64 {
        (self.permutation.len() / self.batch) as u64
    }

    /// The examples of a step; steps count from 1.
    pub fn indices(&mut self, step: Step) -> &[u32] {
        let before = step.0.saturating_sub(1);
        let epoch = before / self.steps_per_epoch();
        if epoch != self.epoch {
            self.permute(epoch);
        }
        let first = (before % self.steps_per_epoch()) as usize * self.batch;
        &self.permutation[first..][..self.batch]
    }

    /// SHA-256, in hex, of the examples of steps 1 to `steps`, each as four bytes, little-endian.
    pub fn hash(&self, steps: u64) -> String {
        let mut order = self.clone();
        let mut hash = Sha256::new();
        let mut bytes = Vec::with_capacity(4 * self.batch);
        for step in 1..=steps {
            bytes.clear();
            bytes.extend(order.indices(Step(step)).iter().flat_map(|index| index.to_le_bytes()));
            hash.update(&bytes);
        }
        hex(hash)
    }

    fn permute(&mut self, epoch: u64) {
        self.epoch = epoch;
        for (place, index) in self.permutation.iter_mut().zip(0..) {
            *place = index;
        }
        shuffle(&mut stream(self.seed, "batch order", epoch), &mut self.permutation);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_epoch_draws_no_example_twice_and_drops_the_remainder() {
        let mut order = BatchOrder::new(10, 3, 0).unwrap();
        assert_eq!(order.steps_per_epoch(), 3);
        let first: Vec<u32> = (1..=3).flat_map(|step| order.indices(Step(step)).to_vec()).collect();
        let second: Vec<u32> = (4..=6).flat_map(|step| order.indices(Step(step)).to_vec()).collect();
        for epoch in [&first, &second] {
            assert_eq!(epoch.iter().collect::<BTreeSet<_>>().len(), 9);
            assert!(epoch.iter().all(|&index| index < 10));
        }
        assert_ne!(first, second);
    }

    #[test]
    fn a_step_needs_no_step_before_it() {
        let mut replayed = BatchOrder::new(100, 8, 4).unwrap();
        let all: Vec<Vec<u32>> = (1..=40).map(|step| replayed.indices(Step(step)).to_vec()).collect();
        for step in [40, 1, 13, 12, 25] {
            let mut order = BatchOrder::new(100, 8, 4).unwrap();
            assert_eq!(order.indices(Step(step)), all[step as usize - 1]);
        }
    }

    #[test]
    fn the_hash_is_of_the_planned_steps_and_the_seed() {
        let hash = |seed, steps| BatchOrder::new(50, 7, seed).unwrap().hash(steps);
        assert_eq!(hash(0, 20), hash(0, 20));
        assert_ne!(hash(0, 20), hash(1, 20));
        assert_ne!(hash(0, 20), hash(0, 21));
        // SHA-256 of nothing.
        assert_eq!(hash(0, 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_batch_larger_than_the_split_is_an_error() {
        let message = BatchOrder::new(10, 11, 0).unwrap_err().to_string();
        assert!(message.contains("at most the 10 examples") && message.contains("found 11"), "{message}");
        assert!(BatchOrder::new(10, 10, 0).is_ok());
    }
}
