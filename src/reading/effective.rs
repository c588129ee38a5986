//! Which events of a log count: a lane that is resumed from a checkpoint repeats the steps after it, and its log keeps
//! both. The effective events are those that no later `lane_resumed` supersedes, without the `lane_resumed` events.

use std::ops::Range;
use std::path::Path;

use crate::event::RunEvent;
use crate::runlog::{Entry, LogReader, RunLogError};
use crate::units::Step;

/// The returns to earlier states in a log, found by noting all of its events in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Superseded {
    returns: Vec<Return>,
}

/// A return, with what it and all later ones leave of the events before it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Return {
    /// The byte at which its record begins.
    at: u64,
    /// The byte from which on the events before the return don't count ...
    from: u64,
    /// ... and the last step that counts.
    step: Step,
}

impl Superseded {
    /// Finds the superseded events of a log.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn find(log: &Path) -> Result<Superseded, RunLogError> {
        let mut superseded = Superseded::default();
        let mut reader = LogReader::open(log)?;
        while let Some(entry) = reader.next_entry()? {
            if let Entry::Event { event, bytes } = entry {
                superseded.note(&event, &bytes);
            }
        }
        Ok(superseded)
    }

    /// Notes the log's next event.
    pub fn note(&mut self, event: &RunEvent, bytes: &Range<u64>) {
        let Some(rewind) = event.rewind() else { return };
        // Of several returns, the strictest decides.
        let (from, step) = match rewind.from {
            Some(from) => (from, Step(u64::MAX)),
            None => (u64::MAX, rewind.step),
        };
        for earlier in self.returns.iter_mut().rev() {
            if earlier.from <= from && earlier.step <= step {
                break;
            }
            (earlier.from, earlier.step) = (earlier.from.min(from), earlier.step.min(step));
        }
        self.returns.push(Return { at: bytes.start, from, step });
    }

    /// Whether an event of the log counts.
    pub fn spares(&self, event: &RunEvent, bytes: &Range<u64>) -> bool {
        let after = self.returns.partition_point(|rewind| rewind.at <= bytes.start);
        let counts = |rewind: &Return| bytes.start < rewind.from && event.step <= rewind.step;
        self.returns.get(after).is_none_or(counts) && event.rewind().is_none()
    }
}

/// Passes the effective events of a log to `each`, with the bytes of their records, in order.
///
/// # Errors
/// If it cannot be read.
pub fn effective(log: &Path, mut each: impl FnMut(RunEvent, Range<u64>)) -> Result<(), RunLogError> {
    let superseded = Superseded::find(log)?;
    let mut reader = LogReader::open(log)?;
    while let Some(entry) = reader.next_entry()? {
        match entry {
            Entry::Event { event, bytes } if superseded.spares(&event, &bytes) => each(event, bytes),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CheckpointWritten, Kind, LaneResumed, LaneStarted, MetricsDeclared, Values};
    use crate::metric::known;
    use crate::runlog::LogWriter;

    /// Writes a log of steps `7`, checkpoints `c7`, returns to a checkpoint `r7` or to the beginning `r0`, pauses
    /// `p7`, and any of these with a damaged record, `!c7`. Returns the indices of the events that count.
    fn counted(records: &[&str]) -> Vec<usize> {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.jsonl");
        let mut writer = LogWriter::create(&log).unwrap();
        let started = LaneStarted {
            version: crate::event::FORMAT_VERSION,
            lane: "a".to_owned(),
            declared: MetricsDeclared { metrics: vec![known::LOSS], axes: Vec::new() },
            ..LaneStarted::default()
        };
        writer.append(&RunEvent::new(Step(0), 0.0, Kind::LaneStarted(Box::new(started)))).unwrap();
        let mut damaged = Vec::new();
        for (at, text) in records.iter().enumerate() {
            // Events are identified by their times, since damage changes the places of the readable ones.
            let event = RunEvent::new(step(text), at as f64, kind(text));
            let bytes = writer.append(&event).unwrap();
            if text.starts_with('!') {
                damaged.push(bytes.start as usize + 3);
            }
        }
        drop(writer);
        let mut bytes = std::fs::read(&log).unwrap();
        damaged.iter().for_each(|&at| bytes[at] ^= 1);
        std::fs::write(&log, bytes).unwrap();
        let mut counted = Vec::new();
        effective(&log, |event, _| match event.kind {
            Kind::LaneStarted(_) | Kind::RecordsLost(_) => {}
            _ => counted.push(event.time.at_ms as usize),
        })
        .unwrap();
        counted
    }

    fn step(text: &str) -> Step {
        Step(text.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap())
    }

    fn kind(text: &str) -> Kind {
        let file = || format!("checkpoints/{}", step(text));
        match text.trim_start_matches('!').chars().next() {
            Some('c') => Kind::CheckpointWritten(CheckpointWritten { file: file(), checksums: None }),
            Some('r') => {
                let checkpoint = (step(text) > Step(0)).then(file);
                Kind::LaneResumed(LaneResumed { checkpoint, ..LaneResumed::default() })
            }
            Some('p') => Kind::Paused,
            _ => Kind::Measured(Values::default().with(known::LOSS, 1.0)),
        }
    }

    #[test]
    fn all_counts_where_nothing_was_made_again() {
        assert_eq!(counted(&["1", "2", "c2", "p2", "3"]), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_came_after_the_checkpoint_does_not_count() {
        assert_eq!(counted(&["1", "2", "c2", "3", "p3", "r2", "3", "4"]), [0, 1, 2, 6, 7]);
        assert_eq!(counted(&["1", "c1", "r1", "2"]), [0, 1, 3]);
        assert_eq!(counted(&["1", "c1", "p1", "r1", "2"]), [0, 1, 4]);
        assert_eq!(counted(&["1", "2", "r0", "1"]), [3]);
    }

    #[test]
    fn several_returns_leave_one_line_of_events() {
        let records = ["1", "c1", "2", "r1", "2", "c2", "3", "r2", "3", "r1", "2", "c2", "3"];
        assert_eq!(counted(&records), [0, 1, 10, 11, 12]);
        assert_eq!(counted(&["1", "c1", "r1", "r1", "2", "r1", "2"]), [0, 1, 6]);
        assert_eq!(counted(&["1", "c1", "2", "r1", "2", "r0", "1", "c1", "2"]), [6, 7, 8]);
    }

    #[test]
    fn of_two_records_of_one_checkpoint_the_later_one_tells() {
        assert_eq!(counted(&["1", "c1", "p1", "c1", "p1", "r1", "2"]), [0, 1, 2, 3, 6]);
    }

    #[test]
    fn a_damaged_record_of_a_checkpoint_leaves_it_to_the_steps() {
        assert_eq!(counted(&["1", "2", "3", "r2", "3", "4"]), [0, 1, 4, 5]);
        assert_eq!(counted(&["1", "2", "r2", "3"]), [0, 1, 3]);
        assert_eq!(counted(&["1", "2", "!c2", "3", "r2", "3", "4"]), [0, 1, 5, 6]);
        assert_eq!(
            counted(&["1", "c1", "2", "!c2", "3", "r2", "3", "4", "c4", "p4", "r4"]),
            [0, 1, 2, 6, 7, 8]
        );
        assert_eq!(counted(&["1", "c1", "2", "!c2", "p2", "3", "r2", "3", "r1", "2"]), [0, 1, 9]);
    }
}
