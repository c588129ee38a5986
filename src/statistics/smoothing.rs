//! Smoothing of a series as it grows.

/// An exponential moving average whose beginning is not drawn towards zero: divided by the sum of the weights so
/// far, as in Adam (Kingma & Ba 2015, section 3). Numbers that are not finite are passed over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothing {
    keep: f64,
    sum: f64,
    weight: f64,
}

impl Smoothing {
    /// An average that keeps this share (0 up to, not including, 1) of itself at each number; 0 follows the
    /// series exactly.
    pub fn new(keep: f64) -> Smoothing {
        assert!((0.0..1.0).contains(&keep), "the share to keep is in 0..1, not {keep}");
        Smoothing { keep, sum: 0.0, weight: 0.0 }
    }

    /// Takes in a number and returns the average.
    pub fn push(&mut self, x: f32) -> Option<f32> {
        if x.is_finite() {
            self.sum = self.keep * self.sum + (1.0 - self.keep) * f64::from(x);
            self.weight = self.keep * self.weight + (1.0 - self.keep);
        }
        self.value()
    }

    /// The average so far; none before the first finite number.
    pub fn value(&self) -> Option<f32> {
        (self.weight > 0.0).then(|| (self.sum / self.weight) as f32)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_constant_is_its_own_average_from_the_first_number_on() {
        let mut smoothing = Smoothing::new(0.9);
        assert_eq!(smoothing.value(), None);
        for _ in 0..50 {
            assert_eq!(smoothing.push(3.5), Some(3.5));
        }
    }

    #[test]
    fn non_finite_numbers_change_nothing() {
        let mut smoothing = Smoothing::new(0.5);
        assert_eq!(smoothing.push(f32::NAN), None);
        assert_eq!(smoothing.push(2.0), Some(2.0));
        assert_eq!(smoothing.push(f32::INFINITY), Some(2.0));
        // Weights 1/4 and 1/2 over 3/4.
        assert_eq!(smoothing.push(5.0), Some(4.0));
    }

    proptest! {
        #[test]
        fn the_average_is_the_weighted_mean_of_its_definition(
            values in prop::collection::vec(-10.0_f32..10.0, 1..60),
            keep in 0.0_f64..0.999,
        ) {
            let mut smoothing = Smoothing::new(keep);
            let last = values.iter().map(|&x| smoothing.push(x)).last().flatten();
            let weights = (0..values.len()).rev().map(|age| keep.powi(age as i32));
            let (sum, weight) = values.iter().zip(weights).fold((0.0, 0.0), |(s, w), (&x, weight)| {
                (s + weight * f64::from(x), w + weight)
            });
            prop_assert!((f64::from(last.unwrap()) - sum / weight).abs() < 1e-5);
        }
    }
}
