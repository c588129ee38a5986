//! Writes event files of TensorBoard, which every version of it and this program read. It knows numbers and histograms;
//! where they come from and where the file is kept are not its concern.
//!
//! Values are written as the writers of PyTorch and TensorFlow 1 do, as `simple_value` and `HistogramProto`
//! (tensorflow/core/framework/summary.proto): they need no metadata with each tag.

use std::io::{self, Write};

use super::framing::write_frame;
use crate::event::Histogram;

/// The version that the first record of a file has.
const VERSION: &[u8] = b"brain.Event:2";
/// An event with more bytes of values than this is written as two: readers take long records as damaged.
const LONGEST_SUMMARY: usize = 1 << 20;

/// Writes an event file: for each step [`EventWriter::begin`], its values, and [`EventWriter::end`].
#[derive(Debug)]
pub struct EventWriter<W> {
    out: W,
    /// Time and step of the event that is being written.
    head: Vec<u8>,
    /// Its values so far.
    summary: Vec<u8>,
    /// The message of a value, and that of a histogram in it, kept so that they are not allocated each time.
    value: Vec<u8>,
    inner: Vec<u8>,
    event: Vec<u8>,
}

impl<W: Write> EventWriter<W> {
    /// Begins a file with the record of its version; `wall_time_s` is in seconds of Unix time. Where it is appended to a
    /// file, the second such record does no harm.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(out: W, wall_time_s: f64) -> io::Result<EventWriter<W>> {
        let [head, summary, value, inner, event] = Default::default();
        let mut writer = EventWriter { out, head, summary, value, inner, event };
        double(&mut writer.head, 1, wall_time_s);
        bytes(&mut writer.head, 3, VERSION);
        write_frame(&mut writer.out, &writer.head)?;
        Ok(writer)
    }

    /// Begins the values of a step; those of a step that was not ended are left out.
    pub fn begin(&mut self, step: u64, wall_time_s: f64) {
        self.head.clear();
        self.summary.clear();
        double(&mut self.head, 1, wall_time_s);
        // The step is a signed integer there.
        integer(&mut self.head, 2, step.min(i64::MAX as u64));
    }

    /// Adds a number, finite or not.
    ///
    /// # Errors
    /// If an event that has become long cannot be written.
    pub fn scalar(&mut self, tag: &str, number: f32) -> io::Result<()> {
        self.value.clear();
        bytes(&mut self.value, 1, tag.as_bytes());
        float(&mut self.value, 2, number);
        self.add()
    }

    /// Adds a histogram; nothing if all its bins are empty. A bucket is a bin: its limit is the bin's end, the minimum and
    /// the maximum are the outer ends of the outermost bins that are not empty. What lies beyond 256 is counted as
    /// between 128 and 256, because the bins do not tell how far it goes. The sum and the sum of squares are
    /// approximate: each value counts as the geometric middle of its bin, and as zero in the bin of zeros. NaN and
    /// infinities are left out.
    ///
    /// # Errors
    /// If an event that has become long cannot be written.
    pub fn histogram(&mut self, tag: &str, histogram: &Histogram) -> io::Result<()> {
        let bins = histogram.bins();
        let (Some(first), Some(last)) =
            (bins.iter().position(|count| *count > 0), bins.iter().rposition(|count| *count > 0))
        else {
            return Ok(());
        };
        let [mut count, mut sum, mut sum_squares] = [0.0; 3];
        let [mut limits, mut counts] = [[0; 8 * Histogram::BINS]; 2];
        for (bin, amount) in bins.iter().enumerate() {
            let (amount, middle) = (f64::from(*amount), middle(bin));
            count += amount;
            sum += amount * middle;
            sum_squares += amount * middle * middle;
            limits[8 * bin..][..8].copy_from_slice(&Histogram::start_of(bin + 1).to_le_bytes());
            counts[8 * bin..][..8].copy_from_slice(&amount.to_le_bytes());
        }
        self.inner.clear();
        let numbers = [Histogram::start_of(first), Histogram::start_of(last + 1), count, sum, sum_squares];
        (1..).zip(numbers).for_each(|(field, number)| double(&mut self.inner, field, number));
        // TensorBoard drops the empty ones outside of these too.
        let taken = 8 * first..8 * (last + 1);
        bytes(&mut self.inner, 6, &limits[taken.clone()]);
        bytes(&mut self.inner, 7, &counts[taken]);
        self.value.clear();
        bytes(&mut self.value, 1, tag.as_bytes());
        bytes(&mut self.value, 5, &self.inner);
        self.add()
    }

    /// Ends the values of a step. Nothing is written if there are none.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn end(&mut self) -> io::Result<()> {
        if self.summary.is_empty() {
            return Ok(());
        }
        self.event.clear();
        self.event.extend_from_slice(&self.head);
        bytes(&mut self.event, 5, &self.summary);
        self.summary.clear();
        write_frame(&mut self.out, &self.event)
    }

    /// The writer beneath, with everything written to it that was ended.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn add(&mut self) -> io::Result<()> {
        bytes(&mut self.summary, 1, &self.value);
        if self.summary.len() > LONGEST_SUMMARY { self.end() } else { Ok(()) }
    }
}

