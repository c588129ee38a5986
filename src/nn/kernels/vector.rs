//! Vectors of f32 as the kernels use them, written once for every instruction set. Everything here is `unsafe` for one
//! reason: it may only run on a machine that has the instructions.

#[cfg(target_arch = "x86_64")]
mod intrinsics;
#[cfg(test)]
mod tests;

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
    /// The product, element by element.
    fn mul(self: Self, other: Self) -> Self;
    /// The quotient, element by element.
    fn div(self: Self, other: Self) -> Self;
    /// The root of each element.
    fn sqrt(self: Self) -> Self;
    /// The distance of each element from zero.
    fn abs(self: Self) -> Self;
    /// The elements with the signs of another vector's.
    fn with_sign(self: Self, of: Self) -> Self;
    /// `self` times two to the power of n, where `by` is 1.5 * 2^23 + n; both `self` and the result must be normal.
    fn scale(self: Self, by: Self) -> Self;
    /// The smaller, element by element; `other` where either is NaN.
    fn min(self: Self, other: Self) -> Self;
    /// The larger, element by element; `other` where either is NaN.
    fn max(self: Self, other: Self) -> Self;
    /// `self * factor + term`, element by element; rounded once if there is an instruction for it, else twice.
    fn mul_add(self: Self, factor: Self, term: Self) -> Self;
    /// `self` where `by` is positive or NaN, else zero: the gradient through ReLU.
    fn where_positive(self: Self, by: Self) -> Self;
    /// `self` where `a` is greater than `b`, else, and where either is NaN, `other`.
    fn where_greater(self: Self, a: Self, b: Self, other: Self) -> Self;
    /// `count`, and one more where `self` is zero of either sign.
    fn count_zeros(self: Self, count: Self) -> Self;
    /// The sums of four times 16 numbers that `from` points at, each half by half: `x[i] + x[i + 8]` and so on.
    fn fold_four(from: *const f32) -> [f32; 4];
    /// Exchanges rows and columns of a square as wide as a vector; rows are `from_step` and `to_step` numbers apart.
    fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) -> ();
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
    unsafe fn mul(self, other: Self) -> Self {
        std::array::from_fn(|element| self[element] * other[element])
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        std::array::from_fn(|element| self[element] / other[element])
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        self.map(f32::sqrt)
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        self.map(f32::abs)
    }

    #[inline(always)]
    unsafe fn with_sign(self, of: Self) -> Self {
        std::array::from_fn(|element| self[element].copysign(of[element]))
    }

    #[inline(always)]
    unsafe fn scale(self, by: Self) -> Self {
        std::array::from_fn(|element| {
            f32::from_bits(self[element].to_bits().wrapping_add(by[element].to_bits() << 23))
        })
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
    unsafe fn where_greater(self, a: Self, b: Self, other: Self) -> Self {
        std::array::from_fn(|element| if a[element] > b[element] { self[element] } else { other[element] })
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
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        for row in 0..IMAGES {
            for column in 0..IMAGES {
                // SAFETY: the caller guarantees squares of IMAGES times IMAGES numbers.
                unsafe { *to.add(column * to_step + row) = *from.add(row * from_step + column) };
            }
        }
    }
}
