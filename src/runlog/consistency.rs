//! Checks a log's records against each other, so that those who fold them can index by layer and block without
//! checks: the shapes of values, indices and the order of steps.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::{Declared, Kind, LaneResumed, LaneStarted, RunEvent, Values};
use crate::structure::Structure;
use crate::units::{LayerIdx, Step};

/// The greatest step and count that are accepted, so that sums of them do not overflow: at a million steps per second
/// it takes nine years to get there.
const MOST: u64 = 1 << 48;

/// The greatest depth that is accepted: charts have a place for each layer.
const MOST_DEPTH: usize = 1 << 20;

/// The most checkpoints that are remembered, for a lane that goes back to one.
const CHECKPOINTS: usize = 256;

/// What is known of a lane from the records read so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Consistency {
    /// The lane's layers; none before it started.
    layers: Option<usize>,
    declared: Declared,
    /// For each declared metric, the step after the last one at which it was measured, the first allowed one.
    next: Vec<Step>,
    /// The checksum of `lane_started`, which is written twice; none in a log without checksums.
    start: Option<u32>,
    last_step: Step,
    /// Whether records may be missing since the last step.
    gap: bool,
    /// Where the record of the lane's start ends.
    begun: u64,
    /// The last checkpoints that count, in order.
    checkpoints: VecDeque<Checkpoint>,
}

/// A checkpoint, from its record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Checkpoint {
    step: Step,
    file: String,
    /// Where the record ends.
    end: u64,
}

/// How an event relates to earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// It is new.
    New,
    /// It is the second copy of the first event.
    Repeated,
}

impl Consistency {
    /// Checks an event against earlier ones and notes it; returns the reason if it does not fit. `end` is where its
    /// record ends. A return to an earlier state gets the byte from which on events are superseded.
    pub(super) fn accept(
        &mut self,
        event: &mut RunEvent,
        checksum: Option<u32>,
        end: u64,
    ) -> Result<Accepted, String> {
        if let Kind::LaneStarted(started) = &event.kind {
            return self.begin(started, event, checksum, end);
        }
        check_step(event.step)?;
        let Some(layers) = self.layers else {
            return Err("expected `lane_started` first, found another event".to_owned());
        };
        match &mut event.kind {
            Kind::Measured(values) => self.measure(event.step, values)?,
            Kind::MetricsDeclared(_) => self.declared.note(event)?,
            Kind::LaneResumed(resumed) => {
                resumed.from = self.rewind(event.step, resumed.checkpoint.is_some())
            }
            Kind::RecordsLost(lost) => {
                check_step(lost.first)?;
                if lost.records > MOST {
                    return Err(format!("expected at most {MOST} records, found {}", lost.records));
                }
                self.gap = true;
            }
            Kind::CheckpointWritten(written) => {
                // Kept in ascending order even if a log is not.
                self.checkpoints
                    .truncate(self.checkpoints.partition_point(|checkpoint| checkpoint.step <= event.step));
                if self.checkpoints.len() == CHECKPOINTS {
                    self.checkpoints.pop_front();
                }
                self.checkpoints.push_back(Checkpoint { step: event.step, file: written.file.clone(), end });
            }
            Kind::NonFiniteFound(found) => {
                found.layer.map_or(Ok(()), |layer| check_layer(layer, layers))?;
            }
            _ => {}
        }
        Ok(Accepted::New)
    }

    /// Whether the lane's start, which everything else depends on, was not read yet.
    pub(super) fn begins(&self) -> bool {
        self.layers.is_none()
    }

    /// What the lane has declared so far.
    pub(super) fn declared(&self) -> &Declared {
        &self.declared
    }

    /// Checks that values fit their metrics, and that no metric is measured twice at a step or goes back.
    fn measure(&mut self, step: Step, values: &Values) -> Result<(), String> {
        let metrics = self.declared.metrics().len();
        self.next.resize(metrics, Step(0));
        // Values are mostly in the order in which their metrics were declared.
        let mut at = 0;
        for (metric, value) in values.iter() {
            let Some(place) = self.declared.place(metric.name().as_bytes(), at) else {
                return Err(format!("expected values of declared metrics, found `{metric}`"));
            };
            at = place + 1;
            if let Some(mismatch) = self.declared.mismatch(metric, value) {
                return Err(mismatch);
            }
            if step < self.next[place] {
                let after = self.next[place].0 - 1;
                return Err(format!("expected `{metric}` of a step after {after}, found {step}"));
            }
        }
        let mut at = 0;
        for (metric, _) in values.iter() {
            if let Some(place) = self.declared.place(metric.name().as_bytes(), at) {
                self.next[place] = Step(step.0 + 1);
                at = place + 1;
            }
        }
        // An evaluation of an earlier step may follow after missing records.
        self.last_step = self.last_step.max(step);
        self.gap = false;
        Ok(())
    }

