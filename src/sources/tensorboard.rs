//! Reads event files of TensorBoard, whichever library wrote them. It knows the messages `Event` and `Summary` of
//! tensorflow/core/util/event.proto and framework/summary.proto; files, runs and what is drawn are not its concern.

mod framing;
mod histogram;
mod kinds;
mod settings;
mod tensor;
mod writing;

use std::borrow::Cow;

use self::framing::{Frame, frame, framed_length};
use self::kinds::{Kind, Kinds};
use self::settings::settings;
pub use self::writing::EventWriter;
use super::protobuf::{Field, Malformed, fields};
use super::saying::{self, MOST_VALUES};
use super::{Measured, Other, Parser, Said, Tags, Taken};

/// Reads event files.
#[derive(Debug, Default)]
pub(super) struct TensorBoard {
    kinds: Kinds,
    /// The elements of a tensor, kept for the next one.
    elements: Vec<f64>,
    numbers: histogram::Numbers,
}

/// Whether a file is of this format, by its first bytes and its name.
pub(super) fn recognises(head: &[u8], name: &str) -> bool {
    // The first record of every writer has its version.
    let version = b"brain.Event:";
    name.contains("tfevents") || head.windows(version.len()).take(64).any(|part| part == version)
}

impl Parser for TensorBoard {
    #[inline]
    fn take(&mut self, bytes: &[u8], _at: u64, is_whole: bool, tags: &mut Tags, said: &mut Said) -> Taken {
        let data = match frame(bytes, is_whole) {
            Frame::Whole(data) => data,
            Frame::Damaged(count, reason) => return Taken::Bad(count, reason),
            Frame::Incomplete => return Taken::Incomplete,
        };
        match self.event(data, tags, said) {
            Ok(()) => Taken::Record(framed_length(data)),
            Err(malformed) => {
                said.clear();
                Taken::Bad(framed_length(data), malformed.to_string())
            }
        }
    }
}

