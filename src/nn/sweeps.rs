//! Sweeps: the work of a layer on a share of a batch, from the first row of its first bundle to the last row of its
//! last, so that a row is formed, used and measured while it is in the cache. Activations are read from memory once and
//! written once; data needed only for a few rows never leaves the cache.
//!
//! A sweep knows only its share. Sums over the batch are merged by the caller that divided it.

use super::kernels::InstructionSet;
use super::kernels::bundle::{BatchShare, IMAGES, Shape};
use super::kernels::normalisation::{FormShape, GradientSums, OutputSums, Passed, mask_row};

mod backward;
mod ends;
mod forward;
mod shortcut;

pub use backward::{Backward, Kept, ToResponse, Towards, backward, scratch};
pub use ends::pool;
pub(crate) use ends::unpool;
pub use forward::{Addition, forward};
pub(crate) use shortcut::spread_in_place;
pub(crate) use shortcut::subsample;
pub(crate) use shortcut::subsample_gradient;
pub use shortcut::{form, reduce};

/// A share of an activation that a sweep reads.
#[derive(Debug)]
pub enum Source<'a> {
    /// In memory.
    Formed(&'a [f32]),
    /// To be formed from the response of its layer.
    Response(Unformed<'a>),
}

/// An output that has not been formed yet.
#[derive(Debug)]
pub struct Unformed<'a> {
    /// How it is formed.
    pub shape: FormShape<'a>,
    /// The response of the layer.
    pub response: &'a [f32],
    /// What is added to the response.
    pub shortcut: Option<&'a [f32]>,
    /// Where to keep it for others; otherwise it is formed only for the sweep.
    pub keep: Option<&'a mut [f32]>,
    /// The sums to measure, if any.
    pub sums: Option<&'a mut OutputSums>,
}

/// An output whose gradient is propagated back through ReLU: where ReLU has let it pass, and the sums that batch norm's
/// gradient needs.
#[derive(Debug)]
pub struct Masked<'a> {
    /// Where ReLU has let it pass.
    pub passed: Passed<'a>,
    /// The response.
    pub response: &'a [f32],
    /// The response's mean, one number per channel.
    pub mean: &'a [f32],
    /// Receives the sums.
    pub sums: &'a mut GradientSums,
    /// Whether the gradient itself is measured.
    pub measured: bool,
}

impl Masked<'_> {
    /// Propagates one row back, at `at` in the share.
    fn row(
        &mut self,
        set: InstructionSet,
        at: std::ops::Range<usize>,
        gradient: &mut [f32],
        extra: Option<&[f32]>,
    ) {
        let passed = match self.passed {
            Passed::Output(y) => Passed::Output(&y[at.clone()]),
            others => others,
        };
        let response = &self.response[at];
        let measured = self.measured;
        mask_row(set, gradient, extra, passed, response, self.mean, self.sums, measured);
    }
}

/// The bundles of a share, counted within it, with the images of each.
fn bundles_of(share: &BatchShare) -> impl Iterator<Item = (usize, usize)> {
    let layout = share.layout;
    share.bundles.clone().enumerate().map(move |(index, bundle)| (index, layout.valid(bundle)))
}

/// The place of a row in a share.
fn place(shape: Shape, bundle: usize, row: usize) -> std::ops::Range<usize> {
    let start = bundle * shape.bundle() + row * shape.row();
    start..start + shape.row()
}

/// Zeroes the elements after the first `images`.
fn clear_empty_lanes(row: &mut [f32], images: usize) {
    if images < IMAGES {
        row.as_chunks_mut::<IMAGES>().0.iter_mut().for_each(|elements| elements[images..].fill(0.0));
    }
}

#[cfg(test)]
mod tests;
