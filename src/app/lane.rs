//! One lane as folded from its events: where it stands, its histories, what its health rules found.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::health::{Health, Mark, Severity};
use super::matrix::{EXACT_ROWS, Matrix, Row};
use super::pace::Pace;
use super::parts::Part;
use super::places::Places;
use super::rows::LayerKey;
use super::series::Series;
use super::snapshots::Snapshots;
use crate::event::{
    EvaluationFinished, LaneResumed, LaneStarted, Mode, NonFiniteFound, Outcome, RunEvent, Split,
    StepFinished,
};
use crate::statistic::Statistic;
use crate::topology::Topology;
use crate::units::{LaneIdx, LayerIdx, Step};

mod kept;
mod recorded;

pub use kept::FOLD_VERSION;

/// Checkpoints whose state of the health rules is remembered, for a lane that goes on from one.
const MARKS: usize = 8;

/// What a lane is called before anything is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneLabel {
    /// The run's id.
    pub run: String,
    /// The lane's name within it.
    pub lane: String,
}

/// Where a lane stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LaneState {
    /// No event came yet.
    #[default]
    Waiting,
    /// It makes steps.
    Running,
    /// It waits for a command.
    Paused,
    /// All steps were made.
    Completed,
    /// A command stopped it.
    Stopped,
    /// Its loss or weights were no longer finite.
    Diverged,
    /// It could not go on, for this reason.
    Failed(String),
    /// Its events ended without word of an end: the process was killed, or the machine stopped.
    Crashed,
}

impl LaneState {
    /// Its name on screen.
    pub fn name(&self) -> &'static str {
        match self {
            LaneState::Waiting => "waiting",
            LaneState::Running => "running",
            LaneState::Paused => "paused",
            LaneState::Completed => "completed",
            LaneState::Stopped => "stopped",
            LaneState::Diverged => "diverged",
            LaneState::Failed(_) => "failed",
            LaneState::Crashed => "crashed",
        }
    }

    /// Whether no more events are due.
    pub fn is_over(&self) -> bool {
        !matches!(self, LaneState::Waiting | LaneState::Running | LaneState::Paused)
    }
}

/// Losses and errors of the evaluations of one split in one mode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluations {
    /// Mean cross-entropy in nats.
    pub loss: Series,
    /// Share classified wrongly, 0 to 1.
    pub error: Series,
}

/// One lane.
#[derive(Debug)]
pub struct Lane {
    idx: LaneIdx,
    label: LaneLabel,
    started: Option<LaneStarted>,
    state: LaneState,
    last_step: Step,
    elapsed_ms: f64,
    loss: Series,
    error: Series,
    learning_rate: Series,
    evaluations: [Evaluations; 4],
    statistics: BTreeMap<Statistic, Part<Matrix>>,
    /// Steps with statistics, those made again included.
    recorded: u64,
    places: Places,
    /// What stood at a step of the cursor, read again from the log because histories are merged there.
    exact: Option<(Step, StepFinished)>,
    snapshots: Snapshots,
    /// Whether statistics and snapshots are kept.
    keeps_layers: bool,
    pace: Pace,
    first_non_finite: Option<NonFiniteFound>,
    last_checkpoint: Option<Step>,
    lost_records: u64,
    health: Health,
    /// What the rules remembered at the last checkpoints, by their files.
    marks: VecDeque<(String, Mark)>,
}

impl Lane {
    /// A lane before its first event.
    pub fn new(idx: LaneIdx, label: LaneLabel) -> Lane {
        Lane {
            idx,
            label,
            started: None,
            state: LaneState::default(),
            last_step: Step(0),
            elapsed_ms: 0.0,
            loss: Series::default(),
            error: Series::default(),
            learning_rate: Series::default(),
            evaluations: Default::default(),
            statistics: BTreeMap::new(),
            recorded: 0,
            places: Places::default(),
            exact: None,
            snapshots: Snapshots::default(),
            keeps_layers: true,
            pace: Pace::default(),
            first_non_finite: None,
            last_checkpoint: None,
            lost_records: 0,
            health: Health::default(),
            marks: VecDeque::new(),
        }
    }

