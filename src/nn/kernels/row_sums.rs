//! Measures the rows of a bundle, `[features][16]`, while they are in the cache: moments, features that are alive,
//! products of two of the same shape, and sums over rows.

use super::InstructionSet;
use super::bundle::IMAGES;
use super::scratch::Aligned;
use crate::statistics::{Moments, Products, Sums};

mod pass;

use pass::{Add, AddRows, Measure, Measured, Multiply};

/// What is measured of an output.
#[derive(Clone, Debug)]
pub struct RowSums {
    /// Of the numbers themselves. As everywhere in the kernels, numbers that are not finite show in the sums alone.
    pub moments: Moments,
    /// The largest absolute number of each feature, row by row.
    largest: Aligned,
}

impl RowSums {
    /// The sums of no rows.
    pub fn none(features: usize) -> RowSums {
        RowSums { moments: Moments::default(), largest: Aligned::zeros(features * IMAGES) }
    }

    /// Adds the first `valid` rows of a bundle.
    pub fn add(&mut self, set: InstructionSet, bundle: &[f32], valid: usize) {
        assert_eq!(bundle.len(), self.largest.len(), "a bundle of the features");
        assert!(valid <= IMAGES, "a bundle has at most 16 rows");
        let counts = std::array::from_fn(|row| if row < valid { 1.0 } else { 0.0 });
        let Measured { sums: [sum, squares, zeros], extremes: [min, max] } =
            set.run(Measure { x: bundle, counts, largest: &mut self.largest });
        let total = |rows: &[f64; IMAGES]| rows[..valid].iter().sum::<f64>();
        self.moments.merge(&Moments {
            sums: Sums {
                count: (self.largest.len() / IMAGES * valid) as u64,
                sum: total(&sum),
                squares: total(&squares),
            },
            min: min[..valid].iter().copied().fold(f32::INFINITY, f32::min),
            max: max[..valid].iter().copied().fold(f32::NEG_INFINITY, f32::max),
            zeros: total(&zeros) as u64,
            non_finite: 0,
        });
    }

    /// Whether each feature had a non-zero value in a row.
    pub fn alive(&self) -> impl ExactSizeIterator<Item = bool> {
        self.largest.as_chunks::<IMAGES>().0.iter().map(|rows| rows.iter().any(|x| *x != 0.0))
    }
}

/// The inner products of the first `valid` rows of two bundles.
pub fn products(set: InstructionSet, first: &[f32], second: &[f32], valid: usize) -> Products {
    assert!(first.len() == second.len() && first.len().is_multiple_of(IMAGES), "bundles of one shape");
    let [first, second, both] = set.run(Multiply { first, second });
    let total = |rows: &[f64; IMAGES]| rows[..valid].iter().sum::<f64>();
    Products { first: total(&first), second: total(&second), both: total(&both) }
}

/// The sums over the first `valid` rows of a bundle: of a gradient.
pub fn sums(set: InstructionSet, bundle: &[f32], valid: usize) -> Sums {
    assert!(bundle.len().is_multiple_of(IMAGES), "a bundle of whole features");
    let [sum, squares] = set.run(Add { x: bundle });
    let total = |rows: &[f64; IMAGES]| rows[..valid].iter().sum::<f64>();
    Sums { count: (bundle.len() / IMAGES * valid) as u64, sum: total(&sum), squares: total(&squares) }
}

/// Adds the first `valid` rows of a bundle to the sums of each feature, which stay apart by row: the gradient of a bias.
pub fn add_rows(set: InstructionSet, bundle: &[f32], valid: usize, to: &mut [[f32; IMAGES]]) {
    assert_eq!(bundle.len(), to.len() * IMAGES, "sums of each feature");
    assert!(valid <= IMAGES, "a bundle has at most 16 rows");
    let counts = std::array::from_fn(|row| if row < valid { 1.0 } else { 0.0 });
    set.run(AddRows { x: bundle, counts, to });
}

/// The sum over rows of sums that were apart by row.
pub fn fold(rows: &[f32; IMAGES]) -> f64 {
    rows.iter().map(|&x| f64::from(x)).sum()
}

#[cfg(test)]
mod tests;
