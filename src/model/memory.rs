//! The memory for training a network, found by going through a step without computing it: its operations take their
//! memory from a pool that only counts.

use crate::experiment::Optimizer;
use crate::model::architectures::Built;
use crate::model::trained::Trained;

/// The bytes of a number.
const NUMBER: u64 = size_of::<f32>() as u64;

/// The memory that a network takes in training, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What a step keeps from the forward to the backward pass.
    pub activations: u64,
    /// What it takes besides: gradients of activations, of which a few exist at a time, those of weights for each share of
    /// the batch, and weights as the kernels read them.
    pub gradients: u64,
    /// The working memory of the threads.
    pub scratch: u64,
    /// Parameters and their gradients.
    pub parameters: u64,
    /// The optimiser's state.
    pub remembered: u64,
}

impl Memory {
    /// The memory for training a network on batches of `batch` examples, with `threads` threads in a step.
    pub(super) fn of(built: Built, batch: usize, optimizer: &Optimizer, threads: usize) -> Memory {
        let parameters = NUMBER * built.description.structure.parameters().unwrap_or(0);
        let moments = match optimizer {
            Optimizer::Sgd { .. } => 1,
            Optimizer::Adam { .. } | Optimizer::AdamW { .. } => 2,
        };
        let counts = Trained::new(built, 0, optimizer, 1).count(batch);
        Memory {
            activations: counts.kept,
            gradients: counts.besides,
            scratch: threads.min(counts.shares) as u64 * counts.scratch,
            parameters: 2 * parameters,
            remembered: moments * parameters,
        }
    }

    /// The part from the network's pool of buffers.
    pub fn pool(self) -> u64 {
        self.activations + self.gradients
    }

    /// The total.
    pub fn total(self) -> u64 {
        self.pool() + self.scratch + self.parameters + self.remembered
    }
}
