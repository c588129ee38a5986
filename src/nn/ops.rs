//! The layers as operations on dfdx's tape: each computes its output by a kernel and leaves a backward
//! operation that adds to the gradients of its inputs. Shapes are types, so that the compiler checks channels,
//! height and width from layer to layer. Knows neither architectures nor optimisers.
//!
//! An output's gradient is final when its producer's backward operation runs. There it is measured, used and
//! its memory freed, so that only a few gradients of activations exist at a time.

use dfdx::shapes::Const;
use dfdx::tensor::{Cpu, Tensor};

use crate::nn::kernels::InstructionSet;

pub mod storage;
mod recorder;
mod convolution;
mod batch_norm;
mod zero_padding;
mod pooling;
mod linear;

pub use batch_norm::{Norm, Running, batch_norm};
pub use convolution::{Inputs, convolution};
pub use linear::{linear, observed};
pub use pooling::global_average;
pub use recorder::{LayerRecord, Record, Recorder};
pub use zero_padding::zero_padding;

/// A batch of activations, NHWC, with the tape that has led to it.
pub type Features<const H: usize, const W: usize, const C: usize, T = dfdx::tensor::NoneTape> =
    Tensor<(usize, Const<H>, Const<W>, Const<C>), f32, Cpu, T>;

/// How a pass through the network is made.
#[derive(Clone, Debug)]
pub struct Context {
    /// The vector instructions of the kernels.
    pub instructions: InstructionSet,
    /// What batch norm normalises by.
    pub normalisation: Normalisation,
    /// Takes what the operations measure, where something is to be measured.
    pub recorder: Option<Recorder>,
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
