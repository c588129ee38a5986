//! The facts of a lane, folded from its events: how it was started, its state, its histories. The findings of the
//! health rules are kept beside them, in [`super::Lane`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::order_history::OrderHistory;
use super::pace::Pace;
use super::step_offsets::StepOffsets;
use crate::event::{
    Declared, Kind, LaneStarted, NonFiniteFound, Outcome, Provenance, Rewind, RunEvent, Value, Values,
};
use crate::experiment::Experiment;
use crate::history::{Bounds, History};
use crate::metric::Shape;
use crate::structure::Structure;
#[cfg(doc)]
use crate::units::InputShape;
use crate::units::{LaneIdx, LayerIdx, Step};

mod details;
mod histories;
mod saved;

use details::Details;
use histories::Histories;
pub use histories::HistoryKey;
pub use saved::section_of;

/// How a lane is labelled before anything else is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneLabel {
    /// The run's id.
    pub run: String,
    /// The lane's name within it.
    pub lane: String,
}

/// The state of a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LaneState {
    /// No event has come yet.
    #[default]
    Waiting,
    /// It makes steps.
    Running,
    /// It is paused.
    Paused,
    /// All steps were made.
    Completed,
    /// An order stopped it.
    Stopped,
    /// Its loss or weights were no longer finite.
    Diverged,
    /// It failed, for this reason.
    Failed(String),
    /// Its events stop without an end: the process was killed, or the machine stopped.
    Crashed,
    /// Nothing more was written for some time, to a log of another program, which need not say when a run ends.
    Silent,
}

impl LaneState {
    /// Its name on screen.
    pub fn name(&self) -> &'static str {
        match self {
            LaneState::Waiting => "waiting",
            LaneState::Running => "running",
            LaneState::Paused => "paused",
            LaneState::Completed => "finished",
            LaneState::Stopped => "stopped",
            LaneState::Diverged => "diverged",
            LaneState::Failed(_) => "failed",
            LaneState::Crashed => "crashed",
            LaneState::Silent => "silent",
        }
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        !matches!(self, LaneState::Waiting | LaneState::Running | LaneState::Paused)
    }
}

/// The facts of a lane.
#[derive(Debug)]
pub struct LaneFacts {
    idx: LaneIdx,
    label: LaneLabel,
    /// The experiment that it will have, if that is known before it starts.
    planned: Option<Arc<Experiment>>,
    started: Option<LaneStarted>,
    declared: Declared,
    state: LaneState,
    last_step: Step,
    elapsed_ms: f64,
    /// A row without values for each step at which something was measured.
    steps: History,
    histories: Histories,
    /// The number of records over axes, those of repeated steps included.
    recorded: u64,
    offsets: StepOffsets,
    /// The values at a step of the cursor, read again from the log because histories are merged there.
    exact: Option<(Step, (Step, Values))>,
    /// The records of ranges of steps, read again likewise.
    details: Details,
    pace: Pace,
    first_non_finite: Option<(Step, NonFiniteFound)>,
    lost_records: u64,
    orders: OrderHistory,
}

impl LaneFacts {
    /// The facts of a lane before its first event.
    pub(super) fn new(idx: LaneIdx, label: LaneLabel) -> LaneFacts {
        LaneFacts {
            idx,
            label,
            planned: None,
            started: None,
            declared: Declared::default(),
            state: LaneState::default(),
            last_step: Step(0),
            elapsed_ms: 0.0,
            steps: History::of_numbers(0, Bounds::SCALARS),
            histories: Histories::default(),
            recorded: 0,
            offsets: StepOffsets::default(),
            exact: None,
            details: Details::default(),
            pace: Pace::default(),
            first_non_finite: None,
            lost_records: 0,
            orders: OrderHistory::default(),
        }
    }

    /// Notes the experiment that the lane will have.
    pub(super) fn plan(&mut self, experiment: Arc<Experiment>) {
        self.planned = Some(experiment);
    }

    /// Gives the lane another place.
    pub(super) fn move_to(&mut self, idx: LaneIdx) {
        self.idx = idx;
    }

