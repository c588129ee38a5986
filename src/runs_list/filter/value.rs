//! The values that keys are compared with, read according to the kind of the key, and the values of a run.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

use super::keys::nearest;
use super::{Comparison, Key, Kind};
use crate::runlog::State;

/// The state name for a run that cannot be read.
pub(super) const UNREADABLE: &str = "unreadable";

/// A value to compare with.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Lower case.
    Text(String),
    Number(f64),
    /// A time span in milliseconds since 1970: from the first to before the second.
    Between(i64, i64),
    /// None for a run that cannot be read.
    State(Option<State>),
}

/// The value of a key for a run or one of its lanes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    /// No value.
    Missing,
    /// A number; durations in milliseconds.
    Number(f64),
    /// A single-precision number; a written number equals it if this is the nearest f32.
    Single(f32),
    /// A text.
    Text(&'a str),
    /// Several texts, of which at least one must match.
    Texts(&'a [String]),
    /// Milliseconds since 1970.
    Time(i64),
    /// The state; none if the run cannot be read.
    State(Option<State>),
}

/// Reads a value for a key.
///
/// # Errors
/// What was expected.
pub(super) fn read(key: Key, comparison: Comparison, text: &str) -> Result<Value, String> {
    let name = key.name();
    let kind = key.entry().kind;
    match kind {
        Kind::Text | Kind::State if comparison.is_order() => {
            return Err(format!(
                "expected = != or ~ after `{name}`, which is text, found {}",
                comparison.sign()
            ));
        }
        Kind::Number | Kind::Share | Kind::Span | Kind::Time if comparison == Comparison::Contains => {
            return Err(format!("expected = != < <= > or >= after `{name}`, which is not text, found ~"));
        }
        _ => {}
    }
    let expected = |what: &str| format!("expected {what} for `{name}`, found `{text}`");
    match kind {
        Kind::Text => Ok(Value::Text(text.to_lowercase())),
        Kind::State if comparison == Comparison::Contains => Ok(Value::Text(text.to_lowercase())),
        Kind::State => state(text).map(Value::State).ok_or_else(|| {
            let near = nearest(text, State::ALL.iter().map(|s| s.name()).chain([UNREADABLE]));
            format!("{}; did you mean `{near}`?", expected("a state"))
        }),
        Kind::Number => number(text).map(Value::Number).ok_or_else(|| expected("a number")),
        Kind::Share => share(text).map(Value::Number).ok_or_else(|| expected("a share such as 0.1 or 10%")),
        Kind::Span => {
            span(text).map(Value::Number).ok_or_else(|| expected("a time such as 90s, 1h30m or 2d"))
        }
        Kind::Time => times(text)
            .map(|(from, to)| Value::Between(from, to))
            .ok_or_else(|| expected("a date such as 2026-11 or 2026-11-23T14:05")),
    }
}

fn state(text: &str) -> Option<Option<State>> {
    if text.eq_ignore_ascii_case(UNREADABLE) {
        return Some(None);
    }
    State::ALL.iter().find(|state| state.name().eq_ignore_ascii_case(text)).map(|state| Some(*state))
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

fn share(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|n| n / 100.0),
        None => number(text),
    }
}

/// Milliseconds of `1h30m`, `90s`, `90`.
fn span(text: &str) -> Option<f64> {
    if let Some(seconds) = number(text) {
        return Some(seconds * 1e3);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let unit_ms = match unit {
            "ms" => 1.0,
            "s" => 1e3,
            "m" | "min" => 60e3,
            "h" => 3600e3,
            "d" => 86_400e3,
            "w" => 7.0 * 86_400e3,
            _ => return None,
        };
        total += amount.parse::<f64>().ok()? * unit_ms;
        rest = after;
    }
    Some(total)
}

/// The milliseconds since 1970 that a date, or the beginning of one, covers.
fn times(text: &str) -> Option<(i64, i64)> {
    let (from, length) = civil(text)?;
    let millisecond = |time: DateTime| Some(TimeZone::UTC.to_timestamp(time).ok()?.as_millisecond());
    Some((millisecond(from)?, millisecond(from.checked_add(length).ok()?)?))
}

fn civil(text: &str) -> Option<(DateTime, Span)> {
    let text = text.trim_end_matches('Z');
    let (date, time) =
        text.split_once(['T', 't', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
    let two = |part: &str| (part.len() == 2).then(|| part.parse::<i8>().ok()).flatten();
    let mut parts = date.splitn(3, '-');
    let year = parts.next().filter(|year| year.len() == 4)?.parse::<i16>().ok()?;
    let (month, day) = (parts.next(), parts.next());
    let of = |month, day| Date::new(year, month, day).ok();
    let (date, length) = match (month, day) {
        (None, _) => (of(1, 1)?, 1.year()),
        (Some(month), None) => (of(two(month)?, 1)?, 1.month()),
        (Some(month), Some(day)) => (of(two(month)?, two(day)?)?, 1.day()),
    };
    let Some(time) = time else { return Some((date.at(0, 0, 0, 0), length)) };
    day?;
    let parts = time.split(':').map(two).collect::<Option<Vec<i8>>>()?;
    let time = |hour, minute, second| jiff::civil::Time::new(hour, minute, second, 0).ok();
    let (time, length) = match parts.as_slice() {
        [hour] => (time(*hour, 0, 0)?, 1.hour()),
        [hour, minute] => (time(*hour, *minute, 0)?, 1.minute()),
        [hour, minute, second] => (time(*hour, *minute, *second)?, 1.second()),
        _ => return None,
    };
    Some((date.to_datetime(time), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_shares_are_read_in_every_spelling() {
        let spans = [
            ("90s", 90e3),
            ("1h30m", 5400e3),
            ("2d", 172_800e3),
            ("1.5m", 90e3),
            ("7", 7e3),
            ("250ms", 250.0),
        ];
        for (text, ms) in spans {
            assert_eq!(span(text), Some(ms), "{text}");
        }
        for text in ["1x", "h", "1h2", "-", "1..5s"] {
            assert_eq!(span(text), None, "{text}");
        }
        assert_eq!((share("10%"), share("0.25"), share("%")), (Some(0.1), Some(0.25), None));
    }

    #[test]
    fn the_beginning_of_a_date_covers_what_begins_so() {
        let hour = 3_600_000;
        let day = 1_795_392_000_000;
        assert_eq!(times("2026-11-23"), Some((day, day + 24 * hour)));
        assert_eq!(times("2026-11-23T14"), Some((day + 14 * hour, day + 15 * hour)));
        assert_eq!(times("2026-11-23T14:05Z"), Some((day + 14 * hour + 300_000, day + 14 * hour + 360_000)));
        assert_eq!(times("2026-11").map(|(from, to)| (to - from) / 24 / hour), Some(30));
        assert_eq!(times("2024").map(|(from, to)| (to - from) / 24 / hour), Some(366));
        for text in ["", "26", "2026-13", "2026-02-30", "2026-1-1", "2026T10", "2026-11-23T25", "9999"] {
            assert_eq!(times(text), None, "{text}");
        }
    }
}
