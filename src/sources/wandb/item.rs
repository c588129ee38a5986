//! Reads an item of a W&B record: a name, in parts where it is that of a value within an object, and a value in JSON. It
//! does not know of records and of what is made of the values.

use std::borrow::Cow;

use crate::sources::protobuf::{Field, Malformed, fields};

/// A name and its value, of a `HistoryItem` or a `ConfigItem`. What most items have needs no memory of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Item<'a> {
    /// The first part of the name; none of an item that has no name.
    first: Option<&'a str>,
    /// The others, of a value within an object.
    more: Vec<&'a str>,
    /// The value.
    json: Cow<'a, [u8]>,
}

impl<'a> Item<'a> {
    /// An item of these parts.
    #[cfg(test)]
    pub(super) fn of(parts: &[&'a str], json: &'a str) -> Item<'a> {
        let (first, more) = parts.split_first().unwrap();
        Item { first: Some(first), more: more.to_vec(), json: Cow::Borrowed(json.as_bytes()) }
    }

    /// Reads an item; both kinds have the same fields.
    pub(super) fn read(message: &'a [u8]) -> Result<Item<'a>, Malformed> {
        let mut item = Item::default();
        for field in fields(message) {
            match field? {
                // An empty name is one that is not used.
                (1, Field::Bytes(name)) if !name.is_empty() => {
                    item.first = Some(text(name));
                    item.more.clear();
                }
                (2, Field::Bytes(part)) if item.first.is_none() => item.first = Some(text(part)),
                (2, Field::Bytes(part)) => item.more.push(text(part)),
                (16, Field::Bytes(json)) => item.json = Cow::Borrowed(json.trim_ascii()),
                // The value by its type, which present writers add to the JSON if they are asked to.
                (number, value) if item.json.is_empty() => {
                    item.json = typed(number, value).unwrap_or_default()
                }
                _ => {}
            }
        }
        Ok(item)
    }

    /// The first part of the name.
    pub(super) fn name(&self) -> &'a str {
        self.first.unwrap_or_default()
    }

    /// Whether the name has one part: the value is not that of an object that was taken apart.
    pub(super) fn is_plain(&self) -> bool {
        self.first.is_some() && self.more.is_empty()
    }

    /// The parts of the name: the last one, and those before it; none if there is no name.
    pub(super) fn parts(&self) -> Option<(&'a str, Vec<&'a str>)> {
        let mut parents: Vec<&str> = self.first.iter().chain(&self.more).copied().collect();
        Some((parents.pop()?, parents))
    }

    /// The value.
    pub(super) fn json(&self) -> &str {
        text(&self.json)
    }

    /// The value where it is a number. One that is not finite is written as Python does, or within quotes.
    pub(super) fn number(&self) -> Option<f64> {
        match &*self.json {
            b"true" => Some(1.0),
            b"false" => Some(0.0),
            [b'-' | b'0'..=b'9', ..] if *self.json != b"-Infinity"[..] => {
                fast_float2::parse(&*self.json).ok()
            }
            [b'"', rest @ ..] => not_finite(text(rest.strip_suffix(b"\"").unwrap_or(rest))),
            json => not_finite(text(json)),
        }
    }
}

/// Strings of protobuf are always UTF-8.
fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or("\u{fffd}")
}

/// The JSON of a value that is written by its type.
fn typed(number: u64, value: Field<'_>) -> Option<Cow<'_, [u8]>> {
    let written = |text: String| Some(Cow::Owned(text.into_bytes()));
    match (number, value) {
        (3, Field::Varint(_)) => Some(Cow::Borrowed(b"null")),
        (4, Field::Varint(0)) => Some(Cow::Borrowed(b"false")),
        (4, Field::Varint(_)) => Some(Cow::Borrowed(b"true")),
        // The lowest bit is the sign.
        (5, Field::Varint(bits)) => written(((bits >> 1) as i64 ^ -((bits & 1) as i64)).to_string()),
        (6, Field::Fixed64(bits)) => match f64::from_bits(bits) {
            f64::INFINITY => Some(Cow::Borrowed(b"Infinity")),
            f64::NEG_INFINITY => Some(Cow::Borrowed(b"-Infinity")),
            number => written(number.to_string()),
        },
        (7, Field::Bytes(bytes)) => written(serde_json::to_string(text(bytes)).ok()?),
        (8, Field::Bytes(json)) => Some(Cow::Borrowed(json.trim_ascii())),
        _ => None,
    }
}

/// The words for numbers that JSON does not have.
pub(super) fn not_finite(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::protobuf::encode;

    #[test]
    fn numbers_are_told_from_texts() {
        let number = |json| Item::of(&["a"], json).number();
        assert_eq!(
            ["1", "-1.5e3", "true", "false"].map(number),
            [Some(1.0), Some(-1500.0), Some(1.0), Some(0.0)]
        );
        assert_eq!(["\"1\"", "\"\"", "\"", "", "null", "[1]", "{}", "1 2", "-"].map(number), [None; 9]);
        assert_eq!(["Infinity", "\"-Infinity\""].map(number), [Some(f64::INFINITY), Some(f64::NEG_INFINITY)]);
        assert!(["NaN", "\"NaN\""].map(number).into_iter().all(|number| number.is_some_and(f64::is_nan)));
    }

    #[test]
    fn values_are_read_by_their_types() {
        let json = |value: Vec<u8>| Item::read(&value).unwrap().json().to_owned();
        assert_eq!(json(encode::integer(4, 1)), "true");
        assert_eq!([0, 1, 2, 3].map(|bits| json(encode::integer(5, bits))), ["0", "-1", "1", "-2"]);
        assert_eq!([0.5, f64::NAN].map(|number| json(encode::double(6, number))), ["0.5", "NaN"]);
        assert_eq!(json(encode::double(6, f64::NEG_INFINITY)), "-Infinity");
        assert_eq!(json(encode::bytes(7, "a \"b\"")), r#""a \"b\"""#);
        assert_eq!(json([encode::bytes(16, "[1]"), encode::integer(3, 1)].concat()), "[1]");
    }
}
