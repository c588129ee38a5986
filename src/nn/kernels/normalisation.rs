//! The rows of batch norm (Ioffe & Szegedy 2015) with what follows it in a block, on bundles of images: forming an
//! output from a convolution's response, and propagating the output's gradient back to the response. Each passes once
//! over a row and also measures what the statistics need.
//!
//! A pass takes a strip of a few pixels at a time, channel after channel, so that memory is read in order and a
//! channel's scale and sums are loaded once for the strip.

use super::bundle::IMAGES;
use crate::statistics::{Moments, Products, Sums};

mod form;
mod mask;
mod spread;

pub(super) use form::add;
pub use form::{Shape as FormShape, form_row};
pub use mask::{Passed, mask_row};
pub use spread::{spread_in_place, spread_row};

/// Pixels of a strip.
const PIXELS: usize = 4;

/// Added to the variance under the root.
pub const EPSILON: f32 = 1e-5;
/// The share of the batch's statistics in an update of the running ones.
pub(crate) const MOMENTUM: f32 = 0.1;

/// The map from a response to an output: `scale * response + shift`, with one number each per channel.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    /// Factors.
    pub scale: &'a [f32],
    /// Terms.
    pub shift: &'a [f32],
}

/// The measurements of an output while it is formed, accumulated over the rows of a bundle and then folded into the
/// sums of a share.
#[derive(Clone, Debug)]
pub struct OutputSums {
    /// Of the numbers themselves.
    pub moments: Moments,
    /// Of response (first) and shortcut (second); the response's own squares follow from batch norm.
    pub products: Products,
    /// Whether a channel had a non-zero value.
    pub alive: Vec<bool>,
    elements: OutputLanes,
}

/// The sums of a bundle, element by element.
#[derive(Clone, Debug)]
struct OutputLanes {
    sum: [f64; IMAGES],
    /// Of each channel.
    squares: Vec<[f32; IMAGES]>,
    min: [f32; IMAGES],
    max: [f32; IMAGES],
    zeros: [f64; IMAGES],
    response_squares: [f64; IMAGES],
    shortcut_squares: [f64; IMAGES],
    products: [f64; IMAGES],
}

impl OutputLanes {
    fn none(channels: usize) -> OutputLanes {
        OutputLanes {
            sum: [0.0; IMAGES],
            squares: vec![[0.0; IMAGES]; channels],
            min: [f32::INFINITY; IMAGES],
            max: [f32::NEG_INFINITY; IMAGES],
            zeros: [0.0; IMAGES],
            response_squares: [0.0; IMAGES],
            shortcut_squares: [0.0; IMAGES],
            products: [0.0; IMAGES],
        }
    }
}

impl OutputSums {
    /// The sums of no numbers.
    pub fn none(channels: usize) -> OutputSums {
        OutputSums {
            moments: Moments::default(),
            products: Products::default(),
            alive: vec![false; channels],
            elements: OutputLanes::none(channels),
        }
    }

    /// Adds the sums of a bundle, over `pixels` pixels in each of its first `images` elements.
    pub fn fold(&mut self, pixels: usize, images: usize) {
        let OutputLanes { sum, squares, min, max, zeros, response_squares, shortcut_squares, products } =
            &mut self.elements;
        let total = |elements: &[f64; IMAGES]| elements[..images].iter().sum::<f64>();
        let mut all = 0.0;
        for (squares, alive) in squares.iter_mut().zip(&mut self.alive) {
            let of_channel: f64 = squares[..images].iter().map(|&x| f64::from(x)).sum();
            *alive |= of_channel != 0.0;
            all += of_channel;
            *squares = [0.0; IMAGES];
        }
        self.moments.merge(&Moments {
            sums: Sums { count: (pixels * self.alive.len() * images) as u64, sum: total(sum), squares: all },
            min: min[..images].iter().copied().fold(f32::INFINITY, f32::min),
            max: max[..images].iter().copied().fold(f32::NEG_INFINITY, f32::max),
            zeros: total(zeros) as u64,
            non_finite: 0,
        });
        self.products.merge(&Products {
            first: total(response_squares),
            second: total(shortcut_squares),
            both: total(products),
        });
        let nothing = [0.0; IMAGES];
        (*sum, *zeros) = (nothing, nothing);
        (*response_squares, *shortcut_squares, *products) = (nothing, nothing, nothing);
        (*min, *max) = ([f32::INFINITY; IMAGES], [f32::NEG_INFINITY; IMAGES]);
    }

