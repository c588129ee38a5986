//! Standardises inputs by the moments of the training split: bytes by those of their channel, with a table of the
//! standardised value of every byte, and features by their own. Tokens are not numbers, and stay as they are.

use super::{Examples, Stored};
use crate::units::InputShape;

/// The standardised value of every byte.
type Values = [f32; 256];

/// How the inputs of a data set are standardised. Loops over pixels are compiled per number of channels, since they
/// take several times as long when it is known only at run time.
#[derive(Clone, Debug)]
pub(super) enum Standardisation {
    /// For gray images.
    Gray(Box<[Values; 1]>),
    /// For red, green and blue.
    Colour(Box<[Values; 3]>),
    /// For vectors, feature by feature.
    Features(Vec<Feature>),
    /// For tokens, not at all.
    Tokens,
}

impl Standardisation {
    /// Standardises by the moments of these examples.
    ///
    /// # Panics
    /// If they are images with neither one channel nor three.
    pub(super) fn of(examples: &Examples, shape: InputShape) -> Standardisation {
        match (shape, &examples.inputs) {
            (InputShape::Image(shape), Stored::Pixels(pixels)) => {
                let (mean, std) = channel_moments(pixels, shape.channels);
                Standardisation::by(&mean, &std)
            }
            (InputShape::Vector { features }, Stored::Numbers(numbers)) => Standardisation::Features(
                (0..features).map(|at| Feature::of(numbers, at, features)).collect(),
            ),
            _ => Standardisation::Tokens,
        }
    }

    fn by(mean: &[f32], std: &[f32]) -> Standardisation {
        let values = |channel: usize| {
            let (mean, std) = (f64::from(mean[channel]), f64::from(std[channel]));
            std::array::from_fn(|byte| ((byte as f64 / 255.0 - mean) / std) as f32)
        };
        match mean.len() {
            1 => Standardisation::Gray(Box::new([values(0)])),
            3 => Standardisation::Colour(Box::new(std::array::from_fn(values))),
            channels => panic!("expected images of one channel or three, found {channels}"),
        }
    }
}

/// The moments by which a feature is standardised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Feature {
    mean: f64,
    /// The standard deviation (population); 1 for a constant feature, which is only centred.
    std: f64,
}

impl Feature {
    /// The moments of every `features`-th number from `at` on, in f64.
    fn of(numbers: &[f32], at: usize, features: usize) -> Feature {
        let values = || numbers.iter().skip(at).step_by(features).map(|&number| f64::from(number));
        let Some(first) = values().next() else { return Feature { mean: 0.0, std: 1.0 } };
        if values().all(|value| value == first) {
            // The mean as computed may differ in its last bit, which would be divided by almost nothing.
            return Feature { mean: first, std: 1.0 };
        }
        let count = values().count() as f64;
        let mean = values().sum::<f64>() / count;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        Feature { mean, std: variance.sqrt() }
    }

    /// A number of this feature, standardised. One of the test split may be so far from those of training that single
    /// precision would make it infinite; it becomes the greatest number.
    pub(super) fn standardised(self, number: f32) -> f32 {
        let most = f64::from(f32::MAX);
        ((f64::from(number) - self.mean) / self.std).clamp(-most, most) as f32
    }
}

/// The standardised values of a pixel.
pub(super) fn standardised<const CHANNELS: usize>(
    pixel: [u8; CHANNELS],
    values: &[Values; CHANNELS],
) -> [f32; CHANNELS] {
    std::array::from_fn(|channel| values[channel][usize::from(pixel[channel])])
}

/// Mean and standard deviation (population) of each channel, of bytes scaled to 0..1; exact sums, then f64.
///
/// A channel without contrast gets the standard deviation of one level, 1/255, to avoid division by zero.
fn channel_moments(pixels: &[u8], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let mut counts = vec![[0_u64; 256]; channels];
    for pixel in pixels.chunks_exact(channels) {
        for (count, &byte) in counts.iter_mut().zip(pixel) {
            count[usize::from(byte)] += 1;
        }
    }
    let moments = |count: &[u64; 256]| {
        let images = count.iter().sum::<u64>().max(1) as f64;
        let sum =
            |power| -> f64 { (0_u32..).zip(count).map(|(b, &n)| f64::from(b).powi(power) * n as f64).sum() };
        let mean = sum(1) / images;
        let variance = (sum(2) / images - mean * mean).max(0.0);
        ((mean / 255.0) as f32, (variance.sqrt().max(1.0) / 255.0) as f32)
    };
    counts.iter().map(moments).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_a_computation_by_hand() {
        let (mean, std) = channel_moments(&[0, 7, 255, 7, 51, 7], 2);
        assert_eq!(mean, [(306.0 / 3.0 / 255.0) as f32, (7.0 / 255.0) as f32]);
        let variance: f64 = [0.0_f64, 255.0, 51.0].iter().map(|x| (x - 102.0).powi(2)).sum::<f64>() / 3.0;
        assert_eq!(std, [(variance.sqrt() / 255.0) as f32, (1.0 / 255.0) as f32]);
    }

    #[test]
    fn bytes_are_standardised_by_their_own_channel() {
        let (mean, std) = ([0.25, 0.5, 0.75], [0.5, 0.25, 1.0]);
        let Standardisation::Colour(values) = Standardisation::by(&mean, &std) else {
            panic!("three channels are colours")
        };
        assert_eq!(standardised([255, 255, 255], &values), [1.5, 2.0, 0.25]);
        assert_eq!(standardised([0, 51, 0], &values), [-0.5, -1.2, -0.75]);
        assert!(matches!(Standardisation::by(&[0.5], &[1.0]), Standardisation::Gray(_)));
    }

    #[test]
    fn features_are_standardised_in_double_precision_and_stay_finite() {
        // Their squares overflow single precision, and so does their sum.
        let numbers = [3.0e38, 1.0, -3.0e38, 1.0, 3.0e38, 1.0, -3.0e38, 1.0];
        let great = Feature::of(&numbers, 0, 2);
        assert_eq!(great, Feature { mean: 0.0, std: f64::from(3.0e38_f32) });
        assert_eq!(great.standardised(3.0e38), 1.0);
        let constant = Feature::of(&numbers, 1, 2);
        assert_eq!(constant, Feature { mean: 1.0, std: 1.0 });
        let small = Feature::of(&[0.0, 1.0e-45], 0, 1);
        assert_eq!([small.standardised(3.0e38), small.standardised(-3.0e38)], [f32::MAX, -f32::MAX]);
        assert_eq!(Feature::of(&[], 0, 1).standardised(2.0), 2.0);
    }
}
