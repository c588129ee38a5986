//! Mixtures of the streams of hyper-connections: sums of inputs times coefficients that may differ from row to row. Inputs
//! and outputs are bundles of several times as many features, `[inputs][features][16]`; coefficients are `[..][16]`.

use super::InstructionSet;
use super::bundle::IMAGES;
use super::dispatch::{Instructions, Kernel};
use super::sum::{Terms, sum};
use super::vector::Vector;

/// A term: which coefficient and which input.
pub type Term = (usize, usize);

/// Independent sums of a coefficient's gradient.
const CHAINS: usize = 4;

/// Writes the outputs of a bundle, each the sum of its terms.
pub fn mix(set: InstructionSet, features: usize, terms: &[Vec<Term>], c: &[f32], x: &[f32], y: &mut [f32]) {
    check(features, terms, [c.len(), x.len(), y.len()]);
    set.run(Mix { features, terms, c, x, y });
}

/// Adds the gradients to the coefficients and inputs of a bundle, from that to its outputs.
pub fn mix_gradient(
    set: InstructionSet,
    features: usize,
    terms: &[Vec<Term>],
    [c, x, dy]: [&[f32]; 3],
    dc: &mut [f32],
    dx: &mut [f32],
) {
    check(features, terms, [c.len(), x.len(), dy.len()]);
    assert_eq!([dc.len(), dx.len()], [c.len(), x.len()], "gradients of all numbers");
    set.run(Gradient { features, terms, c, x, dy, dc, dx });
}

fn check(features: usize, terms: &[Vec<Term>], [c, x, y]: [usize; 3]) {
    assert_eq!(y, terms.len() * features * IMAGES, "outputs of {features} features");
    for &(coefficient, from) in terms.iter().flatten() {
        assert!((coefficient + 1) * IMAGES <= c, "coefficient {coefficient}");
        assert!((from + 1) * features * IMAGES <= x, "input {from}");
    }
}

struct Mix<'a> {
    features: usize,
    terms: &'a [Vec<Term>],
    c: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Mix<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let step = self.features * IMAGES;
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            let [c, x] = [self.c, self.x].map(|of| of.as_ptr().wrapping_add(element));
            let y = self.y.as_mut_ptr().wrapping_add(element);
            for (to, terms) in self.terms.iter().enumerate() {
                for feature in 0..self.features {
                    let at = feature * IMAGES;
                    // SAFETY: the caller guarantees the instructions; `check` has found all terms inside.
                    unsafe {
                        let mut sum = I::Vector::zero();
                        for &(coefficient, from) in terms {
                            let c = I::Vector::load(c.add(coefficient * IMAGES));
                            sum = I::Vector::load(x.add(from * step + at)).mul_add(c, sum);
                        }
                        sum.store(y.add(to * step + at));
                    }
                }
            }
        }
    }
}

struct Gradient<'a> {
    features: usize,
    terms: &'a [Vec<Term>],
    c: &'a [f32],
    x: &'a [f32],
    dy: &'a [f32],
    dc: &'a mut [f32],
    dx: &'a mut [f32],
}

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let step = self.features * IMAGES;
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            let [c, x, dy] = [self.c, self.x, self.dy].map(|of| of.as_ptr().wrapping_add(element));
            let (dc, dx) = (self.dc.as_mut_ptr(), self.dx.as_mut_ptr());
            let (dc, dx) = (dc.wrapping_add(element), dx.wrapping_add(element));
            for (to, terms) in self.terms.iter().enumerate() {
                for &(coefficient, from) in terms {
                    // SAFETY: the caller guarantees the instructions; `check` has found all terms inside, and gradients
                    // are as long as what they are gradients of.
                    unsafe {
                        let c = I::Vector::load(c.add(coefficient * IMAGES));
                        let mut through = Through {
                            c,
                            x: x.add(from * step),
                            dy: dy.add(to * step),
                            dx: dx.add(from * step),
                        };
                        let [along] = sum::<I::Vector, 1, CHAINS>(0..self.features, &mut through);
                        let dc = dc.add(coefficient * IMAGES);
                        I::Vector::load(dc).add(along).store(dc);
                    }
                }
            }
        }
    }
}

