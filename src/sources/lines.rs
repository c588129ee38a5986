//! Metrics in JSON Lines, as MMEngine, Trackio and many training loops of one's own write them: an object in each line.
//! Knows where a line ends; what an object says is the concern of `object`.

use std::collections::HashMap;

use memchr::memchr;
use serde::de::IgnoredAny;

use super::object::{ObjectReader, Placed};
use super::roles::LONGEST_RECORD;
use super::{Measured, Parser, Said, Tags, Taken};

/// The keys in the first line of the logs of this program, which are not read as those of others.
const OWN_KEYS: [&str; 2] = ["lane_started", "run_started"];

/// Endings of the names of files that hold an object in each line.
const ENDINGS: [&str; 3] = [".jsonl", ".ndjson", ".jsonlines"];

/// Reads JSON Lines. A line counts once its end is there.
#[derive(Debug, Default)]
pub(super) struct Lines {
    reader: ObjectReader,
    /// The first line has a step, or an epoch that is no integer. Epochs in lines without a step are then no steps:
    /// they would be among the first ones.
    epoch_is_value: bool,
}

/// Whether a file of this name that begins with `head` has objects with numbers in its lines, and is not a log of this
/// program.
pub(super) fn recognises(head: &[u8], name: &str) -> bool {
    let head = head.get(before_first(head)..).unwrap_or_default();
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    if !first.starts_with(b"{") || is_own(first) {
        return false;
    }
    let name = name.to_ascii_lowercase();
    let is_named = ENDINGS.iter().any(|ending| name.ends_with(ending));
    if first.len() == head.trim_ascii_start().len() {
        // The first line is not complete.
        return is_named && first.get(1..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\""));
    }
    let (mut lines, mut numbers, mut steps) = (0, false, false);
    let (mut tags, mut said) = (Tags::default(), Said::default());
    let mut reader = ObjectReader::default();
    for line in head.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        said.clear();
        if reader.say(line, true, &mut tags, &mut said).is_err() {
            // A line may be damaged, but if it is the first, this is something else.
            match lines {
                0 => return false,
                _ => continue,
            }
        }
        lines += 1;
        steps |= said.step.is_some();
        numbers |= said.values.iter().any(|(_, value)| matches!(value, Measured::Number(_)));
    }
    // Settings, too, are an object, and may be in one line.
    numbers && (is_named || steps && lines > 1)
}

impl Parser for Lines {
    fn take(&mut self, bytes: &[u8], at: u64, _: bool, tags: &mut Tags, said: &mut Said) -> Taken {
        // The first record is to say something: empty lines before it belong to it.
        let before = if at == 0 { before_first(bytes) } else { 0 };
        let line = bytes.get(before..).unwrap_or_default();
        let within = line.get(..LONGEST_RECORD).unwrap_or(line);
        let Some(end) = memchr(b'\n', within) else {
            return match line.len() < LONGEST_RECORD {
                true => Taken::Incomplete,
                false => {
                    Taken::Bad(before + LONGEST_RECORD, "expected a line, found no end of it".to_owned())
                }
            };
        };
        let object = line.get(..end).unwrap_or(line).trim_ascii();
        let end = before + end + 1;
        if at == 0 {
            self.epoch_is_value = false;
        }
        let placed = match object.first() {
            None => return Taken::Record(end),
            Some(b'{') => self.reader.say(object, !self.epoch_is_value, tags, said),
            Some(other) => Err(format!("expected an object, found {}", kind(*other))),
        };
        match placed {
            Ok(placed) => {
                if at == 0 {
                    self.epoch_is_value = matches!(placed, Placed::ByStep | Placed::WithinEpoch);
                }
                Taken::Record(end)
            }
            Err(why) => Taken::Bad(end, why),
        }
    }
}

/// The bytes of a byte order mark and empty lines at the start of a file.
fn before_first(bytes: &[u8]) -> usize {
    let bytes = bytes.get(..LONGEST_RECORD).unwrap_or(bytes);
    let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    while let Some((line, after)) = memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end + 1))
        && line.trim_ascii().is_empty()
    {
        rest = after;
    }
    bytes.len() - rest.len()
}

