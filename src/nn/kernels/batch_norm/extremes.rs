//! Moments of many numbers, gathered lane by lane while a pass has them in registers.

use crate::statistics::{Moments, Sums};

/// Sums, extremes and zeros of each lane.
#[derive(Clone, Copy)]
pub(super) struct Extremes<const L: usize> {
    sum: [f64; L],
    squares: [f64; L],
    min: [f32; L],
    max: [f32; L],
    zeros: [u32; L],
}

impl<const L: usize> Extremes<L> {
    /// Those of nothing.
    #[inline(always)]
    pub(super) fn none() -> Extremes<L> {
        Extremes {
            sum: [0.0; L],
            squares: [0.0; L],
            min: [f32::INFINITY; L],
            max: [f32::NEG_INFINITY; L],
            zeros: [0; L],
        }
    }

    /// Takes in a number in each lane.
    #[inline(always)]
    pub(super) fn add(&mut self, values: &[f32; L]) {
        add(&mut self.sum, values);
        add_products(&mut self.squares, values, values);
        for (min, &value) in self.min.iter_mut().zip(values) {
            *min = if value < *min { value } else { *min };
        }
        for (max, &value) in self.max.iter_mut().zip(values) {
            *max = if value > *max { value } else { *max };
        }
        for (zeros, &value) in self.zeros.iter_mut().zip(values) {
            *zeros += u32::from(value == 0.0);
        }
    }

    /// The zeros of each lane so far, which begin at none again.
    #[inline(always)]
    pub(super) fn take_zeros(&mut self) -> [u32; L] {
        std::mem::replace(&mut self.zeros, [0; L])
    }

    /// The moments of all lanes. `values` are those that were taken in, to be looked at again where some of them
    /// are not finite; `zeros` those that were taken out.
    pub(super) fn moments(&self, values: &[f32], zeros: u64) -> Moments {
        let sum = total(&self.sum);
        if !sum.is_finite() {
            return Moments::of(values);
        }
        Moments {
            sums: Sums { count: values.len() as u64, sum, squares: total(&self.squares) },
            min: self.min.into_iter().fold(f32::INFINITY, f32::min),
            max: self.max.into_iter().fold(f32::NEG_INFINITY, f32::max),
            zeros: zeros + self.zeros.iter().copied().map(u64::from).sum::<u64>(),
            non_finite: 0,
        }
    }
}

/// Adds a number to each lane.
#[inline(always)]
pub(super) fn add<const L: usize>(sums: &mut [f64; L], values: &[f32; L]) {
    for lane in 0..L {
        sums[lane] += f64::from(values[lane]);
    }
}

/// Adds a product to each lane; the product of two f32 is exact in f64.
#[inline(always)]
pub(super) fn add_products<const L: usize>(sums: &mut [f64; L], first: &[f32; L], second: &[f32; L]) {
    for lane in 0..L {
        sums[lane] += f64::from(first[lane]) * f64::from(second[lane]);
    }
}

/// The sum over all lanes.
pub(super) fn total<const L: usize>(sums: &[f64; L]) -> f64 {
    sums.iter().sum()
}
