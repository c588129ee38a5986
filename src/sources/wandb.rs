//! Reads the file of an offline run of W&B, `run-<id>.wandb`. It knows the messages of wandb's `wandb_internal.proto` as
//! far as they say something of training; files, runs and what is drawn are not its concern.

mod framing;
mod item;
mod tree;

use self::framing::{Frame, HEADER, frame, wrong_header};
use self::item::Item;
use self::tree::Tree;
use super::protobuf::{Field, Malformed, fields};
use super::saying::{self, MOST_VALUES};
use super::{Axis, Measured, Other, Parser, Said, Tags, Taken};

/// Reads files of offline runs.
#[derive(Debug, Default)]
pub(super) struct Wandb {}

/// Whether a file is of this format, by its first bytes and its name.
pub(super) fn recognises(head: &[u8], name: &str) -> bool {
    head.starts_with(b":W&B") || name.ends_with(".wandb") && head.is_empty()
}

impl Parser for Wandb {
    fn take(&mut self, bytes: &[u8], at: u64, is_whole: bool, tags: &mut Tags, said: &mut Said) -> Taken {
        if at == 0 {
            let Some(header) = bytes.first_chunk::<HEADER>() else { return Taken::Incomplete };
            return wrong_header(header).map_or(Taken::Record(HEADER), |reason| Taken::Bad(HEADER, reason));
        }
        let (count, data) = match frame(bytes, at, is_whole) {
            Frame::Whole(count, data) => (count, data),
            Frame::Damaged(count, reason) => return Taken::Bad(count, reason),
            Frame::Incomplete => return Taken::Incomplete,
        };
        match record(&data, tags, said) {
            Ok(()) => Taken::Record(count),
            Err(malformed) => {
                said.clear();
                Taken::Bad(count, malformed.to_string())
            }
        }
    }
}

/// A `Record`. The summary repeats the history.
fn record(message: &[u8], tags: &mut Tags, said: &mut Said) -> Result<(), Malformed> {
    for field in fields(message) {
        let (number, Field::Bytes(message)) = field? else { continue };
        match number {
            2 => history(message, tags, said)?,
            5 => config(message, said)?,
            7 => system(message, tags, said)?,
            12 => metric(message, said)?,
            4 | 13 => saying::unshown(said, "console output"),
            10 => saying::unshown(said, "alert"),
            17 => run(message, said)?,
            18 => said.other.push(Other::Ended(integer(message, 1)? as i32)),
            _ => {}
        }
    }
    Ok(())
}

/// A `HistoryRecord`: what was logged at one step.
fn history(message: &[u8], tags: &mut Tags, said: &mut Said) -> Result<(), Malformed> {
    let mut tree = Tree::default();
    for (count, field) in fields(message).enumerate() {
        match field? {
            (1, Field::Bytes(item)) if count < MOST_VALUES => {
                let item = Item::read(item)?;
                match (item.name(), item.number()) {
                    // Steps are integers; the message `step` says it as well in present files.
                    ("_step", Some(step)) => said.step = said.step.or(Some(step as i64)),
                    ("_timestamp", Some(seconds)) => said.at = Some(seconds),
                    // Names that W&B keeps to itself.
                    (name, _) if name.starts_with('_') => {}
                    (name, Some(number)) if item.is_plain() => {
                        saying::value(said, tags, name, Measured::Number(number));
                    }
                    _ => tree.add(&item),
                }
            }
            (1, Field::Bytes(_)) => saying::unshown(said, "values of a record with too many"),
            (2, Field::Bytes(step)) => said.step = Some(integer(step, 1)?),
            _ => {}
        }
    }
    tree.say(said, tags);
    saying::each_once(&mut said.values);
    Ok(())
}

/// A `StatsRecord`: what was measured of the machine. It has a time but no step.
fn system(message: &[u8], tags: &mut Tags, said: &mut Said) -> Result<(), Malformed> {
    for field in fields(message).take(MOST_VALUES) {
        match field? {
            (2, Field::Bytes(time)) => said.at = Some(seconds(time)?),
            (3, Field::Bytes(item)) => {
                let item = Item::read(item)?;
                if let Some(number) = item.number() {
                    saying::value(said, tags, &format!("system/{}", item.name()), Measured::Number(number));
                }
            }
            _ => {}
        }
    }
    said.is_beside = true;
    saying::each_once(&mut said.values);
    Ok(())
}

/// A `MetricRecord`, from `define_metric`: it may name the metric that others are drawn over.
fn metric(message: &[u8], said: &mut Said) -> Result<(), Malformed> {
    let (mut is_of_all, mut axis) = (false, None);
    for field in fields(message) {
        match field? {
            (2, Field::Bytes(names)) => is_of_all = names == b"*",
            (4, Field::Bytes(name)) => axis = std::str::from_utf8(name).ok(),
            _ => {}
        }
    }
    let axis = axis.filter(|name| !name.is_empty() && !name.starts_with('_'));
    said.other.extend(axis.map(|name| Other::Axis(Axis { tag: name.to_owned(), is_of_all })));
    Ok(())
}

/// Seconds of Unix time from a `Timestamp`.
fn seconds(message: &[u8]) -> Result<f64, Malformed> {
    Ok(integer(message, 1)? as f64 + integer(message, 2)? as f64 / 1e9)
}