/// The geometric middle of a bin; zero in that of zeros.
fn middle(bin: usize) -> f64 {
    let (start, end) = (Histogram::start_of(bin), Histogram::start_of(bin + 1));
    if bin == Histogram::ZERO_BIN { 0.0 } else { start.signum() * (start * end).sqrt() }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn integer(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    varint(out, field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn float(out: &mut Vec<u8>, field: u64, value: f32) {
    varint(out, field << 3 | 5);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A string, a message or a packed list.
fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::tensorboard::TensorBoard;
    use crate::sources::{Measured, Parser, Said, Tags, Taken};

    type Writer = EventWriter<Vec<u8>>;

    /// What our own parser reads in a file: the names, and what each record says.
    fn read(file: &[u8]) -> (Vec<String>, Vec<Said>) {
        let (mut parser, mut tags, mut all, mut at) =
            (TensorBoard::default(), Tags::default(), Vec::new(), 0);
        while at < file.len() {
            let mut said = Said::default();
            let Taken::Record(length) = parser.take(&file[at..], at as u64, true, &mut tags, &mut said)
            else {
                panic!("expected a record at byte {at}")
            };
            all.push(said);
            at += length;
        }
        (tags.names().iter().map(ToString::to_string).collect(), all)
    }

    fn written(fill: impl FnOnce(&mut Writer) -> io::Result<()>) -> Vec<u8> {
        let mut writer = EventWriter::new(Vec::new(), 1_700_000_000.0).unwrap();
        fill(&mut writer).unwrap();
        writer.into_inner()
    }

    #[test]
    fn the_first_record_has_the_version_and_the_checksum_of_the_real_writer() {
        let file = written(|_| Ok(()));
        assert_eq!(file[..12], [0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
        assert!(file.windows(VERSION.len()).any(|part| part == VERSION));
        let (names, said) = read(&file);
        assert!(names.is_empty() && said.len() == 1 && said[0].values.is_empty());
    }

    #[test]
    fn numbers_come_back_as_they_were_written() {
        let numbers = [0.1, -0.0, 1e-45, f32::MAX, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        let file = written(|writer| {
            for (step, number) in numbers.into_iter().enumerate() {
                writer.begin(step as u64, 17.5 + step as f64);
                writer.scalar("loss", number)?;
                writer.scalar("norm/layer1.0.conv1", -number)?;
                writer.end()?;
            }
            writer.begin(u64::MAX, 1.0);
            writer.scalar("loss", 1.0)?;
            writer.end()
        });
        let (names, said) = read(&file);
        assert_eq!(names, ["loss", "norm/layer1.0.conv1"]);
        for (step, (number, said)) in numbers.into_iter().zip(&said[1..]).enumerate() {
            assert_eq!((said.step, said.at), (Some(step as i64), Some(17.5 + step as f64)));
            let [(_, Measured::Number(one)), (_, Measured::Number(other))] = said.values.as_slice() else {
                panic!("{said:?}")
            };
            assert_eq!(
                ((*one as f32).to_bits(), (*other as f32).to_bits()),
                (number.to_bits(), (-number).to_bits())
            );
        }
        assert_eq!(said.last().unwrap().step, Some(i64::MAX));
    }

    #[test]
    fn a_step_without_values_is_not_written_and_one_not_ended_is_left_out() {
        let file = written(|writer| {
            writer.begin(1, 1.0);
            writer.histogram("weights", &Histogram { non_finite: 3, ..Histogram::default() })?;
            writer.end()?;
            writer.scalar("lost", 1.0)?;
            writer.begin(2, 2.0);
            writer.scalar("kept", 1.0)?;
            writer.end()
        });
        let (names, said) = read(&file);
        assert_eq!((names, said.len()), (vec!["kept".to_owned()], 2));
    }

    #[test]
    fn an_event_with_many_values_becomes_several() {
        let tags: Vec<String> = (0..50_000).map(|at| format!("a name that takes some place/{at}")).collect();
        let file = written(|writer| {
            writer.begin(3, 1.0);
            tags.iter().try_for_each(|tag| writer.scalar(tag, 1.0))?;
            writer.end()
        });
        let (_, said) = read(&file);
        assert!(said.len() > 2 && said[1..].iter().all(|said| said.step == Some(3)));
        let values: usize = said.iter().map(|said| said.values.len()).sum();
        assert_eq!(values, 16_384, "the most tags that are kept");
    }

    #[test]
    fn the_moments_are_those_of_the_middles() {
        let mut bins = [0; Histogram::BINS];
        (bins[57], bins[32]) = (10, 30);
        let file = written(|writer| {
            writer.begin(1, 1.0);
            writer.histogram("weights", &Histogram::from_bins(&bins, 0))?;
            writer.end()
        });
        let (_, said) = read(&file);
        let [(_, Measured::Histogram { mean, std, .. })] = said[1].values.as_slice() else {
            panic!("{said:?}")
        };
        // A quarter of the values lie in 1..2.
        assert!((mean - 2f64.sqrt() / 4.0).abs() < 1e-12 && (std * std - (0.5 - 2.0 / 16.0)).abs() < 1e-12);
    }

    #[test]
    fn a_file_for_the_real_reader() {
        let Ok(path) = std::env::var("SKIPLANE_EVENT_FILE") else { return };
        let mut bins = [0; Histogram::BINS];
        (bins[0], bins[32], bins[57], bins[58], bins[64]) = (1, 30, 10, 5, 2);
        let zeros = Histogram { first: 32, counts: vec![7], non_finite: 0 };
        let file = written(|writer| {
            for (step, number) in [0.5, f32::NAN, f32::INFINITY, -1.5].into_iter().enumerate() {
                writer.begin(step as u64, 1_700_000_000.25 + step as f64);
                writer.scalar("loss", number)?;
                writer.scalar("norm/conv1", 1.0)?;
                writer.histogram("weights/conv1", &Histogram::from_bins(&bins, 4))?;
                writer.histogram("weights/zeros", &zeros)?;
                writer.end()?;
            }
            Ok(())
        });
        std::fs::write(path, file).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn histograms_come_back_bin_by_bin(
            some in proptest::collection::vec((0..Histogram::BINS, 0u32..1_000_000), 1..30),
            non_finite: u32,
        ) {
            let mut bins = [0; Histogram::BINS];
            some.into_iter().for_each(|(bin, count)| bins[bin] = count);
            let histogram = Histogram::from_bins(&bins, non_finite);
            let file = written(|writer| {
                writer.begin(1, 1.0);
                writer.histogram("weights", &histogram)?;
                writer.end()
            });
            let (_, said) = read(&file);
            match said.get(1).map(|said| said.values.as_slice()) {
                Some([(_, Measured::Histogram { counts, .. })]) => {
                    proptest::prop_assert_eq!((counts.bins(), counts.non_finite), (bins, 0));
                }
                None => proptest::prop_assert!(bins.iter().all(|count| *count == 0)),
                other => panic!("{other:?}"),
            }
        }
    }
}
