//! Operations on each number alone: a sum, a product, and these of two others.

use super::InstructionSet;
use super::bundle::IMAGES;
use super::dispatch::{Instructions, Kernel};
use super::special;
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

/// Writes the sums of other numbers.
pub fn sum(set: InstructionSet, to: &mut [f32], terms: [&[f32]; 2]) {
    of_two::<ADD>(set, to, terms);
}

/// Writes the products of other numbers.
pub fn product(set: InstructionSet, to: &mut [f32], factors: [&[f32]; 2]) {
    of_two::<MULTIPLY>(set, to, factors);
}

/// Writes the products of other numbers with one.
pub fn scaled(set: InstructionSet, to: &mut [f32], from: &[f32], factor: f32) {
    assert_eq!(to.len(), from.len(), "products of one length");
    assert!(to.len().is_multiple_of(IMAGES), "whole vectors");
    set.run(Scale { to: to.as_mut_ptr(), from: from.as_ptr(), length: from.len(), factor });
}

/// Multiplies numbers by one.
pub fn scale(set: InstructionSet, to: &mut [f32], factor: f32) {
    assert!(to.len().is_multiple_of(IMAGES), "whole vectors");
    let (length, to) = (to.len(), to.as_mut_ptr());
    set.run(Scale { to, from: to, length, factor });
}

/// Replaces numbers by their hyperbolic tangents.
pub fn tanh(set: InstructionSet, numbers: &mut [f32]) {
    assert!(numbers.len().is_multiple_of(IMAGES), "whole vectors");
    set.run(Tanh(numbers));
}

const ADD: u8 = 0;
const MULTIPLY: u8 = 1;

fn run<const OPERATION: u8>(set: InstructionSet, to: &mut [f32], other: &[f32]) {
    assert!(to.len().is_multiple_of(IMAGES), "whole vectors");
    let to = to.as_mut_ptr();
    set.run(Each::<OPERATION> { to, numbers: to, other });
}

fn of_two<const OPERATION: u8>(set: InstructionSet, to: &mut [f32], [first, second]: [&[f32]; 2]) {
    assert_eq!([first.len(), second.len()], [to.len(); 2], "numbers of one length");
    assert!(to.len().is_multiple_of(IMAGES), "whole vectors");
    set.run(Each::<OPERATION> { to: to.as_mut_ptr(), numbers: first.as_ptr(), other: second });
}

/// Room for as many numbers as there are others, and as many `numbers`, which may be those that are written.
struct Each<'a, const OPERATION: u8> {
    to: *mut f32,
    numbers: *const f32,
    other: &'a [f32],
}

impl<const OPERATION: u8> Kernel for Each<'_, OPERATION> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        for at in (0..self.other.len()).step_by(I::Vector::ELEMENTS) {
            // SAFETY: the caller guarantees the instructions; vectors divide the length of both.
            unsafe {
                let x = I::Vector::load(self.numbers.add(at));
                let other = I::Vector::load(self.other.as_ptr().add(at));
                let y = match OPERATION {
                    ADD => x.add(other),
                    _ => x.mul(other),
                };
                y.store(self.to.add(at));
            }
        }
    }
}

/// Room for so many numbers, and as many numbers, which may be those that are written.
struct Scale {
    to: *mut f32,
    from: *const f32,
    length: usize,
    factor: f32,
}

impl Kernel for Scale {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        for at in (0..self.length).step_by(I::Vector::ELEMENTS) {
            // SAFETY: the caller guarantees the instructions; vectors divide the length of both.
            unsafe {
                let x = I::Vector::load(self.from.add(at));
                x.mul(I::Vector::splat(self.factor)).store(self.to.add(at));
            }
        }
    }
}

struct Tanh<'a>(&'a mut [f32]);

impl Kernel for Tanh<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        for at in (0..self.0.len()).step_by(I::Vector::ELEMENTS) {
            // SAFETY: the caller guarantees the instructions; vectors divide the length.
            unsafe {
                let to = self.0.as_mut_ptr().add(at);
                special::tanh(I::Vector::load(to)).store(to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::guarded::{Guarded, Side};
    use crate::nn::kernels::samples::{assert_close, bits, numbers};

    #[test]
    fn tangents_are_those_of_the_definition() {
        let numbers: Vec<f32> = numbers(5 * IMAGES, 9).iter().map(|x| 4.0 * x).collect();
        let expected: Vec<f64> = numbers.iter().map(|&x| f64::from(x).tanh()).collect();
        for set in InstructionSet::available() {
            for side in [Side::Front, Side::Back] {
                let mut ours = Guarded::copied(side, &numbers);
                tanh(set, &mut ours);
                assert_close(&set.to_string(), &ours, &expected, 1e-6);
            }
        }
    }

    /// Lets an operation of two others read what it replaces.
    fn of_copy(
        operation: fn(InstructionSet, &mut [f32], [&[f32]; 2]),
        set: InstructionSet,
        to: &mut [f32],
        y: &[f32],
    ) {
        let x = to.to_vec();
        operation(set, to, [&x, y]);
    }

    #[test]
    fn each_number_is_what_it_is_alone() {
        let (mut x, mut y) = (numbers(7 * IMAGES, 3), numbers(7 * IMAGES, 4));
        (x[3], x[40], y[5], y[41]) = (f32::NAN, -0.0, f32::NAN, 0.0);
        type Operation = (fn(InstructionSet, &mut [f32], &[f32]), fn(f32, f32) -> f32);
        let operations: [Operation; 6] = [
            (add, |x, y| x + y),
            (multiply, |x, y| x * y),
            (|set, to, y| of_copy(sum, set, to, y), |x, y| x + y),
            (|set, to, y| of_copy(product, set, to, y), |x, y| x * y),
            (|set, to, y| scaled(set, to, y, 0.75), |_, y| 0.75 * y),
            (|set, to, _| scale(set, to, -1.5), |x, _| -1.5 * x),
        ];
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
