//! GELU (Hendrycks & Gimpel 2016): `x P(X <= x)` for a standard normal X, exact rather than approximated by a tangent;
//! and its slope `P(X <= x) + x p(x)`, where p is the density.

use super::InstructionSet;
use super::bundle::IMAGES;
use super::dispatch::{Instructions, Kernel};
use super::special::normal_tail;
use super::vector::Vector;

/// One over the root of two pi.
const DENSITY: f32 = 0.398_942_3;

/// Writes the function's value at each of the numbers.
pub fn gelu(set: InstructionSet, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "a value for each number");
    assert!(x.len().is_multiple_of(IMAGES), "whole vectors");
    let length = x.len();
    set.run(Gelu { x: x.as_ptr(), y: y.as_mut_ptr(), slope: std::ptr::null_mut(), length });
}

/// Writes the function's value at each of the numbers, and puts its slope there in the number's place: all that the
/// backward pass needs, which then only multiplies.
pub fn gelu_with_slope(set: InstructionSet, x: &mut [f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "a value for each number");
    assert!(x.len().is_multiple_of(IMAGES), "whole vectors");
    let (length, x) = (x.len(), x.as_mut_ptr());
    set.run(Gelu { x, y: y.as_mut_ptr(), slope: x, length });
}

struct Gelu {
    x: *const f32,
    y: *mut f32,
    /// Null if it is not wanted, else as `x`.
    slope: *mut f32,
    length: usize,
}

impl Kernel for Gelu {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        // SAFETY: the caller guarantees the instructions; both functions above have checked the lengths.
        unsafe {
            if self.slope.is_null() {
                pass::<I::Vector, false>(&self);
            } else {
                pass::<I::Vector, true>(&self);
            }
        }
    }
}

/// # Safety
/// The machine has the instructions; the pointers are to `length` numbers.
#[inline(always)]
unsafe fn pass<V: Vector, const SLOPE: bool>(gelu: &Gelu) {
    for at in (0..gelu.length).step_by(V::ELEMENTS) {
        // SAFETY: guaranteed by the caller; vectors divide the length.
        unsafe {
            let x = V::load(gelu.x.add(at));
            let (density, beyond) = normal_tail(x.abs());
            // Below zero x times the share below, above x less x times the share above.
            let positive = V::zero().max(x);
            V::zero().sub(x.abs()).mul_add(beyond, positive).store(gelu.y.add(at));
            if SLOPE {
                let below = V::splat(1.0).sub(beyond).where_greater(x, V::zero(), beyond);
                x.mul(V::splat(DENSITY)).mul_add(density, below).store(gelu.slope.add(at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::guarded::{Guarded, Side};
    use crate::nn::kernels::samples::{assert_fused_agree, bits, numbers};

    /// Value and slope in f64, by integrating the density with Simpson's rule.
    fn in_f64(x: f64) -> [f64; 2] {
        let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let (count, to) = (400, x.clamp(-9.0, 9.0));
        let width = to / f64::from(count);
        let of = |i: i32| f64::from([2, 4][i as usize % 2]) * density(width * f64::from(i));
        let inner: f64 = (1..count).map(of).sum();
        let below = 0.5 + width / 3.0 * (density(0.0) + inner + density(to));
        [x * below, below + x * density(x)]
    }

    #[test]
    fn value_and_slope_are_within_2e_7_on_every_set() {
        let mut x: Vec<f32> = numbers(3000 - 8, 7).iter().map(|x| 8.0 * x).collect();
        x.extend([0.0, -0.0, 20.0, -20.0, 1e-30, -1e-30, 100.0, -100.0]);
        x.truncate(x.len() / IMAGES * IMAGES);
        let mut results = Vec::new();
        for (set, side) in InstructionSet::available().into_iter().zip([Side::Front, Side::Back].repeat(2)) {
            let mut slopes = Guarded::copied(side, &x);
            let (mut y, mut alone) = (Guarded::filled(side, x.len(), f32::NAN), vec![f32::NAN; x.len()]);
            gelu(set, &slopes, &mut alone);
            gelu_with_slope(set, &mut slopes, &mut y);
            assert_eq!(bits(&y), bits(&alone), "{set}: with or without the slope");
            for i in 0..x.len() {
                let [value, slope] = in_f64(f64::from(x[i]));
                let close =
                    |ours: f32, exact: f64| (f64::from(ours) - exact).abs() <= 2e-7 * exact.abs().max(1.0);
                assert!(close(y[i], value), "{set}: {} of {}, expected {value}", y[i], x[i]);
                assert!(close(slopes[i], slope), "{set}: slope {} at {}, expected {slope}", slopes[i], x[i]);
            }
            results.push((set, (y.to_vec(), slopes.to_vec())));
        }
        assert_fused_agree("gelu", &results);
    }

    #[test]
    fn nan_stays() {
        for set in InstructionSet::available() {
            let (mut x, mut y) = ([f32::NAN; IMAGES], [0.0; IMAGES]);
            gelu_with_slope(set, &mut x, &mut y);
            assert!(x.iter().chain(&y).all(|x| x.is_nan()));
        }
    }
}
