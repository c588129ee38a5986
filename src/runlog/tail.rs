//! The end of a log: its last records of each kind, found without reading it whole.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;

use super::bounded::{kind, open};
use super::record::{Frame, frame};
use crate::event::{
    EvaluationFinished, LaneFinished, LaneResumed, Mode, Moment, RecordsLost, Split, StepTime, wire,
};
use crate::units::Step;

/// Bytes of a log's end that are looked at first; four times as many each time that they do not suffice.
pub(super) const FIRST_LOOK: u64 = 128 << 10;
/// Bytes of a log's end that are looked at at most.
const LAST_LOOK: u64 = 32 << 20;

/// The last records of a log, by kind.
#[derive(Default)]
pub(super) struct Last {
    pub(super) step: Option<LastStep>,
    pub(super) train: Option<EvaluationFinished>,
    pub(super) test: Option<EvaluationFinished>,
    pub(super) finished: Option<LaneFinished>,
    /// Whether the last record of all says that the lane paused.
    pub(super) paused: bool,
    pub(super) at_ms: f64,
    /// Records that the part of the log that was looked at says are lost.
    pub(super) lost_records: u64,
}

/// A record of which only what a summary needs is read; a record of another kind leaves all of it empty.
#[derive(Deserialize)]
struct Glance {
    step_finished: Option<LastStep>,
    evaluation_finished: Option<EvaluationFinished>,
    paused: Option<Moment>,
    lane_resumed: Option<LaneResumed>,
    records_lost: Option<RecordsLost>,
    lane_finished: Option<LaneFinished>,
}

#[derive(Deserialize)]
pub(super) struct LastStep {
    pub(super) step: Step,
    #[serde(with = "wire::float")]
    pub(super) loss: f32,
    #[serde(with = "wire::float")]
    pub(super) error: f32,
    pub(super) time: StepTime,
}

/// Reads back from the end of a log until the last step and evaluations are found.
pub(super) fn look(log: &Path) -> io::Result<(Last, SystemTime)> {
    let mut file = open(log)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other(format!("expected a file, found {}", kind(&metadata))));
    }
    let length = metadata.len();
    let mut window = FIRST_LOOK;
    loop {
        let start = length.saturating_sub(window);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        (&mut file).take(length - start).read_to_end(&mut tail)?;
        let last = last_records(&tail, start == 0);
        let enough = last.step.is_some() && last.train.is_some() && last.test.is_some();
        if enough || start == 0 || window >= LAST_LOOK {
            return Ok((last, metadata.modified()?));
        }
        window = window.saturating_mul(4);
    }
}

/// The last whole records of each kind in the end of a log, which begins in the middle of one unless `whole`.
fn last_records(tail: &[u8], whole: bool) -> Last {
    let mut last = Last::default();
    let Some(end) = tail.iter().rposition(|&byte| byte == b'\n') else { return last };
    let start = if whole { 0 } else { tail.iter().position(|&byte| byte == b'\n').map_or(end, |at| at + 1) };
    let lines = || tail.get(start..end).unwrap_or_default().rsplit(|&byte| byte == b'\n');
    let sealed = lines().any(|line| matches!(frame(line), Frame::Sealed(_)));
    let is_sound = |line: &&[u8]| match frame(line) {
        Frame::Sealed(_) => true,
        Frame::Bare => !sealed,
        Frame::Damaged { .. } => false,
    };
    // What stands before a step and is of a later one was made again, whether or not `lane_resumed` is there to tell.
    let (mut latest, mut resumed) = (true, None::<Step>);
    for line in lines().filter(is_sound) {
        let Ok(glance) = serde_json::from_slice::<Glance>(line) else { continue };
        let end = resumed;
        let stands = |step: Step| end.is_none_or(|end| step <= end);
        let mut saw = |at_ms: f64| last.at_ms = last.at_ms.max(at_ms);
        if let Some(step) = glance.step_finished {
            saw(step.time.at_ms);
            let before = Step(step.step.0.saturating_sub(1));
            if stands(step.step) {
                last.step.get_or_insert(step);
            }
            resumed = Some(resumed.map_or(before, |resumed| resumed.min(before)));
        }
        if let Some(evaluation) = glance.evaluation_finished.filter(|e| e.mode == Mode::Eval) {
            saw(evaluation.time.at_ms);
            if stands(evaluation.step) {
                match evaluation.split {
                    Split::Train => last.train.get_or_insert(evaluation),
                    Split::Test => last.test.get_or_insert(evaluation),
                };
            }
        }
        if let Some(finished) = glance.lane_finished {
            saw(finished.time.at_ms);
            if resumed.is_none() {
                last.finished.get_or_insert(finished);
            }
        }
        if let Some(lost) = glance.records_lost {
            saw(lost.time.at_ms);
            last.lost_records = last.lost_records.saturating_add(lost.records);
        }
        last.paused |= latest && glance.paused.is_some();
        latest = false;
        if let Some(again) = glance.lane_resumed {
            saw(again.time.at_ms);
            resumed = Some(resumed.map_or(again.step, |step| step.min(again.step)));
        }
        if last.step.is_some() && last.train.is_some() && last.test.is_some() {
            break;
        }
    }
    last
}
