//! Metrics: what is measured of a lane, as its log declares it. A metric is identified by its declaration; [`known`]
//! has those that this program computes or knows more about, [`probed`] those of probes. Knows neither values nor screens.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde::de::Error;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Declares metrics, one a line, and a list of all of them.
macro_rules! known {
    ($($(#[$doc:meta])* $constant:ident = $name:literal over [$($axis:literal),*] in $unit:literal,
        $scale:ident, $better:ident, $about:literal;)*) => {
        $($(#[$doc])* pub const $constant: Metric = {
            static DECLARATION: Declaration = Declaration {
                name: $name,
                over: &[$($axis),*],
                unit: $unit,
                scale: Scale::$scale,
                better: Better::$better,
                about: $about,
            };
            Metric(&DECLARATION)
        };)*

        /// All of them, in the order in which they are listed and cycled through.
        pub const ALL: &[Metric] = &[$($constant,)*];
    };
}

pub mod explained;
pub mod known;
pub mod probed;

/// The axis of layers, in the order in which the lane names them.
pub const LAYER: &str = "layer";
/// The axis of blocks.
pub const BLOCK: &str = "block";
/// The axis of the heads of attention.
pub const HEAD: &str = "head";
/// The axis of a histogram's bins; always the last one.
pub(crate) const BIN: &str = "bin";

/// The most different metrics in a process. Their declarations are never freed, so a log made to exhaust the memory is
/// refused.
const MOST_DECLARED: usize = 16_384;
/// The longest name of a metric or an axis, and the longest unit, in bytes.
const LONGEST_NAME: usize = 200;
/// The longest description of a metric, in bytes.
const LONGEST_ABOUT: usize = 1_000;
/// The most axes of a metric.
const MOST_AXES: usize = 4;

/// The scale on which a metric is drawn unless the user asks for the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Equal distances are equal differences.
    #[default]
    Linear,
    /// Equal distances are equal ratios; only for metrics that are never negative.
    Log,
    /// Equal distances are equal differences, and the distance from zero matters: for metrics of either sign,
    /// which have no ratios.
    #[serde(alias = "symmetric_log")]
    Signed,
}

/// Which of two values is the better one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The lower.
    Lower,
    /// The higher.
    Higher,
    /// Neither.
    #[default]
    None,
}

/// The declaration of a metric.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Declaration {
    /// Its name in logs, exports and on screen.
    pub name: &'static str,
    /// The axes that its values run over, the last one fastest; none for a single number.
    pub over: &'static [&'static str],
    /// Its unit; empty where it has none.
    pub unit: &'static str,
    /// The scale on which it is drawn.
    pub scale: Scale,
    /// Which of two values is the better one.
    pub better: Better,
    /// One line on what it is.
    pub about: &'static str,
}

/// A metric: a handle to its declaration, cheap to copy and compare. Two are equal if their declarations are.
#[derive(Clone, Copy)]
pub struct Metric(&'static Declaration);

/// The shape of a metric's values at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A number.
    Scalar,
    /// A number for each point of an axis, or of several.
    Numbers,
    /// A histogram for each point of the axes before the bins.
    Histograms,
}

