//! The passes against the reference, over channels, pixels, seeds and instruction sets.

use proptest::prelude::*;

use super::*;
use crate::nn::kernels::reference::{self, BatchNorm};
use crate::nn::kernels::samples::numbers;

fn assert_close(what: &str, ours: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), expected.len());
    let scale = expected.iter().fold(1e-3_f64, |scale, x| scale.max(x.abs()));
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!((f64::from(*a) - b).abs() <= tolerance * scale, "{what}: element {i} is {a}, expected {b}");
    }
}

fn assert_same_moments(ours: &Moments, naive: &Moments) {
    assert_eq!((ours.min, ours.max), (naive.min, naive.max));
    assert_eq!((ours.zeros, ours.non_finite, ours.count()), (naive.zeros, naive.non_finite, naive.count()));
    assert_same_sums(&ours.sums, &naive.sums);
}

fn assert_same_sums(ours: &Sums, naive: &Sums) {
    assert_eq!(ours.count, naive.count);
    assert!((ours.sum - naive.sum).abs() <= 1e-12 * naive.squares.sqrt() * naive.count as f64);
    assert!((ours.squares - naive.squares).abs() <= 1e-12 * naive.squares);
}

fn compare<const CHANNELS: usize, const RELU: bool>(pixels: usize, has_shortcut: bool, seed: u64) {
    let count = pixels * CHANNELS;
    let x: Vec<f32> =
        numbers(count, seed).iter().enumerate().map(|(i, x)| 2.0 * x + (i % CHANNELS) as f32).collect();
    let (h, dy) = (numbers(count, seed + 1), numbers(count, seed + 2));
    let (gamma, beta) = (numbers(CHANNELS, seed + 3), numbers(CHANNELS, seed + 4));
    let shortcut = has_shortcut.then_some(h.as_slice());
    let plain = BatchNorm { gamma: &gamma, beta: &beta, epsilon: f64::from(EPSILON), relu: RELU };
    let (mean, variance) = reference::channel_statistics(CHANNELS, &x);
    let expected_response: Vec<f32> = plain.response(&x).iter().map(|r| *r as f32).collect();
    let expected = plain.gradients(&x, shortcut, &dy);
    let mut bits = Vec::new();
    for set in InstructionSet::available() {
        let channels = measure::<CHANNELS>(set, &x);
        assert_close("mean", &channels.mean, &mean, 1e-7);
        assert_close("variance", &channels.variance, &variance, 1e-7);
        let affine = Affine { channels: &channels, gamma: &gamma, beta: &beta };
        let (mut y, mut unmeasured) = (vec![f32::NAN; count], vec![f32::NAN; count]);
        let mut statistics = ForwardStatistics::default();
        forward::<CHANNELS, RELU>(set, affine, &x, shortcut, &mut y, Some(&mut statistics));
        forward::<CHANNELS, RELU>(set, affine, &x, shortcut, &mut unmeasured, None);
        assert_eq!(y, unmeasured);
        // Means of up to 128 with a std of 1 cost the difference from the mean some bits in f32.
        assert_close("forward", &y, &plain.forward(&x, shortcut), 2e-5);
        assert_same_moments(&statistics.output, &Moments::of(&y));
        let dead = (0..CHANNELS).filter(|c| y.iter().skip(*c).step_by(CHANNELS).all(|y| *y == 0.0)).count();
        assert_eq!(statistics.dead_units, dead);
        let response = Sums::of(&expected_response);
        assert!((statistics.response.std() - response.std()).abs() <= 1e-5 * response.std());
        assert_eq!(statistics.branch.is_some(), has_shortcut);
        if let Some(branch) = statistics.branch {
            let naive = Products::of(&expected_response, &h);
            assert!((branch.ratio() - naive.ratio()).abs() <= 1e-5 * naive.ratio());
            assert!((branch.cosine() - naive.cosine()).abs() <= 1e-5);
        }

        let (mut dx, mut dh) = (vec![0.5; count], vec![0.25; count]);
        let (mut dgamma, mut dbeta) = (vec![0.0; CHANNELS], vec![0.0; CHANNELS]);
        let mut moments = Moments::default();
        let to = Gradients {
            dx: &mut dx,
            dgamma: &mut dgamma,
            dbeta: &mut dbeta,
            dshortcut: has_shortcut.then_some(dh.as_mut_slice()),
        };
        gradient::<CHANNELS, RELU>(set, affine, Saved { x: &x, y: &y, dy: &dy }, to, Some(&mut moments));
        let added = |gradient: &[f64], before: f64| gradient.iter().map(|g| g + before).collect::<Vec<_>>();
        assert_close("dx", &dx, &added(&expected.dx, 0.5), 2e-5);
        assert_close("dgamma", &dgamma, &expected.dgamma, 2e-5);
        assert_close("dbeta", &dbeta, &expected.dbeta, 2e-5);
        if has_shortcut {
            assert_close("dshortcut", &dh, &added(&expected.dshortcut, 0.25), 1e-6);
        }
        assert_same_moments(&moments, &Moments::of(&dy));
        bits.push((y, dx, dgamma, statistics));
    }
    assert!(bits.windows(2).all(|pair| pair[0] == pair[1]), "all instruction sets give the same bits");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_width_equals_the_reference(fours in 2_usize..40, has_shortcut: bool, seed in 0_u64..1 << 40) {
        let pixels = 4 * fours;
        compare::<4, true>(pixels, has_shortcut, seed);
        compare::<4, false>(pixels, has_shortcut, seed);
        compare::<8, true>(pixels, has_shortcut, seed);
        compare::<16, true>(pixels, has_shortcut, seed);
        compare::<32, false>(pixels, has_shortcut, seed);
        compare::<32, true>(pixels, has_shortcut, seed);
        compare::<128, true>(pixels, has_shortcut, seed);
        // What does not fall on lanes.
        compare::<2, true>(pixels + 1, has_shortcut, seed);
        compare::<5, true>(pixels, has_shortcut, seed);
        compare::<5, false>(pixels, has_shortcut, seed);
    }

    #[test]
    fn a_large_mean_costs_the_variance_nothing(mean in -1e4_f32..1e4, seed in 0_u64..1 << 40) {
        let x: Vec<f32> = numbers(64 * 8, seed).iter().map(|x| mean + x).collect();
        let (means, variances) = reference::channel_statistics(8, &x);
        for set in InstructionSet::available() {
            let channels = measure::<8>(set, &x);
            for c in 0..8 {
                prop_assert_eq!(channels.mean[c], means[c] as f32);
                prop_assert!((f64::from(channels.variance[c]) - variances[c]).abs() <= 1e-7 * variances[c]);
            }
        }
    }
}

