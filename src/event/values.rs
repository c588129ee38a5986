//! The values of metrics at a step.

use serde::ser::{Serialize, Serializer};

use super::Histogram;
use super::wire::{Float, Floats};
use crate::metric::{LAYER, Metric};
use crate::units::LayerIdx;

/// Values by metric, in the order in which they were added. Serialised as an object with a member for each metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(Vec<(Metric, Value)>);

/// In the place of a number that was not measured, as of a layer that another program logs less often: a NaN of its own,
/// which counts neither as a value nor as one that is not finite. A log of this program has none.
pub const MISSING: f32 = f32::from_bits(0x7fc0_0e17);

/// Whether a number was not measured, see [`MISSING`].
pub fn is_missing(number: f32) -> bool {
    number.to_bits() == MISSING.to_bits()
}

/// The value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a metric without axes.
    Number(f32),
    /// Of a metric over one or more axes, the last one fastest.
    Numbers(Vec<f32>),
    /// Of a metric whose last axis is the bins.
    Histograms(Vec<Histogram>),
}

impl Values {
    /// Adds a value, or replaces that of the same metric.
    pub fn insert(&mut self, metric: Metric, value: Value) {
        match self.0.iter_mut().find(|(other, _)| *other == metric) {
            Some((_, old)) => *old = value,
            None => self.0.push((metric, value)),
        }
    }

    /// Adds a value of a metric known to have none yet.
    pub fn push_new(&mut self, metric: Metric, value: Value) {
        self.0.push((metric, value));
    }

    /// Adds a number.
    #[must_use]
    pub fn with(mut self, metric: Metric, number: f32) -> Values {
        self.insert(metric, Value::Number(number));
        self
    }

    /// Adds all of these.
    #[must_use]
    pub fn and(mut self, more: Values) -> Values {
        more.0.into_iter().for_each(|(metric, value)| self.insert(metric, value));
        self
    }

    /// The value of a metric.
    pub fn get(&self, metric: Metric) -> Option<&Value> {
        self.0.iter().find(|(other, _)| *other == metric).map(|(_, value)| value)
    }

    /// The number of a metric without axes.
    pub fn number(&self, metric: Metric) -> Option<f32> {
        match self.get(metric)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The numbers of a metric over axes.
    pub fn numbers(&self, metric: Metric) -> Option<&[f32]> {
        match self.get(metric)? {
            Value::Numbers(numbers) => Some(numbers),
            _ => None,
        }
    }

    /// The histograms of a metric.
    pub fn histograms(&self, metric: Metric) -> Option<&[Histogram]> {
        match self.get(metric)? {
            Value::Histograms(histograms) => Some(histograms),
            _ => None,
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, &Value)> {
        self.0.iter().map(|(metric, value)| (*metric, value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the values of the wanted metrics only.
    pub fn retain(&mut self, mut wanted: impl FnMut(Metric) -> bool) {
        self.0.retain(|(metric, _)| wanted(*metric));
    }

    /// Reduces metrics over layers to these layers, ascending; others stay unchanged.
    #[must_use]
    pub fn narrowed(mut self, layers: &[LayerIdx]) -> Values {
        for (_, value) in self.0.iter_mut().filter(|(metric, _)| metric.axis() == Some(LAYER)) {
            match value {
                Value::Number(_) => {}
                Value::Numbers(all) => {
                    *all = layers.iter().filter_map(|layer| all.get(layer.0).copied()).collect();
                }
                Value::Histograms(all) => {
                    let taken = layers.iter().filter_map(|layer| all.get_mut(layer.0).map(std::mem::take));
                    *all = taken.collect();
                }
            }
        }
        self
    }
}

impl FromIterator<(Metric, Value)> for Values {
    fn from_iter<I: IntoIterator<Item = (Metric, Value)>>(values: I) -> Values {
        let mut all = Values::default();
        values.into_iter().for_each(|(metric, value)| all.insert(metric, value));
        all
    }
}

impl FromIterator<(Metric, Vec<f32>)> for Values {
    fn from_iter<I: IntoIterator<Item = (Metric, Vec<f32>)>>(columns: I) -> Values {
        columns.into_iter().map(|(metric, numbers)| (metric, Value::Numbers(numbers))).collect()
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(metric, value)| (metric.name(), value)))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Number(number) => Float(*number).serialize(serializer),
            Value::Numbers(numbers) => Floats(numbers).serialize(serializer),
            Value::Histograms(histograms) => histograms.serialize(serializer),
        }
    }
}
