//! The statistics of one step: a column a statistic, a value a layer or block.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::wire::{Floats, OwnedFloats};
use crate::statistic::{Statistic, Subject};
use crate::units::LayerIdx;

/// A column a statistic; serialised as an object of arrays. Columns of statistics that this version does not
/// know are passed over when read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns(Vec<(Statistic, Vec<f32>)>);

impl Columns {
    /// Adds a column, in place of one of the same statistic.
    pub fn insert(&mut self, statistic: Statistic, column: Vec<f32>) {
        match self.0.iter_mut().find(|(s, _)| *s == statistic) {
            Some((_, old)) => *old = column,
            None => self.0.push((statistic, column)),
        }
    }

    /// The column of a statistic.
    pub fn get(&self, statistic: Statistic) -> Option<&[f32]> {
        self.0.iter().find(|(s, _)| *s == statistic).map(|(_, column)| column.as_slice())
    }

    /// All columns, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (Statistic, &[f32])> {
        self.0.iter().map(|(s, column)| (*s, column.as_slice()))
    }

    /// The columns of layers cut down to these, ascending; those of blocks as they are.
    pub fn narrowed(mut self, layers: &[LayerIdx]) -> Columns {
        for (statistic, column) in &mut self.0 {
            if statistic.subject() == Subject::Layer {
                *column = layers.iter().filter_map(|layer| column.get(layer.0).copied()).collect();
            }
        }
        self
    }

    /// What [`Columns::narrowed`] cut down, with `absent` for the other layers of `width`. A column of another length
    /// than `layers` stays as it is.
    pub fn widened(&self, layers: &[LayerIdx], width: usize, absent: f32) -> Columns {
        let widened = |(statistic, column): &(Statistic, Vec<f32>)| {
            if statistic.subject() != Subject::Layer || column.len() != layers.len() {
                return (*statistic, column.clone());
            }
            let mut wide = vec![absent; width];
            for (layer, value) in layers.iter().zip(column) {
                if let Some(place) = wide.get_mut(layer.0) {
                    *place = *value;
                }
            }
            (*statistic, wide)
        };
        Columns(self.0.iter().map(widened).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Statistic, Vec<f32>)> for Columns {
    fn from_iter<I: IntoIterator<Item = (Statistic, Vec<f32>)>>(columns: I) -> Self {
        let mut all = Columns::default();
        for (statistic, column) in columns {
            all.insert(statistic, column);
        }
        all
    }
}

impl Serialize for Columns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(s, column)| (s.name(), Floats(column))))
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = Columns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with an array of numbers for each statistic")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns, A::Error> {
                let mut columns = Columns::default();
                while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    match Statistic::by_name(&name) {
                        Some(statistic) => columns.insert(statistic, map.next_value::<OwnedFloats>()?.0),
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(columns)
            }
        }
        deserializer.deserialize_map(Table)
    }
}