    /// Folds an event; `offset` is where its record begins in the lane's log, if known. All histories must be loaded:
    /// see [`LaneFacts::saved_histories`].
    pub(super) fn fold(&mut self, event: &RunEvent, offset: Option<u64>) {
        let at_ms = event.time.at_ms;
        self.elapsed_ms = self.elapsed_ms.max(at_ms);
        match &event.kind {
            Kind::LaneStarted(started) => self.start(started, event),
            Kind::MetricsDeclared(_) => {
                if self.declared.note(event).is_ok() {
                    self.histories.declare(&self.declared);
                }
            }
            Kind::Measured(values) => self.measure(event, values, offset),
            Kind::NonFiniteFound(found) => {
                self.first_non_finite.get_or_insert_with(|| (event.step, found.clone()));
            }
            Kind::Paused => {
                self.state = LaneState::Paused;
                self.pace.pause(at_ms);
            }
            Kind::Resumed => {
                self.state = LaneState::Running;
                self.pace.go_on(event.step, at_ms);
            }
            // Orders are folded below; a checkpoint changes nothing here.
            Kind::OrderTaken(_) | Kind::NoteTaken(_) | Kind::CheckpointWritten(_) => {}
            Kind::LaneResumed(_) => {
                if let Some(rewind) = event.rewind() {
                    self.resume(rewind, event.time.at_ms);
                }
            }
            Kind::RecordsLost(lost) => self.lost_records = self.lost_records.saturating_add(lost.records),
            Kind::LaneFinished(finished) => {
                self.state = match &finished.outcome {
                    Outcome::Completed => LaneState::Completed,
                    Outcome::Stopped => LaneState::Stopped,
                    Outcome::Diverged => LaneState::Diverged,
                    Outcome::Failed { reason } => LaneState::Failed(reason.clone()),
                };
            }
        }
        self.orders.apply(event, offset);
    }

    /// Notes that no more events will come: a lane that has not ended has crashed.
    pub fn source_ended(&mut self) {
        if !self.state.is_over() {
            self.state = LaneState::Crashed;
        }
    }

    /// Notes that nothing was written for some time to a log that need not say when its lane ends.
    pub fn fell_silent(&mut self) {
        if !self.state.is_over() {
            self.state = LaneState::Silent;
        }
    }

    /// Starts the lane. A log has one such event; a second one means that another log has replaced it, and everything
    /// folded before is void.
    fn start(&mut self, started: &LaneStarted, event: &RunEvent) {
        if self.started.is_some() {
            *self = LaneFacts::new(self.idx, self.label.clone());
            self.elapsed_ms = event.time.at_ms;
        }
        self.pace.start(event.time.at_ms);
        self.state = LaneState::Running;
        self.started = Some(started.clone());
        if self.declared.note(event).is_ok() {
            self.histories.declare(&self.declared);
        }
    }

    /// Returns to an earlier state: what came after it is repeated.
    fn resume(&mut self, rewind: Rewind, at_ms: f64) {
        let next = rewind.next();
        self.steps.rewind(next);
        self.histories.rewind(next);
        self.offsets.rewind(next);
        self.exact = None;
        self.details.clear();
        self.first_non_finite.take_if(|(found, _)| *found >= next);
        self.last_step = rewind.step;
        self.state = LaneState::Running;
        let since = self.steps.last().map_or(self.pace.started_ms(), |row| row.span.at_ms);
        self.pace.go_on_from(rewind.step, since, at_ms);
    }

    fn measure(&mut self, event: &RunEvent, values: &Values, offset: Option<u64>) {
        let (step, at_ms) = (event.step, event.time.at_ms);
        let is_new = step > self.last_step || self.steps.is_empty();
        if is_new {
            self.last_step = step;
            self.state = LaneState::Running;
        }
        if step > Step(0) && is_new {
            self.steps.push(step, at_ms, &[]);
            let experiment = self.started.as_ref().and_then(LaneStarted::experiment);
            self.pace.step(&event.time, experiment);
        }
        let (mut place, mut over_axes) = (0, false);
        for (metric, value) in values.iter() {
            over_axes |= metric.shape() == Shape::Numbers;
            let Some(found) = self.declared.place(metric.name().as_bytes(), place) else { continue };
            place = found + 1;
            match value {
                Value::Number(number) => self.histories.push(found, step, at_ms, &[*number]),
                Value::Numbers(numbers) => self.histories.push(found, step, at_ms, numbers),
                Value::Histograms(all) => self.histories.push_histograms(found, step, at_ms, all),
            }
        }
        if over_axes {
            self.recorded += 1;
            if let Some(offset) = offset {
                self.offsets.push(step, offset);
            }
        }
    }
}

/// The facts, one by one.
impl LaneFacts {
    /// Its place on screen.
    pub fn idx(&self) -> LaneIdx {
        self.idx
    }

    /// Its run and name.
    pub fn label(&self) -> &LaneLabel {
        &self.label
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.label.lane
    }

