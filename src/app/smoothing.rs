//! The debiased exponential moving average, over steps instead of samples, so that a curve looks the same
//! however densely it was recorded or merged.

use serde::{Deserialize, Serialize};

use crate::history::Point;
use crate::units::Step;

/// A debiased exponential moving average (Kingma and Ba 2014, section 3): the weighted mean of all values so
/// far, a value `n` steps old weighing `decay^n`. Non-finite values are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ema {
    decay: f64,
    sum: f64,
    weight: f64,
}

impl Ema {
    /// An average of no values yet; `decay` goes from 0 for no memory to just below 1 for a long one.
    pub fn new(decay: f64) -> Ema {
        Ema { decay, sum: 0.0, weight: 0.0 }
    }

    /// Adds a value and returns the new average.
    pub fn push(&mut self, value: f64) -> f64 {
        self.push_many(value, 1)
    }

    /// Adds the mean of `count` values and returns the new average.
    pub(crate) fn push_many(&mut self, mean: f64, count: u64) -> f64 {
        if mean.is_finite() && count > 0 {
            // Raising to a power is slow, and nearly every bucket is a single point.
            let kept = if count == 1 { self.decay } else { self.decay.powf(count as f64) };
            self.sum = self.sum * kept + mean * (1.0 - kept);
            self.weight = self.weight * kept + (1.0 - kept);
        }
        self.value().unwrap_or(mean)
    }

    /// The average; none before the first finite value.
    pub fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// An average for each of several numbers that are measured together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct EmaOfEach {
    decay: f64,
    all: Vec<Ema>,
}

impl EmaOfEach {
    /// Averages of no values yet.
    pub(super) fn new(decay: f64) -> EmaOfEach {
        EmaOfEach { decay, all: Vec::new() }
    }

    /// Adds a value of each; non-finite ones are skipped.
    pub(super) fn push(&mut self, values: &[f32]) {
        self.all.resize(values.len(), Ema::new(self.decay));
        for (ema, value) in self.all.iter_mut().zip(values) {
            ema.push(f64::from(*value));
        }
    }

    /// The averages that have a value, with their places.
    pub(super) fn values(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.all.iter().enumerate().filter_map(|(at, ema)| Some((at, ema.value()?)))
    }
}

/// The smoothed curve of single numbers: a point for each row, at its last step; rows without a finite value
/// give none.
pub fn smoothed(scalar: impl Iterator<Item = Point>, decay: f64) -> impl Iterator<Item = (Step, f32)> {
    let mut ema = Ema::new(decay);
    scalar.filter_map(move |point| {
        let mean = point.mean()?;
        Some((point.last_step, ema.push_many(f64::from(mean), point.finite()) as f32))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Bounds, History};

    #[test]
    fn a_constant_stays_itself_from_the_first_value_on() {
        let mut ema = Ema::new(0.99);
        for _ in 0..5 {
            assert!((ema.push(3.0) - 3.0).abs() < 1e-12);
        }
    }

    #[test]
    fn it_is_the_weighted_mean_it_claims_to_be() {
        let values = [4.0, -1.0, 2.5, 7.0];
        let mut ema = Ema::new(0.9);
        let got = values.iter().fold(0.0, |_, &x| ema.push(x));
        let weights: Vec<f64> = (0..4).rev().map(|n| 0.9f64.powi(n)).collect();
        let expected: f64 =
            values.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>() / weights.iter().sum::<f64>();
        assert!((got - expected).abs() < 1e-12);
    }

    #[test]
    fn non_finite_values_leave_it_as_it_was() {
        let mut ema = Ema::new(0.5);
        ema.push(1.0);
        assert_eq!(ema.push(f64::NAN), 1.0);
        assert_eq!(ema.push(f64::INFINITY), 1.0);
        assert_eq!(Ema::new(0.5).value(), None);
    }

    #[test]
    fn merging_points_hardly_moves_the_curve() {
        let [mut exact, mut merged] =
            [4096, 512].map(|rows| History::of_numbers(1, Bounds { exact: rows, merged: rows }));
        for step in 1..=2048u64 {
            let value = (step as f32 / 300.0).sin();
            exact.push(Step(step), 0.0, &[value]);
            merged.push(Step(step), 0.0, &[value]);
        }
        let last = |scalar: &History| smoothed(scalar.points(0), 0.97).last().expect("has points").1;
        assert!((last(&exact) - last(&merged)).abs() < 0.01);
    }
}
