//! The arithmetic of the layers over plain slices: convolution, batch norm, shortcut and pooling, forward and
//! backward, a row at a time; and those of layers on rows, which are vectors or tokens: products, normalisation,
//! attention, the loss. Knows nothing of dfdx, tapes, tensors or threads.
//!
//! Images are stored in bundles of 16 ([`bundle`]), and so are rows, `[bundle][features][16]`, where each sequence begins
//! a bundle; convolution weights are stored as HWIO (`[kernel][kernel][in][out]`). Results depend only on the data and, in
//! the last bits, on whether the machine has fused multiply-adds: every sum has a fixed order.

mod instruction_set;
mod vector;
mod dispatch;
pub mod bundle;
pub mod rows;
pub mod scratch;
pub mod moments;
pub mod convolution;
pub mod normalisation;
pub mod pooling;
pub mod update;
pub mod subsample;
pub mod product;
pub mod transpose;
mod special;
mod sum;
pub mod gelu;
pub mod elementwise;
pub mod gate;
pub mod layer_norm;
pub mod cross_entropy;
pub mod row_sums;
pub mod attention;
pub mod token_cosine;
pub mod spectrum;
pub mod mixture;
pub mod manifold;
#[cfg(any(test, feature = "test-material"))]
pub mod reference;
#[cfg(test)]
pub(super) mod samples;
#[cfg(test)]
pub(super) mod guarded;

pub use instruction_set::InstructionSet;
