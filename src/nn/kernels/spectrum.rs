//! The effective rank of a layer's output, of a sample that bounds what it costs.

use std::ops::RangeInclusive;

use super::InstructionSet;
use super::dispatch::{Instructions, Kernel};
use crate::statistics::effective_rank as of_matrix;

/// The rows of a sample: the fewer, the more units there are, so that the cost is bounded. An output in which no direction
/// is preferred has, of n rows of u units, an effective rank of about `exp(-u / 2n)` of the units, or of
/// `n / u exp(-n / 2u)` if there are fewer rows than units (Marchenko and Pastur 1967).
const ROWS: RangeInclusive<usize> = 64..=256;
/// The numbers of a sample between these bounds.
const NUMBERS: usize = 1 << 13;
/// With fewer rows than this, little can be said.
const LEAST_ROWS: usize = 8;

/// The effective rank, over the number of units, of the covariance of the units of an output, `[rows][units]`, where a row
/// is an example, a pixel of one or a token. Of many rows a sample is taken, in even distances over the batch. NaN for too
/// few rows, for an output that is the same everywhere, and for one that is not finite.
pub fn effective_rank(set: InstructionSet, output: &[f32], units: usize) -> f32 {
    let rows = output.len().checked_div(units).unwrap_or(0);
    let wanted = NUMBERS.checked_div(units).unwrap_or(0).clamp(*ROWS.start(), *ROWS.end());
    let count = rows.min(wanted);
    if count < LEAST_ROWS {
        return f32::NAN;
    }
    // An odd distance meets all pixels of images, whose number is even.
    let apart = rows / count;
    let apart = apart - usize::from(apart > 1 && apart.is_multiple_of(2));
    let taken = (0..count).flat_map(|row| &output[row * apart * units..][..units]);
    let mut sample: Vec<f64> = taken.map(|&x| f64::from(x)).collect();
    set.run(Rank { sample: &mut sample, units }) as f32
}

struct Rank<'a> {
    sample: &'a mut [f64],
    units: usize,
}

impl Kernel for Rank<'_> {
    type Output = f64;

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) -> f64 {
        let Rank { sample, units } = self;
        let mut means = vec![0.0; units];
        for row in sample.chunks_exact(units) {
            means.iter_mut().zip(row).for_each(|(mean, x)| *mean += x);
        }
        let count = (sample.len() / units) as f64;
        means.iter_mut().for_each(|mean| *mean /= count);
        for row in sample.chunks_exact_mut(units) {
            row.iter_mut().zip(&means).for_each(|(x, mean)| *x -= mean);
        }
        of_matrix(sample, units) / units as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::samples::numbers;

    #[test]
    fn ranks_of_known_outputs() {
        for set in InstructionSet::available() {
            let units = 8;
            // Every unit alone, up and down: no direction is preferred, and the mean is zero.
            let both = |at: usize, factor: f32| {
                [factor, -factor]
                    .into_iter()
                    .flat_map(move |x| (0..units).map(move |unit| if unit == at { x + 3.0 } else { 3.0 }))
            };
            let isotropic: Vec<f32> = (0..units).flat_map(|at| both(at, 2.0)).collect();
            assert!((effective_rank(set, &isotropic, units) - 1.0).abs() < 1e-6, "{set}");
            let two: Vec<f32> = (0..8).flat_map(|row| both(row % 2, 1.0)).collect();
            assert!((effective_rank(set, &two, units) - 0.25).abs() < 1e-6, "{set}");
            let one: Vec<f32> = (0..8).flat_map(|row| both(5, row as f32)).collect();
            assert!((effective_rank(set, &one, units) - 0.125).abs() < 1e-6, "{set}");
            assert!(effective_rank(set, &vec![1.0; 16 * units], units).is_nan(), "{set}");
            assert!(effective_rank(set, &isotropic[..7 * units], units).is_nan(), "{set}");
            let broken: Vec<f32> = isotropic.iter().map(|x| if *x > 4.0 { f32::NAN } else { *x }).collect();
            assert!(effective_rank(set, &broken, units).is_nan(), "{set}");
        }
    }

    #[test]
    fn a_sample_says_what_the_law_of_its_size_says() {
        let set = InstructionSet::detect();
        for (rows, units, taken) in [(4000, 16, 256), (4000, 64, 128), (4000, 128, 64), (4000, 512, 64)] {
            // Sums of uniform numbers, so that none is far out.
            let output = numbers(rows * units, 3);
            let (n, u) = (taken as f64, units as f64);
            let expected =
                if n > u { (-u / (2.0 * n)).exp() } else { (n - 1.0) / u * (-n / (2.0 * u)).exp() };
            let found = f64::from(effective_rank(set, &output, units));
            assert!(
                (found - expected).abs() < 0.02 * expected,
                "{units} units: {found}, expected {expected}"
            );
        }
    }

    #[test]
    fn all_parts_of_images_are_sampled() {
        // 128 images of 16x16 pixels of 4 units: unit 1 + column / 8 tells left from right, so both must be met.
        let pixels = |at: usize| -> [f32; 4] {
            let (row, column) = (at / 16 % 16, at % 16);
            [0.0, f32::from(u8::from(column < 8)), f32::from(u8::from(column >= 8)), (row / 8) as f32]
        };
        let output: Vec<f32> = (0..128 * 256).flat_map(pixels).collect();
        // Left and right are one direction of variance 1/2, up and down one of 1/4.
        let expected = (-(2.0 / 3.0 * (2.0_f64 / 3.0).ln() + (1.0_f64 / 3.0).ln() / 3.0)).exp() / 4.0;
        let found = f64::from(effective_rank(InstructionSet::detect(), &output, 4));
        assert!((found - expected).abs() < 0.01, "{found}, expected {expected}");
    }
}