    /// Folds an event; `offset` is where its record begins in the lane's log, where that is known.
    pub fn apply(&mut self, event: &RunEvent, offset: Option<u64>) {
        let widened = self.widened(event);
        let event = widened.as_ref().unwrap_or(event);
        self.elapsed_ms = self.elapsed_ms.max(event.at_ms());
        match event {
            RunEvent::LaneStarted(started) => self.start(started),
            RunEvent::StepFinished(step) => self.finish_step(step, offset),
            RunEvent::HistogramsTaken(taken) => self.take_histograms(taken),
            RunEvent::EvaluationFinished(evaluation) => self.finish_evaluation(evaluation),
            RunEvent::CheckpointWritten(written) => self.last_checkpoint = Some(written.step),
            RunEvent::NonFiniteFound(found) => {
                self.first_non_finite.get_or_insert_with(|| found.clone());
            }
            RunEvent::Paused(moment) => {
                self.state = LaneState::Paused;
                self.pace.pause(moment.time.at_ms);
            }
            RunEvent::Resumed(moment) => {
                self.state = LaneState::Running;
                self.pace.go_on(moment.step, moment.time.at_ms);
            }
            RunEvent::LaneResumed(resumed) => self.resume(resumed),
            RunEvent::RecordsLost(lost) => self.lost_records = self.lost_records.saturating_add(lost.records),
            RunEvent::LaneFinished(finished) => {
                self.state = match &finished.outcome {
                    Outcome::Completed => LaneState::Completed,
                    Outcome::Stopped => LaneState::Stopped,
                    Outcome::Diverged => LaneState::Diverged,
                    Outcome::Failed { reason } => LaneState::Failed(reason.clone()),
                };
            }
        }
        // The rules read the lane, so they are taken out of it while they do.
        let mut health = std::mem::take(&mut self.health);
        health.observe(self, event);
        self.health = health;
        if let RunEvent::CheckpointWritten(written) = event {
            if self.marks.len() == MARKS {
                self.marks.pop_front();
            }
            self.marks.push_back((written.file.clone(), self.health.mark()));
        }
    }

    /// Gives up the histories of its layers, and keeps none from now on.
    pub(super) fn forget_layers(&mut self) {
        self.statistics.clear();
        self.snapshots = Snapshots::default();
        self.keeps_layers = false;
    }

    /// No more events will come; without an end in them the lane crashed.
    pub fn source_ended(&mut self) {
        if !self.state.is_over() {
            self.state = LaneState::Crashed;
        }
    }

    /// Begins. A log has one such event; where a second one comes, another log stands in its place, and nothing
    /// that was folded before is true of it.
    fn start(&mut self, started: &LaneStarted) {
        if self.started.is_some() {
            let keeps_layers = self.keeps_layers;
            *self = Lane { keeps_layers, ..Lane::new(self.idx, self.label.clone()) };
            self.elapsed_ms = started.time.at_ms;
        }
        self.pace.start(started.time.at_ms);
        self.state = LaneState::Running;
        self.started = Some(started.clone());
    }

    /// Goes on from an earlier state: what came after it is made again.
    fn resume(&mut self, resumed: &LaneResumed) {
        self.rewind(resumed);
        self.last_step = resumed.step;
        self.state = LaneState::Running;
        let kept = self.loss.last().map(|bucket| bucket.at_ms);
        let since = kept.or(self.started.as_ref().map(|started| started.time.at_ms)).unwrap_or(0.0);
        self.pace.go_on_from(resumed.step, since, resumed.time.at_ms);
    }

    fn finish_step(&mut self, event: &StepFinished, offset: Option<u64>) {
        let at_ms = event.time.at_ms;
        self.state = LaneState::Running;
        self.last_step = event.step;
        self.loss.push(event.step, at_ms, event.loss);
        self.error.push(event.step, at_ms, event.error);
        self.learning_rate.push(event.step, at_ms, event.learning_rate as f32);
        for (statistic, column) in event.statistics.iter().filter(|_| self.keeps_layers) {
            self.statistics.entry(statistic).or_default().get_mut().push(event.step, column);
        }
        if !event.statistics.is_empty() {
            self.recorded += 1;
            if let Some(offset) = offset {
                self.places.push(event.step, offset);
            }
        }
        self.pace.step(&event.time, self.started.as_ref().map(|started| &started.experiment));
    }

