//! Functions that processors have no instructions for, on vectors, from multiply-adds alone, so that they give the same
//! bits wherever those are fused.
//!
//! Coefficients are minimax fits by the Remez algorithm, rounded to f32.

use super::vector::Vector;

/// 1.5 * 2^23: a number of moderate size added to it is rounded to an integer, in the last bits.
const ROUNDING: f32 = 12_582_912.0;
/// ln 2 in two parts; the first has so few bits that its products with exponents are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// The lowest number whose exponential is not taken as zero.
const LOWEST: f32 = -87.0;
/// The highest number with an exponential of its own.
const HIGHEST: f32 = 88.3;
/// (e^r - 1 - r) / r^2 for |r| up to half of ln 2, within 1e-7 of e^r.
const EXPONENTIAL: [f32; 4] = [0.499_991_45, 0.166_664_57, 0.041_898_508, 0.008_374_682];
/// Beyond this many standard deviations, the density decides alone.
const FAR: f32 = 5.0;
/// The tail of the normal distribution by its density without the constant factor, as far as [`FAR`]: 1/2 and these times
/// powers of the distance, within 4e-8 once multiplied by density and distance.
const TAIL: [f32; 11] = [
    -0.398_940_4,
    0.249_965_44,
    -0.132_758_86,
    0.061_788_768,
    -0.025_261_026,
    0.008_808_506,
    -0.002_477_972_5,
    0.000_523_536_9,
    -7.608_957e-5,
    6.672_102e-6,
    -2.632_566_8e-7,
];
/// The largest distance from zero at which the hyperbolic tangent is a polynomial.
const NEAR: f32 = 0.64;
/// (tanh x / x - 1) / x^2 in powers of x^2, as far as [`NEAR`].
const TANGENT: [f32; 5] = [-0.333_332_72, 0.133_311_52, -0.053_714_108, 0.020_551_724, -0.005_603_918_3];

/// A polynomial's value, of constant coefficients from the lowest power on.
///
/// # Safety
/// The machine has the instructions.
#[inline(always)]
unsafe fn polynomial<V: Vector>(coefficients: &[f32], x: V) -> V {
    let mut sum = coefficients.len() - 1;
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut value = V::splat(coefficients[sum]);
        while sum > 0 {
            sum -= 1;
            value = value.mul_add(x, V::splat(coefficients[sum]));
        }
        value
    }
}

/// e^x with a relative error of at most 2 epsilon; zero below -87, no more than e^88.3 above; NaN stays.
///
/// # Safety
/// The machine has the instructions.
#[inline(always)]
pub(super) unsafe fn exp<V: Vector>(x: V) -> V {
    // SAFETY: guaranteed by the caller.
    unsafe {
        // The bounds come first, as these keep the second of two where either is NaN.
        let bounded = V::splat(LOWEST).max(V::splat(HIGHEST).min(x));
        let shifted = bounded.mul_add(V::splat(std::f32::consts::LOG2_E), V::splat(ROUNDING));
        let n = shifted.sub(V::splat(ROUNDING));
        let r = n.mul_add(V::splat(-LN_2[1]), n.mul_add(V::splat(-LN_2[0]), bounded));
        let one = V::splat(1.0);
        let power = polynomial(&EXPONENTIAL, r).mul_add(r, one).mul_add(r, one).scale(shifted);
        V::zero().where_greater(V::splat(LOWEST), x, power)
    }
}

/// The normal distribution at distance `z >= 0` from its mean, in standard deviations: e^(-z^2/2), and the share beyond.
///
/// # Safety
/// The machine has the instructions.
#[inline(always)]
pub(super) unsafe fn normal_tail<V: Vector>(z: V) -> (V, V) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let density = exp(z.mul(z).mul(V::splat(-0.5)));
        let near = V::splat(FAR).min(z);
        let tail = polynomial(&TAIL, near).mul_add(near, V::splat(0.5));
        (density, tail.mul(density))
    }
}

/// The error function within 2e-7.
///
/// # Safety
/// The machine has the instructions.
#[cfg_attr(not(test), expect(dead_code, reason = "layers use `normal_tail`"))]
#[inline(always)]
pub(super) unsafe fn erf<V: Vector>(x: V) -> V {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let (_, tail) = normal_tail(x.abs().mul(V::splat(std::f32::consts::SQRT_2)));
        tail.mul_add(V::splat(-2.0), V::splat(1.0)).with_sign(x)
    }
}

/// The hyperbolic tangent with a relative error of at most 3 epsilon.
///
/// # Safety
/// The machine has the instructions.
#[inline(always)]
pub(super) unsafe fn tanh<V: Vector>(x: V) -> V {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let (square, one) = (x.mul(x), V::splat(1.0));
        let near = polynomial(&TANGENT, square).mul(square).mul_add(x, x);
        let power = exp(x.abs().add(x.abs()));
        let far = V::splat(-2.0).div(power.add(one)).add(one).with_sign(x);
        far.where_greater(x.abs(), V::splat(NEAR), near)
    }
}