/// A term of the gradient.
struct Through<V> {
    c: V,
    x: *const f32,
    dy: *const f32,
    dx: *mut f32,
}

/// The gradient times the input; adds to the input's by the way.
impl<V: Vector> Terms<V, 1> for Through<V> {
    #[inline(always)]
    unsafe fn add(&mut self, feature: usize, [along]: [V; 1]) -> [V; 1] {
        let at = feature * IMAGES;
        // SAFETY: guaranteed by the caller.
        unsafe {
            let (dy, to) = (V::load(self.dy.add(at)), self.dx.add(at));
            dy.mul_add(self.c, V::load(to)).store(to);
            [dy.mul_add(V::load(self.x.add(at)), along)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::guarded::{Guarded, Side};
    use crate::nn::kernels::samples::{assert_close, assert_fused_agree, numbers};

    /// Outputs and gradients by the definition, in f64.
    fn plainly(features: usize, terms: &[Vec<Term>], [c, x, dy]: [&[f32]; 3]) -> [Vec<f64>; 3] {
        let wide = |numbers: &[f32]| -> Vec<f64> { numbers.iter().map(|&x| f64::from(x)).collect() };
        let [c, x, dy] = [c, x, dy].map(wide);
        let (mut y, mut dc, mut dx) = (vec![0.0; dy.len()], vec![0.0; c.len()], vec![0.0; x.len()]);
        for (to, terms) in terms.iter().enumerate() {
            for &(coefficient, from) in terms {
                for at in 0..features * IMAGES {
                    let (c_at, row) = (coefficient * IMAGES + at % IMAGES, features * IMAGES);
                    y[to * row + at] += c[c_at] * x[from * row + at];
                    dc[c_at] += dy[to * row + at] * x[from * row + at];
                    dx[from * row + at] += c[c_at] * dy[to * row + at];
                }
            }
        }
        [y, dc, dx]
    }

    #[test]
    fn mixtures_and_their_gradients_are_those_of_the_definition() {
        let streams = |n: usize| -> Vec<Vec<Term>> {
            (0..n).map(|to| (0..n).map(|from| (1 + from * n + to, from)).collect()).collect()
        };
        for (features, terms, inputs) in [
            (1, streams(2), 2),
            (7, streams(3), 3),
            (64, vec![vec![(0, 1), (2, 0)]], 2),
            (5, vec![vec![(3, 0)]; 4], 1),
        ] {
            let coefficients = 12;
            let (c, x) = (numbers(coefficients * IMAGES, 1), numbers(inputs * features * IMAGES, 2));
            let dy = numbers(terms.len() * features * IMAGES, 3);
            let expected = plainly(features, &terms, [&c, &x, &dy]);
            let mut of_sets = Vec::new();
            for set in InstructionSet::available() {
                for side in [Side::Front, Side::Back] {
                    let [c, x, dy] = [&c, &x, &dy].map(|of| Guarded::copied(side, of));
                    let mut y = Guarded::filled(side, dy.len(), f32::NAN);
                    let [mut dc, mut dx] =
                        [c.len(), x.len()].map(|length| Guarded::filled(side, length, 0.0));
                    mix(set, features, &terms, &c, &x, &mut y);
                    mix_gradient(set, features, &terms, [&c, &x, &dy], &mut dc, &mut dx);
                    let ours = [y.to_vec(), dc.to_vec(), dx.to_vec()];
                    for (ours, expected) in ours.iter().zip(&expected) {
                        assert_close(&format!("{set}, {features} features"), ours, expected, 1e-5);
                    }
                    of_sets.push((set, ours.concat()));
                }
            }
            assert_fused_agree("mixtures", &of_sets);
        }
    }
}
