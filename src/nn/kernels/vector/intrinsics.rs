//! The vectors of AVX2 with FMA and of AVX-512.

use std::arch::x86_64::*;

use super::{Vector, fold_plainly};

macro_rules! intrinsics {
    ($vector:ty, $elements:literal; $(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty = $body:expr;)*) => {
        impl Vector for $vector {
            const ELEMENTS: usize = $elements;

            $(#[inline(always)]
            unsafe fn $name($($argument: $type),*) -> $result {
                // SAFETY: the caller guarantees the instructions and the numbers that are pointed to.
                unsafe { $body }
            })*
        }
    };
}

intrinsics! {
    __m256, 8;
    fn zero() -> Self = _mm256_setzero_ps();
    fn splat(x: f32) -> Self = _mm256_set1_ps(x);
    fn load(from: *const f32) -> Self = _mm256_loadu_ps(from);
    fn store(self: Self, to: *mut f32) -> () = _mm256_storeu_ps(to, self);
    fn add(self: Self, other: Self) -> Self = _mm256_add_ps(self, other);
    fn sub(self: Self, other: Self) -> Self = _mm256_sub_ps(self, other);
    fn mul(self: Self, other: Self) -> Self = _mm256_mul_ps(self, other);
    fn div(self: Self, other: Self) -> Self = _mm256_div_ps(self, other);
    fn sqrt(self: Self) -> Self = _mm256_sqrt_ps(self);
    fn abs(self: Self) -> Self = _mm256_andnot_ps(_mm256_set1_ps(-0.0), self);
    fn with_sign(self: Self, of: Self) -> Self = {
        let sign = _mm256_set1_ps(-0.0);
        _mm256_or_ps(_mm256_andnot_ps(sign, self), _mm256_and_ps(sign, of))
    };
    fn scale(self: Self, by: Self) -> Self = {
        let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(by));
        _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(self), exponent))
    };
    fn min(self: Self, other: Self) -> Self = _mm256_min_ps(self, other);
    fn max(self: Self, other: Self) -> Self = _mm256_max_ps(self, other);
    fn mul_add(self: Self, factor: Self, term: Self) -> Self = _mm256_fmadd_ps(self, factor, term);
    fn where_positive(self: Self, by: Self) -> Self =
        _mm256_and_ps(self, _mm256_cmp_ps::<_CMP_NLE_UQ>(by, _mm256_setzero_ps()));
    fn where_greater(self: Self, a: Self, b: Self, other: Self) -> Self =
        _mm256_blendv_ps(other, self, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b));
    fn count_zeros(self: Self, count: Self) -> Self = {
        let zeros = _mm256_cmp_ps::<_CMP_EQ_OQ>(self, _mm256_setzero_ps());
        _mm256_add_ps(count, _mm256_and_ps(_mm256_set1_ps(1.0), zeros))
    };
    fn fold_four(from: *const f32) -> [f32; 4] = fold_plainly(&*from.cast());
    fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) -> () = {
        let row: [__m256; 8] = std::array::from_fn(|r| _mm256_loadu_ps(from.add(r * from_step)));
        // Within each half, pairs of rows are interleaved, then pairs of pairs; then halves are exchanged.
        let two: [__m256; 8] = std::array::from_fn(|r| match r % 2 {
            0 => _mm256_unpacklo_ps(row[r], row[r + 1]),
            _ => _mm256_unpackhi_ps(row[r - 1], row[r]),
        });
        let four: [__m256; 8] = std::array::from_fn(|r| {
            let (a, b) = (two[r / 4 * 4 + r % 4 / 2], two[r / 4 * 4 + r % 4 / 2 + 2]);
            if r % 2 == 0 { _mm256_shuffle_ps::<0x44>(a, b) } else { _mm256_shuffle_ps::<0xEE>(a, b) }
        });
        for column in 0..4 {
            let (a, b) = (four[column], four[column + 4]);
            _mm256_storeu_ps(to.add(column * to_step), _mm256_permute2f128_ps::<0x20>(a, b));
            _mm256_storeu_ps(to.add((column + 4) * to_step), _mm256_permute2f128_ps::<0x31>(a, b));
        }
    };
}