/// Whether the first line of a file, which may be cut, is one of this program.
fn is_own(line: &[u8]) -> bool {
    let is_own = |key: &[u8]| OWN_KEYS.iter().any(|own| key.starts_with(own.as_bytes()));
    let first_key =
        line.strip_prefix(b"{").map(<[u8]>::trim_ascii_start).and_then(|key| key.strip_prefix(b"\""));
    first_key.is_some_and(is_own)
        || serde_json::from_slice::<HashMap<String, IgnoredAny>>(line)
            .is_ok_and(|object| object.keys().any(|key| OWN_KEYS.contains(&key.as_str())))
}

/// What begins with a byte that begins no object.
fn kind(first: u8) -> &'static str {
    match first {
        b'[' => "a list",
        b'"' => "a text",
        b'0'..=b'9' | b'-' => "a number",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::super::taking::{is_read_alike_in_parts, is_read_up_to_any_cut, pieces, told};
    use super::*;
    use proptest::prelude::*;

    const MMENGINE: &str = concat!(
        r#"{"lr": 0.0001, "data_time": 0.012, "loss": 2.5, "time": 0.25, "epoch": 1, "iter": 50, "memory": 1234, "step": 50}"#,
        "\n",
        r#"{"coco/bbox_mAP": 0.5, "data_time": 0.003, "time": 0.1, "step": 1}"#,
        "\n"
    );
    const TRACKIO: &str = concat!(
        r#"{"metrics": {"loss": 0.5, "train": {"acc": 1}}, "step": 3, "timestamp": "2025-01-01T00:00:00Z"}"#,
        "\n"
    );

    fn read(text: &str) -> Vec<String> {
        told(&pieces::<Lines>(text.as_bytes(), &[text.len()]))
    }

    #[test]
    fn mmengine_writes_scalars() {
        let expected = [
            "50: data_time=0.012 epoch=1 iter=50 loss=2.5 lr=0.0001 memory=1234 time=0.25",
            "1: coco/bbox_mAP=0.5 data_time=0.003 time=0.1",
        ];
        assert_eq!(read(MMENGINE), expected);
    }

    #[test]
    fn trackio_wraps_metrics() {
        assert_eq!(read(TRACKIO), ["3: loss=0.5 train.acc=1"]);
    }

    #[test]
    fn loops_of_ones_own_write_anything() {
        let text = r#"
            {"iter": 0, "train/loss": 10.98, "val/loss": null, "lr": 6e-4, "mfu": -100.0, "done": false, "note": "a", "time": 1700000000}
            {"_step": 1, "_timestamp": 1700000000250.0, "_runtime": 2, "g": {"_type": "histogram", "values": [1, 2], "bins": [0, 1, 2]}, "l": [1, [2]]}
            {"epoch": 3, "iteration": 12.0, "a": {"b": {"c": 1}}, "i": {"path": "a.png", "size": 3, "_type": "image-file"}}
        "#;
        let expected = [
            "0: @1700000000 done=0 lr=0.0006 mfu=-100 train/loss=10.98 (text)",
            "1: @1700000000.25 _runtime=2 (histogram) (list)",
            "12: a.b.c=1 epoch=3 (image)",
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn numbers_that_json_does_not_have_are_read() {
        let text = r#"{"step": 1, "loss": NaN, "a": [NaN, 1], "b": -Infinity, "c": Infinity}
            {"step": 2, "NaN": "NaN", "b": "inf", "c": "Infinity", "d": "-Infinity", "e": "nano"}
            {"step": 3, "loss": nan}
        "#;
        let expected =
            ["1: b=-inf c=inf loss=NaN (list)", "2: NaN=NaN b=inf c=inf d=-inf (text)", "3: loss=NaN"];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn the_last_of_equal_names_counts() {
        assert_eq!(read("{\"a\": 1, \"b.c\": 2, \"a\": 3, \"b\": {\"c\": 4}}\n"), ["a=3 b.c=4"]);
    }

    #[test]
    fn epochs_are_steps_where_there_is_nothing_finer() {
        assert_eq!(read("{\"epoch\": 1, \"a\": 2}\n{\"epoch\": 2}\n"), ["1: a=2", "2:"]);
        assert_eq!(read("{\"step\": 100, \"a\": 2}\n{\"epoch\": 2}\n"), ["100: a=2", "epoch=2"]);
        assert_eq!(read("{\"epoch\": 0.5, \"a\": 2}\n{\"epoch\": 1.0}\n"), ["a=2 epoch=0.5", "epoch=1"]);
    }

    #[test]
    fn a_bad_line_costs_only_itself() {
        let deep = "{\"a\":".repeat(100_000);
        for bad in [
            "{\"a\": 1",
            "[1]",
            "3",
            "\"a\"",
            "text",
            "{\"a\": 1}}",
            "{\"step\": 0.5}",
            "{\"a\": NaN, x}",
            &deep,
        ] {
            let text = format!("{{\"a\": 1}}\n{bad}\n\n{{\"a\": 2}}\n");
            assert_eq!(read(&text), ["a=1", "bad", "a=2"], "{bad}");
        }
    }

    #[test]
    fn why_a_line_is_bad_is_said() {
        let why = |text: &str| pieces::<Lines>(text.as_bytes(), &[text.len()]).first().unwrap().taken.clone();
        assert_eq!(why("[1]\n"), Taken::Bad(4, "expected an object, found a list".to_owned()));
        let damaged = "expected a value at byte 5 of an object, found something else";
        assert_eq!(why("{\"a\":x}\n"), Taken::Bad(8, damaged.to_owned()));
        let part = "expected an integer as `step`, found 0.5";
        assert_eq!(why("{\"step\":0.5}\n"), Taken::Bad(13, part.to_owned()));
    }

    #[test]
    fn a_line_is_complete_with_its_end() {
        for text in [MMENGINE, TRACKIO, "\u{feff}\n\n{\"step\": 1}\r\n\n{\"a\": NaN}\n"] {
            is_read_up_to_any_cut::<Lines>(text.as_bytes());
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out() {
        let mut bytes = b"{\"a\": 1}\n".to_vec();
        bytes.extend(vec![b' '; LONGEST_RECORD]);
        bytes.extend(b"x\n{\"a\": 2}\n");
        assert_eq!(told(&pieces::<Lines>(&bytes, &[bytes.len()])), ["a=1", "bad", "bad", "a=2"]);
    }

    #[test]
    fn lines_are_recognised() {
        for text in [MMENGINE, "{\"step\": 1, \"loss\": NaN}\n{\"step\": 2}\n"] {
            assert!(recognises(text.as_bytes(), "scalars.json") && recognises(text.as_bytes(), "a.jsonl"));
        }
        assert!(recognises(TRACKIO.as_bytes(), "a.JSONL") && recognises(b"\n{\"step\": 1, \"lo", "a.jsonl"));
        let others = [
            ("", "a.jsonl"),
            ("{\"lane_started\":{\"step\":0}}\n{\"measured\":{\"step\":0}}\n", "a.jsonl"),
            ("{\"run_started\": {\"step\": 0", "a.jsonl"),
            ("{\"a\": 1, \"lane_started\": {\"step\": 0}}\n", "a.jsonl"),
            ("{\"text\": \"a\"}\n", "a.jsonl"),
            ("{\n  \"step\": 1\n}\n", "a.json"),
            ("{\"step\": 1, \"loss\": 2}", "wandb-summary.json"),
            ("{\"lr\": 1, \"loss\": 2}\n", "settings.json"),
            ("[1]\n[2]\n", "a.jsonl"),
            ("step,loss\n1,2\n", "a.jsonl"),
        ];
        for (head, name) in others {
            assert!(!recognises(head.as_bytes(), name), "{head}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_alike_in_parts(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "[{}\\[\\]\",:\n0-9.eNa \\\\]{0,120}".prop_map(String::into_bytes),
                "(\n|\\{(\"(a|step|epoch|a\\.b)\": ?([0-9.]{1,3}|NaN|\"inf\"|\\{\"(b|_type)\":(1|\"c\")\\}),){0,3}\"b\":1\\}\n){0,8}"
                    .prop_map(String::into_bytes),
            ],
            sizes in prop::collection::vec(1_usize..20, 1..5),
        ) {
            is_read_alike_in_parts::<Lines>(&bytes, &sizes)?;
            recognises(&bytes, "metrics.jsonl");
            recognises(&bytes, "metrics.json");
        }
    }
}
