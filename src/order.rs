//! The orders that a training lane can be given, one type from the key, the control socket or the command line to
//! the trainer and the log. Plain data: knows neither how orders are sent nor who carries them out.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::printable::printable;
use crate::units::Step;

/// An order to a lane. In JSON: `"pause"`, `{"step":10}`, `{"learning_rate":{"factor":0.1}}`, `{"note":"warm"}`,
/// `{"probe":"lesion"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Pause after the current step.
    Pause,
    /// Go on.
    Resume,
    /// Write a checkpoint now.
    Checkpoint,
    /// End with a checkpoint; the lane goes on when its run is resumed.
    Stop,
    /// End this lane alone, with a checkpoint; it stays ended while other lanes of its run have steps left.
    StopLane,
    /// Make this many steps, then pause.
    Step(NonZeroU64),
    /// Change the learning rate from the next step on.
    LearningRate(RateChange),
    /// Write a text into the log.
    Note(Note),
    /// Measure with a probe before the next step.
    Probe(ProbeName),
}

/// A change of the learning rate. The schedule goes on from the changed rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateChange {
    /// Multiplies the rate.
    Factor(Positive),
    /// Sets the rate of the next step.
    Value(Positive),
}

/// A finite number above zero that stays above zero as f32, in which updates are computed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Positive(f64);

/// The text of a note: one line that is not blank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Note(String);

/// The name of a probe, which need not exist: lower-case letters and underscores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProbeName(String);

/// An order and the lane that it is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneOrder {
    /// What is to be done.
    pub order: Order,
    /// The lane's name; none for every lane.
    pub lane: Option<String>,
}

/// An order that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The number of updates made before it.
    pub step: Step,
    /// What was done.
    pub order: Order,
}

impl Order {
    /// Whether the order must be repeated at the same step when the lane is trained again from an earlier state, for
    /// the same result. Pauses and checkpoints change nothing, and a stopped run is resumed in order to go on. A probe
    /// changes nothing in training either, but what it measured is measured again.
    pub fn is_obeyed_again(&self) -> bool {
        matches!(self, Order::LearningRate(_) | Order::Note(_) | Order::Probe(_) | Order::StopLane)
    }

    /// The same order to one lane.
    pub fn for_lane(self, lane: &str) -> LaneOrder {
        LaneOrder { order: self, lane: Some(lane.to_owned()) }
    }
}

impl From<Order> for LaneOrder {
    /// An order to every lane.
    fn from(order: Order) -> LaneOrder {
        LaneOrder { order, lane: None }
    }
}

impl fmt::Display for Order {
    /// In words, with characters unsafe for a terminal replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::Pause => f.write_str("pause"),
            Order::Resume => f.write_str("resume"),
            Order::Checkpoint => f.write_str("checkpoint"),
            Order::Stop => f.write_str("stop"),
            Order::StopLane => f.write_str("stop this lane"),
            Order::Step(steps) if steps.get() == 1 => f.write_str("1 step"),
            Order::Step(steps) => write!(f, "{steps} steps"),
            Order::LearningRate(change) => write!(f, "learning rate {change}"),
            Order::Note(note) => write!(f, "note: {note}"),
            Order::Probe(name) => write!(f, "probe {name}"),
        }
    }
}

impl fmt::Display for RateChange {
    /// As the user types it: `0.01`, or `x0.1` for a factor.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RateChange::Factor(factor) => write!(f, "x{factor}"),
            RateChange::Value(value) => write!(f, "{value}"),
        }
    }
}

impl FromStr for RateChange {
    type Err = String;

    fn from_str(text: &str) -> Result<RateChange, String> {
        let text = text.trim();
        let wrong = || {
            let found = printable(&text.chars().take(20).collect::<String>());
            format!("expected a rate such as 0.01 or a factor such as x0.1, found `{found}`")
        };
        let (is_factor, number) = match text.strip_prefix(['x', 'X', '×', '*']) {
            Some(number) => (true, number),
            None => (false, text),
        };
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let number = Positive::try_from(number)?;
        Ok(if is_factor { RateChange::Factor(number) } else { RateChange::Value(number) })
    }
}

impl Positive {
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

// It is never NaN.
impl Eq for Positive {}

impl TryFrom<f64> for Positive {
    type Error = String;

    fn try_from(number: f64) -> Result<Positive, String> {
        let single = number as f32;
        if single.is_finite() && single > 0.0 {
            return Ok(Positive(number));
        }
        Err(format!("expected a finite number above zero that an f32 can hold, found {number:?}"))
    }
}

impl From<Positive> for f64 {
    fn from(number: Positive) -> f64 {
        number.0
    }
}

impl fmt::Display for Positive {
    /// The shortest decimal that reads back to the same number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (1e-6..1e9).contains(&self.0) { write!(f, "{}", self.0) } else { write!(f, "{:e}", self.0) }
    }
}

impl Note {
    /// The longest text, in bytes.
    pub const MOST_BYTES: usize = 400;

