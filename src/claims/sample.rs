//! Samples: a value for each of several lanes.

use crate::printable::{percent, short};

/// What a number is of, for showing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A share, shown in percent.
    Share,
    /// In this unit; empty where it has none.
    Of(&'static str),
}

impl Unit {
    /// No unit.
    pub(super) const NONE: Unit = Unit::Of("");

    /// The unit of a metric.
    pub(super) fn named(unit: &'static str) -> Unit {
        if unit == "share" { Unit::Share } else { Unit::Of(unit) }
    }

    /// A number with its unit.
    pub fn in_words(self, x: f64) -> String {
        match self {
            Unit::Share => percent(x as f32),
            Unit::Of("") => short(x),
            Unit::Of(unit) => format!("{} {unit}", short(x)),
        }
    }
}

/// A value for each of several lanes, with the seed of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// The place of the lane, its seed, its value.
    pub(super) values: Vec<Value>,
}

/// The value of a lane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Value {
    /// The lane's place among all.
    pub(super) at: usize,
    /// Its seed.
    pub(super) seed: u64,
    /// The value; infinite where a lane diverged.
    pub(super) value: f64,
}

impl Sample {
    pub(super) fn map(mut self, of: impl Fn(f64) -> f64) -> Sample {
        self.values.iter_mut().for_each(|value| value.value = of(value.value));
        self
    }

    /// The values in ascending order.
    pub(super) fn sorted(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.values.iter().map(|value| value.value).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The least value and the greatest; NaN where there is none.
    pub(super) fn extent(&self) -> [f64; 2] {
        let sorted = self.sorted();
        [sorted.first(), sorted.last()].map(|end| end.copied().unwrap_or(f64::NAN))
    }

    /// The value in the middle; of an even number, the mean of the two in the middle. NaN where there is none.
    pub(super) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
        let (a, b) = (sorted[last / 2], sorted[last - last / 2]);
        // The mean of two infinities is not a number.
        if a == b { a } else { f64::midpoint(a, b) }
    }

    pub(super) fn mean(&self) -> f64 {
        self.values.iter().map(|value| value.value).sum::<f64>() / self.values.len() as f64
    }

    /// Pairs of values with the same seed, those of the first sample with those of the second; none if a sample has a
    /// seed twice.
    pub(super) fn paired(&self, other: &Sample, of: impl Fn(f64, f64) -> f64) -> Option<Sample> {
        if self.has_twins() || other.has_twins() {
            return None;
        }
        let partner = |value: &Value| other.values.iter().find(|other| other.seed == value.seed);
        let pair = |value: &Value| Some(Value { value: of(value.value, partner(value)?.value), ..*value });
        Some(Sample { values: self.values.iter().filter_map(pair).collect() })
    }

    /// Whether two values have the same seed.
    pub(super) fn has_twins(&self) -> bool {
        let seeds = self.values.iter().enumerate();
        seeds.into_iter().any(|(at, value)| self.values[..at].iter().any(|other| other.seed == value.seed))
    }
}
