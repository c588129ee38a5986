//! Makes values and settings of the items of a W&B record that are not plain numbers. It does not know of records and of
//! the run.
//!
//! Present writers take objects apart, histograms as well: `w` with `values` and `bins` comes as `w`, `values` and `w`,
//! `bins`, in any order. Earlier ones write them as one value. Both are made into one tree here.

use serde_json::{Map, Value};

use super::item::{Item, not_finite};
use crate::sources::buckets::{Bucket, MOST_BUCKETS, mean_and_std};
use crate::sources::saying;
use crate::sources::{Measured, Said, Tags};

/// The most parts of a name. What is taken of a tree is taken by a function that calls itself for each of them.
const MOST_PARTS: usize = 32;

/// The values of a record that are not plain numbers, as a tree.
#[derive(Debug, Default)]
pub(super) struct Tree {
    root: Map<String, Value>,
}

impl Tree {
    /// Adds an item, which replaces what is in its place.
    pub(super) fn add(&mut self, item: &Item<'_>) {
        let Some((last, parents)) = item.parts() else { return };
        let mut node = &mut self.root;
        for part in parents.into_iter().take(MOST_PARTS) {
            let next = node.entry(part).or_insert_with(|| Value::Object(Map::new()));
            if !next.is_object() {
                *next = Value::Object(Map::new());
            }
            let Value::Object(next) = next else { return };
            node = next;
        }
        let json = item.json();
        let value = serde_json::from_str(json).or_else(|_| serde_json::from_str(&proper(json)));
        // Whatever this is, a text is not shown.
        let value = value.unwrap_or_else(|_| Value::String(json.to_owned()));
        node.insert(last.to_owned(), value);
    }

    /// Says what was measured.
    pub(super) fn say(&self, said: &mut Said, tags: &mut Tags) {
        for (name, value) in &self.root {
            measured(&mut name.clone(), value, said, tags);
        }
    }

    /// Adds settings, with the parts of their names joined by dots.
    pub(super) fn settings(self, settings: &mut Vec<(String, String)>) {
        for (name, value) in self.root {
            setting(name, value, settings);
        }
    }
}

fn measured(name: &mut String, value: &Value, said: &mut Said, tags: &mut Tags) {
    if said.values.len() + said.other.len() >= saying::MOST_VALUES {
        return;
    }
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(is_true) => Some(f64::from(u8::from(*is_true))),
        Value::String(text) => not_finite(text),
        _ => None,
    };
    match value {
        _ if number.is_some() => {
            saying::value(said, tags, name, Measured::Number(number.unwrap_or(f64::NAN)));
        }
        Value::Object(object) => match object.get("_type").and_then(Value::as_str) {
            None => {
                let length = name.len();
                for (part, value) in object {
                    name.push('.');
                    name.push_str(part);
                    measured(name, value, said, tags);
                    name.truncate(length);
                }
            }
            Some("histogram") => match buckets(object) {
                Some(buckets) => saying::buckets(said, tags, name, &buckets, mean_and_std(&buckets)),
                None => saying::unshown(said, "histogram without its bins"),
            },
            Some(kind) => saying::unshown(said, kind_name(kind)),
        },
        Value::Array(_) => saying::unshown(said, "list"),
        Value::String(_) => saying::unshown(said, "text"),
        // Python's None: nothing was measured.
        _ => {}
    }
}

fn setting(name: String, value: Value, settings: &mut Vec<(String, String)>) {
    match value {
        // Names of any length, each before many others, would take any amount of memory.
        _ if name.len() > saying::LONGEST_NAME || settings.len() >= saying::MOST_VALUES => {}
        Value::Object(object) => {
            for (part, value) in object {
                setting(format!("{name}.{part}"), value, settings);
            }
        }
        Value::String(text) => settings.push((name, text)),
        value => settings.push((name, value.to_string())),
    }
}

/// The JSON with bare words for numbers, which Python writes, in quotes.
fn proper(json: &str) -> String {
    let mut proper = String::with_capacity(json.len() + 16);
    let (mut rest, mut is_string, mut is_escaped) = (json, false, false);
    while let Some(first) = rest.chars().next() {
        let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| rest.starts_with(word));
        if let Some(word) = word.filter(|_| !is_string) {
            proper.extend(["\"", word, "\""]);
            rest = rest.strip_prefix(word).unwrap_or_default();
            continue;
        }
        proper.push(first);
        is_string ^= first == '"' && !is_escaped;
        is_escaped = first == '\\' && !is_escaped;
        rest = rest.strip_prefix(first).unwrap_or_default();
    }
    proper
}

