//! What a training step decides at random: from a stream for each block and step, so that a resumed lane decides alike.

use crate::nn::ops::Chance;
use crate::random;
use crate::units::BlockIdx;

/// The random decisions of the step after so many updates.
pub(super) struct OfStep {
    pub(super) seed: u64,
    pub(super) updates: i64,
}

impl OfStep {
    /// Numbers from 0 to below 1.
    fn shares(&self, what: &str, block: BlockIdx) -> impl Iterator<Item = f64> {
        let mut stream = random::stream(self.seed, &format!("{what}/{block}"), self.updates as u64);
        std::iter::repeat_with(move || random::unit(&mut stream))
    }
}

impl Chance for OfStep {
    fn survives(&self, block: BlockIdx, probability: f64) -> bool {
        self.shares("survival", block).next().is_some_and(|share| share < probability)
    }

    fn kept(&self, block: BlockIdx, probability: f64, length: usize) -> Vec<f32> {
        let shares = self.shares("dropout", block).take(length);
        shares.map(|share| if share < probability { 1.0 } else { 0.0 }).collect()
    }
}

/// Computes all that may be computed, which takes the most memory.
pub(super) struct Everything;

impl Chance for Everything {
    fn survives(&self, _: BlockIdx, _: f64) -> bool {
        true
    }

    fn kept(&self, _: BlockIdx, _: f64, length: usize) -> Vec<f32> {
        vec![1.0; length]
    }
}
