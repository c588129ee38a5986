//! The coefficients of manifold-constrained hyper-connections (Xie et al. 2025, equations 7 to 9) of 16 tokens: sigmoids
//! for the branch's input and output, and from stream to stream an exponential whose columns and rows are divided by
//! their sums in turn, until it is doubly stochastic. Numbers of a token are the elements of vectors, `[..][16]`.

use super::InstructionSet;
use super::bundle::IMAGES;
use super::dispatch::{Instructions, Kernel};
use super::scratch::with_scratch;
use super::special::{exp, sigmoid};
use super::sum::{Terms, sum};
use super::vector::Vector;

/// Added to the mean square under the root.
const EPSILON: f32 = 1e-6;
/// Times that columns and then rows are divided by their sums.
const ROUNDS: usize = 20;
/// Independent sums.
const CHAINS: usize = 4;

/// How many coefficients there are: `[streams]` for the branch's input, `[streams][streams]` from stream to stream, and
/// `[streams]` for the branch's output. Arguments are in another order: input, output, then a matrix whose rows are the
/// streams that are written.
fn count(streams: usize) -> usize {
    streams * (streams + 2)
}

/// Writes numbers over the root of their mean square, and returns one over the root.
pub fn normalise(set: InstructionSet, x: &[f32], v: &mut [f32]) -> [f32; IMAGES] {
    assert!(x.len() == v.len() && x.len().is_multiple_of(IMAGES), "whole vectors");
    set.run(Normalise { x, v })
}

/// Turns the gradient to normalised numbers into that to the numbers.
pub fn normalise_gradient(set: InstructionSet, v: &[f32], inverse: &[f32; IMAGES], gradient: &mut [f32]) {
    assert!(v.len() == gradient.len() && v.len().is_multiple_of(IMAGES), "whole vectors");
    set.run(NormaliseGradient { v, inverse, gradient });
}

/// Writes the coefficients for arguments.
pub fn coefficients(set: InstructionSet, streams: usize, arguments: &[f32], c: &mut [f32]) {
    assert_eq!([arguments.len(), c.len()], [count(streams) * IMAGES; 2], "a vector for each coefficient");
    with_scratch([streams * streams * IMAGES], |[matrices]| {
        set.run(Coefficients { streams, arguments, c, matrices, every: false });
    });
}

/// Writes the gradient to the arguments.
pub fn coefficients_gradient(
    set: InstructionSet,
    streams: usize,
    arguments: &[f32],
    dc: &[f32],
    to_arguments: &mut [f32],
) {
    let length = count(streams) * IMAGES;
    assert_eq!([arguments.len(), dc.len(), to_arguments.len()], [length; 3], "a vector for each coefficient");
    let all = (2 * ROUNDS + 1) * streams * streams * IMAGES;
    with_scratch([length, all], |[c, matrices]| {
        set.run(Coefficients { streams, arguments, c, matrices, every: true });
        set.run(Gradient { streams, c, matrices, dc, to_arguments });
    });
}

struct Normalise<'a> {
    x: &'a [f32],
    /// As many.
    v: &'a mut [f32],
}

impl Kernel for Normalise<'_> {
    type Output = [f32; IMAGES];

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) -> [f32; IMAGES] {
        let (mut inverses, features) = ([0.0; IMAGES], self.x.len() / IMAGES);
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            let x = self.x.as_ptr().wrapping_add(element);
            let v = self.v.as_mut_ptr().wrapping_add(element);
            // SAFETY: the caller guarantees the instructions; both have vectors of each feature, from this element on.
            unsafe {
                let [squares] = sum::<I::Vector, 1, CHAINS>(0..features, &mut Along { a: x, b: x });
                let mean = squares.div(I::Vector::splat(features as f32));
                let root = mean.add(I::Vector::splat(EPSILON)).sqrt();
                let inverse = I::Vector::splat(1.0).div(root);
                for at in (0..features * IMAGES).step_by(IMAGES) {
                    I::Vector::load(x.add(at)).mul(inverse).store(v.add(at));
                }
                inverse.store(inverses.as_mut_ptr().add(element));
            }
        }
        inverses
    }
}

struct NormaliseGradient<'a> {
    v: &'a [f32],
    inverse: &'a [f32; IMAGES],
    /// As many as `v`.
    gradient: &'a mut [f32],
}

impl Kernel for NormaliseGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let features = self.v.len() / IMAGES;
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            let v = self.v.as_ptr().wrapping_add(element);
            let gradient = self.gradient.as_mut_ptr().wrapping_add(element);
            // SAFETY: the caller guarantees the instructions; both have vectors of each feature, from this element on.
            unsafe {
                let [along] = sum::<I::Vector, 1, CHAINS>(0..features, &mut Along { a: v, b: gradient });
                let slope = along.div(I::Vector::splat(-(features as f32)));
                let inverse = I::Vector::load(self.inverse.as_ptr().add(element));
                for at in (0..features * IMAGES).step_by(IMAGES) {
                    let across = I::Vector::load(v.add(at)).mul_add(slope, I::Vector::load(gradient.add(at)));
                    across.mul(inverse).store(gradient.add(at));
                }
            }
        }
    }
}

/// The products of two numbers of each feature.
struct Along {
    a: *const f32,
    b: *const f32,
}