/// The logistic function 1 / (1 + e^-x) with a relative error of at most 3 epsilon.
///
/// # Safety
/// The machine has the instructions.
#[inline(always)]
pub(super) unsafe fn sigmoid<V: Vector>(x: V) -> V {
    // SAFETY: guaranteed by the caller.
    unsafe { V::splat(1.0).div(V::splat(1.0).add(exp(V::zero().sub(x)))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::InstructionSet;
    use crate::nn::kernels::dispatch::{Instructions, Kernel};
    use crate::nn::kernels::samples::assert_fused_agree;

    /// A function's name, what it is in f64, and the errors it may have: absolute, and relative in epsilons.
    type Function = (&'static str, fn(f64) -> f64, f64, f64);

    const FUNCTIONS: [Function; 6] = [
        ("exp", f64::exp, 2e-38, 2.0),
        ("erf", erf_in_f64, 2e-7, 0.0),
        ("tanh", f64::tanh, 0.0, 3.0),
        ("sigmoid", |x| 1.0 / (1.0 + (-x).exp()), 1e-37, 3.0),
        ("density", |z| (-z * z / 2.0).exp(), 2e-7, 0.0),
        ("tail", |z| (1.0 - erf_in_f64(z / 2.0_f64.sqrt())) / 2.0, 1e-7, 0.0),
    ];

    /// The error function by a series of positive terms.
    fn erf_in_f64(x: f64) -> f64 {
        let (mut term, mut sum) = (x, 0.0);
        for n in 0..400 {
            sum += term;
            term *= 2.0 * x * x / f64::from(2 * n + 3);
        }
        let erf = sum * (-x * x).exp() * 2.0 / std::f64::consts::PI.sqrt();
        if x.abs() > 8.0 { x.signum() } else { erf }
    }

    struct Evaluate<'a>(&'a [f32]);

    impl Kernel for Evaluate<'_> {
        type Output = [Vec<f32>; 6];

        #[inline(always)]
        unsafe fn run<I: Instructions>(self) -> [Vec<f32>; 6] {
            let mut values = [const { Vec::new() }; 6];
            for x in self.0.chunks_exact(I::Vector::ELEMENTS) {
                // SAFETY: the caller guarantees the instructions; `results` has room for a vector.
                unsafe {
                    let x = I::Vector::load(x.as_ptr());
                    let (density, tail) = normal_tail(x.abs());
                    let mut results = [0.0_f32; 16];
                    for (to, y) in values.iter_mut().zip([exp(x), erf(x), tanh(x), sigmoid(x), density, tail])
                    {
                        y.store(results.as_mut_ptr());
                        to.extend(&results[..I::Vector::ELEMENTS]);
                    }
                }
            }
            values
        }
    }

    #[test]
    fn functions_are_as_exact_as_they_say_on_every_set() {
        let even = (-200_000..200_000).map(|i| i as f32 * 5e-4);
        let small = (-12_000..12_000).map(|i| i as f32 * 1e-5);
        let x: Vec<f32> = even.chain(small).chain((0..160).map(|i| (-0.5 * i as f32).exp2())).collect();
        let mut results = Vec::new();
        for set in InstructionSet::available() {
            let values = set.run(Evaluate(&x));
            for ((name, exact, absolute, epsilons), values) in FUNCTIONS.into_iter().zip(&values) {
                assert_eq!(values.len(), x.len());
                for (&x, &y) in x.iter().zip(values) {
                    if name == "exp" && x > HIGHEST {
                        assert!(y > 1e38);
                        continue;
                    }
                    let x = if matches!(name, "density" | "tail") { x.abs() } else { x };
                    let expected = exact(f64::from(x));
                    let off = (f64::from(y) - expected).abs() - absolute;
                    let unit = f64::from(f32::EPSILON) * expected.abs();
                    assert!(off <= epsilons * unit, "{set}: {name} of {x} is {y}, not {expected}");
                }
            }
            results.push((set, values));
        }
        assert_fused_agree("functions", &results);
    }

    #[test]
    fn extremes_have_their_limits_and_nan_stays() {
        let x = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e30, -1e30, 0.0, -0.0, 1.0].repeat(2);
        for set in InstructionSet::available() {
            let [exp, erf, tanh, sigmoid, density, tail] = set.run(Evaluate(&x));
            assert!(exp[0] > 1e38 && exp[3] > 1e38 && exp[1] == 0.0 && exp[4] == 0.0);
            assert_eq!(
                (exp[5], exp[6], erf[5], tanh[5], sigmoid[5], tail[5]),
                (1.0, 1.0, 0.0, 0.0, 0.5, 0.5)
            );
            for saturated in [&erf, &tanh] {
                assert_eq!([saturated[0], saturated[3], saturated[1], saturated[4]], [1.0, 1.0, -1.0, -1.0]);
            }
            assert!(sigmoid[0] == 1.0 && sigmoid[3] == 1.0 && sigmoid[1] < 1e-37 && sigmoid[4] < 1e-37);
            assert_eq!((density[0], tail[0], density[3], tail[4]), (0.0, 0.0, 0.0, 0.0));
            assert!([&exp, &erf, &tanh, &sigmoid, &density, &tail].iter().all(|values| values[2].is_nan()));
        }
    }
}
