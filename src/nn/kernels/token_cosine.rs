//! The mean cosine between the tokens of a sequence (Dong et al. 2021): from the sum of their directions, since the
//! squared length of that is the sum of the cosines of all pairs.

use super::InstructionSet;
use super::bundle::{IMAGES, images_of};
use super::dispatch::{Instructions, Kernel};

/// The numbers of a feature of 16 tokens.
type Vector = [f32; IMAGES];

/// The mean cosine between two different tokens of a sequence of `tokens`, which fill the bundles. Tokens that are zero
/// have no direction and are left out; NaN if fewer than two have one.
pub fn mean_cosine(set: InstructionSet, sequence: &[f32], tokens: usize) -> f64 {
    let bundles = tokens.div_ceil(IMAGES).max(1);
    assert!(sequence.len().is_multiple_of(bundles * IMAGES), "whole features of whole bundles");
    let features = sequence.len() / bundles / IMAGES;
    let mut sums = vec![[0.0; IMAGES]; features];
    let mut count = 0;
    for (at, bundle) in sequence.chunks_exact(features * IMAGES).enumerate() {
        let mut factors = set.run(Squares { bundle: bundle.as_chunks().0 });
        let (own, beyond) = factors.split_at_mut(images_of(at, tokens));
        for factor in own {
            let is_zero = *factor == 0.0;
            count += usize::from(!is_zero);
            *factor = if is_zero { 0.0 } else { factor.sqrt().recip() };
        }
        beyond.fill(0.0);
        set.run(AddDirections { bundle: bundle.as_chunks().0, factors, sums: &mut sums });
    }
    let length = sums.iter().map(|sums| sums.iter().map(|&x| f64::from(x)).sum::<f64>().powi(2)).sum::<f64>();
    let count = count as f64;
    (length - count) / (count * (count - 1.0))
}

/// The squared length of each token.
struct Squares<'a> {
    bundle: &'a [Vector],
}

impl Kernel for Squares<'_> {
    type Output = Vector;

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) -> Vector {
        let mut squares = [0.0; IMAGES];
        for feature in self.bundle {
            for (sum, x) in squares.iter_mut().zip(feature) {
                *sum += x * x;
            }
        }
        squares
    }
}

/// Adds each feature of the tokens' directions, token by token.
struct AddDirections<'a> {
    bundle: &'a [Vector],
    /// One over the length of each token.
    factors: Vector,
    sums: &'a mut [Vector],
}

impl Kernel for AddDirections<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        for (sums, feature) in self.sums.iter_mut().zip(self.bundle) {
            for ((sum, x), factor) in sums.iter_mut().zip(feature).zip(&self.factors) {
                *sum += factor * x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::samples::numbers;

    /// Tokens, `[tokens][features]`, in bundles, beside others in the places that don't count.
    fn bundled(tokens: &[Vec<f32>]) -> Vec<f32> {
        let (features, bundles) = (tokens[0].len(), tokens.len().div_ceil(IMAGES));
        let mut all = numbers(bundles * features * IMAGES, 7);
        for (at, token) in tokens.iter().enumerate() {
            for (feature, x) in token.iter().enumerate() {
                all[(at / IMAGES * features + feature) * IMAGES + at % IMAGES] = *x;
            }
        }
        all
    }

    fn cosine(set: InstructionSet, tokens: &[Vec<f32>]) -> f64 {
        mean_cosine(set, &bundled(tokens), tokens.len())
    }

    #[test]
    fn it_is_the_mean_over_all_pairs() {
        for set in InstructionSet::available() {
            for (count, features) in [(2, 3), (16, 8), (21, 12), (40, 5)] {
                let tokens: Vec<Vec<f32>> = (0..count).map(|at| numbers(features, at as u64 + 1)).collect();
                let product = |a: &[f32], b: &[f32]| -> f64 {
                    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
                };
                let mut sum = 0.0;
                for (i, a) in tokens.iter().enumerate() {
                    for b in &tokens[..i] {
                        sum += product(a, b) / (product(a, a) * product(b, b)).sqrt();
                    }
                }
                let expected = sum / (count * (count - 1) / 2) as f64;
                let found = cosine(set, &tokens);
                assert!((found - expected).abs() < 1e-6, "{set}: {count} tokens: {found}, {expected}");
            }
        }
    }

    #[test]
    fn equal_tokens_have_one_and_orthogonal_ones_zero() {
        for set in InstructionSet::available() {
            let equal: Vec<Vec<f32>> =
                (1..=20).map(|n| vec![n as f32, -2.0 * n as f32, 0.5 * n as f32]).collect();
            assert!((cosine(set, &equal) - 1.0).abs() < 1e-6);
            let mut axes: Vec<Vec<f32>> = vec![vec![0.0; 20]; 20];
            (0..20).for_each(|at| axes[at][at] = at as f32 + 1.0);
            assert!(cosine(set, &axes).abs() < 1e-7);
            // A token that is zero is no pair.
            axes[3] = vec![0.0; 20];
            axes[4] = axes[5].clone();
            assert!((cosine(set, &axes) - 2.0 / (19.0 * 18.0)).abs() < 1e-7);
            assert!(cosine(set, &[vec![1.0], vec![0.0]]).is_nan());
        }
    }
}
