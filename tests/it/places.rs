//! Records of a log that are found without reading those before them: a step from a given byte on, and the end.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use skiplane::event::*;
use skiplane::metric::known;
use skiplane::runlog::{RunFolder, State, find_step, summarize};
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
        let mut event = step(number, 1.0 / number as f32);
        let Kind::Measured(values) = &mut event.kind else { unreachable!() };
        if number % 2 == 0 {
            values.insert(known::ACTIVATION_STD, Value::Numbers(vec![number as f32; 4]));
        }
        log.append(&event).unwrap();
        if number % 500 == 0 {
            for (metric, error) in [(known::TRAIN_ERROR, 0.25), (known::TEST_ERROR, 0.5)] {
                let evaluated = Kind::Measured(Values::default().with(metric, error));
                log.append(&RunEvent::new(Step(number), number as f64, evaluated)).unwrap();
            }
        }
    }
    log.append(&finished(STEPS, Outcome::Completed)).unwrap();
    drop(log);
    let text = fs::read_to_string(&path).unwrap();
    // The first record is there twice and counts once.
    let records = 1 + STEPS + 6 + 1;
    let last = text.lines().last().unwrap();
    assert!(last.contains(&format!("\"record\":{records},")), "records are numbered: {last}");
    (run, path, places)
}

#[test]
fn a_step_is_found_from_any_record_before_it() {
    let root = tempfile::tempdir().unwrap();
    let (_run, log, places) = long_log(root.path());
    let mut declared = Declared::default();
    declared.note(&lane_started("plain")).unwrap();
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
        let step = find_step(&log, places[from - 1], Step(wanted), &declared).unwrap();
        let step =
            step.map(|(step, values)| (step.0, values.numbers(known::ACTIVATION_STD).map(<[f32]>::to_vec)));
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
    // Torn within the last record: the step before is the last.
    let text = fs::read(&log).unwrap();
    let end = text[..text.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    fs::write(&log, &text[..end - 10]).unwrap();
    let lane = summarize(run.path(), SystemTime::now()).unwrap().lanes.remove(0);
    assert_ne!(lane.state, State::Finished);
    assert_eq!(lane.step, Step(STEPS));
}
