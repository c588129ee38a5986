//! Remembers what the values of a tag are: scalars, histograms, or something that is not shown. It does not know of the
//! values themselves.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::sources::protobuf::{Field, Malformed, fields};

/// The most tags that are remembered.
const MOST_KINDS: usize = 16_384;

/// What the values of a tag are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers.
    Scalar,
    /// Histograms.
    Histogram,
    /// Something that is not shown, and its name.
    Unshown(Cow<'static, str>),
}

/// What the values of a tag are, where a record says so. The first one does, and TensorFlow 2 leaves it out of the
/// others. Where reading goes on in the middle of a file, nothing is known.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    kinds: HashMap<Box<str>, Kind>,
}

impl Kinds {
    /// What the values of a tag are, as far as records have said it.
    pub(super) fn get(&self, tag: &str) -> Option<&Kind> {
        self.kinds.get(tag)
    }

    /// Notes what the `SummaryMetadata` of a tag says of its values, and answers what the first one said.
    pub(super) fn learn(&mut self, tag: &str, metadata: &[u8]) -> Result<Option<&Kind>, Malformed> {
        if !self.kinds.contains_key(tag)
            && self.kinds.len() < MOST_KINDS
            && let Some(kind) = kind_of(metadata)?
        {
            self.kinds.insert(tag.into(), kind);
        }
        Ok(self.get(tag))
    }
}

/// What the `SummaryMetadata` of a tag says of its values; none if that is nothing.
fn kind_of(metadata: &[u8]) -> Result<Option<Kind>, Malformed> {
    let (mut plugin, mut class) = (&[][..], 0);
    for field in fields(metadata) {
        match field? {
            (1, Field::Bytes(data)) => {
                for field in fields(data) {
                    if let (1, Field::Bytes(name)) = field? {
                        plugin = name;
                    }
                }
            }
            (4, Field::Varint(number)) => class = number,
            _ => {}
        }
    }
    let unshown = |kind| Some(Kind::Unshown(Cow::Borrowed(kind)));
    Ok(match plugin {
        b"scalars" => Some(Kind::Scalar),
        b"histograms" | b"distributions" => Some(Kind::Histogram),
        b"images" => unshown("image"),
        b"pr_curves" => unshown("precision-recall curve"),
        b"graphs" | b"graph_keras_model" => unshown("graph"),
        b"graph_run_metadata" | b"graph_run_metadata_graph" => unshown("run metadata"),
        b"custom_scalars" => unshown("layout of charts"),
        // A plugin that is not known says by the class whether its values are scalars.
        _ if class == 1 => Some(Kind::Scalar),
        b"" => None,
        // Of a name that is not known nothing is known: it may be of any length and hold anything.
        name if name.len() <= 32 && name.iter().all(|byte| byte.is_ascii_graphic()) => {
            Some(Kind::Unshown(Cow::Owned(String::from_utf8_lossy(name).into_owned())))
        }
        _ => unshown("values of an unknown plugin"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::protobuf::encode;

    fn metadata(plugin: &str) -> Vec<u8> {
        encode::bytes(1, encode::bytes(1, plugin))
    }

    #[test]
    fn the_first_record_of_a_tag_decides() {
        let mut kinds = Kinds::default();
        assert_eq!(kinds.learn("loss", &metadata("scalars")), Ok(Some(&Kind::Scalar)));
        assert_eq!(kinds.learn("loss", &metadata("images")), Ok(Some(&Kind::Scalar)));
        assert_eq!(kinds.get("others"), None);
    }

    #[test]
    fn a_plugin_that_is_not_known_goes_by_its_name() {
        let name = |plugin: &str| match kind_of(&metadata(plugin)) {
            Ok(Some(Kind::Unshown(name))) => name.into_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(["images", "hparams", "my-plugin"].map(name), ["image", "hparams", "my-plugin"]);
        assert_eq!(name("\x1b[2J"), "values of an unknown plugin");
        assert_eq!(name(&"x".repeat(33)), "values of an unknown plugin");
        assert_eq!(kind_of(&encode::integer(4, 1)), Ok(Some(Kind::Scalar)));
        assert_eq!(kind_of(&[]), Ok(None));
    }
}
