//! The layers as operations on dfdx's tape: each computes its output by a sweep and records a backward operation that
//! passes the gradient on to its input. Shapes are types, so that the compiler checks channels, height and width from
//! layer to layer. Knows neither architectures nor optimisers.
//!
//! Activations and their gradients are in memory of our own (`activation`), in bundles and aligned to cache lines;
//! parameters, their gradients, the head and the loss are dfdx's.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::nn::kernels::InstructionSet;
use crate::nn::thread_pool::ThreadPool;
use crate::units::BlockIdx;

pub mod storage;
mod chance;
mod tape;
mod parameter;
mod buffers;
mod mixing;
mod recorder;
mod activation;
mod features;
mod convolution;
mod map;
mod sums;
mod shortcut;
mod pooling;
pub mod rows;
mod stack;
mod linear;

pub use activation::Observed;
pub use buffers::Buffers;
pub use chance::Chance;
pub use convolution::{Response, convolution};
pub use features::Features;
pub use linear::{linear, observed};
pub use map::{After, Norm, Running, Scalars, normalised, shifted};
pub use parameter::{AnyParameter, Parameter};
pub use pooling::{Means, global_average};
pub use recorder::{BlockRecord, LayerRecord, Record, Recorder, Stream};
pub use shortcut::{Gating, gated, masked, zero_padding};
pub use stack::{Stack, StackNorm};
pub use tape::Tape;

/// The context of a pass through the network. Clones share all of it.
#[derive(Clone)]
pub struct Context {
    /// The vector instructions of the kernels.
    pub instructions: InstructionSet,
    /// What batch norm normalises by.
    pub normalisation: Normalisation,
    /// Receives the measurements of operations, if any are wanted.
    pub recorder: Option<Recorder>,
    /// The threads.
    pub workers: Rc<ThreadPool>,
    /// The memory of activations.
    pub buffers: Buffers,
    /// Where backward operations are recorded.
    pub tape: Tape,
    /// Decides at random; none outside training steps, where the expected value is used.
    pub chance: Option<Rc<dyn Chance>>,
    /// Blocks that are left out; none in training steps and evaluations.
    pub without: Option<Rc<BTreeSet<BlockIdx>>>,
}

impl Context {
    /// Whether a block is left out: its branch contributes nothing.
    pub fn leaves_out(&self, block: BlockIdx) -> bool {
        self.without.as_ref().is_some_and(|without| without.contains(&block))
    }
}

/// What batch norm normalises by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalisation {
    /// The batch's own statistics, which also move the running ones.
    Training,
    /// The batch's own statistics; the running ones stay.
    Batch,
    /// The running statistics.
    Running,
}

#[cfg(test)]
mod tests;
