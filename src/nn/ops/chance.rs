//! What is decided at random in a training step.

use crate::units::BlockIdx;

/// The random decisions of one training step.
pub trait Chance {
    /// Whether a block's branch is computed, which has this probability.
    fn survives(&self, block: BlockIdx, probability: f64) -> bool;

    /// A mask of zeros and ones, each of which is 1 with this probability.
    fn kept(&self, block: BlockIdx, probability: f64, length: usize) -> Vec<f32>;
}
