//! What attention does between products: on the scores of a bundle of queries, `[keys][16 queries]`.

use super::SQUARE;
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::IMAGES;
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::nn::kernels::special::exp;
use crate::nn::kernels::vector::Vector;

/// What is kept of each query of a bundle for the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QueryStatistics {
    /// Its largest score.
    pub largest: [f32; IMAGES],
    /// One over the sum of the exponentials of its scores less the largest.
    pub inverse: [f32; IMAGES],
}

/// Added to the scores of 16 queries for the keys of the same bundle: hides those of later tokens.
const HIDDEN: [[f32; IMAGES]; IMAGES] = {
    let mut hidden = [[0.0; IMAGES]; IMAGES];
    let mut key = 0;
    while key < IMAGES {
        let mut query = 0;
        while query < key {
            hidden[key][query] = -1e30;
            query += 1;
        }
        key += 1;
    }
    hidden
};

/// Replaces the scores of a bundle of queries, of which the last 16 keys are the same tokens, by weights, which have yet to
/// be multiplied by the inverse sum. Returns the entropy of the first queries, in nats.
pub(super) fn weigh(
    set: InstructionSet,
    scale: f32,
    scores: &mut [f32],
    queries: usize,
    statistics: &mut QueryStatistics,
) -> f64 {
    assert!(scores.len() >= SQUARE && scores.len().is_multiple_of(SQUARE), "scores for whole bundles");
    let [sums, along] = set.run(Weigh { scale, scores, statistics });
    // Of all sums together, so that one logarithm does; none exceeds the number of tokens.
    let (mut product, mut entropy) = (1.0_f64, 0.0);
    for (sum, along) in sums.into_iter().zip(along).take(queries) {
        product *= f64::from(sum);
        entropy -= f64::from(along) / f64::from(sum);
    }
    entropy + product.ln()
}

/// Multiplies each vector of `numbers` by a factor for each row.
pub(super) fn scale(set: InstructionSet, factors: &[f32; IMAGES], numbers: &mut [f32]) {
    assert!(numbers.len().is_multiple_of(IMAGES), "whole vectors");
    set.run(Scale { factors, numbers });
}

/// Writes the products of the rows of two bundles.
pub(super) fn products(set: InstructionSet, a: &[f32], b: &[f32], to: &mut [f32; IMAGES]) {
    assert!(a.len() == b.len() && a.len().is_multiple_of(IMAGES), "bundles of one shape");
    set.run(Products { a, b, to });
}

/// Of a bundle of queries.
#[derive(Clone, Copy)]
pub(super) struct Queries<'a> {
    /// What scores are multiplied by.
    pub(super) scale: f32,
    pub(super) statistics: &'a QueryStatistics,
    /// The products of outputs and their gradients.
    pub(super) along: &'a [f32; IMAGES],
    /// How many of the queries are tokens.
    pub(super) tokens: usize,
}

/// Replaces scores by weights, and the gradient to these by that to the scores, for some bundles of keys, of which the one
/// numbered `own` has the queries' tokens; zero where a key is hidden, and for queries that are no tokens.
pub(super) fn gradient(
    set: InstructionSet,
    queries: Queries,
    own: usize,
    weights: &mut [f32],
    slopes: &mut [f32],
) {
    assert!(weights.len() == slopes.len() && weights.len().is_multiple_of(SQUARE), "whole bundles of keys");
    let seen = weights.len().min((own + 1) * SQUARE);
    weights[seen..].fill(0.0);
    slopes[seen..].fill(0.0);
    let inverse =
        std::array::from_fn(|row| if row < queries.tokens { queries.statistics.inverse[row] } else { 0.0 });
    let diagonal = if own * SQUARE < weights.len() { own * SQUARE } else { seen };
    set.run(Gradient { queries, inverse, seen, diagonal, weights, slopes });
}

struct Weigh<'a> {
    scale: f32,
    /// Of whole bundles of keys, at least one.
    scores: &'a mut [f32],
    statistics: &'a mut QueryStatistics,
}

