//! Numbers for the kernels' tests, the same in every run, and how results are compared.

use super::moments::ChannelSums;
use super::{InstructionSet, reference};

/// Numbers of about unit size from a seed.
pub(in crate::nn) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Asserts that numbers are as expected, within a tolerance times the largest expected number.
pub(in crate::nn) fn assert_close(what: &str, ours: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3_f64, |scale, x| scale.max(x.abs()));
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        let difference = (f64::from(*a) - b).abs();
        // NaN is not within the tolerance.
        assert!(
            difference <= tolerance * scale,
            "{what}: element {i} is {a}, expected {b} at a scale of {scale}"
        );
    }
}

/// Asserts that a sum is that of these terms, within a tolerance times their size.
pub(in crate::nn) fn assert_sum(what: &str, ours: f64, terms: impl Iterator<Item = f64>, tolerance: f64) {
    let (mut expected, mut size) = (0.0, 0.0);
    terms.for_each(|x| (expected, size) = (expected + x, size + x.abs()));
    assert!((ours - expected).abs() <= tolerance * size, "{what}: {ours}, expected {expected}");
}

/// Asserts that sums are those of these images, NHWC.
///
/// They are relative to each image's first pixel, so rounding errors grow with its distance from the mean and with the
/// standard deviation, but not with the mean; and, if all pixels are equal, with their number.
pub(in crate::nn) fn assert_moments(what: &str, sums: &ChannelSums, nhwc: &[f32], images: usize) {
    let channels = sums.sum.len();
    let (mean, variance) = reference::channel_statistics(channels, nhwc);
    let share = (3e-8 * (nhwc.len() / channels / images) as f64).max(1e-6);
    assert_eq!(sums.count, (nhwc.len() / channels) as u64, "{what}");
    for (channel, (mean, variance)) in mean.into_iter().zip(variance).enumerate() {
        let first = nhwc.chunks_exact(nhwc.len() / images).map(|image| f64::from(image[channel]));
        let from_first = first.map(|x| (x - mean).powi(2)).sum::<f64>() / images as f64;
        let size = variance + from_first;
        let (m, v) = sums.moments(channel);
        let (off_m, off_v) = ((m - mean).abs(), (v - variance).abs());
        assert!(
            off_m <= share * size.sqrt() + 1e-14 * mean.abs(),
            "{what}: mean of {channel} is {m}, not {mean}"
        );
        assert!(
            off_v <= 2.0 * share * size + 1e-14 * mean.powi(2),
            "{what}: variance of {channel} is {v}, not {variance}"
        );
    }
}

/// Asserts that all instruction sets with fused multiply-adds give the same result.
pub(in crate::nn) fn assert_fused_agree<T: PartialEq + std::fmt::Debug>(
    what: &str,
    results: &[(InstructionSet, T)],
) {
    let mut fused = results.iter().filter(|(set, _)| *set != InstructionSet::baseline());
    let Some((first, expected)) = fused.next() else { return };
    for (set, result) in fused {
        // Not `assert_eq`, which would print everything.
        assert!(result == expected, "{what}: {set} and {first} give different bits");
    }
}

/// The bits of numbers, for comparisons that distinguish zeros and find NaN equal to itself.
pub(in crate::nn) fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}