/// What a value is written as.
enum Written<'a> {
    Number(f64),
    Histogram(&'a [u8]),
    Tensor(&'a [u8]),
    Unshown(&'static str),
    Nothing,
}

impl TensorBoard {
    fn event(&mut self, message: &[u8], tags: &mut Tags, said: &mut Said) -> Result<(), Malformed> {
        // A step of zero is not written.
        let (mut step, mut is_start) = (0, false);
        for field in fields(message) {
            match field? {
                (1, Field::Fixed64(bits)) => said.at = Some(f64::from_bits(bits)),
                (2, Field::Varint(number)) => step = number as i64,
                (4 | 9, Field::Bytes(_)) => saying::unshown(said, "graph"),
                (5, Field::Bytes(summary)) => self.summary(summary, tags, said)?,
                (6, Field::Bytes(_)) => saying::unshown(said, "log message"),
                (7, Field::Bytes(session)) => is_start |= is_session_start(session)?,
                (8, Field::Bytes(_)) => saying::unshown(said, "run metadata"),
                _ => {}
            }
        }
        if is_start {
            said.other.push(Other::Purge(step));
        }
        if !said.values.is_empty() || !said.other.is_empty() {
            said.step = Some(step);
        }
        Ok(())
    }

    fn summary(&mut self, message: &[u8], tags: &mut Tags, said: &mut Said) -> Result<(), Malformed> {
        for field in fields(message) {
            let (1, Field::Bytes(value)) = field? else { continue };
            if said.values.len() + said.other.len() >= MOST_VALUES {
                saying::unshown(said, "values of a record with too many");
                break;
            }
            self.value(value, tags, said)?;
        }
        saying::each_once(&mut said.values);
        Ok(())
    }

    fn value(&mut self, message: &[u8], tags: &mut Tags, said: &mut Said) -> Result<(), Malformed> {
        let (mut tag, mut metadata, mut written) = (&[][..], None, Written::Nothing);
        for field in fields(message) {
            match field? {
                (1, Field::Bytes(name)) => tag = name,
                (2, Field::Fixed32(bits)) => written = Written::Number(f64::from(f32::from_bits(bits))),
                (3, Field::Bytes(_)) => written = Written::Unshown("histogram of an early format"),
                (4, Field::Bytes(_)) => written = Written::Unshown("image"),
                (5, Field::Bytes(histogram)) => written = Written::Histogram(histogram),
                (6, Field::Bytes(_)) => written = Written::Unshown("audio"),
                (8, Field::Bytes(tensor)) => written = Written::Tensor(tensor),
                (9, Field::Bytes(bytes)) => metadata = Some(bytes),
                _ => {}
            }
        }
        // Much faster than `from_utf8_lossy` for what nearly all names are.
        let tag = str::from_utf8(tag).map_or_else(|_| String::from_utf8_lossy(tag), Cow::Borrowed);
        if tag.starts_with(settings::TAGS) {
            let found = settings(metadata.unwrap_or_default())?;
            said.other.extend((!found.is_empty()).then_some(Other::Config(found)));
            return Ok(());
        }
        let kind = match metadata {
            Some(metadata) => self.kinds.learn(&tag, metadata)?,
            None => None,
        };
        match (written, kind) {
            (Written::Number(number), _) => saying::value(said, tags, &tag, Measured::Number(number)),
            (Written::Histogram(message), _) => {
                let (buckets, moments) = histogram::proto(message, &mut self.numbers)?;
                saying::buckets(said, tags, &tag, buckets, moments);
            }
            (Written::Tensor(message), _) => self.tensor(&tag, message, tags, said)?,
            (Written::Unshown(kind), _) => saying::unshown(said, kind),
            (Written::Nothing, Some(Kind::Unshown(kind))) => saying::unshown(said, kind),
            (Written::Nothing, _) => {}
        }
        Ok(())
    }

    fn tensor(
        &mut self,
        tag: &str,
        message: &[u8],
        tags: &mut Tags,
        said: &mut Said,
    ) -> Result<(), Malformed> {
        if let Some(Kind::Unshown(kind)) = self.kinds.get(tag) {
            saying::unshown(said, kind);
            return Ok(());
        }
        let shape = tensor::read(message, &mut self.elements)?;
        let kind = self.kinds.get(tag);
        let can_be = |wanted| kind.is_none_or(|kind| *kind == wanted);
        match self.elements.as_slice() {
            [number] if shape.elements == 1 && can_be(Kind::Scalar) => {
                saying::value(said, tags, tag, Measured::Number(*number));
            }
            elements if shape.rank == 2 && shape.last == 3 && !shape.is_text && can_be(Kind::Histogram) => {
                let (buckets, moments) = histogram::tensor(elements, &mut self.numbers);
                saying::buckets(said, tags, tag, buckets, moments);
            }
            _ if shape.is_text => saying::unshown(said, shape.media.unwrap_or("text")),
            _ => saying::unshown(said, "tensor"),
        }
        Ok(())
    }
}

/// Says whether a `SessionLog` is of a start: a writer was restarted at the step of the event.
fn is_session_start(message: &[u8]) -> Result<bool, Malformed> {
    let mut status = 0;
    for field in fields(message) {
        if let (1, Field::Varint(number)) = field? {
            status = number;
        }
    }
    Ok(status == 1)
}

#[cfg(test)]
mod tests {
    use super::framing::framed;
    use super::*;
    use crate::sources::Tag;
    use crate::sources::protobuf::encode;

    fn event(step: i64, fields: &[Vec<u8>]) -> Vec<u8> {
        let message = [encode::double(1, 17.5), encode::integer(2, step), fields.concat()].concat();
        framed(&message)
    }

    fn summary(tag: &str, value: &[Vec<u8>]) -> Vec<u8> {
        encode::bytes(5, encode::bytes(1, [encode::bytes(1, tag), value.concat()].concat()))
    }

    fn plugin(name: &str) -> Vec<u8> {
        encode::bytes(9, encode::bytes(1, encode::bytes(1, name)))
    }

    fn tensor(kind: i64, sizes: &[i64], content: &[f64]) -> Vec<u8> {
        let shape =
            sizes.iter().flat_map(|size| encode::bytes(2, encode::integer(1, *size))).collect::<Vec<_>>();
        let content = content.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
        encode::bytes(
            8,
            [encode::integer(1, kind), encode::bytes(2, shape), encode::bytes(4, content)].concat(),
        )
    }

    fn take(parser: &mut TensorBoard, bytes: &[u8], tags: &mut Tags) -> Said {
        let mut said = Said::default();
        assert_eq!(parser.take(bytes, 0, true, tags, &mut said), Taken::Record(bytes.len()));
        said
    }

    fn only(bytes: &[u8]) -> Said {
        take(&mut TensorBoard::default(), bytes, &mut Tags::default())
    }

    #[test]
    fn scalars_are_taken_with_their_step_and_time() {
        let said = only(&event(-3, &[summary("loss", &[encode::float(2, 0.5)])]));
        assert_eq!((said.step, said.at), (Some(-3), Some(17.5)));
        assert_eq!(said.values, [(Tag(0), Measured::Number(0.5))]);
        let said = only(&event(0, &[summary("loss", &[encode::float(2, f32::NAN)])]));
        assert!(matches!(said.values.as_slice(), [(_, Measured::Number(number))] if number.is_nan()));
        let said = only(&event(4, &[summary("loss", &[tensor(2, &[], &[0.1])])]));
        assert_eq!(said.values, [(Tag(0), Measured::Number(0.1))]);
    }

    #[test]
    fn a_start_voids_what_follows_its_step() {
        let start = |status| event(7, &[encode::bytes(7, encode::integer(1, status))]);
        assert_eq!(only(&start(1)).other, [Other::Purge(7)]);
        assert_eq!(only(&start(2)), Said { at: Some(17.5), ..Said::default() });
    }

    #[test]
    fn histograms_of_tensorflow_2_are_told_from_other_tensors() {
        let numbers = [0.0, 1.0, 4.0, 1.0, 2.0, 4.0];
        let said = only(&event(1, &[summary("weights", &[tensor(2, &[2, 3], &numbers)])]));
        let [(_, Measured::Histogram { counts, mean, .. })] = said.values.as_slice() else {
            panic!("{said:?}")
        };
        assert_eq!((counts.counts.iter().sum::<u32>(), *mean), (8, 1.0));

        let (mut parser, mut tags) = (TensorBoard::default(), Tags::default());
        let value = tensor(2, &[2, 3], &numbers);
        for metadata in [plugin("pr_curves"), Vec::new()] {
            let said =
                take(&mut parser, &event(1, &[summary("curve", &[value.clone(), metadata])]), &mut tags);
            assert_eq!(said.other, [Other::Unshown("precision-recall curve".to_owned())]);
        }
    }

    #[test]
    fn what_is_not_shown_is_named_once_a_value() {
        let unshown = |fields: &[Vec<u8>]| match only(&event(1, fields)).other.as_slice() {
            [Other::Unshown(kind)] => kind.clone(),
            other => format!("{other:?}"),
        };
        let strings = |first: &[u8]| {
            encode::bytes(8, [encode::integer(1, 7), encode::bytes(8, first), encode::bytes(8, "4")].concat())
        };
        assert_eq!(unshown(&[summary("a", &[encode::bytes(4, "")])]), "image");
        assert_eq!(unshown(&[summary("a", &[plugin("hparams")])]), "hparams");
        assert_eq!(unshown(&[summary("a", &[strings(b"hello")])]), "text");
        assert_eq!(unshown(&[summary("a", &[strings(b"\x89PNG")])]), "image");
        assert_eq!(unshown(&[summary("a", &[tensor(2, &[5], &[0.0; 5])])]), "tensor");
        assert_eq!(unshown(&[encode::bytes(4, "graph")]), "graph");
    }

    #[test]
    fn a_record_that_is_no_event_is_bad() {
        let bytes = framed(&[encode::double(1, 1.0), encode::bytes(5, "not a summary")].concat());
        let mut said = Said::default();
        let taken = TensorBoard::default().take(&bytes, 0, true, &mut Tags::default(), &mut said);
        assert!(matches!(taken, Taken::Bad(count, _) if count == bytes.len()));
        assert_eq!(said, Said::default());
    }

    proptest::proptest! {
        #[test]
        fn hostile_events_are_safe(data: Vec<u8>, flip: proptest::sample::Index, bits: u8) {
            let mut real = [summary("a", &[plugin("x")]), summary("b", &[tensor(2, &[1, 3], &[1.0; 3])])].concat();
            let place = flip.index(real.len());
            real[place] ^= bits;
            for data in [data, real] {
                let (bytes, mut said) = (framed(&data), Said::default());
                let taken = TensorBoard::default().take(&bytes, 0, true, &mut Tags::default(), &mut said);
                let is_all = matches!(taken, Taken::Record(count) | Taken::Bad(count, _) if count == bytes.len());
                proptest::prop_assert!(is_all);
            }
        }
    }
}