impl Metric {
    /// Its name in logs, exports and on screen.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The axes that its values run over, the last one fastest.
    pub fn over(self) -> &'static [&'static str] {
        self.0.over
    }

    /// The axes that its numbers, or its histograms, run over.
    pub fn axes(self) -> &'static [&'static str] {
        self.over().strip_suffix(&[BIN]).unwrap_or(self.over())
    }

    /// The shape of its values.
    pub fn shape(self) -> Shape {
        match self.over() {
            [] => Shape::Scalar,
            [.., last] if *last == BIN => Shape::Histograms,
            _ => Shape::Numbers,
        }
    }

    /// The first of its axes; none for a single number or histogram.
    pub fn axis(self) -> Option<&'static str> {
        self.axes().first().copied()
    }

    /// Whether it has numbers for each layer.
    pub fn is_of_layers(self) -> bool {
        self.shape() == Shape::Numbers && self.axis() == Some(LAYER)
    }

    /// Whether it has numbers for each block.
    pub fn is_of_blocks(self) -> bool {
        self.shape() == Shape::Numbers && self.axis() == Some(BLOCK)
    }

    /// Its unit; empty where it has none.
    pub fn unit(self) -> &'static str {
        self.0.unit
    }

    /// The scale that it is drawn on unless asked otherwise.
    pub fn scale(self) -> Scale {
        self.0.scale
    }

    /// Which of two values is the better one.
    pub fn better(self) -> Better {
        self.0.better
    }

    /// One line on what it is; may be empty.
    pub fn about(self) -> &'static str {
        self.0.about
    }

    /// The metric of a declaration; the known one of that name and axes, if there is one.
    ///
    /// # Errors
    /// Where the declaration is invalid, or too many are declared already.
    pub fn declare(text: &DeclarationText) -> Result<Metric, String> {
        text.check()?;
        let is_it = |metric: &&Metric| {
            metric.name() == text.name
                && metric.over().iter().copied().eq(text.over.iter().map(String::as_str))
        };
        if let Some(known) = known::ALL.iter().chain(probed::ALL).find(is_it) {
            return Ok(*known);
        }
        let mut declared = DECLARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metric) = declared.get(text) {
            return Ok(*metric);
        }
        if declared.len() >= MOST_DECLARED {
            return Err(format!("expected at most {MOST_DECLARED} different metrics, found more"));
        }
        let metric = Metric(Box::leak(Box::new(text.leaked())));
        declared.insert(text.clone(), metric);
        Ok(metric)
    }
}

/// All metrics that are not known ones, by their declarations.
static DECLARED: LazyLock<Mutex<HashMap<DeclarationText, Metric>>> = LazyLock::new(Mutex::default);

/// A declaration as read from a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub struct DeclarationText {
    /// See [`Declaration::name`].
    pub name: String,
    /// See [`Declaration::over`].
    #[serde(default)]
    pub over: Vec<String>,
    /// See [`Declaration::unit`].
    #[serde(default)]
    pub unit: String,
    /// See [`Declaration::scale`].
    #[serde(default)]
    pub scale: Scale,
    /// See [`Declaration::better`].
    #[serde(default)]
    pub better: Better,
    /// See [`Declaration::about`].
    #[serde(default)]
    pub about: String,
}

impl DeclarationText {
    fn check(&self) -> Result<(), String> {
        let names = std::iter::once(&self.name).chain(&self.over);
        if names.clone().any(String::is_empty) {
            return Err("expected names of metrics and axes, found an empty one".to_owned());
        }
        if let Some(long) = names.chain([&self.unit]).find(|name| name.len() > LONGEST_NAME) {
            return Err(format!("expected names of at most {LONGEST_NAME} bytes, found {}", long.len()));
        }
        if self.about.len() > LONGEST_ABOUT {
            return Err(format!(
                "expected at most {LONGEST_ABOUT} bytes about a metric, found {}",
                self.about.len()
            ));
        }
        if self.over.len() > MOST_AXES {
            return Err(format!(
                "expected a metric over at most {MOST_AXES} axes, found {}",
                self.over.len()
            ));
        }
        if let Some(at) = self.over.iter().position(|axis| axis == BIN)
            && at + 1 < self.over.len()
        {
            return Err(format!(
                "expected `{BIN}` as the last axis of `{}`, found another after it",
                self.name
            ));
        }
        Ok(())
    }

    fn leaked(&self) -> Declaration {
        let leak = |text: &String| -> &'static str { Box::leak(text.clone().into_boxed_str()) };
        Declaration {
            name: leak(&self.name),
            over: Box::leak(self.over.iter().map(leak).collect()),
            unit: leak(&self.unit),
            scale: self.scale,
            better: self.better,
            about: leak(&self.about),
        }
    }
}

impl PartialEq for Metric {
    fn eq(&self, other: &Metric) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Metric {}

impl Hash for Metric {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(self.0).hash(state);
    }
}