/// A `RunRecord`: it is written at the start of a run and again whenever something of it changes.
fn run(message: &[u8], said: &mut Said) -> Result<(), Malformed> {
    let (mut id, mut name) = (None, None);
    for field in fields(message) {
        match field? {
            (1, Field::Bytes(bytes)) => id = Some(bytes),
            (4, Field::Bytes(message)) => config(message, said)?,
            (8, Field::Bytes(bytes)) => name = Some(bytes),
            (17, Field::Bytes(time)) => said.at = Some(seconds(time)?),
            _ => {}
        }
    }
    let name = name.filter(|name| !name.is_empty()).or(id).unwrap_or_default();
    if !name.is_empty() {
        said.other.push(Other::Name(String::from_utf8_lossy(name).into_owned()));
    }
    Ok(())
}

/// A `ConfigRecord`: settings that are new or have changed.
fn config(message: &[u8], said: &mut Said) -> Result<(), Malformed> {
    let mut tree = Tree::default();
    for field in fields(message).take(MOST_VALUES) {
        if let (1, Field::Bytes(item)) = field? {
            let item = Item::read(item)?;
            if item.name() != "_wandb" {
                tree.add(&item);
            }
        }
    }
    let mut settings = Vec::new();
    tree.settings(&mut settings);
    if !settings.is_empty() {
        said.other.push(Other::Config(settings));
    }
    Ok(())
}

/// The integer in a field of a message; zeros are not written.
fn integer(message: &[u8], wanted: u64) -> Result<i64, Malformed> {
    let mut value = 0;
    for field in fields(message) {
        if let (number, Field::Varint(bits)) = field?
            && number == wanted
        {
            value = bits as i64;
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::framing::framed;
    use super::*;
    use crate::sources::Tag;
    use crate::sources::protobuf::encode;

    fn item(name: &str, json: &str) -> Vec<u8> {
        encode::bytes(1, [encode::bytes(2, name), encode::bytes(16, json)].concat())
    }

    /// What the records of a file say; asserts that it is read to its end.
    fn read(records: &[Vec<u8>]) -> (Vec<Said>, Tags) {
        let file = framed(records.iter().map(Vec::as_slice));
        let (mut all, mut tags, mut place) = (Vec::new(), Tags::default(), 0);
        while place < file.len() {
            let mut said = Said::default();
            match Wandb::default().take(&file[place..], place as u64, true, &mut tags, &mut said) {
                Taken::Record(count) => place += count,
                other => panic!("{other:?}"),
            }
            all.push(said);
        }
        (all, tags)
    }

    fn only(record: Vec<u8>) -> Said {
        let (mut all, _) = read(&[record]);
        assert_eq!((all.len(), &all[0]), (2, &Said::default()), "the header says nothing");
        all.remove(1)
    }

    #[test]
    fn the_history_says_step_time_and_values() {
        let step = encode::bytes(2, encode::integer(1, 12));
        let items =
            [item("acc", "0.5"), item("_step", "12"), item("_timestamp", "1.7e+09"), item("_runtime", "3")];
        for record in [[step, items.concat()].concat(), items.concat()] {
            let said = only(encode::bytes(2, record));
            assert_eq!((said.step, said.at), (Some(12), Some(1.7e9)));
            assert_eq!(said.values, [(Tag(0), Measured::Number(0.5))]);
        }
        let first = only(encode::bytes(2, [encode::bytes(2, ""), item("loss", "NaN")].concat()));
        assert!(matches!(first.values.as_slice(), [(_, Measured::Number(number))] if number.is_nan()));
        assert_eq!(first.step, Some(0));
    }

    #[test]
    fn the_run_says_its_name_settings_and_end() {
        let settings = [item("lr", "0.1"), item("_wandb", "{}"), item("opt", r#"{"name":"adam","k":[1,2]}"#)];
        let time = encode::bytes(17, [encode::integer(1, 100), encode::integer(2, 500_000_000)].concat());
        let run = [encode::bytes(1, "id"), encode::bytes(4, settings.concat()), time].concat();
        let config = [("lr", "0.1"), ("opt.k", "[1,2]"), ("opt.name", "adam")];
        let config = Other::Config(config.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
        let said = only(encode::bytes(17, run.clone()));
        assert_eq!((said.at, said.other), (Some(100.5), vec![config.clone(), Other::Name("id".to_owned())]));
        let said = only(encode::bytes(17, [run, encode::bytes(8, "given")].concat()));
        assert_eq!(said.other, [config, Other::Name("given".to_owned())]);
        assert_eq!(only(encode::bytes(18, encode::integer(1, -9))).other, [Other::Ended(-9)]);
        assert_eq!(only(encode::bytes(18, "")).other, [Other::Ended(0)]);
        assert_eq!(only(encode::bytes(13, "")).other, [Other::Unshown("console output".to_owned())]);
    }

    #[test]
    fn a_file_of_another_version_is_bad() {
        let taken =
            Wandb::default().take(b":W&B\xe1\xbe\x01", 0, true, &mut Tags::default(), &mut Said::default());
        assert!(matches!(taken, Taken::Bad(7, reason) if reason.contains("version 0")));
    }

    proptest::proptest! {
        #[test]
        fn hostile_records_are_safe(bytes: Vec<u8>, flip: proptest::sample::Index, bits: u8) {
            let mut real = [item("a", "1"), item("w", r#"{"_type":"histogram","values":[1],"bins":[0,1]}"#)].concat();
            let place = flip.index(real.len());
            real[place] ^= bits;
            for record in [bytes, encode::bytes(2, &real), encode::bytes(5, &real), encode::bytes(17, &real)] {
                let file = framed([record.as_slice()]);
                let bytes = &file[HEADER..];
                let mut said = Said::default();
                let taken = Wandb::default().take(bytes, HEADER as u64, true, &mut Tags::default(), &mut said);
                let is_all = matches!(taken, Taken::Record(count) | Taken::Bad(count, _) if count == bytes.len());
                proptest::prop_assert!(is_all);
            }
        }
    }
}
