//! How far a run got, from the ends of its logs: enough for a list of runs without reading them whole.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::RunLogError;
use super::folder::RunFolder;
use super::manifest::Manifest;
use super::resolve::ids;
use super::tail::look;
use crate::event::{Outcome, wire};
use crate::units::{LaneIdx, Step};

/// A lane is taken for crashed when it has been silent for this long at least ...
const LEAST_SILENCE: Duration = Duration::from_secs(30);
/// ... and for this many of its last steps.
const SILENT_STEPS: f64 = 20.0;

/// How a lane or a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All steps were made.
    Finished,
    /// A command ended it.
    Stopped,
    /// Its loss or weights were no longer finite.
    Diverged,
    /// It has no end and has been silent for too long.
    Crashed,
    /// It could not go on.
    Failed,
    /// It waits between two steps.
    Paused,
    /// Records are being written.
    Running,
}

impl State {
    /// The word for it.
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
}

/// A run in a few words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    /// The name of its folder.
    pub id: String,
    /// Its folder.
    pub path: PathBuf,
    /// How it stands: as the lane that needs most attention, the last in the order of [`State`].
    pub state: State,
    /// Where it comes from.
    pub manifest: Manifest,
    /// Its lanes, in the order of the experiment.
    pub lanes: Vec<LaneSummary>,
}

/// A lane in a few words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LaneSummary {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// The updates made.
    pub step: Step,
    /// The updates that were to be made.
    pub steps: u64,
    /// The loss of the last step.
    #[serde(serialize_with = "optional_float")]
    pub loss: Option<f32>,
    /// The training error of the last step's batch, 0 to 1.
    #[serde(serialize_with = "optional_float")]
    pub error: Option<f32>,
    /// The error of the last evaluation on the training split with running statistics, 0 to 1.
    #[serde(serialize_with = "optional_float")]
    pub train_error: Option<f32>,
    /// The error of the last evaluation on the test split with running statistics, 0 to 1.
    #[serde(serialize_with = "optional_float")]
    pub test_error: Option<f32>,
    /// Milliseconds from the start of the run to the lane's last record.
    pub elapsed_ms: f64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn optional_float<S: serde::Serializer>(x: &Option<f32>, serializer: S) -> Result<S::Ok, S::Error> {
    x.map(wire::Float).serialize(serializer)
}

/// Summaries of all runs in `root`, the oldest first; folders whose `run.json` cannot be read stand apart.
pub fn list(root: &Path, now: SystemTime) -> (Vec<RunSummary>, Vec<RunLogError>) {
    let mut runs = Vec::new();
    let mut unreadable = Vec::new();
    for id in ids(root) {
        match summarize(&root.join(id), now) {
            Ok(run) => runs.push(run),
            Err(error) => unreadable.push(error),
        }
    }
    runs.sort_by(|a, b| (a.manifest.started_unix_ms, &a.id).cmp(&(b.manifest.started_unix_ms, &b.id)));
    (runs, unreadable)
}

/// The summary of the run in a folder as it stands at `now`.
///
/// # Errors
/// Where its `run.json` cannot be read. A log that cannot be read is a failed lane.
pub fn summarize(path: &Path, now: SystemTime) -> Result<RunSummary, RunLogError> {
    let folder = RunFolder::open(path)?;
    let manifest = folder.manifest().clone();
    let lane = |(index, lane): (usize, &super::ManifestLane)| {
        let log = folder.log(LaneIdx(index)).unwrap_or_default();
        summarize_lane(&lane.name, &log, manifest.steps, now)
    };
    let lanes: Vec<LaneSummary> = manifest.lanes.iter().enumerate().map(lane).collect();
    let state = lanes.iter().map(|lane| lane.state).max().unwrap_or(State::Crashed);
    let id =
        path.file_name().map_or_else(|| manifest.run.clone(), |name| name.to_string_lossy().into_owned());
    Ok(RunSummary { id, path: path.to_owned(), state, manifest, lanes })
}

