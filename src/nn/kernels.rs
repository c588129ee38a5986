//! The arithmetic of the layers over plain slices: convolution, batch norm, shortcut and pooling, forward and
//! backward. Knows nothing of dfdx, tapes or tensors.
//!
//! Activations are NHWC (`[batch][height][width][channels]`), convolution weights HWIO
//! (`[kernel][kernel][in][out]`), all contiguous `f32`. Functions that compute a gradient *add* to their
//! destination, because a buffer of gradients begins at zero and has several contributors. Results depend on
//! the data and the [`InstructionSet`] alone: every sum has one fixed order.

mod instruction_set;
mod size;
mod vector;
mod dispatch;
mod scratch;
pub mod convolution;
pub mod batch_norm;
pub mod subsample;
pub mod pooling;
pub mod reference;
#[cfg(test)]
mod samples;

pub use instruction_set::InstructionSet;
pub use size::Size;
