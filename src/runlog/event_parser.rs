//! Parses events in any JSON form. The metrics of a record and the shapes of their values must have been declared by
//! its lane before.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::earlier;
use super::record::Member;
use crate::event::wire::Float;
use crate::event::{Declared, Histogram, Kind, LaneStarted, RunEvent, Time, Value, Values};
use crate::metric::{Metric, Shape, known};
use crate::printable::printable;
use crate::units::Step;

/// An object's member as an event.
pub(super) struct Event<'a>(pub(super) &'a Declared);

impl<'de> Member<'de> for Event<'_> {
    type Value = RunEvent;

    fn read<A: MapAccess<'de>>(self, map: &mut A) -> Result<RunEvent, A::Error> {
        let kind: Cow<'de, str> = map.next_key()?.ok_or_else(|| A::Error::custom("expected a kind"))?;
        let event = |(step, time, kind)| RunEvent { step, time, kind };
        match kind.as_ref() {
            "measured" => map.next_value_seed(Measured { known: Some(self.0) }),
            "step_finished" => map.next_value_seed(Measured { known: None }),
            "histograms_taken" => map.next_value::<earlier::HistogramsTaken>().map(RunEvent::from),
            "evaluation_finished" => map.next_value::<earlier::EvaluationFinished>().map(RunEvent::from),
            "lane_started" => started(map.next_value()?),
            "metrics_declared" => body(map, Kind::MetricsDeclared).map(event),
            "checkpoint_written" => body(map, Kind::CheckpointWritten).map(event),
            "non_finite_found" => body(map, Kind::NonFiniteFound).map(event),
            "paused" => body(map, |Nothing {}| Kind::Paused).map(event),
            "resumed" => body(map, |Nothing {}| Kind::Resumed).map(event),
            "order_taken" => body(map, Kind::OrderTaken).map(event),
            "note_taken" => body(map, Kind::NoteTaken).map(event),
            "lane_resumed" => body(map, Kind::LaneResumed).map(event),
            "records_lost" => body(map, Kind::RecordsLost).map(event),
            "lane_finished" => body(map, Kind::LaneFinished).map(event),
            other => Err(A::Error::unknown_variant(other, Kind::NAMES)),
        }
    }
}

/// The content of a kind: step, time, and the kind's own fields.
#[derive(Deserialize)]
struct Body<T> {
    step: Option<Step>,
    /// The step of `records_lost` in earlier formats.
    last: Option<Step>,
    #[serde(default)]
    time: Time,
    #[serde(flatten)]
    of: T,
}

/// The kind has no fields of its own.
#[derive(Deserialize)]
struct Nothing {}

fn body<'de, A: MapAccess<'de>, T: DeserializeOwned>(
    map: &mut A,
    kind: impl FnOnce(T) -> Kind,
) -> Result<(Step, Time, Kind), A::Error> {
    let Body { step, last, time, of } = map.next_value::<Body<T>>()?;
    let step = step.or(last).ok_or_else(|| A::Error::missing_field("step"))?;
    Ok((step, time, kind(of)))
}

/// A `lane_started` of any format.
fn started<E: Error>(value: serde_json::Value) -> Result<RunEvent, E> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let Versioned { version } = Versioned::deserialize(&value).map_err(E::custom)?;
    if version <= earlier::LAST_VERSION {
        return earlier::Started::deserialize(value).map(RunEvent::from).map_err(E::custom);
    }
    let Body { step, time, of, .. } = Body::<Box<LaneStarted>>::deserialize(value).map_err(E::custom)?;
    Ok(RunEvent { step: step.unwrap_or_default(), time, kind: Kind::LaneStarted(of) })
}

/// The step, values and time of a record; without declarations those of a `step_finished`, whose values are next to its
/// step.
struct Measured<'a> {
    known: Option<&'a Declared>,
}

