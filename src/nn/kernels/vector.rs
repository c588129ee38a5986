//! Vectors of f32 as the kernels use them, written once for every instruction set. Everything here is `unsafe` for one
//! reason: it may only run on a machine that has the instructions.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

macro_rules! vector {
    ($($(#[doc = $doc:literal])* fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        /// A vector that lives in a register, or in a few.
        pub(super) trait Vector: Copy {
            /// How many numbers it holds.
            const ELEMENTS: usize;

            $($(#[doc = $doc])*
            ///
            /// # Safety
            /// The machine has the instructions; what is pointed to can be read or written, `IMAGES` numbers of it.
            unsafe fn $name($($argument: $type),*) -> $result;)*
        }
    };
}

vector! {
    /// All elements zero.
    fn zero() -> Self;
    /// All elements `x`.
    fn splat(x: f32) -> Self;
    /// The numbers that `from` points at, however aligned.
    fn load(from: *const f32) -> Self;
    /// Writes the elements to `to`, however aligned.
    fn store(self: Self, to: *mut f32) -> ();
    /// The sum, element by element.
    fn add(self: Self, other: Self) -> Self;
    /// The difference, element by element.
    fn sub(self: Self, other: Self) -> Self;
    /// The smaller, element by element; `other` where either is NaN.
    fn min(self: Self, other: Self) -> Self;
    /// The larger, element by element; `other` where either is NaN.
    fn max(self: Self, other: Self) -> Self;
    /// `self * factor + term`, element by element; rounded once if there is an instruction for it, else twice.
    fn mul_add(self: Self, factor: Self, term: Self) -> Self;
    /// `self` where `by` is positive or NaN, else zero: the gradient through ReLU.
    fn where_positive(self: Self, by: Self) -> Self;
    /// `count`, and one more where `self` is zero of either sign.
    fn count_zeros(self: Self, count: Self) -> Self;
    /// The sums of four times 16 numbers that `from` points at, each half by half: `x[i] + x[i + 8]` and so on.
    fn fold_four(from: *const f32) -> [f32; 4];
}

/// [`Vector::fold_four`] in plain Rust.
#[inline(always)]
fn fold_plainly(numbers: &[[f32; 16]; 4]) -> [f32; 4] {
    let mut sums = [0.0; 4];
    for (sum, x) in sums.iter_mut().zip(numbers) {
        let (mut eight, mut four) = ([0.0; 8], [0.0; 4]);
        for i in 0..8 {
            eight[i] = x[i] + x[i + 8];
        }
        for i in 0..4 {
            four[i] = eight[i] + eight[i + 4];
        }
        *sum = (four[0] + four[2]) + (four[1] + four[3]);
    }
    sums
}

/// Plain Rust: needs no special instructions, and LLVM uses the vectors of the target.
impl<const IMAGES: usize> Vector for [f32; IMAGES] {
    const ELEMENTS: usize = IMAGES;

    #[inline(always)]
    unsafe fn zero() -> Self {
        [0.0; IMAGES]
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        [x; IMAGES]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller guarantees IMAGES readable numbers; an array of f32 has their alignment.
        unsafe { from.cast::<Self>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller guarantees IMAGES writable numbers; an array of f32 has their alignment.
        unsafe { to.cast::<Self>().write(self) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        std::array::from_fn(|element| self[element] + other[element])
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        std::array::from_fn(|element| self[element] - other[element])
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        std::array::from_fn(
            |element| if self[element] < other[element] { self[element] } else { other[element] },
        )
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        std::array::from_fn(
            |element| if self[element] > other[element] { self[element] } else { other[element] },
        )
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        std::array::from_fn(|element| self[element] * factor[element] + term[element])
    }

    #[inline(always)]
    unsafe fn where_positive(self, by: Self) -> Self {
        std::array::from_fn(|element| {
            // A bit mask rather than a branch, since a branch may be compiled to a jump.
            let mask = u32::from(by[element] <= 0.0).wrapping_sub(1);
            f32::from_bits(self[element].to_bits() & mask)
        })
    }

    #[inline(always)]
    unsafe fn count_zeros(self, count: Self) -> Self {
        std::array::from_fn(|element| count[element] + f32::from(u8::from(self[element] == 0.0)))
    }

    #[inline(always)]
    unsafe fn fold_four(from: *const f32) -> [f32; 4] {
        // SAFETY: the caller guarantees four times 16 numbers; an array of f32 has their alignment.
        fold_plainly(unsafe { &*from.cast() })
    }
}

macro_rules! intrinsics {
    (
        $vector:ty, $elements:literal, $zero:ident $splat:ident $load:ident $store:ident $add:ident $sub:ident
        $min:ident $max:ident $mul_add:ident,
        where_positive($gradient:ident, $by:ident) = $where_positive:expr, count_zeros($x:ident, $count:ident) = $count_zeros:expr,
        fold_four($from:ident) = $fold_four:expr
    ) => {
        #[cfg(target_arch = "x86_64")]
        impl Vector for $vector {
            const ELEMENTS: usize = $elements;

            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller guarantees the instructions.
                unsafe { $zero() }
            }

            #[inline(always)]
            unsafe fn splat(x: f32) -> Self {
                // SAFETY: the caller guarantees the instructions.
                unsafe { $splat(x) }
            }

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: the caller guarantees the instructions and the readable numbers.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: the caller guarantees the instructions and the writable numbers.
                unsafe { $store(to, self) }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the caller guarantees the instructions.
                unsafe { $add(self, other) }
            }

            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                // SAFETY: the caller guarantees the instructions.
                unsafe { $sub(self, other) }
            }

            #[inline(always)]
            unsafe fn min(self, other: Self) -> Self {
                // SAFETY: the caller guarantees the instructions.
                unsafe { $min(self, other) }
            }

            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                // SAFETY: the caller guarantees the instructions.
                unsafe { $max(self, other) }
            }

            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
                // SAFETY: the caller guarantees the instructions.
                unsafe { $mul_add(self, factor, term) }
            }

            #[inline(always)]
            unsafe fn where_positive(self, by: Self) -> Self {
                let ($gradient, $by) = (self, by);
                // SAFETY: the caller guarantees the instructions.
                unsafe { $where_positive }
            }

            #[inline(always)]
            unsafe fn count_zeros(self, count: Self) -> Self {
                let ($x, $count) = (self, count);
                // SAFETY: the caller guarantees the instructions.
                unsafe { $count_zeros }
            }

            #[inline(always)]
            unsafe fn fold_four($from: *const f32) -> [f32; 4] {
                // SAFETY: the caller guarantees the instructions and the readable numbers.
                unsafe { $fold_four }
            }
        }
    };
}

