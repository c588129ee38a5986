//! Saved runs are read back as the events that were written, when complete or while they are being written.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use skiplane::app::{App, LaneLabel};
use skiplane::event::*;
use skiplane::metric::known;
use skiplane::reading::replay::Replay;
use skiplane::runlog::{NewRun, RunFolder};
use skiplane::units::{LaneIdx, Step};

use crate::runlog::{experiment, lane_started, sealed};

/// A run of lanes `plain` and `residual`.
pub(crate) fn new_run(root: &Path, name: &str) -> RunFolder {
    let experiment = experiment(&["plain", "residual"]);
    let started = Timestamp::from_millisecond(1_795_436_170_250).unwrap();
    let run = NewRun {
        name,
        experiment: &experiment,
        instruction_set: "baseline".to_owned(),
        threads: 1,
        command: Vec::new(),
        started,
        sweep: None,
    };
    RunFolder::create(root, run).unwrap()
}

pub(crate) fn step(step: u64, loss: f32) -> RunEvent {
    let time = Time {
        at_ms: step as f64 * 100.0,
        step_ms: Some(100.0),
        statistics_ms: Some(1.0),
        ..Time::default()
    };
    RunEvent { step: Step(step), time, kind: Kind::Measured(scalars(loss)) }
}

/// The values of every step.
pub(crate) fn scalars(loss: f32) -> Values {
    Values::default().with(known::LOSS, loss).with(known::ERROR, 0.5).with(known::LEARNING_RATE, 0.1)
}

pub(crate) fn finished(step: u64, outcome: Outcome) -> RunEvent {
    RunEvent::new(Step(step), step as f64 * 100.0 + 50.0, Kind::LaneFinished(LaneFinished { outcome }))
}

fn all(replay: &mut Replay) -> Vec<(usize, u64)> {
    std::iter::from_fn(|| replay.next_event().unwrap()).map(|e| (e.lane.0, e.event.step.0)).collect()
}

#[test]
fn several_runs_become_lanes_side_by_side() {
    let root = tempfile::tempdir().unwrap();
    let mut folders: Vec<PathBuf> = Vec::new();
    for name in ["first", "second"] {
        let folder = new_run(root.path(), name);
        for (lane, label) in ["plain", "residual"].iter().enumerate() {
            let mut log = folder.create_log(LaneIdx(lane)).unwrap();
            log.append(&lane_started(label)).unwrap();
            log.append(&step(1, 2.0)).unwrap();
            log.append(&finished(1, Outcome::Completed)).unwrap();
        }
        folders.push(folder.path().to_owned());
    }
    let mut replay = Replay::open(&folders).unwrap();
    let labels: Vec<&str> = replay.lanes().iter().map(|lane| lane.name.as_str()).collect();
    assert_eq!(labels, ["plain", "residual", "plain", "residual"]);
    assert!(replay.lanes()[2].run.ends_with("-second"));
    let expected: Vec<(usize, u64)> = (0..4).flat_map(|lane| [(lane, 0), (lane, 1), (lane, 1)]).collect();
    assert_eq!(all(&mut replay), expected);
    assert!(replay.is_finished());
    assert_eq!(replay.report(), Default::default());
}

#[test]
fn a_run_is_followed_from_before_its_logs_exist_to_its_end() {
    let root = tempfile::tempdir().unwrap();
    let folder = new_run(root.path(), "live");
    let mut replay = Replay::open(&[folder.path().to_owned()]).unwrap();
    assert_eq!(all(&mut replay), []);
    let mut plain = folder.create_log(LaneIdx(0)).unwrap();
    plain.append(&lane_started("plain")).unwrap();
    assert_eq!(all(&mut replay), [(0, 0)]);
    let mut residual = folder.create_log(LaneIdx(1)).unwrap();
    residual.append(&lane_started("residual")).unwrap();
    plain.append(&step(1, 2.0)).unwrap();
    let mut seen = all(&mut replay);
    seen.sort();
    assert_eq!(seen, [(0, 1), (1, 0)]);
    plain.append(&finished(1, Outcome::Completed)).unwrap();
    residual.append(&finished(0, Outcome::Stopped)).unwrap();
    assert_eq!(all(&mut replay).len(), 2);
    assert!(replay.is_finished());
}

#[test]
fn what_is_broken_is_reported_and_the_rest_replayed() {
    let root = tempfile::tempdir().unwrap();
    let folder = new_run(root.path(), "broken");
    let start = sealed(&serde_json::to_string(&lane_started("plain")).unwrap());
    let step = sealed(&serde_json::to_string(&step(1, f32::NAN)).unwrap());
    let newer = sealed("{\"newer\":{}}");
    let log = format!("{start}nonsense\n{newer}{newer}{step}{}", &step[..20]);
    fs::write(folder.log(LaneIdx(0)).unwrap(), log).unwrap();
    let mut replay = Replay::open(&[folder.path().to_owned()]).unwrap();
    assert_eq!(all(&mut replay), [(0, 0), (0, 1)]);
    let report = replay.report();
    assert_eq!((report.bad_count, report.bad[0].1.line), (1, 2));
    assert_eq!(report.unknown.get("newer"), Some(&2));
    assert_eq!(replay.lanes()[0].torn_bytes(), 20);
    assert!(!replay.is_finished());
}

#[test]
fn a_log_that_is_replaced_while_it_is_followed_is_read_from_its_beginning() {
    let root = tempfile::tempdir().unwrap();
    let folder = new_run(root.path(), "replaced");
    let write = |name: &str, steps: u64| {
        let mut log = folder.create_log(LaneIdx(0)).unwrap();
        log.append(&lane_started(name)).unwrap();
        for at in 1..=steps {
            log.append(&step(at, 1.0)).unwrap();
        }
    };
    write("first", 3);
    let mut replay = Replay::open(&[folder.path().to_owned()]).unwrap();
    let mut app = App::new(vec![LaneLabel { run: "r".to_owned(), lane: "l".to_owned() }]);
    let mut follow = |replay: &mut Replay| {
        while let Some(replayed) = replay.next_event().unwrap() {
            app.apply(replayed.lane, &replayed.event);
        }
        let lane = &app.lanes()[0];
        let name = lane.started().map(|started| started.lane.clone());
        (name, lane.last_step(), lane.loss().len())
    };
    assert_eq!(follow(&mut replay), (Some("first".to_owned()), Step(3), 3));
    fs::remove_file(folder.log(LaneIdx(0)).unwrap()).unwrap();
    assert_eq!(follow(&mut replay), (Some("first".to_owned()), Step(3), 3));
    write("second", 2);
    assert_eq!(follow(&mut replay), (Some("second".to_owned()), Step(2), 2));
    assert_eq!((replay.report().replaced, replay.report().bad_count), (1, 0));
}