    /// What its first event says, once it started.
    pub fn started(&self) -> Option<&LaneStarted> {
        self.started.as_ref()
    }

    /// Where it comes from, if its log says so.
    pub fn provenance(&self) -> Option<&Provenance> {
        self.started.as_ref()?.provenance.as_ref()
    }

    /// Its layers and blocks, once it started.
    pub fn structure(&self) -> Option<&Structure> {
        self.started.as_ref().map(|started| &started.structure)
    }

    /// Its experiment, if it has one; before it started, the planned one.
    pub fn experiment(&self) -> Option<&Experiment> {
        self.started.as_ref().map_or(self.planned.as_deref(), LaneStarted::experiment)
    }

    /// Its own entry in the experiment.
    pub fn configuration(&self) -> Option<&crate::experiment::Lane> {
        let started = self.started.as_ref()?;
        started.experiment()?.lanes.iter().find(|lane| lane.name == started.lane)
    }

    /// Whether the two networks differ at most in their shortcuts.
    pub(super) fn is_twin_of(&self, other: &LaneFacts) -> bool {
        let (Some(this), Some(that)) = (self.configuration(), other.configuration()) else { return false };
        let [others, those] =
            [this, that].map(|lane| lane.settings.iter().filter(|(key, _)| *key != "shortcut"));
        this.settings.get("shortcut") != that.settings.get("shortcut")
            && this.architecture == that.architecture
            && others.eq(those)
    }

    /// What it measures.
    pub fn declared(&self) -> &Declared {
        &self.declared
    }

    /// Its state.
    pub fn state(&self) -> &LaneState {
        &self.state
    }

    /// Whether it is planned and waits for its turn, rather than being about to start.
    pub fn is_queued(&self) -> bool {
        self.state == LaneState::Waiting && self.planned.is_some()
    }

    /// The updates made.
    pub fn last_step(&self) -> Step {
        self.last_step
    }

    /// The planned updates; none if they are unknown.
    pub fn planned_steps(&self) -> Option<u64> {
        match &self.started {
            Some(started) => started.steps,
            None => self.planned.as_ref().map(|experiment| experiment.training.steps),
        }
    }

    /// The share of the planned updates that were made, 0 to 1.
    pub fn progress(&self) -> f64 {
        let planned = self.planned_steps().unwrap_or(0).max(1);
        (self.last_step.0 as f64 / planned as f64).min(1.0)
    }

    /// The passes over the training images that `step` updates make; none if the number of images is unknown.
    pub fn epoch_of(&self, step: Step) -> Option<f64> {
        let provenance = self.provenance()?;
        let images = provenance.train_images.max(1) as f64;
        Some(step.0 as f64 * provenance.experiment.training.batch as f64 / images)
    }

    /// The first NaN or infinity, if any, with the step in which it arose.
    pub fn first_non_finite(&self) -> Option<&(Step, NonFiniteFound)> {
        self.first_non_finite.as_ref()
    }

    /// The number of records missing from its log.
    pub fn lost_records(&self) -> u64 {
        self.lost_records
    }

    /// Its orders and notes.
    pub fn orders(&self) -> &OrderHistory {
        &self.orders
    }

    /// Whether a layer is recorded; assumed to be before the lane started.
    pub fn records(&self, layer: LayerIdx) -> bool {
        let recorded = self.started.as_ref().and_then(|started| started.recorded.as_ref());
        recorded.is_none_or(|layers| layers.contains(&layer))
    }
}

/// Its times.
impl LaneFacts {
    /// Milliseconds from the run's start to the lane's last event.
    pub fn elapsed_ms(&self) -> f64 {
        self.elapsed_ms
    }

    /// Running averages of its times.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Images, vectors or tokens per second in training, as [`InputShape::counted`], over about the last 30 steps,
    /// evaluations included; none if the batch size is unknown.
    pub fn throughput(&self) -> Option<f64> {
        let Provenance { experiment, input, .. } = self.provenance()?;
        let counted = experiment.training.batch * input.counted().0;
        Some(counted as f64 * 1000.0 / self.pace.interval_ms()?)
    }

    /// Milliseconds to the last planned step at the current pace; none once the lane has ended.
    pub fn remaining_ms(&self) -> Option<f64> {
        if self.state.is_over() {
            return None;
        }
        let left = self.planned_steps()?.saturating_sub(self.last_step.0);
        Some(left as f64 * self.pace.wall_ms(&self.steps, self.experiment())?)
    }
}
