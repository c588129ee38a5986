//! Reads `measured` records, and `step_finished` ones of earlier formats, which are nearly all of a log, in the form in
//! which they are written: keys in their order, no blanks. Whatever differs by a byte is left to serde_json, which reads any
//! form of the same and a hundred times the errors. Gives the same numbers, bit for bit.

use crate::event::{Declared, Kind, RunEvent, Time, Value, Values};
use crate::metric::{Metric, Shape, known};
use crate::units::Step;

/// The event of a record's body; `body` may or may not be closed. None where it is not in a form that is written.
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

/// A place in a record.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A decimal number as it stands: `digits x 10^exponent`.
struct Decimal {
    negative: bool,
    digits: u64,
    exponent: i32,
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
            // Values come in the order in which their metrics were declared, mostly.
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

    /// What formats 1 and 2 have in place of values.
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
        Some(Time { at_ms, step_ms, statistics_ms })
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

    /// Whether a member follows; else the object ends.
    fn goes_on(&mut self) -> Option<bool> {
        let goes_on = match self.peek()? {
            b',' => true,
            b'}' => false,
            _ => return None,
        };
        self.at += 1;
        Some(goes_on)
    }

    /// A list of numbers; `length` is how many are likely, and then how many there were.
    fn numbers(&mut self, length: &mut usize) -> Option<Vec<f32>> {
        self.expect(b"[")?;
        let numbers = self.column(*length)?;
        *length = numbers.len();
        Some(numbers)
    }

    /// The numbers up to the closing bracket; `length` is how many are likely.
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
        let start = self.at;
        let decimal = self.decimal()?;
        match decimal.to_f64() {
            Some(exact) if is_f32_of(exact) => Some(exact as f32),
            // Rounding twice could differ from rounding once; as serde_json's way is, over f64.
            _ => finite(&self.bytes[start..self.at]).map(|x| x as f32),
        }
    }

    fn not_finite(&mut self) -> Option<f32> {
        let kinds: [(&[u8], f32); 3] =
            [(b"\"NaN\"", f32::NAN), (b"\"inf\"", f32::INFINITY), (b"\"-inf\"", f32::NEG_INFINITY)];
        kinds.into_iter().find_map(|(text, value)| self.take(text).then_some(value))
    }

    fn double(&mut self) -> Option<f64> {
        let start = self.at;
        let decimal = self.decimal()?;
        decimal.to_f64().or_else(|| finite(&self.bytes[start..self.at]))
    }

    /// Reads a number of JSON's grammar; none for one with more digits than are ever written.
    #[inline]
    fn decimal(&mut self) -> Option<Decimal> {
        let bytes = self.bytes;
        let mut at = self.at;
        let negative = bytes.get(at) == Some(&b'-');
        at += usize::from(negative);
        let start = at;
        let mut digits: u64 = 0;
        at = push_digits(bytes, at, &mut digits);
        let whole = at - start;
        if whole == 0 || (whole > 1 && bytes[start] == b'0') {
            return None;
        }
        let mut count = whole;
        let mut exponent = 0;
        if bytes.get(at) == Some(&b'.') {
            let point = at + 1;
            at = push_digits(bytes, point, &mut digits);
            if at == point {
                return None;
            }
            exponent = -((at - point) as i32);
            count += at - point;
        }
        if count > 19 {
            // Leading zeros add nothing; 19 digits always fit.
            let zeros = bytes[start..at].iter().take_while(|byte| matches!(byte, b'0' | b'.')).count();
            if count.saturating_sub(zeros.saturating_sub(1)) > 19 {
                return None;
            }
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            at += 1;
            let minus = bytes.get(at) == Some(&b'-');
            at += usize::from(minus || bytes.get(at) == Some(&b'+'));
            let first = at;
            let mut value: i32 = 0;
            while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
                value = value.saturating_mul(10).saturating_add(i32::from(digit - b'0'));
                at += 1;
            }
            if at == first {
                return None;
            }
            exponent = exponent.saturating_add(if minus { -value } else { value });
        }
        self.at = at;
        Some(Decimal { negative, digits, exponent })
    }
}

/// Appends the decimal digits that stand at `at` to `value`, which wraps; gives where they end.
#[inline]
fn push_digits(bytes: &[u8], mut at: usize, value: &mut u64) -> usize {
    while let Some(eight) = bytes.get(at..at + 8).and_then(|eight| eight.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let count = digits_in(word);
        if count == 0 {
            return at;
        }
        // Digits that are fewer move up, and zeros stand before them.
        let number = eight_digits(word << (8 * (8 - count)));
        *value = value.wrapping_mul(TENS[count]).wrapping_add(number);
        at += count;
        if count < 8 {
            return at;
        }
    }
    while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
        *value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    at
}

const TENS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// How many ASCII digits eight bytes begin with, the first in the lowest byte.
#[inline]
fn digits_in(word: u64) -> usize {
    // A byte of a digit is then below ten; adding 0x76 sets the highest bit of every other.
    let values = word ^ 0x3030_3030_3030_3030;
    let others = ((values & 0x7F7F_7F7F_7F7F_7F7F) + 0x7676_7676_7676_7676) | values;
    ((others & 0x8080_8080_8080_8080).trailing_zeros() / 8) as usize
}

/// The number that eight digits make, the first in the lowest byte: pairs, then fours, then all.
#[inline]
fn eight_digits(word: u64) -> u64 {
    let word = (word & 0x0F0F_0F0F_0F0F_0F0F).wrapping_mul(2561) >> 8;
    let word = (word & 0x00FF_00FF_00FF_00FF).wrapping_mul(6_553_601) >> 16;
    (word & 0x0000_FFFF_0000_FFFF).wrapping_mul(42_949_672_960_001) >> 32
}

/// The nearest f64 of a number; none where it is beyond all of them, which serde_json refuses.
fn finite(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok().filter(|x: &f64| x.is_finite())
}

/// Powers of ten that an f64 holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

impl Decimal {
    /// The nearest f64, where one operation on two exact numbers gives it (Clinger 1990).
    #[inline]
    fn to_f64(&self) -> Option<f64> {
        if self.digits > 1 << 53 {
            return None;
        }
        let power = *POWERS.get(self.exponent.unsigned_abs() as usize)?;
        let digits = self.digits as f64;
        let value = if self.exponent < 0 { digits / power } else { digits * power };
        Some(if self.negative { -value } else { value })
    }
}

/// Whether rounding to f32 cannot differ from rounding the decimal itself.
#[inline]
fn is_f32_of(value: f64) -> bool {
    // An f32 has 29 bits less; a tie between two of them has the first of these set and all others clear.
    let tail = value.to_bits() & ((1 << 29) - 1);
    let tie = 1 << 28;
    !(tie - 1..=tie + 1).contains(&tail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{LaneStarted, MetricsDeclared};
    use crate::runlog::record::parse_by_serde;

    /// A lane that declares all known metrics and one over two axes; shapes are another's concern.
    fn declared() -> Declared {
        let metrics = known::ALL.to_vec();
        let started =
            LaneStarted { declared: MetricsDeclared { metrics, axes: Vec::new() }, ..Default::default() };
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

    /// With NaN equal to itself.
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
            time: Time { at_ms, step_ms, statistics_ms },
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
            // As the body of a sealed record, which is not closed.
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
                // A digit in the place of the first closing brace leaves the body of a sealed record, which is not closed.
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
        for loss in ["", "-", "01", "1.", ".5", "1e", "+1", "0x1", "\"nan\"", "null", "1 ", "--1"] {
            assert!(quick(&with(loss)).is_none(), "{loss}");
        }
    }
}