impl<V: Vector> Terms<V, 1> for Along {
    #[inline(always)]
    unsafe fn add(&mut self, feature: usize, [sum]: [V; 1]) -> [V; 1] {
        let at = feature * IMAGES;
        // SAFETY: guaranteed by the caller.
        unsafe { [V::load(self.a.add(at)).mul_add(V::load(self.b.add(at)), sum)] }
    }
}

struct Coefficients<'a> {
    streams: usize,
    /// A vector for each coefficient.
    arguments: &'a [f32],
    c: &'a mut [f32],
    /// The matrix, or where every one is wanted, one before each division and the last.
    matrices: &'a mut [f32],
    every: bool,
}

impl Kernel for Coefficients<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let n = self.streams;
        let square = n * n * IMAGES;
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            let a = self.arguments.as_ptr().wrapping_add(element);
            let c = self.c.as_mut_ptr().wrapping_add(element);
            let mut matrix = self.matrices.as_mut_ptr().wrapping_add(element);
            // SAFETY: the caller guarantees the instructions; there are vectors of all coefficients and matrices, from
            // this element on.
            unsafe {
                for at in (0..n).map(|stream| stream * IMAGES) {
                    let (input, output) =
                        (I::Vector::load(a.add(at)), I::Vector::load(a.add(n * IMAGES + at)));
                    sigmoid(input).store(c.add(at));
                    let gate = sigmoid(output).mul(I::Vector::splat(2.0));
                    gate.store(c.add(n * (n + 1) * IMAGES + at));
                }
                for at in (0..square).step_by(IMAGES) {
                    exp(I::Vector::load(a.add(2 * n * IMAGES + at))).store(matrix.add(at));
                }
                for round in 0..2 * ROUNDS {
                    let next = if self.every { matrix.add(square) } else { matrix };
                    for at in 0..n {
                        let line = Line::new(n, at, round % 2 == 0);
                        let mut sum = I::Vector::zero();
                        for place in line.places(n) {
                            sum = sum.add(I::Vector::load(matrix.add(place)));
                        }
                        for place in line.places(n) {
                            I::Vector::load(matrix.add(place)).div(sum).store(next.add(place));
                        }
                    }
                    matrix = next;
                }
                for to in 0..n {
                    for from in 0..n {
                        let share = I::Vector::load(matrix.add((to * n + from) * IMAGES));
                        share.store(c.add((n + from * n + to) * IMAGES));
                    }
                }
            }
        }
    }
}

/// A column or a row of a matrix of vectors.
#[derive(Clone, Copy)]
struct Line {
    first: usize,
    step: usize,
}

impl Line {
    #[inline(always)]
    fn new(streams: usize, at: usize, is_column: bool) -> Line {
        match is_column {
            true => Line { first: at * IMAGES, step: streams * IMAGES },
            false => Line { first: at * streams * IMAGES, step: IMAGES },
        }
    }

    #[inline(always)]
    fn places(self, streams: usize) -> impl Iterator<Item = usize> {
        (0..streams).map(move |other| self.first + other * self.step)
    }
}

struct Gradient<'a> {
    streams: usize,
    c: &'a [f32],
    /// Of each round.
    matrices: &'a [f32],
    dc: &'a [f32],
    to_arguments: &'a mut [f32],
}

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let n = self.streams;
        let square = n * n * IMAGES;
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            let [c, dc, first] = [self.c, self.dc, self.matrices].map(|of| of.as_ptr().wrapping_add(element));
            let to = self.to_arguments.as_mut_ptr().wrapping_add(element);
            // SAFETY: as for the coefficients.
            unsafe {
                let one = I::Vector::splat(1.0);
                for at in (0..n).map(|stream| stream * IMAGES) {
                    let (gate, d) = (I::Vector::load(c.add(at)), I::Vector::load(dc.add(at)));
                    d.mul(gate).mul(one.sub(gate)).store(to.add(at));
                    let last = n * (n + 1) * IMAGES + at;
                    // The gate is twice a sigmoid.
                    let (twice, d) = (I::Vector::load(c.add(last)), I::Vector::load(dc.add(last)));
                    let shut = twice.mul_add(I::Vector::splat(-0.5), one);
                    d.mul(twice).mul(shut).store(to.add(n * IMAGES + at));
                }
                let gradient = to.add(2 * n * IMAGES);
                for i in 0..n {
                    for j in 0..n {
                        let d = I::Vector::load(dc.add((n + j * n + i) * IMAGES));
                        d.store(gradient.add((i * n + j) * IMAGES));
                    }
                }
                for round in (0..2 * ROUNDS).rev() {
                    // With m' = m / s for a line whose sum is s: dm = (dm' - sum of dm' m / s) / s.
                    let before = first.add(round * square);
                    for at in 0..n {
                        let line = Line::new(n, at, round % 2 == 0);
                        let (mut sum, mut along) = (I::Vector::zero(), I::Vector::zero());
                        for place in line.places(n) {
                            let m = I::Vector::load(before.add(place));
                            sum = sum.add(m);
                            along = m.mul_add(I::Vector::load(gradient.add(place)), along);
                        }
                        let along = along.div(sum);
                        for place in line.places(n) {
                            let d = I::Vector::load(gradient.add(place));
                            d.sub(along).div(sum).store(gradient.add(place));
                        }
                    }
                }
                for at in (0..square).step_by(IMAGES) {
                    let exponential = I::Vector::load(first.add(at));
                    I::Vector::load(gradient.add(at)).mul(exponential).store(gradient.add(at));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
