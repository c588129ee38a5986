//! The sums of each channel of a layer's response, gathered element by element while a bundle is computed and folded to
//! f64 at its end.

use super::InstructionSet;
use super::bundle::IMAGES;
use super::dispatch::{Instructions, Kernel};
use super::vector::Vector;
use crate::statistics::Sums;

/// Vectors of sums per channel: its origin, the sum of differences from it, and that of their squares. Differences
/// from a number of the channel itself keep f32 sums exact where the mean is far from zero.
pub const ROW_MOMENTS: usize = 3;

/// Whether the sums of a channel continue or start with the current row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The row's first pixel becomes the origin, and sums start at zero.
    First,
    /// The sums continue.
    Kept,
}

/// Adds a row, `[pixels][channels][IMAGES]`, to the sums of each channel, element by element: [`ROW_MOMENTS`] vectors a
/// channel. With [`Origin::First`] they start over.
pub fn sum_row(set: InstructionSet, channels: usize, row: &[f32], moments: &mut [f32], origin: Origin) {
    assert!(!row.is_empty() && row.len().is_multiple_of(channels * IMAGES), "a row of whole pixels");
    assert_eq!(moments.len(), channels * ROW_MOMENTS * IMAGES, "sums of each channel");
    set.run(SumRow { channels, row, moments, origin });
}

struct SumRow<'a> {
    channels: usize,
    row: &'a [f32],
    moments: &'a mut [f32],
    origin: Origin,
}

impl Kernel for SumRow<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let step = self.channels * IMAGES;
        let pixels = self.row.len() / step;
        for channel in 0..self.channels {
            for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
                let moments =
                    self.moments.as_mut_ptr().wrapping_add(channel * ROW_MOMENTS * IMAGES + element);
                let row = self.row.as_ptr().wrapping_add(channel * IMAGES + element);
                // SAFETY: the caller guarantees the instructions; the row has `pixels` times `step` numbers and the
                // moments `ROW_MOMENTS` vectors a channel, as `sum_row` has checked.
                unsafe {
                    let (first_at, second_at) = (moments.add(IMAGES), moments.add(2 * IMAGES));
                    let (start, mut first, mut second) = match self.origin {
                        Origin::First => (I::Vector::load(row), I::Vector::zero(), I::Vector::zero()),
                        Origin::Kept => {
                            (I::Vector::load(moments), I::Vector::load(first_at), I::Vector::load(second_at))
                        }
                    };
                    for pixel in 0..pixels {
                        let distance = I::Vector::load(row.add(pixel * step)).sub(start);
                        first = first.add(distance);
                        second = distance.mul_add(distance, second);
                    }
                    start.store(moments);
                    first.store(first_at);
                    second.store(second_at);
                }
            }
        }
    }
}

/// Sum and sum of squares of each channel, in f64.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelSums {
    /// Numbers summed in each channel.
    pub count: u64,
    /// Their sums.
    pub sum: Vec<f64>,
    /// The sums of their squares.
    pub squares: Vec<f64>,
}

impl ChannelSums {
    /// The sums of no numbers.
    pub fn none(channels: usize) -> ChannelSums {
        ChannelSums { count: 0, sum: vec![0.0; channels], squares: vec![0.0; channels] }
    }

    /// Adds the sums of a bundle: `[channels][ROW_MOMENTS][IMAGES]`, over `pixels` pixels in each of its first `images`
    /// elements.
    pub fn fold(&mut self, moments: &[f32], pixels: usize, images: usize) {
        let of_channels = moments.as_chunks::<IMAGES>().0.as_chunks::<ROW_MOMENTS>().0;
        let pixels64 = pixels as f64;
        for ((sum, squares), [origin, first, second]) in
            self.sum.iter_mut().zip(&mut self.squares).zip(of_channels)
        {
            let (mut s, mut q) = ([0.0_f64; IMAGES], [0.0_f64; IMAGES]);
            for element in 0..IMAGES {
                let (origin, first) = (f64::from(origin[element]), f64::from(first[element]));
                s[element] = pixels64 * origin + first;
                q[element] = f64::from(second[element]) + origin * (2.0 * first + pixels64 * origin);
            }
            *sum += s[..images].iter().sum::<f64>();
            *squares += q[..images].iter().sum::<f64>();
        }
        self.count += (pixels * images) as u64;
    }

    /// Adds the sums of another share.
    pub fn merge(&mut self, other: &ChannelSums) {
        self.count += other.count;
        self.sum.iter_mut().zip(&other.sum).for_each(|(a, b)| *a += b);
        self.squares.iter_mut().zip(&other.squares).for_each(|(a, b)| *a += b);
    }