intrinsics! {
    __m256, 8,
    _mm256_setzero_ps _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps _mm256_sub_ps
    _mm256_min_ps _mm256_max_ps _mm256_fmadd_ps,
    where_positive(g, y) = _mm256_and_ps(g, _mm256_cmp_ps::<_CMP_NLE_UQ>(y, _mm256_setzero_ps())),
    count_zeros(x, count) = _mm256_add_ps(
        count,
        _mm256_and_ps(_mm256_set1_ps(1.0), _mm256_cmp_ps::<_CMP_EQ_OQ>(x, _mm256_setzero_ps()))
    ),
    fold_four(from) = fold_plainly(&*from.cast())
}

intrinsics! {
    __m512, 16,
    _mm512_setzero_ps _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps _mm512_sub_ps
    _mm512_min_ps _mm512_max_ps _mm512_fmadd_ps,
    where_positive(g, y) = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLE_UQ>(y, _mm512_setzero_ps()), g),
    count_zeros(x, count) = _mm512_mask_add_ps(
        count,
        _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(x, _mm512_setzero_ps()),
        count,
        _mm512_set1_ps(1.0)
    ),
    fold_four(from) = {
        let (a, b) = (_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(16)));
        let (c, d) = (_mm512_loadu_ps(from.add(32)), _mm512_loadu_ps(from.add(48)));
        // Eight sums of a and of b, and of c and of d; then four of each; then one, in every element of its four.
        let ab = _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xEE>(a, b));
        let cd = _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(c, d), _mm512_shuffle_f32x4::<0xEE>(c, d));
        let four = _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(ab, cd), _mm512_shuffle_f32x4::<0xDD>(ab, cd));
        let two = _mm512_add_ps(four, _mm512_permute_ps::<0x4E>(four));
        let one = _mm512_add_ps(two, _mm512_permute_ps::<0xB1>(two));
        let mut sums = [0.0_f32; 16];
        _mm512_storeu_ps(sums.as_mut_ptr(), one);
        [sums[0], sums[4], sums[8], sums[12]]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nn::kernels::InstructionSet;
    use crate::nn::kernels::dispatch::{Instructions, Kernel};

    /// As many numbers as the largest vector has.
    type Numbers = [f32; 16];

    /// Every operation on three vectors.
    struct Operations([Numbers; 3]);

    impl Kernel for Operations {
        type Output = [Numbers; 9];

        #[inline(always)]
        unsafe fn run<I: Instructions>(self) -> [Numbers; 9] {
            let mut results = [[f32::NAN; 16]; 9];
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
                        a.min(b),
                        a.max(b),
                        a.mul_add(b, c),
                        a.where_positive(b),
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
    fn expected(set: InstructionSet, [a, b, c]: [f32; 3]) -> [f32; 9] {
        let once = set != InstructionSet::baseline();
        [
            0.0,
            1.5,
            a + b,
            a - b,
            if a < b { a } else { b },
            if a > b { a } else { b },
            if once { a.mul_add(b, c) } else { a * b + c },
            if b <= 0.0 { 0.0 } else { a },
            if a == 0.0 { 2.5 } else { 1.5 },
        ]
    }

    fn number() -> impl Strategy<Value = f32> {
        let odd =
            [0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-45, -1e-45, f32::MAX, f32::MIN, 1.0];
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
}
