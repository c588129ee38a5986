//! Reads the settings of a run from the metadata in which the plugin `hparams` keeps them
//! (tensorboard/plugins/hparams/plugin_data.proto). It does not know of anything else in a log.

use crate::sources::protobuf::{Field, Malformed, fields};

/// What the tags of the plugin begin with.
pub(super) const TAGS: &str = "_hparams_/";
/// The most settings that are taken.
const MOST: usize = 1_000;

/// The settings in the `SummaryMetadata` of `_hparams_/session_start_info`, as text; none of other tags.
pub(super) fn settings(metadata: &[u8]) -> Result<Vec<(String, String)>, Malformed> {
    // Metadata, the plugin's data, its content, the start of a session.
    let content = within(within(within(metadata, 1)?, 2)?, 3)?;
    let mut settings = Vec::new();
    for entry in fields(content).take(MOST) {
        let (1, Field::Bytes(entry)) = entry? else { continue };
        let name = String::from_utf8_lossy(within(entry, 1)?).into_owned();
        settings.extend(text(within(entry, 2)?)?.map(|value| (name, value)));
    }
    Ok(settings)
}

/// The bytes of the last field of a number; none are empty.
fn within(message: &[u8], wanted: u64) -> Result<&[u8], Malformed> {
    let mut found = &[][..];
    for field in fields(message) {
        if let (number, Field::Bytes(bytes)) = field?
            && number == wanted
        {
            found = bytes;
        }
    }
    Ok(found)
}

/// A `google.protobuf.Value`: a number, a text or a truth.
fn text(value: &[u8]) -> Result<Option<String>, Malformed> {
    let mut text = None;
    for field in fields(value) {
        text = match field? {
            (2, Field::Fixed64(bits)) => Some(f64::from_bits(bits).to_string()),
            (3, Field::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
            (4, Field::Varint(is_true)) => Some((is_true != 0).to_string()),
            _ => text,
        };
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::protobuf::encode;

    #[test]
    fn settings_are_numbers_texts_and_truths() {
        let entry = |name: &str, value: Vec<u8>| {
            encode::bytes(1, [encode::bytes(1, name), encode::bytes(2, value)].concat())
        };
        let all = [
            entry("lr", encode::double(2, 0.1)),
            entry("steps", encode::double(2, 300.0)),
            entry("optimizer", encode::bytes(3, "sgd")),
            entry("nesterov", encode::integer(4, 1)),
            entry("nothing", encode::integer(1, 0)),
        ];
        let content = encode::bytes(3, all.concat());
        let data = [encode::bytes(1, "hparams"), encode::bytes(2, content)].concat();
        let found = settings(&encode::bytes(1, data)).unwrap();
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("lr", "0.1"), ("steps", "300"), ("optimizer", "sgd"), ("nesterov", "true")]);
        assert_eq!(settings(&encode::bytes(1, encode::bytes(1, "scalars"))), Ok(Vec::new()));
        assert!(settings(b"\x0a\xff").is_err());
    }
}
