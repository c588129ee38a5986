//! The layers as operations on dfdx's tape: each computes its output by a sweep and records a backward operation that
//! passes the gradient on to its input. Shapes are types, so that the compiler checks channels, height and width from
//! layer to layer. Knows neither architectures nor optimisers.
//!
//! Activations and their gradients are in memory of our own (`activation`), in bundles and aligned to cache lines;
//! parameters, their gradients, the head and the loss are dfdx's.

use std::rc::Rc;

use crate::nn::kernels::InstructionSet;
use crate::nn::thread_pool::ThreadPool;

pub mod storage;
mod activation;
mod features;
mod buffers;
mod recorder;
mod convolution;
mod shortcut;
mod pooling;
mod linear;

pub use buffers::Buffers;
pub use convolution::{Norm, Running, convolution};
pub use features::Features;
pub use linear::{linear, observed};
pub use pooling::global_average;
pub use recorder::{LayerRecord, Record, Recorder};
pub use shortcut::zero_padding;

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