    fn finish_evaluation(&mut self, event: &EvaluationFinished) {
        let evaluations = &mut self.evaluations[slot(event.split, event.mode)];
        // A lane that went on from the middle of an evaluation, or from its beginning, makes some again.
        evaluations.loss.rewind(event.step);
        evaluations.error.rewind(event.step);
        evaluations.loss.push(event.step, event.time.at_ms, event.loss);
        evaluations.error.push(event.step, event.time.at_ms, event.error);
    }

    /// Takes back everything after the state that the lane goes on from.
    fn rewind(&mut self, resumed: &LaneResumed) {
        let step = Step(resumed.step.0.saturating_add(1));
        self.loss.rewind(step);
        self.error.rewind(step);
        self.learning_rate.rewind(step);
        for evaluations in &mut self.evaluations {
            evaluations.loss.rewind(step);
            evaluations.error.rewind(step);
        }
        for matrix in self.statistics.values_mut() {
            matrix.get_mut().rewind(step);
        }
        self.snapshots.rewind(step);
        self.places.rewind(step);
        self.exact = None;
        self.first_non_finite.take_if(|found| found.step >= step);
        self.last_checkpoint = resumed.checkpoint.as_ref().map(|_| resumed.step);
        let from = |(file, _): &(String, Mark)| Some(file) == resumed.checkpoint.as_ref();
        self.marks.truncate(self.marks.iter().rposition(from).map_or(0, |at| at + 1));
        self.health.rewind(step, self.marks.back().map(|(_, mark)| mark));
    }
}

/// What is known of the lane.
impl Lane {
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

    /// Its experiment, network and provenance, once it started.
    pub fn started(&self) -> Option<&LaneStarted> {
        self.started.as_ref()
    }

    /// Its network, once it started.
    pub fn topology(&self) -> Option<&Topology> {
        self.started.as_ref().map(|started| &started.topology)
    }

    /// Its own entry in the experiment.
    pub fn configuration(&self) -> Option<&crate::experiment::Lane> {
        let started = self.started.as_ref()?;
        started.experiment.lanes.iter().find(|lane| lane.name == started.lane)
    }

    /// Whether the two networks are the same but for their shortcuts.
    pub(super) fn is_twin_of(&self, other: &Lane) -> bool {
        let (Some(this), Some(that)) = (self.configuration(), other.configuration()) else { return false };
        this.shortcut != that.shortcut
            && (&this.architecture, this.depth, this.width) == (&that.architecture, that.depth, that.width)
    }

    /// Where it stands.
    pub fn state(&self) -> &LaneState {
        &self.state
    }

    /// The updates made.
    pub fn last_step(&self) -> Step {
        self.last_step
    }

    /// The updates it is to make; none before it started.
    pub fn planned_steps(&self) -> Option<u64> {
        self.started.as_ref().map(|started| started.experiment.training.steps)
    }

    /// The share of the planned updates that were made, 0 to 1.
    pub fn progress(&self) -> f64 {
        let planned = self.planned_steps().unwrap_or(0).max(1);
        (self.last_step.0 as f64 / planned as f64).min(1.0)
    }

    /// The passes over the training images that `step` updates make.
    pub fn epoch_of(&self, step: Step) -> Option<f64> {
        let started = self.started.as_ref()?;
        let images = started.train_images.max(1) as f64;
        Some(step.0 as f64 * started.experiment.training.batch as f64 / images)
    }

    /// The step since which training is lost, as it stood at `step`: its loss is far above its start or not
    /// finite, or it ended as diverged.
    pub fn diverged_since(&self, step: Step) -> Option<Step> {
        let critical = self.health.open_at(step).filter(|finding| finding.severity == Severity::Critical);
        let ended = (self.state == LaneState::Diverged && self.last_step <= step).then_some(self.last_step);
        critical.map(|finding| finding.step).chain(ended).min()
    }

    /// The first NaN or infinity, where one showed.
    pub fn first_non_finite(&self) -> Option<&NonFiniteFound> {
        self.first_non_finite.as_ref()
    }

    /// The step of the last checkpoint.
    pub fn last_checkpoint(&self) -> Option<Step> {
        self.last_checkpoint
    }

    /// Records that could not be kept in its log.
    pub fn lost_records(&self) -> u64 {
        self.lost_records
    }

