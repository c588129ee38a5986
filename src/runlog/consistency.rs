//! What a log's records must agree on, so that whoever folds them may index by layer and block without
//! looking: column lengths, indices and the order of steps.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::{At, Columns, Histogram, LaneResumed, LaneStarted, LayerHistograms, RunEvent};
use crate::statistic::Subject;
use crate::topology::Topology;
use crate::units::{LayerIdx, Step};

/// The greatest step and the greatest count that are believed, so that nobody who adds to them or sums them up overflows:
/// at a million steps a second it takes nine years to get there.
const MOST: u64 = 1 << 48;

/// Checkpoints that are remembered, for a lane that went on from one.
const CHECKPOINTS: usize = 16;

/// What is known of a lane from the records read so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Consistency {
    shape: Option<Shape>,
    /// The checksum of `lane_started`, which is written twice; none in a log without checksums.
    start: Option<u32>,
    last_step: Step,
    /// Whether records may be missing since the last step.
    gap: bool,
    /// The last checkpoints and their files.
    checkpoints: VecDeque<(Step, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Shape {
    layers: usize,
    /// The layers that columns and histograms are of.
    recorded: usize,
    blocks: usize,
}

/// How an event stands to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// It tells something new.
    New,
    /// It is the second copy of the first event.
    Repeated,
}

impl Consistency {
    /// Checks an event against those before it and remembers it; gives the reason where it does not fit.
    pub(super) fn accept(&mut self, event: &RunEvent, checksum: Option<u32>) -> Result<Accepted, String> {
        if let RunEvent::LaneStarted(started) = event {
            return self.begin(started, checksum);
        }
        check_step(event.step())?;
        let Some(shape) = self.shape else {
            return Err("expected `lane_started` first, found another event".to_owned());
        };
        match event {
            RunEvent::StepFinished(step) => {
                if step.step <= self.last_step {
                    return Err(format!("expected a step after {}, found {}", self.last_step, step.step));
                }
                check_columns(&step.statistics, shape)?;
                (self.last_step, self.gap) = (step.step, false);
            }
            RunEvent::LaneResumed(resumed) => self.last_step = resumed.step,
            RunEvent::RecordsLost(lost) => {
                check_step(lost.first)?;
                if lost.records > MOST {
                    return Err(format!("expected at most {MOST} records, found {}", lost.records));
                }
                self.gap = true;
            }
            RunEvent::CheckpointWritten(written) => {
                if self.checkpoints.len() == CHECKPOINTS {
                    self.checkpoints.pop_front();
                }
                self.checkpoints.push_back((written.step, written.file.clone()));
            }
            RunEvent::HistogramsTaken(taken) => check_histograms(&taken.layers, shape)?,
            RunEvent::NonFiniteFound(found) => {
                found.layer.map_or(Ok(()), |layer| check_layer(layer, shape.layers))?;
            }
            _ => {}
        }
        Ok(Accepted::New)
    }

    /// Remembers that something between the records is missing.
    pub(super) fn lose(&mut self) {
        self.gap = true;
    }

    /// The last step.
    pub(super) fn last_step(&self) -> Step {
        self.last_step
    }

    /// The `lane_resumed` that must have stood before an event, where records are missing and steps go back; it is
    /// remembered. Its checkpoint is the one of the step before, without a name where that record is missing, too.
    pub(super) fn missed_resumption(&mut self, event: &RunEvent) -> Option<RunEvent> {
        let step = event.step();
        let before = Step(step.0.saturating_sub(1));
        let (step, goes_back) = match event {
            RunEvent::StepFinished(_) => (before, step <= self.last_step),
            RunEvent::HistogramsTaken(_) | RunEvent::NonFiniteFound(_) => (before, step < self.last_step),
            RunEvent::LaneStarted(_) | RunEvent::LaneResumed(_) | RunEvent::RecordsLost(_) => return None,
            _ => (step, step < self.last_step),
        };
        if !goes_back || !self.gap || self.shape.is_none() {
            return None;
        }
        self.last_step = step;
        let known = self.checkpoints.iter().rfind(|(of, _)| *of == step).map(|(_, file)| file.clone());
        let checkpoint = known.or_else(|| (step > Step(0)).then(String::new));
        let time = At { at_ms: event.at_ms() };
        Some(RunEvent::LaneResumed(LaneResumed { step, checkpoint, changes: Default::default(), time }))
    }

    fn begin(&mut self, started: &LaneStarted, checksum: Option<u32>) -> Result<Accepted, String> {
        if self.shape.is_some() {
            if checksum.is_some() && checksum == self.start {
                return Ok(Accepted::Repeated);
            }
            return Err("expected one `lane_started`, found a second".to_owned());
        }
        check_topology(&started.topology)?;
        let Topology { layers, blocks, .. } = &started.topology;
        check_recorded(started.recorded.as_deref(), layers.len())?;
        let recorded = started.recorded.as_ref().map_or(layers.len(), Vec::len);
        self.shape = Some(Shape { layers: layers.len(), recorded, blocks: blocks.len() });
        self.start = checksum;
        Ok(Accepted::New)
    }
}

fn check_step(step: Step) -> Result<(), String> {
    if step.0 <= MOST { Ok(()) } else { Err(format!("expected a step of at most {MOST}, found {step}")) }
}

fn check_topology(topology: &Topology) -> Result<(), String> {
    if topology.layers.is_empty() {
        return Err("expected a topology with layers, found none".to_owned());
    }
    for layer in &topology.layers {
        if let Some(block) = layer.block.filter(|block| block.0 >= topology.blocks.len()) {
            return Err(format!("expected a block below {}, found {block}", topology.blocks.len()));
        }
    }
    topology
        .blocks
        .iter()
        .flat_map(|block| &block.layers)
        .try_for_each(|&l| check_layer(l, topology.layers.len()))
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

fn check_columns(columns: &Columns, shape: Shape) -> Result<(), String> {
    for (statistic, column) in columns.iter() {
        let (expected, subject) = match statistic.subject() {
            Subject::Layer => (shape.recorded, "layers"),
            Subject::Block => (shape.blocks, "blocks"),
        };
        if column.len() != expected {
            let found = column.len();
            return Err(format!("expected `{statistic}` of {expected} {subject}, found {found} values"));
        }
    }
    Ok(())
}

fn check_histograms(layers: &[LayerHistograms], shape: Shape) -> Result<(), String> {
    if layers.len() != shape.recorded {
        return Err(format!("expected histograms of {} layers, found {}", shape.recorded, layers.len()));
    }
    for layer in layers {
        for histogram in [&layer.activations, &layer.weight_gradients, &layer.weights] {
            let end = usize::from(histogram.first) + histogram.counts.len();
            if end > Histogram::BINS {
                return Err(format!("expected at most {} bins, found {end}", Histogram::BINS));
            }
        }
    }
    Ok(())
}
