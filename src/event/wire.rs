//! Numbers as JSON, where serde_json alone would write them otherwise. Floats that may be NaN or infinite: finite
//! ones as the shortest number that reads back to the same f32, the others as the strings `"NaN"`, `"inf"`, `"-inf"`
//! (formats that are not for people, such as an index's, have the four bytes).
//! Checksums: in hexadecimal.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An f32 as the log has it.
#[derive(Clone, Copy, Debug)]
pub struct Float(pub f32);

impl Float {
    /// A non-finite number from its name.
    pub fn special(name: &str) -> Option<Float> {
        match name {
            "NaN" => Some(Float(f32::NAN)),
            "inf" => Some(Float(f32::INFINITY)),
            "-inf" => Some(Float(f32::NEG_INFINITY)),
            _ => None,
        }
    }
}

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            x if x.is_finite() || !serializer.is_human_readable() => serializer.serialize_f32(x),
            x if x.is_nan() => serializer.serialize_str("NaN"),
            x if x > 0.0 => serializer.serialize_str("inf"),
            _ => serializer.serialize_str("-inf"),
        }
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return f32::deserialize(deserializer).map(Float);
        }
        deserializer.deserialize_any(FloatVisitor).map(Float)
    }
}

struct FloatVisitor;

impl Visitor<'_> for FloatVisitor {
    type Value = f32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, \"NaN\", \"inf\" or \"-inf\"")
    }

    fn visit_f64<E: Error>(self, x: f64) -> Result<f32, E> {
        Ok(x as f32)
    }

    fn visit_u64<E: Error>(self, x: u64) -> Result<f32, E> {
        Ok(x as f32)
    }

    fn visit_i64<E: Error>(self, x: i64) -> Result<f32, E> {
        Ok(x as f32)
    }

    fn visit_str<E: Error>(self, x: &str) -> Result<f32, E> {
        let special = Float::special(x).map(|Float(x)| x);
        special.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(x), &self))
    }
}

/// For `#[serde(with = "wire::float")]` on an `f32`.
pub mod float {
    use super::*;

    /// Writes it.
    pub fn serialize<S: Serializer>(x: &f32, serializer: S) -> Result<S::Ok, S::Error> {
        Float(*x).serialize(serializer)
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
        Float::deserialize(deserializer).map(|x| x.0)
    }
}

/// For `#[serde(with = "wire::hex")]` on a checksum: eight lower-case hexadecimal digits, as records have them.
pub mod hex {
    use super::*;

    /// Writes it.
    pub fn serialize<S: Serializer>(checksum: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{checksum:08x}"))
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let checksum = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 8);
        checksum.ok_or_else(|| D::Error::custom("expected eight hexadecimal digits"))
    }
}

/// A column of floats as the log has it.
pub(super) struct Floats<'a>(pub(super) &'a [f32]);

impl Serialize for Floats<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|&x| Float(x)))
    }
}
