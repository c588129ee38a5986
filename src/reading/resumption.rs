//! From where a lane of an earlier run can be resumed: its checkpoints, the last one first. Folded from all events of
//! its log and stored in its index, so that resuming does not read the whole log.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::TakenOrders;
use crate::event::{Checksums, Kind, LaneStarted, Outcome, Rewind, RunEvent, Values};
use crate::metric::Metric;
use crate::runlog::{LaneSummary, Position};
use crate::units::Step;

/// What an earlier part of the run left of a lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resumption {
    /// How the lane ended for good, if it did: there is nothing left to do.
    pub outcome: Option<Outcome>,
    /// Its checkpoints that count, in order.
    pub checkpoints: Vec<Saved>,
    /// The time of its last event, in milliseconds since the run started.
    pub at_ms: f64,
    /// Its summary at the end of its log.
    pub summary: LaneSummary,
    /// The orders of its log.
    pub orders: TakenOrders,
    /// How it was started; none if its log has no readable beginning. It is in the log, not in the index.
    #[serde(skip)]
    pub started: Option<Box<LaneStarted>>,
    /// Up to where its log was read; none if it has no log.
    #[serde(skip)]
    pub position: Option<Position>,
    /// Whether another program trained it.
    is_foreign: bool,
    /// The state in which it began.
    beginning: Saved,
    /// The last step that something was measured at, and what was measured after it: by evaluations and probes.
    step: Step,
    measured: Vec<Metric>,
}

/// A state that a lane can be resumed from, as in the record of its checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The model's file, relative to the run's folder.
    pub file: String,
    /// The checksums of its files, if its record has them.
    pub checksums: Option<Checksums>,
    /// The updates made.
    pub step: Step,
    /// What was measured after this step, before the checkpoint: by evaluations and probes.
    pub measured: Vec<Metric>,
    /// The bytes of its record.
    bytes: Range<u64>,
    /// The lane's summary at the checkpoint.
    summary: LaneSummary,
}

impl Saved {
    /// The return to this state.
    pub fn rewind(&self) -> Rewind {
        Rewind { step: self.step, from: Some(self.bytes.end) }
    }
}

impl Resumption {
    /// A lane with this name and number of planned steps, before its first event.
    pub(super) fn new(name: &str, steps: u64) -> Resumption {
        let summary = LaneSummary::new(name, steps);
        let beginning = Saved {
            file: String::new(),
            checksums: None,
            step: Step(0),
            measured: Vec::new(),
            bytes: 0..0,
            summary: summary.clone(),
        };
        Resumption {
            outcome: None,
            checkpoints: Vec::new(),
            at_ms: 0.0,
            summary,
            orders: TakenOrders::default(),
            started: None,
            position: None,
            is_foreign: false,
            beginning,
            step: Step(0),
            measured: Vec::new(),
        }
    }

    /// The return to the initial weights.
    pub fn to_beginning(&self) -> Rewind {
        self.beginning.rewind()
    }

    /// Bytes of the complete records of its log; none if it has no log.
    pub fn log_bytes(&self) -> Option<u64> {
        self.position.as_ref().map(Position::offset)
    }

    /// Notes the log's next event. A lane that another program trained cannot be resumed here, so nothing is noted of
    /// it.
    pub(super) fn note(&mut self, event: &RunEvent, bytes: &Range<u64>) {
        if let Kind::LaneStarted(started) = &event.kind {
            *self = Resumption::new(&started.lane, started.steps.unwrap_or(0));
            self.is_foreign = started.provenance.is_none();
            self.summary.note(event);
            (self.beginning.bytes, self.beginning.summary) = (bytes.clone(), self.summary.clone());
        }
        if self.is_foreign {
            return;
        }
        self.at_ms = self.at_ms.max(event.time.at_ms);
        self.orders.note(event, bytes.start);
        if let Some(rewind) = event.rewind() {
            return self.go_back(rewind);
        }
        self.summary.note(event);
        match &event.kind {
            Kind::Measured(values) => self.measure(event, values),
            Kind::CheckpointWritten(written) => {
                // A second checkpoint of a step has replaced the file of the first.
                self.checkpoints.retain(|saved| saved.file != written.file);
                self.checkpoints.push(Saved {
                    file: written.file.clone(),
                    checksums: written.checksums,
                    step: event.step,
                    measured: self.measured.clone(),
                    bytes: bytes.clone(),
                    summary: self.summary.clone(),
                });
            }
            Kind::LaneFinished(finished) => {
                let for_good = matches!(finished.outcome, Outcome::Completed | Outcome::Diverged);
                self.outcome = for_good.then(|| finished.outcome.clone());
            }
            _ => {}
        }
    }

    fn measure(&mut self, event: &RunEvent, values: &Values) {
        if event.step > self.step {
            self.measured.clear();
            self.step = event.step;
        }
        // The record of the step itself says how long it took.
        if event.time.step_ms.is_none() {
            self.measured.extend(values.iter().map(|(metric, _)| metric));
        }
    }

    /// Returns to an earlier state of the lane.
    fn go_back(&mut self, rewind: Rewind) {
        self.outcome = None;
        self.checkpoints.retain(|saved| rewind.keeps(saved.step, Some(saved.bytes.start)));
        let saved = self.checkpoints.last().unwrap_or(&self.beginning);
        self.summary = LaneSummary { step: rewind.step, ..saved.summary.clone() };
        self.step = rewind.step;
        self.measured = if saved.step == rewind.step { saved.measured.clone() } else { Vec::new() };
    }
}
