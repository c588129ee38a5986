//! Which events of a log count: a lane that goes on from a checkpoint makes again what came after it, and its log keeps
//! both. The effective events are those that no later `lane_resumed` supersedes, without these records themselves.

use std::ops::Range;
use std::path::Path;

use crate::event::{Kind, LaneResumed, RunEvent};
use crate::runlog::{Entry, LogReader, RunLogError};
use crate::units::Step;

/// The parts of a log that were made again, found by noting all of its events in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Superseded {
    /// Ascending, and apart from each other.
    ranges: Vec<Range<u64>>,
    /// Checkpoints that count, in order.
    checkpoints: Vec<Place>,
    /// Steps that count, in order.
    steps: Vec<(Step, u64)>,
    /// Where the first event's record ends.
    begun: u64,
}

/// The record of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    file: String,
    end: u64,
}

impl Superseded {
    /// Finds them in a log.
    ///
    /// # Errors
    /// Where it cannot be read.
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

    /// Takes in the log's next event.
    pub fn note(&mut self, event: &RunEvent, bytes: &Range<u64>) {
        match &event.kind {
            Kind::LaneStarted(_) => self.begun = bytes.end,
            Kind::Measured(_) if self.steps.last().is_none_or(|(last, _)| *last < event.step) => {
                self.steps.push((event.step, bytes.start));
            }
            Kind::CheckpointWritten(written) => {
                self.checkpoints.push(Place { file: written.file.clone(), end: bytes.end });
            }
            Kind::LaneResumed(resumed) => {
                let from = self.go_back(resumed, event.step).unwrap_or(bytes.start);
                self.ranges.retain(|range| range.start < from);
                self.ranges.push(from..bytes.end);
                self.steps.retain(|(_, start)| *start < from);
            }
            _ => {}
        }
    }

    /// Where what is made again begins; none where nothing is.
    fn go_back(&mut self, resumed: &LaneResumed, to: Step) -> Option<u64> {
        let Some(file) = &resumed.checkpoint else {
            self.checkpoints.clear();
            return Some(self.begun);
        };
        if let Some(at) = self.checkpoints.iter().rposition(|place| place.file == *file) {
            self.checkpoints.truncate(at + 1);
            return Some(self.checkpoints[at].end);
        }
        // The checkpoint's own record is damaged; then the next step tells, though what was evaluated before it counts
        // twice.
        let next = self.steps.iter().find(|(step, _)| *step > to);
        let from = next.map(|(_, start)| *start);
        self.checkpoints.retain(|place| from.is_none_or(|from| place.end <= from));
        from
    }

    /// Whether an event of the log counts.
    pub fn spares(&self, event: &RunEvent, bytes: &Range<u64>) -> bool {
        let after = self.ranges.partition_point(|range| range.end <= bytes.start);
        let made_again = self.ranges.get(after).is_some_and(|range| range.start <= bytes.start);
        !made_again && !matches!(event.kind, Kind::LaneResumed(_))
    }
}

/// Hands over the effective events of a log with the bytes of their records, in order.
///
/// # Errors
/// Where it cannot be read.
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
    use crate::event::{CheckpointWritten, Time, Values};
    use crate::metric::known;

    /// A record of ten bytes each: a step `7`, a checkpoint `c7`, a return to it `r7` or to the beginning `r0`, a pause
    /// `p7`. What counts comes back as places in the list.
    fn counted(records: &[&str]) -> Vec<usize> {
        let events = records.iter().map(|text| event(text)).collect::<Vec<_>>();
        let bytes = |at: usize| at as u64 * 10..at as u64 * 10 + 10;
        let mut superseded = Superseded { begun: 0, ..Superseded::default() };
        events.iter().enumerate().for_each(|(at, event)| superseded.note(event, &bytes(at)));
        (0..events.len()).filter(|&at| superseded.spares(&events[at], &bytes(at))).collect()
    }

    fn event(text: &str) -> RunEvent {
        let (kind, number) = text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap());
        let (step, file) = (Step(number.parse().unwrap()), format!("checkpoints/{number}"));
        let kind = match kind {
            "" => Kind::Measured(Values::default().with(known::LOSS, 1.0)),
            "c" => Kind::CheckpointWritten(CheckpointWritten { file, checksums: None }),
            "r" => {
                let checkpoint = (step.0 > 0).then_some(file);
                Kind::LaneResumed(LaneResumed { checkpoint, changes: Vec::new() })
            }
            _ => Kind::Paused,
        };
        RunEvent { step, time: Time::default(), kind }
    }

    #[test]
    fn all_counts_where_nothing_was_made_again() {
        assert_eq!(counted(&["1", "2", "c2", "p2", "3"]), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_came_after_the_checkpoint_does_not_count() {
        assert_eq!(counted(&["1", "2", "c2", "3", "p3", "r2", "3", "4"]), [0, 1, 2, 6, 7]);
        assert_eq!(counted(&["1", "c1", "r1", "2"]), [0, 1, 3]);
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
    fn a_damaged_record_of_a_checkpoint_costs_itself() {
        assert_eq!(counted(&["1", "2", "3", "r2", "3", "4"]), [0, 1, 4, 5]);
        assert_eq!(counted(&["1", "2", "r2", "3"]), [0, 1, 3]);
    }
}