    /// The text, which may contain characters unsafe for a terminal.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The part of a text that fits into a note; none where that is blank.
    pub fn cut(text: &str) -> Option<Note> {
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let end = line.floor_char_boundary(Note::MOST_BYTES.min(line.len()));
        let line = line[..end].trim();
        (!line.is_empty()).then(|| Note(line.to_owned()))
    }
}

impl TryFrom<String> for Note {
    type Error = String;

    /// Control characters become blanks.
    fn try_from(text: String) -> Result<Note, String> {
        let bytes = text.trim().len();
        if bytes > Note::MOST_BYTES {
            return Err(format!("expected a note of at most {} bytes, found {bytes}", Note::MOST_BYTES));
        }
        Note::cut(&text).ok_or_else(|| "expected the text of a note, found nothing but blanks".to_owned())
    }
}

impl From<Note> for String {
    fn from(note: Note) -> String {
        note.0
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

impl ProbeName {
    /// The longest name, in bytes.
    const MOST_BYTES: usize = 40;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ProbeName {
    type Error = String;

    fn try_from(name: String) -> Result<ProbeName, String> {
        let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if (1..=ProbeName::MOST_BYTES).contains(&name.len()) && is_plain(&name) {
            return Ok(ProbeName(name));
        }
        let found = printable(&name.chars().take(ProbeName::MOST_BYTES).collect::<String>());
        Err(format!("expected the name of a probe such as lesion, found `{found}`"))
    }
}

impl From<ProbeName> for String {
    fn from(name: ProbeName) -> String {
        name.0
    }
}

impl fmt::Display for ProbeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Result<RateChange, String> {
        text.parse()
    }

    fn positive(number: f64) -> Positive {
        number.try_into().unwrap()
    }

    #[test]
    fn orders_have_a_stable_form_in_json() {
        let forms = [
            (Order::Pause, r#""pause""#),
            (Order::StopLane, r#""stop_lane""#),
            (Order::Step(NonZeroU64::new(10).unwrap()), r#"{"step":10}"#),
            (Order::LearningRate(RateChange::Factor(positive(0.1))), r#"{"learning_rate":{"factor":0.1}}"#),
            (Order::LearningRate(RateChange::Value(positive(1e-7))), r#"{"learning_rate":{"value":1e-7}}"#),
            (Order::Note(Note::cut("warm \"up\"").unwrap()), r#"{"note":"warm \"up\""}"#),
            (Order::Probe(ProbeName("gradient_noise".to_owned())), r#"{"probe":"gradient_noise"}"#),
        ];
        for (order, json) in forms {
            assert_eq!(serde_json::to_string(&order).unwrap(), json);
            assert_eq!(serde_json::from_str::<Order>(json).unwrap(), order);
        }
    }

    #[test]
    fn wrong_orders_are_refused_with_what_was_expected() {
        let refused = |json: &str| serde_json::from_str::<Order>(json).unwrap_err().to_string();
        for number in ["0", "-1", "1e39", "1e-60"] {
            let message = refused(&format!(r#"{{"learning_rate":{{"factor":{number}}}}}"#));
            assert!(message.contains("expected a finite number above zero"), "{message}");
        }
        assert!(refused(r#"{"step":0}"#).contains("nonzero"));
        assert!(refused(r#"{"note":" \n"}"#).contains("found nothing but blanks"));
        let long = format!(r#"{{"note":"{}"}}"#, "x".repeat(Note::MOST_BYTES + 1));
        assert!(refused(&long).contains("at most 400 bytes, found 401"));
        for name in ["", "Lesion", "two words", "a\\u001b[0m", &"x".repeat(41)] {
            let message = refused(&format!(r#"{{"probe":"{name}"}}"#));
            assert!(message.contains("expected the name of a probe such as lesion"), "{message}");
            assert!(!message.contains('\u{1b}'), "{message:?}");
        }
        assert!(refused(r#""explode""#).contains("expected one of `pause`"));
    }

    #[test]
    fn rates_are_typed_as_values_or_factors() {
        assert_eq!(rate("0.01"), Ok(RateChange::Value(positive(0.01))));
        assert_eq!(rate(" x0.1 "), Ok(RateChange::Factor(positive(0.1))));
        assert_eq!(rate("×2"), Ok(RateChange::Factor(positive(2.0))));
        for text in ["", "x", "fast", "0,1", "0x1"] {
            assert!(rate(text).unwrap_err().contains("such as x0.1, found"), "{text}");
        }
        for text in ["0", "-1", "nan", "inf", "x1e40", "1e-50"] {
            assert!(rate(text).unwrap_err().starts_with("expected a finite number"), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_what_can_be_typed() {
        for text in ["0.01", "x0.1", "1e-7", "x123456.5", "2e12"] {
            assert_eq!(rate(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_note_is_one_printable_line() {
        let note = Note::cut("a\tb\nc\u{202e}").unwrap();
        assert_eq!((note.text(), &*note.to_string()), ("a b c\u{202e}", "a b c\u{fffd}"));
        assert_eq!(Note::cut(&"ä".repeat(300)).unwrap().text().len(), 400);
        assert_eq!(Note::cut("\u{1b}\n "), None);
    }
}