intrinsics! {
    __m512, 16;
    fn zero() -> Self = _mm512_setzero_ps();
    fn splat(x: f32) -> Self = _mm512_set1_ps(x);
    fn load(from: *const f32) -> Self = _mm512_loadu_ps(from);
    fn store(self: Self, to: *mut f32) -> () = _mm512_storeu_ps(to, self);
    fn add(self: Self, other: Self) -> Self = _mm512_add_ps(self, other);
    fn sub(self: Self, other: Self) -> Self = _mm512_sub_ps(self, other);
    fn mul(self: Self, other: Self) -> Self = _mm512_mul_ps(self, other);
    fn div(self: Self, other: Self) -> Self = _mm512_div_ps(self, other);
    fn sqrt(self: Self) -> Self = _mm512_sqrt_ps(self);
    fn abs(self: Self) -> Self = _mm512_abs_ps(self);
    fn with_sign(self: Self, of: Self) -> Self = {
        let (sign, x, of) = (_mm512_set1_epi32(i32::MIN), _mm512_castps_si512(self), _mm512_castps_si512(of));
        // Where the first is set the third, else the second.
        _mm512_castsi512_ps(_mm512_ternarylogic_epi32::<0xAC>(sign, x, of))
    };
    fn scale(self: Self, by: Self) -> Self = {
        let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(by));
        _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(self), exponent))
    };
    fn min(self: Self, other: Self) -> Self = _mm512_min_ps(self, other);
    fn max(self: Self, other: Self) -> Self = _mm512_max_ps(self, other);
    fn mul_add(self: Self, factor: Self, term: Self) -> Self = _mm512_fmadd_ps(self, factor, term);
    fn where_positive(self: Self, by: Self) -> Self =
        _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLE_UQ>(by, _mm512_setzero_ps()), self);
    fn where_greater(self: Self, a: Self, b: Self, other: Self) -> Self =
        _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), other, self);
    fn count_zeros(self: Self, count: Self) -> Self = {
        let zeros = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self, _mm512_setzero_ps());
        _mm512_mask_add_ps(count, zeros, count, _mm512_set1_ps(1.0))
    };
    fn fold_four(from: *const f32) -> [f32; 4] = {
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
    };
    fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) -> () = {
        let row: [__m512; 16] = std::array::from_fn(|r| _mm512_loadu_ps(from.add(r * from_step)));
        // Within each quarter, pairs of rows are interleaved, then pairs of pairs; then quarters are exchanged, first
        // within eight rows, then between both eights.
        let two: [__m512; 16] = std::array::from_fn(|r| match r % 2 {
            0 => _mm512_unpacklo_ps(row[r], row[r + 1]),
            _ => _mm512_unpackhi_ps(row[r - 1], row[r]),
        });
        let four: [__m512; 16] = std::array::from_fn(|r| {
            let (a, b) = (two[r / 4 * 4 + r % 4 / 2], two[r / 4 * 4 + r % 4 / 2 + 2]);
            if r % 2 == 0 { _mm512_shuffle_ps::<0x44>(a, b) } else { _mm512_shuffle_ps::<0xEE>(a, b) }
        });
        for column in 0..4 {
            let [a, b, c, d] = std::array::from_fn(|quarter| four[4 * quarter + column]);
            let (even_ab, odd_ab) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xDD>(a, b));
            let (even_cd, odd_cd) = (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xDD>(c, d));
            let to = |quarter: usize| to.add((4 * quarter + column) * to_step);
            _mm512_storeu_ps(to(0), _mm512_shuffle_f32x4::<0x88>(even_ab, even_cd));
            _mm512_storeu_ps(to(1), _mm512_shuffle_f32x4::<0x88>(odd_ab, odd_cd));
            _mm512_storeu_ps(to(2), _mm512_shuffle_f32x4::<0xDD>(even_ab, even_cd));
            _mm512_storeu_ps(to(3), _mm512_shuffle_f32x4::<0xDD>(odd_ab, odd_cd));
        }
    };
}