/// The buckets of a histogram: `values` are counts, `bins` the edges around them, or `packedBins` where all are of the
/// same width.
fn buckets(histogram: &Map<String, Value>) -> Option<Vec<Bucket>> {
    let counts = histogram.get("values")?.as_array()?;
    let count = |index: usize| counts.get(index).and_then(Value::as_f64).unwrap_or(0.0);
    let bucket = |index, left, right| Bucket { left, right, count: count(index) };
    if let Some(edges) = histogram.get("bins").and_then(Value::as_array) {
        let edge = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let edges = edges.windows(2).enumerate().take(MOST_BUCKETS.min(counts.len()));
        let ends = edges.filter_map(|(index, ends)| match ends {
            [left, right] => Some(bucket(index, edge(left), edge(right))),
            _ => None,
        });
        return Some(ends.collect());
    }
    let packed = histogram.get("packedBins")?.as_object()?;
    let (min, size) = (packed.get("min")?.as_f64()?, packed.get("size")?.as_f64()?);
    let edge = |index: usize| min + size * index as f64;
    Some(
        (0..MOST_BUCKETS.min(counts.len()))
            .map(|index| bucket(index, edge(index), edge(index + 1)))
            .collect(),
    )
}

/// What a user sees of a `_type`.
fn kind_name(kind: &str) -> &str {
    match kind {
        "image-file" | "images/separated" => "image",
        "audio-file" | "audio" => "audio",
        "video-file" | "videos" => "video",
        "html-file" | "html" => "HTML",
        "table-file" | "partitioned-table" | "joined-table" | "incremental-table-file" => "table",
        "plotly-file" => "chart",
        _ if kind.len() <= 32 && kind.bytes().all(|byte| byte.is_ascii_graphic()) => kind,
        _ => "object of an unknown type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(items: &[(&[&'static str], &'static str)]) -> (Said, Vec<Box<str>>) {
        let (mut tree, mut said, mut tags) = (Tree::default(), Said::default(), Tags::default());
        for (parts, json) in items {
            tree.add(&Item::of(parts, json));
        }
        tree.say(&mut said, &mut tags);
        (said, tags.names().to_vec())
    }

    fn total(said: &Said) -> u32 {
        let [(_, Measured::Histogram { counts, .. })] = said.values.as_slice() else { panic!("{said:?}") };
        counts.counts.iter().sum()
    }

    #[test]
    fn nested_values_are_dotted_however_they_are_written() {
        for written in [
            &[(&["a", "b", "c"][..], "1"), (&["a", "d"], "\"NaN\""), (&["a", "e"], "\"x\"")][..],
            &[(&["a"], r#"{"b": {"c": 1}, "d": NaN, "e": "x \"NaN", "f": null}"#)],
        ] {
            let (said, names) = items(written);
            assert_eq!(names, [Box::from("a.b.c"), Box::from("a.d")]);
            assert!(matches!(said.values.as_slice(), [_, (_, Measured::Number(number))] if number.is_nan()));
            assert_eq!(said.other, [crate::sources::Other::Unshown("text".to_owned())]);
        }
    }

    #[test]
    fn histograms_are_found_however_they_are_written() {
        let apart = [
            (&["w", "values"][..], "[1,2]"),
            (&["w", "_type"], "\"histogram\""),
            (&["w", "bins"], "[0,1,2]"),
        ];
        assert_eq!(total(&items(&apart).0), 3);
        let whole = r#"{"_type":"histogram","values":[1,2],"bins":[0,1,2]}"#;
        assert_eq!(items(&[(&["w"], whole)]), items(&apart));
        let packed = r#"{"_type":"histogram","values":[1,2],"packedBins":{"min":0,"size":1,"count":2}}"#;
        assert_eq!(items(&[(&["w"], packed)]), items(&apart));
        let without = [(&["w", "_type"][..], "\"histogram\""), (&["w", "values"], "[1,2]")];
        assert!(items(&without).0.values.is_empty());
    }

    #[test]
    fn other_types_are_named() {
        let image = [(&["im", "_type"][..], "\"image-file\""), (&["im", "size"], "69")];
        let (said, names) = items(&image);
        assert_eq!(
            (said.other.as_slice(), names.len()),
            (&[crate::sources::Other::Unshown("image".into())][..], 0)
        );
    }

    #[test]
    fn a_name_of_very_many_parts_is_safe() {
        let parts = vec!["a"; 100_000];
        let (mut tree, mut settings) = (Tree::default(), Vec::new());
        tree.add(&Item::of(&parts, "1"));
        tree.add(&Item::of(&["a"], &"[".repeat(100_000)));
        tree.add(&Item::of(&[&"b".repeat(1000)], r#"{"c": 1, "d": 2}"#));
        tree.settings(&mut settings);
        assert_eq!(settings.len(), 1, "and one that is very long is left out");
    }
}
