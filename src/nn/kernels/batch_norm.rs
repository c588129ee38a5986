//! Batch norm over batch, height and width (Ioffe & Szegedy 2015), fused with what follows it in a block: the
//! addition of the shortcut, ReLU, and the statistics of all three.
//!
//! The passes see channels in groups of 16 lanes and keep a group's sums in registers from the first pixel to the
//! last. Sums are in f64, which costs little beside the memory they read and makes statistics exact. No
//! multiply-add is fused here, so that all instruction sets give the same bits. Each group is copied before anything is written: slices that
//! stand in a struct are not known to be apart, and a store between loads would keep the loop scalar.

use super::InstructionSet;
use crate::statistics::{Moments, Products, Sums};
use columns::{Columns, LANES, fall_on_lanes, lanes};

mod columns;
mod extremes;
mod measure;
mod forward;
mod backward;

/// Added to the variance under the root.
pub const EPSILON: f32 = 1e-5;
/// The share of the batch's statistics in an update of the running ones.
pub const MOMENTUM: f32 = 0.1;

/// Mean and biased variance of each channel: of a batch, or running ones for inference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Channels<const CHANNELS: usize> {
    /// Means.
    pub mean: [f32; CHANNELS],
    /// Variances, divided by the count and not by one less.
    pub variance: [f32; CHANNELS],
}

/// What [`forward`] can measure while it passes over the data.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ForwardStatistics {
    /// Of the output.
    pub output: Moments,
    /// Channels of the output that are zero everywhere.
    pub dead_units: usize,
    /// Of the response: what batch norm puts out, before addition and ReLU.
    pub response: Sums,
    /// Of response (first) and shortcut (second), where there is a shortcut.
    pub branch: Option<Products>,
}

/// What both passes need of the scale of each channel.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a, const CHANNELS: usize> {
    /// Statistics to normalise with.
    pub channels: &'a Channels<CHANNELS>,
    /// Scale of each channel.
    pub gamma: &'a [f32],
    /// Shift of each channel; not used by the gradient.
    pub beta: &'a [f32],
}

/// What the gradient of [`forward`] is computed from.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// What was normalised.
    pub x: &'a [f32],
    /// What came out.
    pub y: &'a [f32],
    /// The gradient with respect to what came out.
    pub dy: &'a [f32],
}

/// Where the gradient of [`forward`] is added to.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// With respect to what was normalised.
    pub dx: &'a mut [f32],
    /// With respect to the scale.
    pub dgamma: &'a mut [f32],
    /// With respect to the shift.
    pub dbeta: &'a mut [f32],
    /// With respect to the shortcut, where there was one.
    pub dshortcut: Option<&'a mut [f32]>,
}

/// Measures mean and variance of each channel of `x` `[pixels][CHANNELS]`, accurate to f32 rounding.
pub fn measure<const CHANNELS: usize>(set: InstructionSet, x: &[f32]) -> Channels<CHANNELS> {
    let measure = match fall_on_lanes(CHANNELS, x.len()) {
        true => measure_in_groups::<CHANNELS, LANES>,
        false => measure_in_groups::<CHANNELS, 1>,
    };
    measure(set, x)
}

fn measure_in_groups<const CHANNELS: usize, const L: usize>(
    set: InstructionSet,
    x: &[f32],
) -> Channels<CHANNELS> {
    let mut channels = Channels { mean: [0.0; CHANNELS], variance: [0.0; CHANNELS] };
    set.run(measure::Measure::<L> {
        columns: Columns::of(CHANNELS, x.len()),
        x: lanes(x),
        mean: &mut channels.mean,
        variance: &mut channels.variance,
    });
    channels
}

impl<const CHANNELS: usize> Channels<CHANNELS> {
    /// One over the standard deviation of each channel, [`EPSILON`] included.
    pub fn inverse_std(&self) -> [f32; CHANNELS] {
        self.variance.map(|variance| (f64::from(variance) + f64::from(EPSILON)).sqrt().recip() as f32)
    }

    /// Moves running statistics towards these of a batch with that many pixels, as PyTorch does: by [`MOMENTUM`],
    /// with the unbiased variance.
    pub fn update_running(&self, pixels: usize, mean: &mut [f32], variance: &mut [f32]) {
        let unbiased = pixels as f32 / (pixels as f32 - 1.0);
        mean.iter_mut().zip(&self.mean).for_each(|(running, new)| *running += MOMENTUM * (new - *running));
        for (running, new) in variance.iter_mut().zip(&self.variance) {
            *running += MOMENTUM * (new * unbiased - *running);
        }
    }
}