fn summarize_lane(name: &str, log: &Path, steps: u64, now: SystemTime) -> LaneSummary {
    let mut lane = LaneSummary {
        name: name.to_owned(),
        state: State::Crashed,
        step: Step(0),
        steps,
        loss: None,
        error: None,
        train_error: None,
        test_error: None,
        elapsed_ms: 0.0,
        reason: None,
    };
    let (last, modified) = match look(log) {
        Ok(found) => found,
        Err(error) => {
            lane.state = State::Failed;
            lane.reason = Some(format!("its log cannot be read: {error}"));
            return lane;
        }
    };
    lane.elapsed_ms = last.at_ms;
    lane.train_error = last.train.map(|e| e.error);
    lane.test_error = last.test.map(|e| e.error);
    let mut step_ms = 0.0;
    if let Some(step) = last.step {
        step_ms = step.time.step_ms;
        lane.step = step.step;
        lane.loss = Some(step.loss);
        lane.error = Some(step.error);
    }
    lane.state = match last.finished {
        Some(finished) => {
            lane.step = finished.step;
            match finished.outcome {
                Outcome::Completed => State::Finished,
                Outcome::Stopped => State::Stopped,
                Outcome::Diverged => State::Diverged,
                Outcome::Failed { reason } => {
                    lane.reason = Some(reason);
                    State::Failed
                }
            }
        }
        None if last.paused => State::Paused,
        None => {
            let silence = now.duration_since(modified).unwrap_or_default();
            let patience = LEAST_SILENCE.as_secs_f64().max(SILENT_STEPS * step_ms / 1e3);
            if silence.as_secs_f64() > patience { State::Crashed } else { State::Running }
        }
    };
    lane
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::{experiment, new_run};
    use std::fs;

    use super::super::tail::FIRST_LOOK;
    use super::*;

    const STARTED: &str = r#"{"lane_started":{"version":1}}"#;

    fn step(step: u64, loss: &str) -> String {
        format!(
            r#"{{"step_finished":{{"step":{step},"loss":{loss},"error":0.5,"learning_rate":0.1,"statistics":{{}},"time":{{"at_ms":{step}00,"step_ms":100,"statistics_ms":0}}}}}}"#
        )
    }

    fn evaluation(split: &str, error: f32) -> String {
        format!(
            r#"{{"evaluation_finished":{{"step":1,"split":"{split}","mode":"eval","images":8,"loss":1,"error":{error},"time":{{"at_ms":150}}}}}}"#
        )
    }

    fn end(outcome: &str) -> String {
        format!(r#"{{"lane_finished":{{"step":2,"outcome":{outcome},"time":{{"at_ms":250}}}}}}"#)
    }

    /// The summary of a run whose first lane has these records and whose second has `others`.
    fn summary(records: &[String], others: &[String], age: Duration) -> RunSummary {
        let root = tempfile::tempdir().unwrap();
        let experiment = experiment();
        let folder = RunFolder::create(root.path(), new_run("quick", &experiment)).unwrap();
        for (lane, records) in [records, others].into_iter().enumerate() {
            let text: String = records.iter().map(|record| format!("{record}\n")).collect();
            fs::write(folder.log(LaneIdx(lane)).unwrap(), text).unwrap();
        }
        let (mut runs, unreadable) = list(root.path(), SystemTime::now() + age);
        assert!(unreadable.is_empty());
        runs.remove(0)
    }

    #[test]
    fn the_state_is_that_of_the_lane_that_needs_most_attention() {
        let done = [STARTED.to_owned(), step(1, "2"), end(r#""completed""#)];
        let with = |last: &[String], age| summary(&[&done[..2], last].concat(), &done, age).state;
        let hour = Duration::from_secs(3600);
        assert_eq!(with(&[end(r#""completed""#)], hour), State::Finished);
        assert_eq!(with(&[end(r#""stopped""#)], hour), State::Stopped);
        assert_eq!(with(&[end(r#""diverged""#)], hour), State::Diverged);
        assert_eq!(with(&[end(r#"{"failed":{"reason":"disk full"}}"#)], hour), State::Failed);
        assert_eq!(with(&[], hour), State::Crashed);
        assert_eq!(with(&[], Duration::from_secs(10)), State::Running);
        let paused = r#"{"paused":{"step":1,"time":{"at_ms":1}}}"#.to_owned();
        assert_eq!(with(std::slice::from_ref(&paused), hour), State::Paused);
        let resumed = paused.replace("paused", "resumed");
        assert_eq!(with(&[paused, resumed], hour), State::Crashed);
    }

    #[test]
    fn figures_are_the_last_ones_even_behind_a_torn_line_and_a_long_record() {
        let long = format!(r#"{{"histograms_taken":{{"x":"{}"}}}}"#, "x".repeat(2 * FIRST_LOOK as usize));
        let torn = r#"{"step_finished":{"step":3,"lo"#.to_owned();
        let records = [
            STARTED.to_owned(),
            step(1, "2.5"),
            evaluation("train", 0.25),
            evaluation("test", 0.75),
            step(2, "\"NaN\""),
            long,
            torn,
        ];
        let mut text = summary(&records, &[], Duration::ZERO);
        let lane = text.lanes.remove(0);
        assert_eq!((lane.step, lane.steps), (Step(2), 60));
        assert!(lane.loss.unwrap().is_nan());
        assert_eq!((lane.train_error, lane.test_error), (Some(0.25), Some(0.75)));
        assert_eq!(lane.elapsed_ms, 200.0);
        let json = serde_json::to_string(&lane).unwrap();
        assert!(json.contains(r#""loss":"NaN""#), "{json}");
    }

    #[test]
    fn a_missing_log_is_a_failed_lane_and_not_a_lost_run() {
        let root = tempfile::tempdir().unwrap();
        let experiment = experiment();
        let folder = RunFolder::create(root.path(), new_run("quick", &experiment)).unwrap();
        let summary = summarize(folder.path(), SystemTime::now()).unwrap();
        assert_eq!(summary.state, State::Failed);
        assert!(summary.lanes[0].reason.as_ref().unwrap().contains("cannot be read"));
    }
}