    /// Goes back: the steps after this one are repeated, and perhaps its evaluation. Returns the byte from which on
    /// nothing counts. A step has one checkpoint; if there are several records of it, the last one counts.
    fn rewind(&mut self, step: Step, to_checkpoint: bool) -> Option<u64> {
        self.last_step = step;
        for next in &mut self.next {
            *next = (*next).min(step);
        }
        if !to_checkpoint {
            self.checkpoints.clear();
            return Some(self.begun);
        }
        let earlier = self.checkpoints.partition_point(|checkpoint| checkpoint.step <= step);
        self.checkpoints.truncate(earlier);
        self.checkpoints.back().filter(|checkpoint| checkpoint.step == step).map(|checkpoint| checkpoint.end)
    }

    /// Notes that something between the records is missing.
    pub(super) fn lose(&mut self) {
        self.gap = true;
    }

    /// The last step.
    pub(super) fn last_step(&self) -> Step {
        self.last_step
    }

    /// The `lane_resumed` that must have preceded an event, if records are missing and steps go back; it is noted. Its
    /// checkpoint is that of the step before, without a name if that record is missing, too.
    pub(super) fn missed_resumption(&mut self, event: &RunEvent) -> Option<RunEvent> {
        let (step, before) = (event.step, Step(event.step.0.saturating_sub(1)));
        let (step, goes_back) = match &event.kind {
            Kind::Measured(values) => {
                let again = |(metric, _): (crate::metric::Metric, &crate::event::Value)| {
                    let place = self.declared.place(metric.name().as_bytes(), 0);
                    place.and_then(|place| self.next.get(place)).is_some_and(|next| step < *next)
                };
                (before, step < self.last_step || values.iter().any(again))
            }
            Kind::NonFiniteFound(_) => (before, step < self.last_step),
            Kind::LaneStarted(_) | Kind::MetricsDeclared(_) | Kind::LaneResumed(_) | Kind::RecordsLost(_) => {
                return None;
            }
            _ => (step, step < self.last_step),
        };
        if !goes_back || !self.gap || self.layers.is_none() {
            return None;
        }
        let known = self.checkpoints.iter().rfind(|checkpoint| checkpoint.step == step);
        let known = known.map(|checkpoint| checkpoint.file.clone());
        let checkpoint = known.or_else(|| (step > Step(0)).then(String::new));
        let from = self.rewind(step, checkpoint.is_some());
        let kind = Kind::LaneResumed(LaneResumed { checkpoint, changes: Vec::new(), from });
        Some(RunEvent { step, time: event.time, kind })
    }

    fn begin(
        &mut self,
        started: &LaneStarted,
        event: &RunEvent,
        checksum: Option<u32>,
        end: u64,
    ) -> Result<Accepted, String> {
        if self.layers.is_some() {
            if checksum.is_some() && checksum == self.start {
                return Ok(Accepted::Repeated);
            }
            return Err("expected one `lane_started`, found a second".to_owned());
        }
        check_structure(&started.structure)?;
        let layers = started.structure.layers.len();
        check_recorded(started.recorded.as_deref(), layers)?;
        self.declared.note(event)?;
        (self.layers, self.begun) = (Some(layers), end);
        self.start = checksum;
        Ok(Accepted::New)
    }
}

fn check_step(step: Step) -> Result<(), String> {
    if step.0 <= MOST { Ok(()) } else { Err(format!("expected a step of at most {MOST}, found {step}")) }
}

fn check_structure(structure: &Structure) -> Result<(), String> {
    let (layers, blocks) = (structure.layers.len(), structure.blocks.len());
    for layer in &structure.layers {
        if let Some(block) = layer.block.filter(|block| block.0 >= blocks) {
            return Err(format!("expected a block below {blocks}, found {block}"));
        }
        if let Some(depth) = layer.depth.filter(|depth| *depth == 0 || *depth > MOST_DEPTH) {
            return Err(format!("expected a depth from 1 to {MOST_DEPTH}, found {depth}"));
        }
        if let Some(count) = layer.parameters.max(layer.multiply_adds).filter(|count| *count > MOST) {
            return Err(format!("expected at most {MOST} parameters and multiply-adds, found {count}"));
        }
    }
    structure.blocks.iter().flat_map(|block| &block.layers).try_for_each(|&layer| check_layer(layer, layers))
}

fn check_layer(layer: LayerIdx, layers: usize) -> Result<(), String> {
    if layer.0 < layers { Ok(()) } else { Err(format!("expected a layer below {layers}, found {layer}")) }
}

fn check_recorded(recorded: Option<&[LayerIdx]>, layers: usize) -> Result<(), String> {
    let recorded = recorded.unwrap_or_default();
    if let Some(pair) = recorded.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(format!("expected ascending layers in `recorded`, found {} after {}", pair[1], pair[0]));
    }
    recorded.iter().try_for_each(|&layer| check_layer(layer, layers))
}