/// Writes `y = f(gamma (x - mean) / std + beta + shortcut)` with f ReLU or nothing; all `[pixels][CHANNELS]`.
///
/// Running statistics as `affine.channels` make it the pass for inference. `statistics` is overwritten.
pub fn forward<const CHANNELS: usize, const RELU: bool>(
    set: InstructionSet,
    affine: Affine<CHANNELS>,
    x: &[f32],
    shortcut: Option<&[f32]>,
    y: &mut [f32],
    statistics: Option<&mut ForwardStatistics>,
) {
    let forward = match fall_on_lanes(CHANNELS, x.len()) {
        true => forward_in_groups::<CHANNELS, RELU, LANES>,
        false => forward_in_groups::<CHANNELS, RELU, 1>,
    };
    forward(set, affine, x, shortcut, y, statistics);
}

fn forward_in_groups<const CHANNELS: usize, const RELU: bool, const L: usize>(
    set: InstructionSet,
    affine: Affine<CHANNELS>,
    x: &[f32],
    shortcut: Option<&[f32]>,
    y: &mut [f32],
    statistics: Option<&mut ForwardStatistics>,
) {
    let columns = Columns::<L>::of(CHANNELS, x.len());
    assert_eq!(y.len(), x.len(), "what comes out is as long as what goes in");
    let shortcut =
        shortcut.inspect(|h| assert_eq!(h.len(), x.len(), "the shortcut is as long as the branch"));
    let inverse = affine.channels.inverse_std();
    let scale: [f32; CHANNELS] = std::array::from_fn(|c| inverse[c] * affine.gamma[c]);
    set.run(forward::Forward::<L> {
        columns,
        relu: RELU,
        mean: &affine.channels.mean,
        scale: &scale,
        beta: affine.beta,
        x: lanes(x),
        shortcut: shortcut.map(lanes),
        y,
        statistics,
    });
}

/// Adds the gradients of [`forward`] to their destinations.
///
/// `statistics`, of the gradient with respect to the output, is overwritten.
pub fn gradient<const CHANNELS: usize, const RELU: bool>(
    set: InstructionSet,
    affine: Affine<CHANNELS>,
    saved: Saved,
    to: Gradients,
    statistics: Option<&mut Moments>,
) {
    let gradient = match fall_on_lanes(CHANNELS, saved.x.len()) {
        true => gradient_in_groups::<CHANNELS, RELU, LANES>,
        false => gradient_in_groups::<CHANNELS, RELU, 1>,
    };
    gradient(set, affine, saved, to, statistics);
}

fn gradient_in_groups<const CHANNELS: usize, const RELU: bool, const L: usize>(
    set: InstructionSet,
    affine: Affine<CHANNELS>,
    saved: Saved,
    to: Gradients,
    statistics: Option<&mut Moments>,
) {
    let columns = Columns::<L>::of(CHANNELS, saved.x.len());
    let lengths = [saved.y.len(), saved.dy.len(), to.dx.len()];
    assert_eq!(lengths, [saved.x.len(); 3], "output and gradients are as long as what was normalised");
    let dshortcut =
        to.dshortcut.inspect(|d| assert_eq!(d.len(), saved.x.len(), "the shortcut's gradient too"));
    let inverse = affine.channels.inverse_std();

    let (mut sum, mut along) = ([0.0_f64; CHANNELS], [0.0_f64; CHANNELS]);
    set.run(backward::Reduce {
        columns,
        relu: RELU,
        mean: &affine.channels.mean,
        saved,
        dshortcut,
        gradient: &mut sum,
        along: &mut along,
        statistics,
    });
    let count = columns.pixels() as f64;
    for c in 0..CHANNELS {
        to.dgamma[c] += (along[c] * f64::from(inverse[c])) as f32;
        to.dbeta[c] += sum[c] as f32;
    }
    set.run(backward::Spread {
        columns,
        relu: RELU,
        mean: &affine.channels.mean,
        scale: &std::array::from_fn::<_, CHANNELS, _>(|c| inverse[c] * affine.gamma[c]),
        constant: &sum.map(|sum| (sum / count) as f32),
        slope: &std::array::from_fn::<_, CHANNELS, _>(|c| {
            (along[c] / count * f64::from(inverse[c]).powi(2)) as f32
        }),
        saved,
        dx: to.dx,
    });
}

#[cfg(test)]
mod tests;
