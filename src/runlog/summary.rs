//! The summary of a run and its lanes: the state of each and its last figures, folded from its events.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::manifest::Manifest;
use crate::event::{Kind, Outcome, RunEvent, Values};
use crate::metric::known;
use crate::units::Step;

/// The state of a lane or a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It made all steps.
    Finished,
    /// It was stopped.
    Stopped,
    /// Its loss or weights became non-finite.
    Diverged,
    /// It did not end, and its process is gone.
    Crashed,
    /// It failed with an error.
    Failed,
    /// It is paused between two steps.
    Paused,
    /// It is training.
    Running,
}

impl State {
    /// All states, in order.
    pub const ALL: [State; 7] = [
        State::Finished,
        State::Stopped,
        State::Diverged,
        State::Crashed,
        State::Failed,
        State::Paused,
        State::Running,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            State::Finished => "finished",
            State::Stopped => "stopped",
            State::Diverged => "diverged",
            State::Crashed => "crashed",
            State::Failed => "failed",
            State::Paused => "paused",
            State::Running => "running",
        }
    }

    /// Whether it has ended.
    pub fn is_over(self) -> bool {
        !matches!(self, State::Paused | State::Running)
    }
}

/// The summary of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    /// The name of its folder.
    pub id: String,
    /// Its folder.
    pub path: PathBuf,
    /// Its state: that of the lane that needs most attention, the last in the order of [`State`].
    pub state: State,
    /// Where it comes from.
    pub manifest: Manifest,
    /// Its lanes, in the order of the experiment.
    pub lanes: Vec<LaneSummary>,
}

/// The summary of a lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneSummary {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// The updates made.
    pub step: Step,
    /// The planned updates; 0 if unknown.
    pub steps: u64,
    /// The loss of the last step.
    #[serde(default, with = "optional_float")]
    pub loss: Option<f32>,
    /// The training error of the last step's batch, 0 to 1.
    #[serde(default, with = "optional_float")]
    pub error: Option<f32>,
    /// The error of the last evaluation on the training split with running statistics, 0 to 1.
    #[serde(default, with = "optional_float")]
    pub train_error: Option<f32>,
    /// The error of the last evaluation on the test split with running statistics, 0 to 1.
    #[serde(default, with = "optional_float")]
    pub test_error: Option<f32>,
    /// Milliseconds from the start of the run to the lane's last record.
    pub elapsed_ms: f64,
    /// Bytes of its log.
    #[serde(default)]
    pub log_bytes: u64,
    /// Records missing from its log, as far as known.
    #[serde(default)]
    pub lost_records: u64,
    /// Why it failed.
    #[serde(default)]
    pub reason: Option<String>,
}

impl LaneSummary {
    /// A lane without any events yet.
    pub fn new(name: &str, steps: u64) -> LaneSummary {
        LaneSummary {
            name: name.to_owned(),
            state: State::Running,
            step: Step(0),
            steps,
            loss: None,
            error: None,
            train_error: None,
            test_error: None,
            elapsed_ms: 0.0,
            log_bytes: 0,
            lost_records: 0,
            reason: None,
        }
    }

    /// The updates made and planned: `200/600`; without the latter if unknown.
    pub fn progress(&self) -> String {
        if self.steps == 0 { self.step.to_string() } else { format!("{}/{}", self.step, self.steps) }
    }

    /// Folds its next event.
    pub fn note(&mut self, event: &RunEvent) {
        self.elapsed_ms = self.elapsed_ms.max(event.time.at_ms);
        match &event.kind {
            Kind::Measured(values) => {
                self.step = event.step;
                self.note_values(values);
            }
            Kind::Paused => self.state = State::Paused,
            Kind::LaneStarted(started) => {
                self.state = State::Running;
                self.steps = started.steps.unwrap_or(self.steps);
            }
            Kind::Resumed => self.state = State::Running,
            Kind::LaneResumed(_) => {
                (self.step, self.state, self.reason) = (event.step, State::Running, None);
            }
            Kind::RecordsLost(lost) => {
                self.lost_records = self.lost_records.saturating_add(lost.records);
            }
            Kind::LaneFinished(finished) => {
                self.step = event.step;
                self.end(&finished.outcome);
            }
            _ => {}
        }
    }

    /// Folds the newest figures.
    pub(super) fn note_values(&mut self, values: &Values) {
        let figures = [
            (known::LOSS, &mut self.loss),
            (known::ERROR, &mut self.error),
            (known::TRAIN_ERROR, &mut self.train_error),
            (known::TEST_ERROR, &mut self.test_error),
        ];
        for (metric, figure) in figures {
            *figure = values.number(metric).or(*figure);
        }
    }

    /// Sets how it ended.
    pub(super) fn end(&mut self, outcome: &Outcome) {
        self.state = match outcome {
            Outcome::Completed => State::Finished,
            Outcome::Stopped => State::Stopped,
            Outcome::Diverged => State::Diverged,
            Outcome::Failed { reason } => {
                self.reason = Some(reason.clone());
                State::Failed
            }
        };
    }
}

mod optional_float {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::event::wire::Float;

    pub(super) fn serialize<S: Serializer>(x: &Option<f32>, serializer: S) -> Result<S::Ok, S::Error> {
        x.map(Float).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f32>, D::Error> {
        Ok(Option::<Float>::deserialize(deserializer)?.map(|x| x.0))
    }
}