impl Kernel for Weigh<'_> {
    /// The sum of weights of each query, and of their products with scores less the largest.
    type Output = [[f32; IMAGES]; 2];

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) -> [[f32; IMAGES]; 2] {
        let mut results = [[0.0; IMAGES]; 2];
        let end = self.scores.len();
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            let x = self.scores.as_mut_ptr().wrapping_add(element);
            // SAFETY: the caller guarantees the instructions; vectors begin at multiples of 16 below the end, from the
            // element on.
            unsafe {
                for (key, hidden) in HIDDEN.iter().enumerate() {
                    let at = x.add(end - SQUARE + key * IMAGES);
                    I::Vector::load(at).add(I::Vector::load(hidden.as_ptr().add(element))).store(at);
                }
                let mut largest = [I::Vector::load(x); 4];
                for at in (0..end).step_by(4 * IMAGES) {
                    for (i, largest) in largest.iter_mut().enumerate() {
                        *largest = I::Vector::load(x.add(at + i * IMAGES)).max(*largest);
                    }
                }
                let [a, b, c, d] = largest;
                let largest = a.max(b).max(c.max(d));
                let scale = I::Vector::splat(self.scale);
                let mut sums = [[I::Vector::zero(); 2]; 2];
                for at in (0..end).step_by(2 * IMAGES) {
                    for (i, [sum, along]) in sums.iter_mut().enumerate() {
                        let at = x.add(at + i * IMAGES);
                        let below = I::Vector::load(at).sub(largest).mul(scale);
                        let weight = exp(below);
                        weight.store(at);
                        *sum = sum.add(weight);
                        *along = weight.mul_add(below, *along);
                    }
                }
                let sum = sums[0][0].add(sums[1][0]);
                sum.store(results[0].as_mut_ptr().add(element));
                sums[0][1].add(sums[1][1]).store(results[1].as_mut_ptr().add(element));
                largest.store(self.statistics.largest.as_mut_ptr().add(element));
                I::Vector::splat(1.0).div(sum).store(self.statistics.inverse.as_mut_ptr().add(element));
            }
        }
        results
    }
}

struct Scale<'a> {
    factors: &'a [f32; IMAGES],
    numbers: &'a mut [f32],
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            // SAFETY: the caller guarantees the instructions; vectors begin at multiples of 16, from the element on.
            unsafe {
                let factor = I::Vector::load(self.factors.as_ptr().add(element));
                for at in (element..self.numbers.len()).step_by(IMAGES) {
                    let at = self.numbers.as_mut_ptr().add(at);
                    I::Vector::load(at).mul(factor).store(at);
                }
            }
        }
    }
}

/// Two slices of one length.
struct Products<'a> {
    a: &'a [f32],
    b: &'a [f32],
    to: &'a mut [f32; IMAGES],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            // SAFETY: the caller guarantees the instructions; vectors begin at multiples of 16, from the element on.
            unsafe {
                let mut sum = I::Vector::zero();
                for at in (element..self.a.len()).step_by(IMAGES) {
                    let (a, b) = (self.a.as_ptr().add(at), self.b.as_ptr().add(at));
                    sum = I::Vector::load(a).mul_add(I::Vector::load(b), sum);
                }
                sum.store(self.to.as_mut_ptr().add(element));
            }
        }
    }
}

struct Gradient<'a> {
    queries: Queries<'a>,
    /// Zero for queries that are no tokens.
    inverse: [f32; IMAGES],
    /// Numbers of keys that are not hidden from all queries.
    seen: usize,
    /// Where the keys of the queries' own bundle begin; `seen` if they are not among these.
    diagonal: usize,
    weights: &'a mut [f32],
    slopes: &'a mut [f32],
}

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            let weights = self.weights.as_mut_ptr().wrapping_add(element);
            let slopes = self.slopes.as_mut_ptr().wrapping_add(element);
            // SAFETY: the caller guarantees the instructions; vectors begin at multiples of 16 below `seen`, which is
            // within both slices, from the element on.
            unsafe {
                let load = |rows: &[f32; IMAGES]| I::Vector::load(rows.as_ptr().add(element));
                let (largest, inverse) = (load(&self.queries.statistics.largest), load(&self.inverse));
                let (along, scale) = (load(self.queries.along), I::Vector::splat(self.queries.scale));
                for (key, hidden) in (self.diagonal..self.seen).step_by(IMAGES).zip(&HIDDEN) {
                    I::Vector::load(weights.add(key)).add(load(hidden)).store(weights.add(key));
                }
                for at in (0..self.seen).step_by(IMAGES) {
                    let below = I::Vector::load(weights.add(at)).sub(largest).mul(scale);
                    let weight = exp(below).mul(inverse);
                    weight.store(weights.add(at));
                    let slope = I::Vector::load(slopes.add(at)).sub(along);
                    slope.mul(weight).mul(scale).store(slopes.add(at));
                }
            }
        }
    }
}
