//! Records of a log that are found without reading what stands before them: a step from a byte on, and the end.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use skiplane::event::*;
use skiplane::runlog::{RunFolder, State, find_step, summarize};
use skiplane::statistic::Statistic;
use skiplane::units::{LaneIdx, Step};

use crate::replay::{finished, new_run, step};
use crate::runlog::lane_started;

const STEPS: u64 = 1_500;

/// A run of one long lane, with statistics at every second step; its log and the bytes at which the records of steps begin.
fn long_log(root: &std::path::Path) -> (RunFolder, PathBuf, Vec<u64>) {
    let run = new_run(root, "long");
    let mut log = run.create_log(LaneIdx(0)).unwrap();
    log.append(&lane_started("plain")).unwrap();
    let path = run.path().join("plain.jsonl");
    let mut places = Vec::new();
    for number in 1..=STEPS {
        places.push(fs::metadata(&path).unwrap().len());
        let RunEvent::StepFinished(mut event) = step(number, 1.0 / number as f32) else { unreachable!() };
        event.statistics = Columns::default();
        if number % 2 == 0 {
            event.statistics.insert(Statistic::ActivationStd, vec![number as f32; 4]);
        }
        log.append(&RunEvent::StepFinished(event)).unwrap();
        if number % 500 == 0 {
            let time = At { at_ms: number as f64 };
            for (split, error) in [(Split::Train, 0.25), (Split::Test, 0.5)] {
                let (mode, images, loss) = (Mode::Eval, 32, 2.0);
                let step = Step(number);
                let event = EvaluationFinished { step, split, mode, images, loss, error, time };
                log.append(&RunEvent::EvaluationFinished(event)).unwrap();
            }
        }
    }
    log.append(&finished(STEPS, Outcome::Completed)).unwrap();
    drop(log);
    let text = fs::read_to_string(&path).unwrap();
    // The first record stands twice and counts once.
    let records = 1 + STEPS + 6 + 1;
    let last = text.lines().last().unwrap();
    assert!(last.contains(&format!("\"record\":{records},")), "records are numbered: {last}");
    (run, path, places)
}

#[test]
fn a_step_is_found_from_any_record_before_it() {
    let root = tempfile::tempdir().unwrap();
    let (_run, log, places) = long_log(root.path());
    for (from, wanted, found) in [
        (1, 2, Some(2)),
        (1, 900, Some(900)),
        (900, 900, Some(900)),
        // The one before has statistics, this one has none.
        (1, 901, Some(900)),
        (901, 901, None),
        (1_499, 1_500, Some(1_500)),
        (1_400, 9_999, Some(1_500)),
        (1_500, 3, None),
    ] {
        let step = find_step(&log, places[from - 1], Step(wanted)).unwrap();
        let step = step
            .map(|step| (step.step.0, step.statistics.get(Statistic::ActivationStd).map(<[f32]>::to_vec)));
        let expected = found.map(|found: u64| (found, Some(vec![found as f32; 4])));
        assert_eq!(step, expected, "step {wanted} from {from}");
    }
}

#[test]
fn the_end_of_a_long_log_tells_how_its_lane_stands() {
    let root = tempfile::tempdir().unwrap();
    let (run, log, _) = long_log(root.path());
    let length = fs::metadata(&log).unwrap().len();
    assert!(length > 2 * (128 << 10), "longer than what is looked at: {length}");
    let lane = summarize(run.path(), SystemTime::now()).unwrap().lanes.remove(0);
    assert_eq!((lane.state, lane.step, lane.loss), (State::Finished, Step(STEPS), Some(1.0 / STEPS as f32)));
    assert_eq!((lane.train_error, lane.test_error, lane.lost_records), (Some(0.25), Some(0.5), 0));
    // Torn in its last record: the step before is the last.
    let text = fs::read(&log).unwrap();
    let end = text[..text.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    fs::write(&log, &text[..end - 10]).unwrap();
    let lane = summarize(run.path(), SystemTime::now()).unwrap().lanes.remove(0);
    assert_ne!(lane.state, State::Finished);
    assert_eq!(lane.step, Step(STEPS));
}
