//! Layer norm (Ba et al. 2016) of the rows of a bundle, `[features][16]`: `y = (x - mean) / deviation * gamma + beta`,
//! with mean and deviation over the features of each row, and its gradients.

use super::InstructionSet;
use super::bundle::IMAGES;
use super::dispatch::{Instructions, Kernel};
use super::normalisation::EPSILON;
use super::sum::{Terms, sum};
use super::vector::Vector;

/// What is kept of each row of a bundle for the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct RowStatistics {
    /// The mean over the features.
    pub mean: [f32; IMAGES],
    /// One over the root of the variance plus [`EPSILON`].
    pub inverse: [f32; IMAGES],
}

/// The gradients of gamma and beta of a feature, row by row, over the bundles so far.
pub type FeatureGradients = [[f32; IMAGES]; 2];

/// Normalises the rows of a bundle.
pub fn layer_norm(
    set: InstructionSet,
    [gamma, beta]: [&[f32]; 2],
    x: &[f32],
    y: &mut [f32],
) -> RowStatistics {
    let features = gamma.len();
    assert!(features > 0 && beta.len() == features, "a gamma and a beta for each feature");
    assert_eq!([x.len(), y.len()], [features * IMAGES; 2], "bundles of {features} features");
    set.run(Forward { gamma, beta, x, y })
}

/// Computes the gradients of a bundle, of which the rows from `valid` on count as zero: adds to those of gamma and beta,
/// and writes that of x, or adds it to what is there.
#[expect(clippy::too_many_arguments, reason = "each is a bundle or one number per feature or row")]
pub fn layer_norm_gradient(
    set: InstructionSet,
    gamma: &[f32],
    x: &[f32],
    statistics: &RowStatistics,
    dy: &[f32],
    valid: usize,
    dx: Gradient,
    parameters: &mut [FeatureGradients],
) {
    let features = gamma.len();
    assert!(features > 0 && parameters.len() == features, "gradients of each feature");
    let (Gradient::Written(to) | Gradient::Added(to)) = &dx;
    assert_eq!([x.len(), dy.len(), to.len()], [features * IMAGES; 3], "bundles of {features} features");
    assert!(valid <= IMAGES, "a bundle has at most 16 rows");
    set.run(Backward { gamma, x, statistics, dy, valid, dx, parameters });
}

/// Where a gradient goes.
#[derive(Debug)]
pub enum Gradient<'a> {
    /// In place of what is there.
    Written(&'a mut [f32]),
    /// To what is there.
    Added(&'a mut [f32]),
}

/// Independent sums of each kind.
const CHAINS: usize = 4;

struct Forward<'a> {
    gamma: &'a [f32],
    beta: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = RowStatistics;

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) -> RowStatistics {
        let mut statistics = RowStatistics::default();
        let features = self.gamma.len();
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            let x = Column { at: self.x.as_ptr().wrapping_add(element) };
            let y = self.y.as_mut_ptr().wrapping_add(element);
            // SAFETY: the caller guarantees the instructions; `layer_norm` has checked that there are vectors of each
            // feature, from this element on too.
            unsafe {
                let count = I::Vector::splat(features as f32);
                let [total] = sum::<I::Vector, 1, CHAINS>(0..features, &mut { x });
                let mean = total.div(count);
                let [squares] = sum::<_, 1, CHAINS>(0..features, &mut Squares { x, mean });
                let variance = squares.div(count).add(I::Vector::splat(EPSILON));
                let inverse = I::Vector::splat(1.0).div(variance.sqrt());
                for feature in 0..features {
                    let gamma = I::Vector::splat(*self.gamma.get_unchecked(feature));
                    let beta = I::Vector::splat(*self.beta.get_unchecked(feature));
                    let normal = x.load::<I::Vector>(feature).sub(mean).mul(inverse);
                    normal.mul_add(gamma, beta).store(y.add(feature * IMAGES));
                }
                mean.store(statistics.mean.as_mut_ptr().add(element));
                inverse.store(statistics.inverse.as_mut_ptr().add(element));
            }
        }
        statistics
    }
}

/// Some elements of each feature of a bundle.
#[derive(Clone, Copy)]
struct Column {
    at: *const f32,
}

impl Column {
    /// # Safety
    /// The machine has the instructions, and the bundle has the feature.
    #[inline(always)]
    unsafe fn load<V: Vector>(self, feature: usize) -> V {
        // SAFETY: guaranteed by the caller.
        unsafe { V::load(self.at.add(feature * IMAGES)) }
    }
}

