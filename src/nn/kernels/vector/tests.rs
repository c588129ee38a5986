//! Tests every operation of every instruction set against its definition for one number.

use proptest::prelude::*;

use super::*;
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::dispatch::{Instructions, Kernel};

/// As many numbers as the largest vector has.
type Numbers = [f32; 16];

/// 2 to the power of -17, as [`Vector::scale`] takes it.
const SHIFT: f32 = 12_582_912.0 - 17.0;
/// How many operations there are.
const OPERATIONS: usize = 16;

/// Every operation on three vectors.
struct Operations([Numbers; 3]);

impl Kernel for Operations {
    type Output = [Numbers; OPERATIONS];

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) -> [Numbers; OPERATIONS] {
        let mut results = [[f32::NAN; 16]; OPERATIONS];
        for element in (0..16).step_by(I::Vector::ELEMENTS) {
            // SAFETY: the caller guarantees the instructions; vectors begin at multiples of their elements, which
            // divide the 16 numbers.
            unsafe {
                let [a, b, c] =
                    self.0.each_ref().map(|numbers| I::Vector::load(numbers.as_ptr().add(element)));
                let vectors = [
                    I::Vector::zero(),
                    I::Vector::splat(1.5),
                    a.add(b),
                    a.sub(b),
                    a.mul(b),
                    a.div(b),
                    a.sqrt(),
                    a.abs(),
                    a.with_sign(b),
                    a.abs()
                        .max(I::Vector::splat(1e-20))
                        .min(I::Vector::splat(1e20))
                        .scale(I::Vector::splat(SHIFT)),
                    a.min(b),
                    a.max(b),
                    a.mul_add(b, c),
                    a.where_positive(b),
                    a.where_greater(b, c, I::Vector::splat(7.5)),
                    a.count_zeros(I::Vector::splat(1.5)),
                ];
                for (vector, to) in vectors.into_iter().zip(&mut results) {
                    vector.store(to.as_mut_ptr().add(element));
                }
            }
        }
        results
    }
}

/// The same operations by definition.
fn expected(set: InstructionSet, [a, b, c]: [f32; 3]) -> [f32; OPERATIONS] {
    let once = set != InstructionSet::baseline();
    [
        0.0,
        1.5,
        a + b,
        a - b,
        a * b,
        a / b,
        a.sqrt(),
        a.abs(),
        a.copysign(b),
        (if a.abs() > 1e-20 { a.abs() } else { 1e-20 }).min(1e20) * (-17.0_f32).exp2(),
        if a < b { a } else { b },
        if a > b { a } else { b },
        if once { a.mul_add(b, c) } else { a * b + c },
        if b <= 0.0 { 0.0 } else { a },
        if b > c { a } else { 7.5 },
        if a == 0.0 { 2.5 } else { 1.5 },
    ]
}

fn number() -> impl Strategy<Value = f32> {
    let odd = [0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-45, -1e-45, f32::MAX, f32::MIN, 1.0];
    prop_oneof![2 => -4.0_f32..4.0, 1 => any::<f32>(), 2 => prop::sample::select(odd.to_vec())]
}

proptest! {
    #[test]
    fn every_operation_is_what_it_is_for_one_number(vectors in prop::array::uniform16([number(), number(), number()])) {
        let by_vector: [Numbers; 3] = std::array::from_fn(|v| vectors.map(|numbers| numbers[v]));
        for set in InstructionSet::available() {
            let results = set.run(Operations(by_vector));
            for (element, numbers) in vectors.into_iter().enumerate() {
                for (which, expected) in expected(set, numbers).into_iter().enumerate() {
                    let ours = results[which][element];
                    let same = ours.to_bits() == expected.to_bits() || ours.is_nan() && expected.is_nan();
                    prop_assert!(same, "{set}: operation {which} of {numbers:?} is {ours}, not {expected}");
                }
            }
        }
    }
}

/// A square of 16 times 16 numbers with rows and columns exchanged.
struct Transpose<'a>(&'a [f32], &'a mut [f32]);

impl Kernel for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        for row in (0..16).step_by(I::Vector::ELEMENTS) {
            for column in (0..16).step_by(I::Vector::ELEMENTS) {
                let from = self.0[row * 16 + column..].as_ptr();
                let to = self.1[column * 19 + row..].as_mut_ptr();
                // SAFETY: the caller guarantees the instructions; the square from here on lies within the numbers.
                unsafe { I::Vector::transpose(from, 16, to, 19) };
            }
        }
    }
}

#[test]
fn a_square_is_transposed() {
    let square: Vec<f32> = (0..256).map(|i| i as f32).collect();
    for set in InstructionSet::available() {
        let mut transposed = vec![-1.0; 16 * 19];
        set.run(Transpose(&square, &mut transposed));
        for (place, x) in transposed.iter().enumerate() {
            let (row, column) = (place / 19, place % 19);
            let expected = if column < 16 { square[column * 16 + row] } else { -1.0 };
            assert_eq!(*x, expected, "{set}: row {row}, column {column}");
        }
    }
}
