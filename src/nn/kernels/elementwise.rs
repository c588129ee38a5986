//! Operations on each number alone: a sum, a product.

use super::InstructionSet;
use super::bundle::IMAGES;
use super::dispatch::{Instructions, Kernel};
use super::vector::Vector;

/// Adds other numbers.
pub fn add(set: InstructionSet, to: &mut [f32], other: &[f32]) {
    assert_eq!(to.len(), other.len(), "terms of one length");
    run::<ADD>(set, to, other);
}

/// Multiplies by other numbers: a gradient by slopes.
pub fn multiply(set: InstructionSet, to: &mut [f32], other: &[f32]) {
    assert_eq!(to.len(), other.len(), "factors of one length");
    run::<MULTIPLY>(set, to, other);
}

const ADD: u8 = 0;
const MULTIPLY: u8 = 1;

fn run<const OPERATION: u8>(set: InstructionSet, to: &mut [f32], other: &[f32]) {
    assert!(to.len().is_multiple_of(IMAGES), "whole vectors");
    set.run(Each::<OPERATION> { to, other });
}

/// `other` is as long as `to`.
struct Each<'a, const OPERATION: u8> {
    to: &'a mut [f32],
    other: &'a [f32],
}

impl<const OPERATION: u8> Kernel for Each<'_, OPERATION> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        for at in (0..self.to.len()).step_by(I::Vector::ELEMENTS) {
            // SAFETY: the caller guarantees the instructions; vectors divide the length of both.
            unsafe {
                let to = self.to.as_mut_ptr().add(at);
                let x = I::Vector::load(to);
                let other = I::Vector::load(self.other.as_ptr().add(at));
                let y = match OPERATION {
                    ADD => x.add(other),
                    _ => x.mul(other),
                };
                y.store(to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::guarded::{Guarded, Side};
    use crate::nn::kernels::samples::{bits, numbers};

    #[test]
    fn each_number_is_what_it_is_alone() {
        let (mut x, mut y) = (numbers(7 * IMAGES, 3), numbers(7 * IMAGES, 4));
        (x[3], x[40], y[5], y[41]) = (f32::NAN, -0.0, f32::NAN, 0.0);
        type Operation = (fn(InstructionSet, &mut [f32], &[f32]), fn(f32, f32) -> f32);
        let operations: [Operation; 2] = [(add, |x, y| x + y), (multiply, |x, y| x * y)];
        for set in InstructionSet::available() {
            for (index, (operation, definition)) in operations.into_iter().enumerate() {
                let side = if index % 2 == 0 { Side::Front } else { Side::Back };
                let (mut ours, other) = (Guarded::copied(side, &x), Guarded::copied(side, &y));
                operation(set, &mut ours, &other);
                let expected: Vec<f32> = x.iter().zip(&y).map(|(&x, &y)| definition(x, y)).collect();
                let sound = |numbers: &[f32]| -> Vec<f32> {
                    numbers.iter().map(|x| if x.is_nan() { f32::NAN } else { *x }).collect()
                };
                assert_eq!(bits(&sound(&ours)), bits(&sound(&expected)), "{set}: operation {index}");
            }
        }
    }
}