impl<'de> DeserializeSeed<'de> for Measured<'_> {
    type Value = RunEvent;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RunEvent, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Measured<'_> {
    type Value = RunEvent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a step and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RunEvent, A::Error> {
        let (mut step, mut time, mut values) = (None, None, Values::default());
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match (key.as_ref(), self.known) {
                ("step", _) => step = Some(map.next_value()?),
                ("time", _) => time = Some(map.next_value()?),
                ("values", Some(declared)) => {
                    values = map.next_value_seed(ValuesOf {
                        find: |name: &str| {
                            declared.place(name.as_bytes(), 0).map(|place| declared.metrics()[place])
                        },
                        needs_one: true,
                    })?;
                }
                ("statistics", None) => {
                    let find =
                        |name: &str| known::by_name(name).filter(|metric| metric.shape() == Shape::Numbers);
                    let columns = ValuesOf { find, needs_one: false };
                    values = values.and(map.next_value_seed(columns)?);
                }
                ("loss", None) => values.insert(known::LOSS, Value::Number(map.next_value::<Float>()?.0)),
                ("error", None) => values.insert(known::ERROR, Value::Number(map.next_value::<Float>()?.0)),
                ("learning_rate", None) => {
                    let rate: f64 = map.next_value()?;
                    values.insert(known::LEARNING_RATE, Value::Number(rate as f32));
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if self.known.is_none()
            && [known::LOSS, known::ERROR, known::LEARNING_RATE]
                .iter()
                .any(|metric| values.get(*metric).is_none())
        {
            return Err(A::Error::custom(
                "expected loss, error and learning_rate of a step, found not all of them",
            ));
        }
        let step = step.ok_or_else(|| A::Error::missing_field("step"))?;
        Ok(RunEvent { step, time: time.unwrap_or_default(), kind: Kind::Measured(values) })
    }
}

/// Values of the metrics that a function finds by name; others are skipped. If at least one is needed, it is an error
/// to find only others.
struct ValuesOf<F> {
    find: F,
    needs_one: bool,
}

impl<'de, F: Fn(&str) -> Option<Metric>> DeserializeSeed<'de> for ValuesOf<F> {
    type Value = Values;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Values, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Fn(&str) -> Option<Metric>> Visitor<'de> for ValuesOf<F> {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a value for each metric")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
        let (mut values, mut unknown) = (Values::default(), None);
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match (self.find)(&name) {
                Some(metric) => values.insert(metric, map.next_value_seed(ValueOf(metric.shape()))?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                    unknown.get_or_insert(name);
                }
            }
        }
        match unknown.filter(|_| self.needs_one && values.is_empty()) {
            Some(name) => {
                let name = printable(&name);
                Err(A::Error::custom(format_args!(
                    "expected values of declared metrics, found only others (`{name}`)"
                )))
            }
            None => Ok(values),
        }
    }
}

/// Parses the value of a metric of a shape.
struct ValueOf(Shape);

impl<'de> DeserializeSeed<'de> for ValueOf {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.0 {
            Shape::Scalar => Float::deserialize(deserializer).map(|Float(number)| Value::Number(number)),
            Shape::Numbers => Flat::<Float>::all(deserializer)
                .map(|all| Value::Numbers(all.into_iter().map(|Float(number)| number).collect())),
            Shape::Histograms => Flat::<Histogram>::all(deserializer).map(Value::Histograms),
        }
    }
}

/// Flattens lists, however they are nested.
struct Flat<'a, T>(&'a mut Vec<T>, PhantomData<T>);

impl<'de, T: FromScalar<'de>> Flat<'_, T> {
    fn all<D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
        let mut all = Vec::new();
        Flat(&mut all, PhantomData).deserialize(deserializer)?;
        Ok(all)
    }
}

/// The innermost items of lists.
trait FromScalar<'de>: Deserialize<'de> {
    fn of_number(number: f64) -> Option<Self>;
    fn of_text(text: &str) -> Option<Self>;
    fn of_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error>;
}

impl<'de> FromScalar<'de> for Float {
    fn of_number(number: f64) -> Option<Float> {
        Some(Float(number as f32))
    }

    fn of_text(text: &str) -> Option<Float> {
        Float::special(text)
    }

    fn of_map<A: MapAccess<'de>>(_: A) -> Result<Float, A::Error> {
        Err(A::Error::custom("expected a number, found an object"))
    }
}

impl<'de> FromScalar<'de> for Histogram {
    fn of_number(_: f64) -> Option<Histogram> {
        None
    }

    fn of_text(_: &str) -> Option<Histogram> {
        None
    }

    fn of_map<A: MapAccess<'de>>(map: A) -> Result<Histogram, A::Error> {
        Histogram::deserialize(serde::de::value::MapAccessDeserializer::new(map))
    }
}

impl<'de, T: FromScalar<'de>> DeserializeSeed<'de> for Flat<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: FromScalar<'de>> Visitor<'de> for Flat<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the values of a metric over axes")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.0.push(
            T::of_number(number)
                .ok_or_else(|| E::invalid_type(serde::de::Unexpected::Float(number), &"a histogram"))?,
        );
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.push(
            T::of_text(text)
                .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &"a number"))?,
        );
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.push(T::of_map(map)?);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Flat(&mut *self.0, PhantomData))?.is_some() {}
        Ok(())
    }
}