    /// What its health rules found, in the order in which it showed.
    pub fn health(&self) -> &Health {
        &self.health
    }
}

/// Its histories.
impl Lane {
    /// Mean cross-entropy of each step's batch, in nats.
    pub fn loss(&self) -> &Series {
        &self.loss
    }

    /// Share of each step's batch classified wrongly, with batch statistics, 0 to 1.
    pub fn error(&self) -> &Series {
        &self.error
    }

    /// The learning rate of each step.
    pub fn learning_rate(&self) -> &Series {
        &self.learning_rate
    }

    /// The evaluations of a split in a mode.
    pub fn evaluations(&self, split: Split, mode: Mode) -> &Evaluations {
        &self.evaluations[slot(split, mode)]
    }

    /// A statistic's history; none where it was never recorded.
    pub fn statistic(&self, statistic: Statistic) -> Option<&Matrix> {
        self.statistics.get(&statistic).map(Part::get).filter(|matrix| !matrix.is_empty())
    }

    /// What a statistic was at `step`: that step's own record where it is known, else what the history tells.
    pub fn statistic_at(&self, statistic: Statistic, step: Step) -> Option<Row<'_>> {
        let exact = self.exact.as_ref().filter(|(asked, _)| *asked == step);
        let own = exact.and_then(|(_, found)| Some(Row::exact(found.step, found.statistics.get(statistic)?)));
        // Before the first record there is nothing, and nothing to be read for it.
        let elsewhere = self.statistics.get(&statistic).is_some_and(|part| !part.is_here());
        let nothing = elsewhere && self.places.before(step).is_none();
        own.or_else(|| (!nothing).then(|| self.statistic(statistic)?.at(step)).flatten())
    }

    /// Where in the log to look for the record that stood at `step`, where the histories are merged or kept elsewhere
    /// and it was not found yet: it is the last with statistics that is not after `step`, at this byte or behind it.
    pub fn wanted_at(&self, step: Step) -> Option<u64> {
        let merged =
            self.recorded > EXACT_ROWS as u64 || self.statistics.values().any(|part| !part.is_here());
        let known = self.exact.as_ref().is_some_and(|(asked, _)| *asked == step);
        (merged && !known).then(|| self.places.before(step)).flatten()
    }

    /// Gives up the histories that can be read again when they are wanted, but for these.
    pub(super) fn release(&mut self, but: [Statistic; 2]) {
        let others = self.statistics.iter_mut().filter(|(statistic, _)| !but.contains(statistic));
        others.for_each(|(_, part)| part.release());
    }

    /// Takes the record that stood at `step`.
    pub fn set_exact(&mut self, step: Step, found: StepFinished) {
        let found = self.widened_step(&found).unwrap_or(found);
        self.exact = Some((step, found));
    }

    /// The histograms over time.
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// The layer in a row; none where the network is not that deep or not known.
    pub fn layer_at(&self, key: LayerKey) -> Option<LayerIdx> {
        key.in_topology(self.topology()?)
    }
}

/// Its times.
impl Lane {
    /// Milliseconds from the run's start to the lane's last event.
    pub fn elapsed_ms(&self) -> f64 {
        self.elapsed_ms
    }

    /// Running averages of its times.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Training images a second, over about the last 30 steps, evaluations included.
    pub fn images_per_second(&self) -> Option<f64> {
        let batch = self.started.as_ref()?.experiment.training.batch as f64;
        Some(batch * 1000.0 / self.pace.interval_ms()?)
    }

    /// Milliseconds to the last planned step at the present pace; none once the lane is over.
    pub fn remaining_ms(&self) -> Option<f64> {
        if self.state.is_over() {
            return None;
        }
        let started = self.started.as_ref()?;
        let left = self.planned_steps()?.saturating_sub(self.last_step.0);
        Some(left as f64 * self.pace.wall_ms(&self.loss, started.time.at_ms, &started.experiment)?)
    }
}

fn slot(split: Split, mode: Mode) -> usize {
    match (split, mode) {
        (Split::Train, Mode::Eval) => 0,
        (Split::Train, Mode::Batch) => 1,
        (Split::Test, Mode::Eval) => 2,
        (Split::Test, Mode::Batch) => 3,
    }
}
