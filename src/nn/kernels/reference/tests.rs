//! Tests the reference gradients against finite differences: a sum weighted by `dy` changes along each input as its
//! gradient says.

use proptest::prelude::*;

use super::*;

/// Small deterministic numbers of both signs, multiples of 1/64 so that a nudge of 2^-8 is exact in f32.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 20) % 256) as f32 / 64.0 - 2.0
    };
    (0..count).map(|_| next()).collect()
}

fn weighted(y: &[f64], dy: &[f32]) -> f64 {
    y.iter().zip(dy).map(|(y, &d)| y * f64::from(d)).sum()
}

/// The central difference of `f` along each element of `x`.
fn differences(x: &[f32], f: impl Fn(&[f32]) -> f64) -> Vec<f64> {
    const NUDGE: f32 = 1.0 / 256.0;
    let along = |i: usize| {
        let (mut up, mut down) = (x.to_vec(), x.to_vec());
        up[i] += NUDGE;
        down[i] -= NUDGE;
        (f(&up) - f(&down)) / f64::from(2.0 * NUDGE)
    };
    (0..x.len()).map(along).collect()
}

fn assert_close(gradient: &[f64], differences: &[f64], tolerance: f64) {
    assert_eq!(gradient.len(), differences.len());
    for (i, (g, d)) in gradient.iter().zip(differences).enumerate() {
        assert!((g - d).abs() <= tolerance * (1.0 + g.abs()), "element {i}: gradient {g}, difference {d}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn convolution_gradients_are_its_differences(
        kernel in prop::sample::select(vec![1_usize, 3]),
        stride in 1_usize..=2,
        (inputs, outputs) in (1_usize..4, 1_usize..4),
        (batch, height, width) in (1_usize..3, 1_usize..3, 1_usize..3),
        seed: u32,
    ) {
        let convolution = Convolution { kernel, stride, inputs, outputs };
        let size = Size::new(batch, 2 * height, 2 * width);
        let x = numbers(size.pixels() * inputs, seed);
        let w = numbers(convolution.weights(), seed ^ 1);
        let dy = numbers(size.strided(stride).pixels() * outputs, seed ^ 2);
        let by_x = differences(&x, |x| weighted(&convolution.forward(size, x, &w), &dy));
        assert_close(&convolution.input_gradient(size, &dy, &w), &by_x, 1e-9);
        let by_w = differences(&w, |w| weighted(&convolution.forward(size, &x, w), &dy));
        assert_close(&convolution.weight_gradient(size, &x, &dy), &by_w, 1e-9);
    }

    #[test]
    fn batch_norm_gradients_are_its_differences(
        channels in 1_usize..4,
        pixels in 4_usize..12,
        has_shortcut: bool,
        relu: bool,
        seed: u32,
    ) {
        let x = numbers(pixels * channels, seed);
        let h = numbers(pixels * channels, seed ^ 1);
        let dy = numbers(pixels * channels, seed ^ 2);
        let (gamma, beta) = (numbers(channels, seed ^ 3), numbers(channels, seed ^ 4));
        let shortcut = has_shortcut.then_some(h.as_slice());
        let norm = BatchNorm { gamma: &gamma, beta: &beta, epsilon: 0.1, relu };
        // If a nudge can move an output across ReLU's kink, there is no derivative to compare with.
        let before_relu = BatchNorm { relu: false, ..norm }.forward(&x, shortcut);
        prop_assume!(!relu || before_relu.iter().all(|y| y.abs() > 0.03));
        let gradients = norm.gradients(&x, shortcut, &dy);
        assert_close(&gradients.dx, &differences(&x, |x| weighted(&norm.forward(x, shortcut), &dy)), 2e-3);
        let by_gamma = differences(&gamma, |gamma| {
            weighted(&BatchNorm { gamma, ..norm }.forward(&x, shortcut), &dy)
        });
        assert_close(&gradients.dgamma, &by_gamma, 1e-9);
        let by_beta = differences(&beta, |beta| weighted(&BatchNorm { beta, ..norm }.forward(&x, shortcut), &dy));
        assert_close(&gradients.dbeta, &by_beta, 1e-9);
        if has_shortcut {
            assert_close(&gradients.dshortcut, &differences(&h, |h| weighted(&norm.forward(&x, Some(h)), &dy)), 1e-9);
        }
    }
}

#[test]
fn a_convolution_by_hand_comes_out() {
    // One image of 2 x 2 with one channel; the kernel has 1 to 9, so that products can be told apart.
    let convolution = Convolution { kernel: 3, stride: 1, inputs: 1, outputs: 1 };
    let kernel: Vec<f32> = (1..=9).map(|w| w as f32).collect();
    let y = convolution.forward(Size::new(1, 2, 2), &[1.0, 10.0, 100.0, 1000.0], &kernel);
    assert_eq!(
        y,
        [
            5.0 + 60.0 + 800.0 + 9000.0,
            4.0 + 50.0 + 700.0 + 8000.0,
            2.0 + 30.0 + 500.0 + 6000.0,
            1.0 + 20.0 + 400.0 + 5000.0
        ]
    );
}
