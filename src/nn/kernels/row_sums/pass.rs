//! The passes over a bundle that measure it: sums of f32 over a block of features, added up in f64.

use std::marker::PhantomData;

use crate::nn::kernels::bundle::IMAGES;
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::nn::kernels::normalisation::add;
use crate::nn::kernels::sum::{Terms, sum};
use crate::nn::kernels::vector::Vector;

/// Features whose sums are f32; those of all such blocks are then added up in f64, row by row.
const BLOCK: usize = 64;
/// Independent sums of each kind.
const CHAINS: usize = 2;

/// Adds the sums over all features, of rows from `element` on.
///
/// # Safety
/// The machine has the instructions; there are so many features.
#[inline(always)]
unsafe fn total<V: Vector, const N: usize>(
    features: usize,
    element: usize,
    terms: &mut impl Terms<V, N>,
    rows: &mut [[f64; IMAGES]],
) {
    for block in (0..features).step_by(BLOCK) {
        // SAFETY: guaranteed by the caller.
        let sums = unsafe { sum::<V, N, CHAINS>(block..features.min(block + BLOCK), terms) };
        for (sum, rows) in sums.into_iter().zip(&mut *rows) {
            // SAFETY: guaranteed by the caller.
            unsafe { add(rows, sum, element) };
        }
    }
}

pub(super) struct Measure<'a> {
    pub(super) x: &'a [f32],
    /// One for each row that counts, else zero.
    pub(super) counts: [f32; IMAGES],
    /// A vector for each of `x`.
    pub(super) largest: &'a mut [f32],
}

impl Kernel for Measure<'_> {
    type Output = Measured;

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) -> Measured {
        let mut of = Measured { sums: [[0.0; IMAGES]; 3], extremes: [[0.0; IMAGES]; 2] };
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            // SAFETY: the caller guarantees the instructions; features have vectors in both, from this element on.
            unsafe {
                let mut terms = Extremes {
                    x: self.x.as_ptr().wrapping_add(element),
                    counts: I::Vector::load(self.counts.as_ptr().add(element)),
                    largest: self.largest.as_mut_ptr().wrapping_add(element),
                    min: I::Vector::splat(f32::INFINITY),
                    max: I::Vector::splat(f32::NEG_INFINITY),
                };
                total(self.x.len() / IMAGES, element, &mut terms, &mut of.sums);
                terms.min.store(of.extremes[0].as_mut_ptr().add(element));
                terms.max.store(of.extremes[1].as_mut_ptr().add(element));
            }
        }
        of
    }
}

/// Of each row.
pub(super) struct Measured {
    /// The sum, the sum of squares, and how many are zero.
    pub(super) sums: [[f64; IMAGES]; 3],
    /// The smallest and the largest.
    pub(super) extremes: [[f32; IMAGES]; 2],
}

struct Extremes<V> {
    x: *const f32,
    counts: V,
    largest: *mut f32,
    min: V,
    max: V,
}

/// The numbers, their squares, and how many are zero; the extremes are measured by the way.
impl<V: Vector> Terms<V, 3> for Extremes<V> {
    #[inline(always)]
    unsafe fn add(&mut self, feature: usize, [sum, squares, zeros]: [V; 3]) -> [V; 3] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let x = V::load(self.x.add(feature * IMAGES));
            (self.min, self.max) = (x.min(self.min), x.max(self.max));
            let largest = self.largest.add(feature * IMAGES);
            x.mul(self.counts).abs().max(V::load(largest)).store(largest);
            [sum.add(x), x.mul_add(x, squares), x.count_zeros(zeros)]
        }
    }
}

/// Two slices of one length.
pub(super) struct Multiply<'a> {
    pub(super) first: &'a [f32],
    pub(super) second: &'a [f32],
}

impl Kernel for Multiply<'_> {
    type Output = [[f64; IMAGES]; 3];

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) -> [[f64; IMAGES]; 3] {
        let mut rows = [[0.0; IMAGES]; 3];
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            let pair = [self.first, self.second].map(|of| of.as_ptr().wrapping_add(element));
            // SAFETY: the caller guarantees the instructions; features have vectors in both, from this element on.
            unsafe {
                total(
                    self.first.len() / IMAGES,
                    element,
                    &mut Pair::<I::Vector>(pair, PhantomData),
                    &mut rows,
                )
            };
        }
        rows
    }
}

struct Pair<V>([*const f32; 2], PhantomData<V>);

/// The squares of both, and their products.
impl<V: Vector> Terms<V, 3> for Pair<V> {
    #[inline(always)]
    unsafe fn add(&mut self, feature: usize, [first, second, both]: [V; 3]) -> [V; 3] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let [x, y] = self.0.map(|of| V::load(of.add(feature * IMAGES)));
            [x.mul_add(x, first), y.mul_add(y, second), x.mul_add(y, both)]
        }
    }
}

pub(super) struct Add<'a> {
    pub(super) x: &'a [f32],
}

impl Kernel for Add<'_> {
    type Output = [[f64; IMAGES]; 2];

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) -> [[f64; IMAGES]; 2] {
        let mut rows = [[0.0; IMAGES]; 2];
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            let x = self.x.as_ptr().wrapping_add(element);
            // SAFETY: the caller guarantees the instructions; features have vectors, from this element on.
            unsafe {
                total(self.x.len() / IMAGES, element, &mut One::<I::Vector>(x, PhantomData), &mut rows)
            };
        }
        rows
    }
}

struct One<V>(*const f32, PhantomData<V>);

/// The numbers and their squares.
impl<V: Vector> Terms<V, 2> for One<V> {
    #[inline(always)]
    unsafe fn add(&mut self, feature: usize, [sum, squares]: [V; 2]) -> [V; 2] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let x = V::load(self.0.add(feature * IMAGES));
            [sum.add(x), x.mul_add(x, squares)]
        }
    }
}

/// A vector of sums for each of `x`.
pub(super) struct AddRows<'a> {
    pub(super) x: &'a [f32],
    pub(super) counts: [f32; IMAGES],
    pub(super) to: &'a mut [[f32; IMAGES]],
}

impl Kernel for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let to = self.to.as_mut_ptr().cast::<f32>();
        for at in (0..self.x.len()).step_by(I::Vector::ELEMENTS) {
            // SAFETY: the caller guarantees the instructions; both have vectors at these places.
            unsafe {
                let counts = I::Vector::load(self.counts.as_ptr().add(at % IMAGES));
                let sum =
                    I::Vector::load(self.x.as_ptr().add(at)).mul_add(counts, I::Vector::load(to.add(at)));
                sum.store(to.add(at));
            }
        }
    }
}