impl<V: Vector> Terms<V, 1> for Column {
    #[inline(always)]
    unsafe fn add(&mut self, feature: usize, [sum]: [V; 1]) -> [V; 1] {
        // SAFETY: guaranteed by the caller.
        unsafe { [sum.add(self.load(feature))] }
    }
}

/// The squares of distances from the mean.
struct Squares<V> {
    x: Column,
    mean: V,
}

impl<V: Vector> Terms<V, 1> for Squares<V> {
    #[inline(always)]
    unsafe fn add(&mut self, feature: usize, [sum]: [V; 1]) -> [V; 1] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let off = self.x.load::<V>(feature).sub(self.mean);
            [off.mul_add(off, sum)]
        }
    }
}

struct Backward<'a> {
    gamma: &'a [f32],
    x: &'a [f32],
    statistics: &'a RowStatistics,
    dy: &'a [f32],
    valid: usize,
    dx: Gradient<'a>,
    parameters: &'a mut [FeatureGradients],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(mut self) {
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            // SAFETY: the caller guarantees the instructions; `layer_norm_gradient` has checked the lengths.
            unsafe { backward::<I::Vector>(&mut self, element) };
        }
    }
}

/// # Safety
/// The machine has the instructions; the lengths are those that `layer_norm_gradient` requires.
#[inline(always)]
unsafe fn backward<V: Vector>(job: &mut Backward<'_>, element: usize) {
    let features = job.gamma.len();
    let counts: [f32; IMAGES] = std::array::from_fn(|row| if row < job.valid { 1.0 } else { 0.0 });
    let (dx, added) = match &mut job.dx {
        Gradient::Written(dx) => (dx.as_mut_ptr().wrapping_add(element), false),
        Gradient::Added(dx) => (dx.as_mut_ptr().wrapping_add(element), true),
    };
    // SAFETY: guaranteed by the caller: there are vectors of each feature, two of its gradients, from this element on.
    unsafe {
        let mut through = Through {
            x: Column { at: job.x.as_ptr().wrapping_add(element) },
            dy: Column { at: job.dy.as_ptr().wrapping_add(element) },
            gamma: job.gamma.as_ptr(),
            mean: V::load(job.statistics.mean.as_ptr().add(element)),
            inverse: V::load(job.statistics.inverse.as_ptr().add(element)),
            counts: V::load(counts.as_ptr().add(element)),
            parameters: job.parameters.as_mut_ptr().cast::<f32>().wrapping_add(element),
        };
        let [total, along] = sum::<V, 2, CHAINS>(0..features, &mut through);
        let count = V::splat(-(features as f32));
        let (constant, slope) = (total.div(count), along.div(count));
        for feature in 0..features {
            let [normal, _, scaled] = through.of(feature);
            let to = dx.add(feature * IMAGES);
            let gradient = normal.mul_add(slope, scaled.add(constant)).mul(through.inverse);
            if added { V::load(to).add(gradient) } else { gradient }.store(to);
        }
    }
}

/// What the gradients of a feature are computed from.
struct Through<V> {
    x: Column,
    dy: Column,
    gamma: *const f32,
    mean: V,
    inverse: V,
    /// One for rows that count, else zero.
    counts: V,
    /// Two vectors for each feature.
    parameters: *mut f32,
}

impl<V: Vector> Through<V> {
    /// The normalised numbers of a feature, the gradient, and that times gamma.
    ///
    /// # Safety
    /// The machine has the instructions, and the bundle has the feature.
    #[inline(always)]
    unsafe fn of(&self, feature: usize) -> [V; 3] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let normal = self.x.load::<V>(feature).sub(self.mean).mul(self.inverse);
            let gradient = self.dy.load::<V>(feature).mul(self.counts);
            [normal, gradient, gradient.mul(V::splat(*self.gamma.add(feature)))]
        }
    }
}

/// The gradient times gamma, and that times the normalised numbers; adds to the gradients of gamma and beta by the way.
impl<V: Vector> Terms<V, 2> for Through<V> {
    #[inline(always)]
    unsafe fn add(&mut self, feature: usize, [total, along]: [V; 2]) -> [V; 2] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let [normal, gradient, scaled] = self.of(feature);
            let to = self.parameters.add(2 * feature * IMAGES);
            gradient.mul_add(normal, V::load(to)).store(to);
            gradient.add(V::load(to.add(IMAGES))).store(to.add(IMAGES));
            [total.add(scaled), scaled.mul_add(normal, along)]
        }
    }
}

#[cfg(test)]
mod tests;
