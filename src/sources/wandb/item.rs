//! Reads an item of a W&B record: a name, in parts where it is that of a value within an object, and a value in JSON. It
//! does not know of records and of what is made of the values.

use std::borrow::Cow;

use crate::sources::protobuf::{Field, Malformed, fields};

/// A name and its value, of a `HistoryItem` or a `ConfigItem`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Item<'a> {
    /// The name, in parts where it is that of a value within an object.
    pub parts: Vec<&'a str>,
    /// The value.
    pub json: Cow<'a, str>,
}

impl<'a> Item<'a> {
    /// Reads an item; both kinds have the same fields.
    pub(super) fn read(message: &'a [u8]) -> Result<Item<'a>, Malformed> {
        let mut item = Item::default();
        for field in fields(message) {
            match field? {
                // An empty name is one that is not used.
                (1, Field::Bytes(name)) if !name.is_empty() => item.parts = vec![text(name)],
                (2, Field::Bytes(part)) => item.parts.push(text(part)),
                (16, Field::Bytes(json)) => item.json = Cow::Borrowed(text(json).trim_ascii()),
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
        self.parts.first().copied().unwrap_or("")
    }

    /// Whether the name has one part: the value is not that of an object that was taken apart.
    pub(super) fn is_plain(&self) -> bool {
        self.parts.len() == 1
    }

    /// The value where it is a number. One that is not finite is written as Python does, or within quotes.
    pub(super) fn number(&self) -> Option<f64> {
        match &*self.json {
            "true" => Some(1.0),
            "false" => Some(0.0),
            json => match json.strip_prefix('"') {
                Some(rest) => not_finite(rest.strip_suffix('"').unwrap_or(rest)),
                None if json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
                    json.parse().ok()
                }
                None => not_finite(json),
            },
        }
    }
}

/// Strings of protobuf are always UTF-8.
fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or("\u{fffd}")
}

/// The JSON of a value that is written by its type.
fn typed(number: u64, value: Field<'_>) -> Option<Cow<'_, str>> {
    match (number, value) {
        (3, Field::Varint(_)) => Some(Cow::Borrowed("null")),
        (4, Field::Varint(is_true)) => Some(Cow::Borrowed(if is_true == 0 { "false" } else { "true" })),
        // The lowest bit is the sign.
        (5, Field::Varint(bits)) => Some(Cow::Owned(((bits >> 1) as i64 ^ -((bits & 1) as i64)).to_string())),
        (6, Field::Fixed64(bits)) => match f64::from_bits(bits) {
            f64::INFINITY => Some(Cow::Borrowed("Infinity")),
            f64::NEG_INFINITY => Some(Cow::Borrowed("-Infinity")),
            number => Some(Cow::Owned(number.to_string())),
        },
        (7, Field::Bytes(bytes)) => serde_json::to_string(text(bytes)).ok().map(Cow::Owned),
        (8, Field::Bytes(json)) => Some(Cow::Borrowed(text(json).trim_ascii())),
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
        let number = |json| Item { parts: vec!["a"], json: Cow::Borrowed(json) }.number();
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
        let json = |value: Vec<u8>| Item::read(&value).unwrap().json.into_owned();
        assert_eq!(json(encode::integer(4, 1)), "true");
        assert_eq!([0, 1, 2, 3].map(|bits| json(encode::integer(5, bits))), ["0", "-1", "1", "-2"]);
        assert_eq!([0.5, f64::NAN].map(|number| json(encode::double(6, number))), ["0.5", "NaN"]);
        assert_eq!(json(encode::double(6, f64::NEG_INFINITY)), "-Infinity");
        assert_eq!(json(encode::bytes(7, "a \"b\"")), r#""a \"b\"""#);
        assert_eq!(json([encode::bytes(16, "[1]"), encode::integer(3, 1)].concat()), "[1]");
    }
}
