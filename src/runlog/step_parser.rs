//! A fast parser for `measured` records, and `step_finished` ones of earlier formats, which make up nearly all of a
//! log, in exactly the form in which they are written: keys in order, no blanks. Anything that differs by a byte is
//! left to serde_json, which accepts any form and has precise errors. Returns the same numbers, bit for bit.

use crate::event::{Declared, Kind, RunEvent, Time, Value, Values};
use crate::metric::{Metric, Shape, known};
use crate::units::Step;

/// The event of a record's body, which may or may not be closed. None if it is not in the written form.
pub(super) fn parse(body: &[u8], declared: &Declared) -> Option<RunEvent> {
    let mut rest = Cursor { bytes: body, at: 0 };
    let (step, values) = if rest.take(b"{\"measured\":{\"step\":") {
        (Step(rest.integer()?), rest.measured(declared)?)
    } else {
        rest.expect(b"{\"step_finished\":{\"step\":")?;
        (Step(rest.integer()?), rest.step_finished()?)
    };
    let time = rest.time()?;
    rest.expect(b"}}")?;
    let ends = matches!(&body[rest.at..], b"" | b"}");
    ends.then_some(RunEvent { step, time, kind: Kind::Measured(values) })
}

/// The step of a record of measurements, without reading the rest of it; none if it is not in the written form.
pub(super) fn step_of(record: &[u8]) -> Option<Step> {
    let mut rest = Cursor { bytes: record, at: 0 };
    if !rest.take(b"{\"measured\":{\"step\":") {
        rest.expect(b"{\"step_finished\":{\"step\":")?;
    }
    rest.integer().map(Step)
}

/// A place in a record.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, text: &[u8]) -> bool {
        let found = self.bytes[self.at..].starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    fn expect(&mut self, text: &[u8]) -> Option<()> {
        self.take(text).then_some(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Values up to the comma before the time.
    fn measured(&mut self, declared: &Declared) -> Option<Values> {
        self.expect(b",\"values\":{")?;
        let mut values = Values::default();
        if !self.take(b"}") {
            // Values mostly come in the order in which their metrics were declared.
            let (mut next, mut length) = (0, 0);
            loop {
                let name = self.name()?;
                let place = declared.place(name, next).filter(|place| *place >= next)?;
                next = place + 1;
                let metric = declared.metrics()[place];
                let value = match metric.shape() {
                    Shape::Scalar => Value::Number(self.float()?),
                    Shape::Numbers => Value::Numbers(self.numbers(&mut length)?),
                    Shape::Histograms => return None,
                };
                values.push_new(metric, value);
                if !self.goes_on()? {
                    break;
                }
            }
        }
        Some(values)
    }

    /// What formats 1 and 2 have instead of values.
    fn step_finished(&mut self) -> Option<Values> {
        let mut values = Values::default();
        self.expect(b",\"loss\":")?;
        values.push_new(known::LOSS, Value::Number(self.float()?));
        self.expect(b",\"error\":")?;
        values.push_new(known::ERROR, Value::Number(self.float()?));
        self.expect(b",\"learning_rate\":")?;
        values.push_new(known::LEARNING_RATE, Value::Number(self.double()? as f32));
        if self.take(b",\"statistics\":{") && !self.take(b"}") {
            let (mut next, mut length) = (0, 0);
            loop {
                let name = self.name()?;
                let is_it =
                    |metric: &&Metric| metric.name().as_bytes() == name && metric.shape() == Shape::Numbers;
                let place = known::ALL.iter().skip(next).position(|metric| is_it(&metric))? + next;
                next = place + 1;
                values.push_new(known::ALL[place], Value::Numbers(self.numbers(&mut length)?));
                if !self.goes_on()? {
                    break;
                }
            }
        }
        Some(values)
    }

    fn time(&mut self) -> Option<Time> {
        self.expect(b",\"time\":{\"at_ms\":")?;
        let at_ms = self.double()?;
        let step_ms = if self.take(b",\"step_ms\":") { Some(self.double()?) } else { None };
        let statistics_ms = if self.take(b",\"statistics_ms\":") { Some(self.double()?) } else { None };
        Some(Time { at_ms, step_ms, statistics_ms, probe_ms: None })
    }

    /// The name of a member, up to its value.
    fn name(&mut self) -> Option<&'a [u8]> {
        self.expect(b"\"")?;
        let start = self.at;
        let rest = &self.bytes[start..];
        let length = memchr::memchr2(b'"', b'\\', rest)?;
        self.at += length;
        self.expect(b"\":")?;
        Some(&self.bytes[start..start + length])
    }

    /// Whether another member follows; otherwise the object ends.
    fn goes_on(&mut self) -> Option<bool> {
        let goes_on = match self.peek()? {
            b',' => true,
            b'}' => false,
            _ => return None,
        };
        self.at += 1;
        Some(goes_on)
    }

    /// A list of numbers; `length` is the expected number, and is set to the actual one.
    fn numbers(&mut self, length: &mut usize) -> Option<Vec<f32>> {
        self.expect(b"[")?;
        let numbers = self.column(*length)?;
        *length = numbers.len();
        Some(numbers)
    }

    /// The numbers up to the closing bracket; `length` is the expected number.
    fn column(&mut self, length: usize) -> Option<Vec<f32>> {
        let mut column = Vec::with_capacity(length);
        if self.take(b"]") {
            return Some(column);
        }
        loop {
            column.push(self.float()?);
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(column);
                }
                _ => return None,
            }
        }
    }

    fn integer(&mut self) -> Option<u64> {
        let start = self.at;
        let mut value: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        let text = &self.bytes[start..self.at];
        (!text.is_empty() && (text.len() == 1 || text[0] != b'0')).then_some(value)
    }

    fn float(&mut self) -> Option<f32> {
        if self.peek()? == b'"' {
            return self.not_finite();
        }
        // As serde_json does it, over f64.
        self.double().map(|x| x as f32)
    }

    fn not_finite(&mut self) -> Option<f32> {
        let kinds: [(&[u8], f32); 3] =
            [(b"\"NaN\"", f32::NAN), (b"\"inf\"", f32::INFINITY), (b"\"-inf\"", f32::NEG_INFINITY)];
        kinds.into_iter().find_map(|(text, value)| self.take(text).then_some(value))
    }

    /// The nearest f64 of a number; none where it is not of JSON's grammar, or beyond all of them.
    #[inline]
    fn double(&mut self) -> Option<f64> {
        let rest = &self.bytes[self.at..];
        let (number, length) = fast_float2::parse_partial::<f64, _>(rest).ok()?;
        self.at += length;
        (number.is_finite() && is_json(&rest[..length])).then_some(number)
    }
}