#[test]
fn a_constant_channel_has_no_variance_and_its_output_is_beta() {
    let (gamma, beta) = ([2.0; 8], [-1.0; 8]);
    for set in InstructionSet::available() {
        let x = [0.1_f32; 64];
        let channels = measure::<8>(set, &x);
        assert_eq!(channels, Channels { mean: [0.1; 8], variance: [0.0; 8] });
        let affine = Affine { channels: &channels, gamma: &gamma, beta: &beta };
        let (mut y, mut statistics) = ([7.0; 64], ForwardStatistics::default());
        forward::<8, true>(set, affine, &x, None, &mut y, Some(&mut statistics));
        assert_eq!((statistics.dead_units, statistics.output.zero_rate(), y), (8, 1.0, [0.0; 64]));
    }
}

#[test]
fn non_finite_numbers_go_through_and_are_counted() {
    for set in InstructionSet::available() {
        let mut x = numbers(64, 3);
        (x[9], x[20]) = (f32::NAN, f32::INFINITY);
        let channels = Channels { mean: [0.0; 8], variance: [1.0; 8] };
        let affine = Affine { channels: &channels, gamma: &[1.0; 8], beta: &[0.0; 8] };
        let (mut y, mut statistics) = ([0.0; 64], ForwardStatistics::default());
        forward::<8, true>(set, affine, &x, None, &mut y, Some(&mut statistics));
        assert!(y[9].is_nan() && y[20] == f32::INFINITY, "ReLU hides nothing");
        assert_eq!(statistics.output.non_finite, 2);
        assert!(statistics.output.max.is_finite() && statistics.response.std().is_nan());
        assert!(measure::<8>(set, &x).variance[1].is_nan());
    }
}

#[test]
fn running_statistics_move_as_pytorchs() {
    // torch.nn.BatchNorm2d(1) after one batch of [1, 2, 3, 4]: mean 0.25, variance 0.9 + 0.1 * 5 / 3.
    let (mut mean, mut variance) = ([0.0], [1.0]);
    Channels { mean: [2.5], variance: [1.25] }.update_running(4, &mut mean, &mut variance);
    assert!((mean[0] - 0.25_f32).abs() < 1e-7 && (variance[0] - 1.066_666_6_f32).abs() < 1e-6);
}