    /// The sums of all shares.
    pub(crate) fn total(shares: &[ChannelSums]) -> ChannelSums {
        let channels = shares.first().map_or(0, |share| share.sum.len());
        let mut total = ChannelSums::none(channels);
        shares.iter().for_each(|share| total.merge(share));
        total
    }

    /// The sums over all channels.
    pub(crate) fn all(&self) -> Sums {
        let count = self.count * self.sum.len() as u64;
        Sums { count, sum: self.sum.iter().sum(), squares: self.squares.iter().sum() }
    }

    /// The sums over all channels of `scale * x + shift`, with one number each per channel.
    pub(crate) fn mapped(&self, scale: &[f32], shift: &[f32]) -> Sums {
        let count = self.count as f64;
        let mut all = Sums { count: self.count * self.sum.len() as u64, ..Sums::default() };
        for (channel, (&scale, &shift)) in scale.iter().zip(shift).enumerate() {
            let (mean, variance) = self.moments(channel);
            let (scale, mean) = (f64::from(scale), f64::from(scale) * mean + f64::from(shift));
            all.sum += count * mean;
            all.squares += count * (mean * mean + variance * scale * scale);
        }
        all
    }

    /// Mean and variance (divided by the count) of a channel.
    pub fn moments(&self, channel: usize) -> (f64, f64) {
        let count = self.count as f64;
        let mean = self.sum[channel] / count;
        let variance = self.squares[channel] / count - mean * mean;
        // Rounding may leave a constant channel just below zero. NaN must stay NaN, so no `max`.
        (mean, if variance < 0.0 { 0.0 } else { variance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_moments_are_those_of_the_lanes_that_count() {
        // One channel whose element l has the numbers 1000 + l, 1001 + l, 1002 + l.
        let mut moments = vec![0.0; ROW_MOMENTS * IMAGES];
        for element in 0..IMAGES {
            moments[element] = 1000.0 + element as f32;
            moments[IMAGES + element] = 0.0 + 1.0 + 2.0;
            moments[2 * IMAGES + element] = 0.0 + 1.0 + 4.0;
        }
        let mut sums = ChannelSums::none(1);
        sums.fold(&moments, 3, 2);
        let all = [1000.0, 1001.0, 1002.0, 1001.0, 1002.0, 1003.0_f64];
        let mean = all.iter().sum::<f64>() / 6.0;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 6.0;
        let (m, v) = sums.moments(0);
        assert!((m - mean).abs() < 1e-9 && (v - variance).abs() < 1e-9);
        assert_eq!(sums.count, 6);
    }

    #[test]
    fn parts_merge_to_the_sums_of_the_whole_and_a_constant_channel_has_no_variance() {
        let moments: Vec<f32> = (0..2 * ROW_MOMENTS * IMAGES)
            .map(|i| match i / IMAGES % ROW_MOMENTS {
                // The second channel is 0.1 throughout.
                0 => {
                    if i < ROW_MOMENTS * IMAGES {
                        i as f32
                    } else {
                        0.1
                    }
                }
                moment => {
                    if i < ROW_MOMENTS * IMAGES {
                        moment as f32 * 2.5
                    } else {
                        0.0
                    }
                }
            })
            .collect();
        let (mut whole, mut first, mut second) =
            (ChannelSums::none(2), ChannelSums::none(2), ChannelSums::none(2));
        whole.fold(&moments, 7, IMAGES);
        whole.fold(&moments, 7, 3);
        first.fold(&moments, 7, IMAGES);
        second.fold(&moments, 7, 3);
        first.merge(&second);
        assert_eq!((first.count, &first), (7 * 19, &whole));
        let (mean, variance) = whole.moments(1);
        assert!(
            (mean - f64::from(0.1_f32)).abs() < 1e-15 && (0.0..1e-16).contains(&variance),
            "{mean} {variance}"
        );
    }

    #[test]
    fn numbers_that_are_not_finite_show_in_mean_and_variance_of_their_channel_alone() {
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut moments = vec![1.0; 2 * ROW_MOMENTS * IMAGES];
            (moments[IMAGES + 2], moments[2 * IMAGES + 2]) = (odd, odd * odd);
            let mut sums = ChannelSums::none(2);
            sums.fold(&moments, 4, IMAGES);
            let ((mean, variance), (well, _)) = (sums.moments(0), sums.moments(1));
            assert!(!mean.is_finite() && variance.is_nan() && well.is_finite(), "{odd}: {mean} {variance}");
            let mut without = ChannelSums::none(2);
            without.fold(&moments, 4, 2);
            assert!(without.moments(0).0.is_finite(), "the element behind the last image does not count");
        }
    }
}