    /// The sums of all shares; none if nothing was measured.
    pub(crate) fn total(shares: Vec<OutputSums>) -> Option<OutputSums> {
        shares.into_iter().reduce(|mut total, sums| {
            total.merge(&sums);
            total
        })
    }

    /// Adds the sums of another share.
    pub fn merge(&mut self, other: &OutputSums) {
        self.moments.merge(&other.moments);
        self.products.merge(&other.products);
        self.alive.iter_mut().zip(&other.alive).for_each(|(a, b)| *a |= b);
    }
}

/// The sums over the gradient to an output while it is propagated back through ReLU.
#[derive(Clone, Debug)]
pub struct GradientSums {
    /// Of the gradient before ReLU, if it is measured.
    pub sums: Sums,
    /// Of the gradient that passes ReLU, one number per channel.
    pub passed: Vec<f64>,
    /// Of that times the response's distance from its mean.
    pub along: Vec<f64>,
    /// Sum and squares of all channels, element by element.
    elements: [[f64; IMAGES]; 2],
    /// The two sums of each channel, element by element.
    channels: Vec<[[f32; IMAGES]; 2]>,
}

impl GradientSums {
    /// The sums of no numbers.
    pub fn none(channels: usize) -> GradientSums {
        GradientSums {
            sums: Sums::default(),
            passed: vec![0.0; channels],
            along: vec![0.0; channels],
            elements: [[0.0; IMAGES]; 2],
            channels: vec![[[0.0; IMAGES]; 2]; channels],
        }
    }

    /// Adds the sums of a bundle, over `pixels` pixels in each of its first `images` elements.
    pub fn fold(&mut self, pixels: usize, images: usize) {
        let total = |elements: &[f64; IMAGES]| elements[..images].iter().sum::<f64>();
        let [sum, squares] = &mut self.elements;
        let count = (pixels * self.channels.len() * images) as u64;
        self.sums.merge(&Sums { count, sum: total(sum), squares: total(squares) });
        self.elements = [[0.0; IMAGES]; 2];
        let of_channels = self.passed.iter_mut().zip(&mut self.along).zip(&mut self.channels);
        for ((passed, along), elements) in of_channels {
            let total =
                |elements: &[f32; IMAGES]| elements[..images].iter().map(|&x| f64::from(x)).sum::<f64>();
            *passed += total(&elements[0]);
            *along += total(&elements[1]);
            *elements = [[0.0; IMAGES]; 2];
        }
    }

    /// Whether all numbers are finite, as far as the sums show it.
    pub(crate) fn is_finite(&self) -> bool {
        let all = self.sums.sum + self.passed.iter().chain(&self.along).sum::<f64>();
        all.is_finite()
    }

    /// The sums of all shares; none without shares.
    pub(crate) fn total(shares: Vec<GradientSums>) -> Option<GradientSums> {
        shares.into_iter().reduce(|mut total, sums| {
            total.merge(&sums);
            total
        })
    }

    /// Adds the sums of another share.
    pub fn merge(&mut self, other: &GradientSums) {
        self.sums.merge(&other.sums);
        self.passed.iter_mut().zip(&other.passed).for_each(|(a, b)| *a += b);
        self.along.iter_mut().zip(&other.along).for_each(|(a, b)| *a += b);
    }
}

#[cfg(test)]
mod tests;