/// Whether a decimal number is of JSON's grammar: no sign but minus, no zero before other digits, digits before and behind
/// the point.
#[inline]
fn is_json(number: &[u8]) -> bool {
    let number = number.strip_prefix(b"-").unwrap_or(number);
    let whole = number.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let begins = whole == 1 || whole > 1 && number[0] != b'0';
    let has_point = number.get(whole) == Some(&b'.');
    begins && (!has_point || number.get(whole + 1).is_some_and(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{LaneStarted, MetricsDeclared};
    use crate::metric::{Axis, Points};
    use crate::runlog::record::parse_by_serde;

    /// A lane that declares all known metrics and one over two axes; shapes don't matter here.
    fn declared() -> Declared {
        let metrics = known::ALL.to_vec();
        let axes = vec![Axis { name: "head".to_owned(), points: Points::Numbers(vec![0.0, 1.0]) }];
        let started = LaneStarted { declared: MetricsDeclared { metrics, axes }, ..Default::default() };
        let kind = Kind::LaneStarted(Box::new(started));
        let mut declared = Declared::default();
        declared.note(&RunEvent { step: Step(0), time: Time::default(), kind }).expect("known metrics");
        declared
    }

    fn quick(text: &str) -> Option<RunEvent> {
        parse(text.as_bytes(), &declared())
    }

    fn by_serde(text: &str) -> Option<RunEvent> {
        parse_by_serde(text.as_bytes().strip_suffix(b"}")?, &declared()).ok()
    }

    /// Compares with NaN equal to itself.
    fn text(event: &Option<RunEvent>) -> String {
        format!("{event:?}").replace("-NaN", "NaN")
    }

    fn any_bits() -> impl Strategy<Value = f32> {
        let bits = any::<u32>().prop_map(f32::from_bits);
        prop_oneof![
            2 => bits,
            3 => -10.0f32..10.0,
            1 => Just(0.0), 1 => Just(-0.0), 1 => Just(f32::NAN), 1 => Just(f32::INFINITY), 1 => Just(f32::NEG_INFINITY),
            1 => Just(f32::MIN_POSITIVE), 1 => Just(f32::MAX), 1 => Just(1.0e-45),
        ]
    }

    fn any_step() -> impl Strategy<Value = RunEvent> {
        let value = |(metric, number, numbers): (Metric, f32, Vec<f32>)| match metric.shape() {
            Shape::Scalar => (metric, Value::Number(number)),
            _ => (metric, Value::Numbers(numbers)),
        };
        let numeric: Vec<Metric> =
            known::ALL.iter().copied().filter(|metric| metric.shape() != Shape::Histograms).collect();
        let count = numeric.len();
        let values = proptest::sample::subsequence(numeric, 0..count).prop_flat_map(move |metrics| {
            let one = |metric| {
                (Just(metric), any_bits(), proptest::collection::vec(any_bits(), 0..9)).prop_map(value)
            };
            metrics.into_iter().map(one).collect::<Vec<_>>()
        });
        let times = (0.0f64..1e9, proptest::option::of(0.0f64..1e5), proptest::option::of(0.0f64..10.0));
        (any::<u64>(), values, times).prop_map(|(step, values, (at_ms, step_ms, statistics_ms))| RunEvent {
            step: Step(step),
            time: Time { at_ms, step_ms, statistics_ms, probe_ms: None },
            kind: Kind::Measured(values.into_iter().collect()),
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_as_serde_reads_it(step in any_step()) {
            let json = serde_json::to_string(&step).unwrap();
            let read = quick(&json);
            prop_assert!(read.is_some(), "{json}");
            prop_assert_eq!(text(&read), text(&by_serde(&json)));
            prop_assert_eq!(text(&read), text(&Some(step)));
            // Like the body of a sealed record, which is not closed.
            prop_assert_eq!(text(&quick(&json[..json.len() - 1])), text(&read));
        }

        #[test]
        fn any_number_is_read_as_serde_reads_it(
            whole in "-?(0|[1-9][0-9]{0,11})", part in "(\\.[0-9]{1,14})?", power in "(e-?[0-9]{1,2})?",
        ) {
            let number = format!("{whole}{part}{power}");
            let old = format!(
                r#"{{"step_finished":{{"step":1,"loss":{number},"error":0.5,"learning_rate":{number},"time":{{"at_ms":1.0,"step_ms":2.0,"statistics_ms":0.0}}}}}}"#
            );
            let new = format!(r#"{{"measured":{{"step":1,"values":{{"loss":{number}}},"time":{{"at_ms":{number}}}}}}}"#);
            for json in [old, new] {
                if let Some(read) = quick(&json) {
                    prop_assert_eq!(text(&Some(read)), text(&by_serde(&json)));
                }
            }
        }

        #[test]
        fn nothing_is_read_that_serde_refuses(step in any_step(), at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let mut json = serde_json::to_vec(&step).unwrap();
            let at = at.index(json.len());
            json[at] = byte;
            if let Some(read) = parse(&json, &declared()) {
                // A digit in place of the first closing brace leaves an unclosed body, like that of a sealed record.
                let unclosed = || parse_by_serde(&json, &declared()).ok();
                let serde = std::str::from_utf8(&json).ok().and_then(by_serde).or_else(unclosed);
                prop_assert_eq!(text(&Some(read)), text(&serde));
            }
        }
    }

    #[test]
    fn numbers_that_json_does_not_know_are_not_read() {
        let with = |loss: &str| {
            format!(r#"{{"measured":{{"step":1,"values":{{"loss":{loss}}},"time":{{"at_ms":1.0}}}}}}"#)
        };
        assert!(quick(&with("0.25")).is_some());
        for loss in [
            "", "-", "01", "1.", ".5", "1e", "+1", "0x1", "\"nan\"", "null", "1 ", "--1", "1.e5", "-01.5",
            "-inf", "infinity", "1e400",
        ] {
            assert!(quick(&with(loss)).is_none(), "{loss}");
        }
    }
}
