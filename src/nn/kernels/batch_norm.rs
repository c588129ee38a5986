//! Batch norm over batch, height and width (Ioffe & Szegedy 2015), fused with what follows it in a block: the
//! addition of the shortcut, ReLU, and the statistics of all three.

use super::InstructionSet;
use crate::statistics::{Moments, Products, Sums};

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
pub fn measure<const CHANNELS: usize>(_set: InstructionSet, x: &[f32]) -> Channels<CHANNELS> {
    let (mean, variance) = super::reference::channel_statistics(CHANNELS, x);
    Channels {
        mean: std::array::from_fn(|c| mean[c] as f32),
        variance: std::array::from_fn(|c| variance[c] as f32),
    }
}

impl<const CHANNELS: usize> Channels<CHANNELS> {
    /// One over the standard deviation of each channel, [`EPSILON`] included.
    pub fn inverse_std(&self) -> [f32; CHANNELS] {
        self.variance.map(|variance| 1.0 / (variance + EPSILON).sqrt())
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
    _set: InstructionSet,
    affine: Affine<CHANNELS>,
    x: &[f32],
    shortcut: Option<&[f32]>,
    y: &mut [f32],
    statistics: Option<&mut ForwardStatistics>,
) {
    let inverse = affine.channels.inverse_std();
    let respond = |i: usize| {
        let c = i % CHANNELS;
        (x[i] - affine.channels.mean[c]) * (inverse[c] * affine.gamma[c]) + affine.beta[c]
    };
    let response: Vec<f32> = (0..x.len()).map(respond).collect();
    for (i, y) in y.iter_mut().enumerate() {
        let sum = response[i] + shortcut.map_or(0.0, |h| h[i]);
        *y = if RELU && sum < 0.0 { 0.0 } else { sum };
    }
    if let Some(statistics) = statistics {
        let dead = |c: &usize| y.iter().skip(*c).step_by(CHANNELS).all(|y| *y == 0.0);
        *statistics = ForwardStatistics {
            output: Moments::of(y),
            dead_units: (0..CHANNELS).filter(dead).count(),
            response: Sums::of(&response),
            branch: shortcut.map(|h| Products::of(&response, h)),
        };
    }
}

/// Adds the gradients of [`forward`] to their destinations.
///
/// `statistics`, of the gradient with respect to the output, is overwritten.
pub fn gradient<const CHANNELS: usize, const RELU: bool>(
    _set: InstructionSet,
    affine: Affine<CHANNELS>,
    saved: Saved,
    to: Gradients,
    statistics: Option<&mut Moments>,
) {
    let inverse = affine.channels.inverse_std();
    let count = (saved.x.len() / CHANNELS) as f64;
    let passed: Vec<f32> =
        saved.dy.iter().zip(saved.y).map(|(&d, &y)| if RELU && y <= 0.0 { 0.0 } else { d }).collect();
    let normalised = |i: usize| (saved.x[i] - affine.channels.mean[i % CHANNELS]) * inverse[i % CHANNELS];
    let (mut dgamma, mut dbeta) = ([0.0_f64; CHANNELS], [0.0_f64; CHANNELS]);
    for (i, &g) in passed.iter().enumerate() {
        dgamma[i % CHANNELS] += f64::from(g) * f64::from(normalised(i));
        dbeta[i % CHANNELS] += f64::from(g);
    }
    for (i, dx) in to.dx.iter_mut().enumerate() {
        let c = i % CHANNELS;
        let along = (dbeta[c] / count) as f32 + normalised(i) * (dgamma[c] / count) as f32;
        *dx += affine.gamma[c] * inverse[c] * (passed[i] - along);
    }
    to.dgamma.iter_mut().zip(dgamma).for_each(|(to, sum)| *to += sum as f32);
    to.dbeta.iter_mut().zip(dbeta).for_each(|(to, sum)| *to += sum as f32);
    if let Some(dshortcut) = to.dshortcut {
        dshortcut.iter_mut().zip(&passed).for_each(|(to, g)| *to += g);
    }
    if let Some(statistics) = statistics {
        *statistics = Moments::of(saved.dy);
    }
}
