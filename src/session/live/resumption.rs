//! Where a lane of an earlier run can go on: after its checkpoints, the last one first.

use std::io;

use super::obeyed::Obeyed;
use crate::event::{Checksums, Kind, LaneStarted, Mode, Outcome, RunEvent, Split, evaluated};
use crate::metric::{Metric, Shape};
use crate::reading::Superseded;
use crate::runlog::{Entry, LaneSummary, LogReader, RunFolder, RunLogError};
use crate::units::{LaneIdx, Step};

/// What an earlier part of the run left of a lane.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Resumption {
    /// How the lane ended for good, where it did: there is nothing left to do.
    pub(super) outcome: Option<Outcome>,
    /// Its effective checkpoints, in order.
    pub(super) checkpoints: Vec<Saved>,
    /// How it was started; none where its log has no beginning, and the lane has none either.
    pub(super) started: Option<Box<LaneStarted>>,
    /// Bytes of the whole records of its log; none where it has no log.
    pub(super) log_bytes: Option<u64>,
    /// The number of the record that comes next.
    pub(super) next_number: u64,
    /// Milliseconds since the run started at its last event.
    pub(super) at_ms: f64,
    /// What it came to.
    pub(super) summary: LaneSummary,
    /// The orders of its log.
    pub(super) orders: Obeyed,
    /// The metrics that its log declares.
    pub(super) declared: Vec<Metric>,
    /// The last step that something was measured at, and the passes of its evaluation.
    measured: Step,
    evaluated: Vec<(Split, Mode)>,
}

/// All passes that an evaluation may have.
const PASSES: &[(Split, Mode)] = &[
    (Split::Train, Mode::Eval),
    (Split::Train, Mode::Batch),
    (Split::Test, Mode::Eval),
    (Split::Test, Mode::Batch),
];

/// A checkpoint as its record tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saved {
    /// The model's file, relative to the run's folder.
    pub(super) file: String,
    /// The checksums of its files, where its record has them.
    pub(super) checksums: Option<Checksums>,
    /// The updates made.
    pub(super) step: Step,
    /// The passes of this step's evaluation that were made before it.
    pub(super) evaluated: Vec<(Split, Mode)>,
}

impl Resumption {
    /// Reads a lane's log.
    pub(super) fn find(folder: &RunFolder, lane: LaneIdx) -> Result<Resumption, RunLogError> {
        let name = folder.manifest().lanes.get(lane.0).map(|lane| lane.name.as_str()).unwrap_or_default();
        let mut found = Resumption {
            outcome: None,
            checkpoints: Vec::new(),
            started: None,
            log_bytes: None,
            next_number: 1,
            at_ms: 0.0,
            summary: LaneSummary::new(name, folder.manifest().steps),
            orders: Obeyed::default(),
            declared: Vec::new(),
            measured: Step(0),
            evaluated: Vec::new(),
        };
        let log = folder.log(lane).unwrap_or_default();
        let mut reader = match LogReader::open(&log) {
            Ok(reader) => reader,
            Err(RunLogError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                return Ok(found);
            }
            Err(error) => return Err(error),
        };
        let (mut superseded, mut events) = (Superseded::default(), Vec::new());
        while let Some(entry) = reader.next_entry()? {
            let Entry::Event { mut event, bytes } = entry else { continue };
            found.at_ms = found.at_ms.max(event.time.at_ms);
            superseded.note(&event, &bytes);
            found.orders.note(&event);
            if let Kind::Measured(values) = &mut event.kind {
                // What a log mostly consists of matters to nobody here.
                values.retain(|metric| metric.shape() == Shape::Scalar);
                if values.is_empty() {
                    continue;
                }
            }
            events.push((event, bytes));
        }
        let effective = events.iter().filter(|(event, bytes)| superseded.spares(event, bytes));
        effective.for_each(|(event, _)| found.note(event));
        let whole = reader.position().offset();
        if whole > 0 && found.started.is_none() {
            let reason =
                "expected its beginning, found none that can be read; its lane cannot go on".to_owned();
            return Err(RunLogError::Malformed { path: log, reason });
        }
        found.log_bytes = Some(whole);
        found.next_number = reader.position().next_number();
        found.declared = reader.position().declared().metrics().to_vec();
        Ok(found)
    }

    /// Takes in the lane's next effective event.
    fn note(&mut self, event: &RunEvent) {
        self.summary.note(event);
        match &event.kind {
            Kind::LaneStarted(started) => self.started = Some(started.clone()),
            Kind::Measured(values) => {
                if event.step > self.measured {
                    self.evaluated.clear();
                    self.measured = event.step;
                }
                let is_made = |&(split, mode): &(Split, Mode)| {
                    evaluated(split, mode).iter().all(|metric| values.number(*metric).is_some())
                };
                self.evaluated.extend(PASSES.iter().filter(|pass| is_made(pass)));
            }
            Kind::CheckpointWritten(written) => {
                // Another one of the same step has the same file.
                self.checkpoints.retain(|saved| saved.file != written.file);
                let (file, evaluated) = (written.file.clone(), self.evaluated.clone());
                let (step, checksums) = (event.step, written.checksums);
                self.checkpoints.push(Saved { file, checksums, step, evaluated });
            }
            Kind::LaneFinished(finished) => {
                let for_good = matches!(finished.outcome, Outcome::Completed | Outcome::Diverged);
                self.outcome = for_good.then(|| finished.outcome.clone());
            }
            _ => {}
        }
    }
}
