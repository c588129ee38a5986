//! The summary of a run: from its status if that is complete, else from the ends of its logs. No log is read whole, so
//! that thousands of runs are listed in a moment.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::RunLogError;
use super::folder::RunFolder;
use super::status::Status;
use super::summary::{LaneSummary, RunSummary, State};
use super::tail::{Figures, look};
use crate::event::wire::Float;
use crate::units::LaneIdx;

/// A lane of a run without a status counts as crashed when its log has not grown for at least this long ...
const LEAST_SILENCE: Duration = Duration::from_secs(30);
/// ... and for this many of its last steps.
const SILENT_STEPS: f64 = 20.0;

/// The summary of the run in a folder at the time `now`.
///
/// # Errors
/// Where its `run.json` cannot be read. A log that cannot be read is a failed lane.
pub fn summarize(path: &Path, now: SystemTime) -> Result<RunSummary, RunLogError> {
    let folder = RunFolder::open(path)?;
    let manifest = folder.manifest().clone();
    let status = Status::read(path);
    let life = match &status {
        None => Life::Untold(now),
        Some(status) if status.is_alive(path, now) => Life::Lives,
        Some(_) => Life::Gone,
    };
    let told = |name: &str| status.iter().flat_map(|status| &status.lanes).find(|told| told.name == name);
    let lanes = manifest.lanes.iter().enumerate().map(|(index, lane)| {
        let log = folder.log(LaneIdx(index)).unwrap_or_default();
        let mut summary = summarize_lane(&lane.name, &log, manifest.steps, told(&lane.name), life);
        if life == Life::Gone && !summary.state.is_over() {
            summary.state = State::Crashed;
        }
        summary
    });
    let lanes: Vec<LaneSummary> = lanes.collect();
    let state = lanes.iter().map(|lane| lane.state).max().unwrap_or(State::Crashed);
    let id =
        path.file_name().map_or_else(|| manifest.run.clone(), |name| name.to_string_lossy().into_owned());
    Ok(RunSummary { id, path: path.to_owned(), state, manifest, lanes })
}

/// What is known of the process that trains a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Lives,
    Gone,
    /// Nothing: there is no status. At this time, the age of the logs decides.
    Untold(SystemTime),
}

/// A lane's summary from the status, if its log still has the length given there; else from its log.
fn summarize_lane(
    name: &str,
    log: &PathBuf,
    steps: u64,
    told: Option<&LaneSummary>,
    life: Life,
) -> LaneSummary {
    let length = fs::symlink_metadata(log).map(|metadata| metadata.len());
    if let Some(told) = told
        && length.as_ref().is_ok_and(|length| *length == told.log_bytes)
    {
        return told.clone();
    }
    let mut lane = LaneSummary::new(name, steps);
    let (last, modified) = match look(log) {
        Ok(found) => found,
        // It is about to begin, or its process ended before that.
        Err(error) if error.kind() == io::ErrorKind::NotFound && told.is_some() => return lane,
        Err(error) => {
            lane.state = State::Failed;
            lane.reason = Some(format!("its log cannot be read: {error}"));
            return lane;
        }
    };
    lane.log_bytes = length.unwrap_or_default();
    lane.elapsed_ms = last.at_ms;
    lane.lost_records = told.map_or(0, |told| told.lost_records).max(last.lost_records);
    let of = |figure: Option<Float>| figure.map(|Float(figure)| figure);
    let Figures { loss, error, train_error, test_error } = last.figures;
    (lane.loss, lane.error) = (of(loss), of(error));
    (lane.train_error, lane.test_error) = (of(train_error), of(test_error));
    let mut step_ms = 0.0;
    if let Some((step, took_ms)) = last.step {
        step_ms = took_ms.unwrap_or_default();
        lane.step = step;
    }
    match (last.finished, life) {
        (Some((step, outcome)), _) => {
            lane.step = step;
            lane.end(&outcome);
        }
        (None, _) if last.paused => lane.state = State::Paused,
        (None, Life::Untold(now)) => {
            let silence = now.duration_since(modified).unwrap_or_default();
            let patience = LEAST_SILENCE.as_secs_f64().max(SILENT_STEPS * step_ms / 1e3);
            lane.state = if silence.as_secs_f64() > patience { State::Crashed } else { State::Running };
        }
        (None, Life::Lives | Life::Gone) => {}
    }
    lane
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::{experiment, new_run};
    use super::super::lock::RunLock;
    use super::super::tail::FIRST_LOOK;
    use super::*;
    use crate::units::Step;

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
        summarize(folder.path(), SystemTime::now() + age).unwrap()
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

    /// A run whose lanes have these records, and a status with these lengths of their logs.
    fn with_status(exit: Option<State>) -> (tempfile::TempDir, RunFolder, Status) {
        let root = tempfile::tempdir().unwrap();
        let experiment = experiment();
        let folder = RunFolder::create(root.path(), new_run("quick", &experiment)).unwrap();
        let lane = |index: usize, name: &str| {
            let text = format!("{STARTED}\n{}\n", step(1, "2.5"));
            fs::write(folder.log(LaneIdx(index)).unwrap(), &text).unwrap();
            let state = exit.unwrap_or(State::Running);
            LaneSummary { state, log_bytes: text.len() as u64, loss: Some(7.0), ..LaneSummary::new(name, 60) }
        };
        let lanes = vec![lane(0, "plain"), lane(1, "residual")];
        // A process that does not exist, unlike this one.
        let status = Status { process_start: None, ..Status::now(lanes, Duration::from_secs(1), exit) };
        status.write(folder.path()).unwrap();
        (root, folder, status)
    }

    fn states(folder: &RunFolder) -> (State, Vec<(State, f32)>) {
        let summary = summarize(folder.path(), SystemTime::now()).unwrap();
        let lane = |lane: &LaneSummary| (lane.state, lane.loss.unwrap());
        (summary.state, summary.lanes.iter().map(lane).collect())
    }

    #[test]
    fn a_status_is_believed_as_long_as_the_logs_are_as_it_says() {
        let (_root, folder, _) = with_status(Some(State::Stopped));
        assert_eq!(states(&folder), (State::Stopped, vec![(State::Stopped, 7.0); 2]));
        let log = folder.log(LaneIdx(1)).unwrap();
        let more = fs::read_to_string(&log).unwrap() + &end(r#"{"failed":{"reason":"disk full"}}"#) + "\n";
        fs::write(&log, more).unwrap();
        assert_eq!(states(&folder), (State::Failed, vec![(State::Stopped, 7.0), (State::Failed, 2.5)]));
    }

    #[test]
    fn a_run_without_an_end_runs_as_long_as_its_lock_is_held() {
        let (_root, folder, status) = with_status(None);
        let lock = RunLock::take(folder.path()).unwrap();
        assert_eq!(states(&folder), (State::Running, vec![(State::Running, 7.0); 2]));
        drop(lock);
        assert_eq!(states(&folder), (State::Crashed, vec![(State::Crashed, 7.0); 2]));
        let elsewhere = Status { host: "elsewhere".to_owned(), ..status };
        elsewhere.write(folder.path()).unwrap();
        assert_eq!(states(&folder).0, State::Running);
        let old = Status { heartbeat_unix_ms: elsewhere.heartbeat_unix_ms - 20_000, ..elsewhere };
        old.write(folder.path()).unwrap();
        assert_eq!(states(&folder).0, State::Crashed);
    }
}
