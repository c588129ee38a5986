//! Vectors of f32 as the convolutions use them, written once for every instruction set. Everything here is
//! `unsafe` for one reason: it may only run where the machine has the instructions.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// A vector that lives in registers.
pub(super) trait Vector: Copy {
    /// How many numbers it holds.
    const LANES: usize;

    /// All lanes zero.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn zero() -> Self;

    /// All lanes `x`.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn splat(x: f32) -> Self;

    /// The numbers that `from` points at, however aligned.
    ///
    /// # Safety
    /// The machine has the instructions; `LANES` numbers can be read.
    unsafe fn load(from: *const f32) -> Self;

    /// Writes the lanes to `to`, however aligned.
    ///
    /// # Safety
    /// The machine has the instructions; `LANES` numbers can be written.
    unsafe fn store(self, to: *mut f32);

    /// The sum, lane by lane.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn add(self, other: Self) -> Self;

    /// `self * factor + term`, lane by lane; rounded once where there is an instruction for it, else twice.
    ///
    /// # Safety
    /// The machine has the instructions.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
}

/// Plain Rust: needs no instructions of its own, and where a target has vectors of its own, LLVM uses them.
impl<const LANES: usize> Vector for [f32; LANES] {
    const LANES: usize = LANES;

    #[inline(always)]
    unsafe fn zero() -> Self {
        [0.0; LANES]
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for LANES readable numbers; an array of f32 has their alignment.
        unsafe { from.cast::<Self>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for LANES writable numbers; an array of f32 has their alignment.
        unsafe { to.cast::<Self>().write(self) }
    }

    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            self[lane] += other[lane];
        }
        self
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, mut term: Self) -> Self {
        for lane in 0..LANES {
            term[lane] += self[lane] * factor[lane];
        }
        term
    }
}

/// Two vectors as one of twice the lanes.
#[derive(Clone, Copy)]
pub(super) struct Pair<V>(V, V);

impl<V: Vector> Vector for Pair<V> {
    const LANES: usize = 2 * V::LANES;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { Pair(V::zero(), V::zero()) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { Pair(V::splat(x), V::splat(x)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for the instructions and for twice V's lanes.
        unsafe { Pair(V::load(from), V::load(from.add(V::LANES))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for the instructions and for twice V's lanes.
        unsafe {
            self.0.store(to);
            self.1.store(to.add(V::LANES));
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { Pair(self.0.add(other.0), self.1.add(other.1)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { Pair(self.0.mul_add(factor.0, term.0), self.1.mul_add(factor.1, term.1)) }
    }
}

macro_rules! intrinsics {
    ($($vector:ty, $lanes:literal: $zero:ident $splat:ident $load:ident $store:ident $add:ident $mul_add:ident;)*) => {$(
        #[cfg(target_arch = "x86_64")]
        impl Vector for $vector {
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller vouches for the instructions.
                unsafe { $zero() }
            }

            #[inline(always)]
            unsafe fn splat(x: f32) -> Self {
                // SAFETY: the caller vouches for the instructions.
                unsafe { $splat(x) }
            }

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: the caller vouches for the instructions and the readable numbers.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: the caller vouches for the instructions and the writable numbers.
                unsafe { $store(to, self) }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the caller vouches for the instructions.
                unsafe { $add(self, other) }
            }

            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
                // SAFETY: the caller vouches for the instructions.
                unsafe { $mul_add(self, factor, term) }
            }
        }
    )*};
}

intrinsics! {
    __m128, 4: _mm_setzero_ps _mm_set1_ps _mm_loadu_ps _mm_storeu_ps _mm_add_ps _mm_fmadd_ps;
    __m256, 8: _mm256_setzero_ps _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps _mm256_fmadd_ps;
    __m512, 16: _mm512_setzero_ps _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps _mm512_fmadd_ps;
}
