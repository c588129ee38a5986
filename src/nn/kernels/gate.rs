//! Gates (He et al. 2016, section 3.1): numbers times `sigmoid(gate + bias)`, or times one minus that, where the bias is
//! one number per channel; and their gradients. Rows of pixels are `[pixels][channels][16]`.

use super::InstructionSet;
use super::bundle::IMAGES;
use super::dispatch::{Instructions, Kernel};
use super::special::sigmoid;
use super::vector::Vector;

/// Writes how far gates are open, and the numbers times that.
pub fn gate(
    set: InstructionSet,
    bias: &[f32],
    is_complement: bool,
    [gate, x]: [&[f32]; 2],
    open: &mut [f32],
    y: &mut [f32],
) {
    assert!(gate.len().is_multiple_of(bias.len() * IMAGES), "whole pixels of {} channels", bias.len());
    assert_eq!([x.len(), open.len(), y.len()], [gate.len(); 3], "as many numbers as gates");
    // 1 - sigmoid(x) = sigmoid(-x).
    let sign = if is_complement { -1.0 } else { 1.0 };
    set.run(Forward { bias, sign, gate, x, open, y });
}

/// Writes the gradients to the numbers and to the gates.
pub fn gate_gradient(
    set: InstructionSet,
    is_complement: bool,
    [open, x, dy]: [&[f32]; 3],
    dx: &mut [f32],
    of_gate: &mut [f32],
) {
    assert!(dy.len().is_multiple_of(IMAGES), "whole vectors");
    assert_eq!([open.len(), x.len(), dx.len(), of_gate.len()], [dy.len(); 4], "as many numbers as gates");
    let sign = if is_complement { -1.0 } else { 1.0 };
    set.run(Backward { sign, open, x, dy, dx, of_gate });
}

/// Slices of one length, in whole pixels.
struct Forward<'a> {
    bias: &'a [f32],
    sign: f32,
    gate: &'a [f32],
    x: &'a [f32],
    open: &'a mut [f32],
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let pixel = self.bias.len() * IMAGES;
        for first in (0..self.gate.len()).step_by(pixel) {
            for at in (0..pixel).step_by(I::Vector::ELEMENTS) {
                // SAFETY: the caller guarantees the instructions; vectors divide the length of all slices.
                unsafe {
                    let (bias, at) = (I::Vector::splat(self.bias[at / IMAGES]), first + at);
                    let gate = I::Vector::load(self.gate.as_ptr().add(at)).add(bias);
                    let open = sigmoid(gate.mul(I::Vector::splat(self.sign)));
                    open.store(self.open.as_mut_ptr().add(at));
                    I::Vector::load(self.x.as_ptr().add(at)).mul(open).store(self.y.as_mut_ptr().add(at));
                }
            }
        }
    }
}

/// Slices of one length, in whole vectors.
struct Backward<'a> {
    sign: f32,
    open: &'a [f32],
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
    of_gate: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        for at in (0..self.dy.len()).step_by(I::Vector::ELEMENTS) {
            // SAFETY: the caller guarantees the instructions; vectors divide the length of all slices.
            unsafe {
                let [open, x, dy] =
                    [self.open, self.x, self.dy].map(|of| I::Vector::load(of.as_ptr().add(at)));
                let dx = dy.mul(open);
                dx.store(self.dx.as_mut_ptr().add(at));
                let shut = I::Vector::splat(1.0).sub(open);
                let of_gate = dx.mul(x).mul(shut).mul(I::Vector::splat(self.sign));
                of_gate.store(self.of_gate.as_mut_ptr().add(at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::guarded::{Guarded, Side};
    use crate::nn::kernels::samples::{assert_close, assert_fused_agree, numbers};

    #[test]
    fn gates_and_their_gradients_are_those_of_the_definition() {
        for (channels, pixels, is_complement) in [(1, 1, false), (3, 5, true), (8, 4, false), (8, 2, true)] {
            let count = channels * pixels * IMAGES;
            let [gates, x, dy] = [1, 2, 3].map(|seed| numbers(count, seed));
            let gates: Vec<f32> = gates.iter().map(|x| 6.0 * x).collect();
            let bias = numbers(channels, 4);
            let opening = |at: usize| {
                let z = f64::from(gates[at]) + f64::from(bias[at / IMAGES % channels]);
                1.0 / (1.0 + if is_complement { z.exp() } else { (-z).exp() })
            };
            let sign = if is_complement { -1.0 } else { 1.0 };
            let expected: [Vec<f64>; 3] = std::array::from_fn(|which| {
                let of = |at: usize| {
                    let (open, x, dy) = (opening(at), f64::from(x[at]), f64::from(dy[at]));
                    [open * x, open * dy, sign * x * dy * open * (1.0 - open)][which]
                };
                (0..count).map(of).collect()
            });
            let mut of_sets = Vec::new();
            for set in InstructionSet::available() {
                for side in [Side::Front, Side::Back] {
                    let [gates, x, dy] = [&gates, &x, &dy].map(|of| Guarded::copied(side, of));
                    let [mut open, mut y, mut dx, mut of_gate] =
                        [(); 4].map(|()| Guarded::filled(side, count, f32::NAN));
                    gate(set, &bias, is_complement, [&gates, &x], &mut open, &mut y);
                    gate_gradient(set, is_complement, [&open, &x, &dy], &mut dx, &mut of_gate);
                    for (ours, expected) in [&y, &dx, &of_gate].into_iter().zip(&expected) {
                        assert_close(&format!("{set}, {channels} channels"), ours, expected, 1e-6);
                    }
                    of_sets.push((set, [y.to_vec(), dx.to_vec(), of_gate.to_vec()].concat()));
                }
            }
            assert_fused_agree("gates", &of_sets);
        }
    }
}