impl fmt::Debug for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&crate::printable::printable(self.name()))
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Declaration { name, over, unit, scale, better, about } = *self.0;
        // Empty fields are left out, except in binary form, where fields go by their place.
        let all = !serializer.is_human_readable();
        let wanted =
            [true, all || !over.is_empty(), all || !unit.is_empty(), true, true, all || !about.is_empty()];
        let mut text =
            serializer.serialize_struct("Metric", wanted.iter().filter(|wanted| **wanted).count())?;
        text.serialize_field("name", name)?;
        if wanted[1] {
            text.serialize_field("over", over)?;
        }
        if wanted[2] {
            text.serialize_field("unit", unit)?;
        }
        text.serialize_field("scale", &scale)?;
        text.serialize_field("better", &better)?;
        if wanted[5] {
            text.serialize_field("about", about)?;
        }
        text.end()
    }
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Metric, D::Error> {
        Metric::declare(&DeclarationText::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// An axis other than layers and blocks: it names its own points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Its name.
    pub name: String,
    /// Its points.
    pub points: Points,
}

/// The points of an axis, in order. Serialised as a list of numbers or of names.
#[derive(Clone, Debug, PartialEq)]
pub enum Points {
    /// Numbers.
    Numbers(Vec<f64>),
    /// Names.
    Names(Vec<String>),
}

/// How points are written in binary formats, where a list does not show the type of its items.
#[derive(Serialize, Deserialize)]
enum Tagged {
    Numbers(Vec<f64>),
    Names(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Untagged {
    Numbers(Vec<f64>),
    Names(Vec<String>),
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self, serializer.is_human_readable()) {
            (Points::Numbers(all), true) => all.serialize(serializer),
            (Points::Names(all), true) => all.serialize(serializer),
            (Points::Numbers(all), false) => Tagged::Numbers(all.clone()).serialize(serializer),
            (Points::Names(all), false) => Tagged::Names(all.clone()).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Points, D::Error> {
        if deserializer.is_human_readable() {
            return Ok(match Untagged::deserialize(deserializer)? {
                Untagged::Numbers(all) => Points::Numbers(all),
                Untagged::Names(all) => Points::Names(all),
            });
        }
        Ok(match Tagged::deserialize(deserializer)? {
            Tagged::Numbers(all) => Points::Numbers(all),
            Tagged::Names(all) => Points::Names(all),
        })
    }
}

impl Points {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Points::Numbers(all) => all.len(),
            Points::Names(all) => all.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of one, for display; may contain any characters.
    pub fn label(&self, at: usize) -> Option<String> {
        match self {
            Points::Numbers(all) => all.get(at).map(f64::to_string),
            Points::Names(all) => all.get(at).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, over: &[&str]) -> DeclarationText {
        let over = over.iter().map(|axis| (*axis).to_owned()).collect();
        DeclarationText { name: name.to_owned(), over, ..DeclarationText::default() }
    }

    #[test]
    fn a_known_metric_is_itself_whatever_is_said_of_it() {
        let told = DeclarationText { about: "something".to_owned(), ..text("loss", &[]) };
        assert_eq!(Metric::declare(&told), Ok(known::LOSS));
        assert_ne!(Metric::declare(&text("loss", &["layer"])), Ok(known::LOSS));
    }

    #[test]
    fn equal_declarations_are_one_metric() {
        let [a, b] =
            [(); 2].map(|()| Metric::declare(&text("attention_entropy", &["layer", "head"])).unwrap());
        assert_eq!(a, b);
        assert_eq!((a.shape(), a.axis()), (Shape::Numbers, Some("layer")));
        let other =
            DeclarationText { unit: "bits".to_owned(), ..text("attention_entropy", &["layer", "head"]) };
        assert_ne!(Metric::declare(&other), Ok(a));
    }

    #[test]
    fn what_could_be_no_metric_is_refused() {
        for wrong in [
            text("", &[]),
            text("x", &[""]),
            text(&"x".repeat(201), &[]),
            text("x", &["bin", "layer"]),
            text("x", &["a", "b", "c", "d", "e"]),
        ] {
            assert!(Metric::declare(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn names_of_known_metrics_are_different() {
        let all = || known::ALL.iter().chain(probed::ALL);
        let names: std::collections::BTreeSet<&str> = all().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), all().count());
    }
}
