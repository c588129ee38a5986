//! Mean and variance of each channel.

use super::columns::Columns;
use crate::nn::kernels::dispatch::{Instructions, Kernel};

/// Writes mean and biased variance of each channel.
pub(super) struct Measure<'a, const L: usize> {
    pub(super) columns: Columns<L>,
    pub(super) x: &'a [[f32; L]],
    pub(super) mean: &'a mut [f32],
    pub(super) variance: &'a mut [f32],
}

impl<const L: usize> Kernel for Measure<'_, L> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let Measure { columns, x, mean, variance } = self;
        let channels = mean.len();
        let (mut sums, mut squares) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
        // Sums of differences from the first pixel don't lose the variance of a channel with a large mean.
        let pivot: Vec<f32> = x.as_flattened()[..channels].to_vec();
        for group in 0..columns.groups() {
            let origin = columns.expand(&pivot, group);
            let (mut sum, mut square) = ([0.0_f64; L], [0.0_f64; L]);
            let mut at = group;
            while at < x.len() {
                let x = &x[at];
                for lane in 0..L {
                    let difference = f64::from(x[lane]) - f64::from(origin[lane]);
                    sum[lane] += difference;
                    square[lane] += difference * difference;
                }
                at += columns.groups();
            }
            columns.fold(sum, group, &mut sums);
            columns.fold(square, group, &mut squares);
        }
        let count = columns.pixels() as f64;
        for c in 0..channels {
            let shift = sums[c] / count;
            mean[c] = (f64::from(pivot[c]) + shift) as f32;
            let spread = squares[c] / count - shift * shift;
            // Rounding may leave a constant channel just below zero; NaN has to stay one, so no `max`.
            variance[c] = if spread < 0.0 { 0.0 } else { spread as f32 };
        }
    }
}
