//! The end of a log: its last records of each kind, found without reading the whole log. What a return to an earlier
//! state supersedes is decided here by steps only, since only the reader of the whole log knows the places.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;

use super::bounded::{kind, open};
use super::record::{Frame, frame};
use crate::event::wire::Float;
use crate::event::{Mode, Outcome, Split, Time};
use crate::units::Step;

/// The number of bytes at a log's end that are read first; four times as many whenever they do not suffice.
pub(super) const FIRST_LOOK: u64 = 128 << 10;
/// The most bytes at a log's end that are read.
const LAST_LOOK: u64 = 32 << 20;

/// What the last records of a log say.
#[derive(Default)]
pub(super) struct Last {
    /// The last step, and how long it took.
    pub(super) step: Option<(Step, Option<f64>)>,
    pub(super) figures: Figures,
    /// The lane's end.
    pub(super) finished: Option<(Step, Outcome)>,
    /// Whether the very last record says that the lane paused.
    pub(super) paused: bool,
    pub(super) at_ms: f64,
    /// The number of lost records according to the part of the log that was read.
    pub(super) lost_records: u64,
}

/// The figures of a summary, each the newest.
#[derive(Clone, Copy, Default, Deserialize)]
pub(super) struct Figures {
    pub(super) loss: Option<Float>,
    pub(super) error: Option<Float>,
    pub(super) train_error: Option<Float>,
    pub(super) test_error: Option<Float>,
}

impl Figures {
    /// Fills in what is missing.
    fn fill(&mut self, earlier: Figures) {
        self.loss = self.loss.or(earlier.loss);
        self.error = self.error.or(earlier.error);
        self.train_error = self.train_error.or(earlier.train_error);
        self.test_error = self.test_error.or(earlier.test_error);
    }

    fn are_all_there(&self) -> bool {
        let Figures { loss, error, train_error, test_error } = self;
        [loss, error, train_error, test_error].iter().all(|figure| figure.is_some())
    }
}

/// The parts of a record that a summary needs; a record of another kind leaves all of them empty.
#[derive(Deserialize)]
struct Glance {
    measured: Option<Measured>,
    /// The first three are kinds of earlier formats.
    step_finished: Option<StepFinished>,
    histograms_taken: Option<Moment>,
    evaluation_finished: Option<EvaluationFinished>,
    paused: Option<Moment>,
    lane_resumed: Option<Moment>,
    records_lost: Option<RecordsLost>,
    lane_finished: Option<LaneFinished>,
}

#[derive(Deserialize)]
struct Measured {
    step: Step,
    values: Figures,
    #[serde(default)]
    time: Time,
}

#[derive(Deserialize)]
struct StepFinished {
    step: Step,
    loss: Option<Float>,
    error: Option<Float>,
    time: Time,
}

#[derive(Deserialize)]
struct EvaluationFinished {
    step: Step,
    split: Split,
    mode: Mode,
    error: Float,
    time: Time,
}

#[derive(Deserialize)]
struct Moment {
    step: Step,
    #[serde(default)]
    time: Time,
}

#[derive(Deserialize)]
struct RecordsLost {
    records: u64,
    #[serde(default)]
    time: Time,
}

#[derive(Deserialize)]
struct LaneFinished {
    step: Step,
    outcome: Outcome,
    #[serde(default)]
    time: Time,
}

impl Glance {
    /// What was measured, in any format.
    fn measured(&mut self) -> Option<Measured> {
        let of_step = |StepFinished { step, loss, error, time }: StepFinished| {
            let values = Figures { loss, error, ..Figures::default() };
            Measured { step, values, time }
        };
        let of_evaluation = |EvaluationFinished { step, split, mode, error, time }: EvaluationFinished| {
            let values = match (split, mode) {
                (Split::Train, Mode::Eval) => Figures { train_error: Some(error), ..Figures::default() },
                (Split::Test, Mode::Eval) => Figures { test_error: Some(error), ..Figures::default() },
                (_, Mode::Batch) => Figures::default(),
            };
            Measured { step, values, time }
        };
        let of_histograms = |Moment { step, time }| Measured { step, values: Figures::default(), time };
        (self.measured.take())
            .or_else(|| self.step_finished.take().map(of_step))
            .or_else(|| self.evaluation_finished.take().map(of_evaluation))
            .or_else(|| self.histograms_taken.take().map(of_histograms))
    }
}

/// Reads backwards from the end of a log until the last step and evaluations are found.
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
        let enough = last.step.is_some() && last.figures.are_all_there();
        if enough || start == 0 || window >= LAST_LOOK {
            return Ok((last, metadata.modified()?));
        }
        window = window.saturating_mul(4);
    }
}

/// The last complete records of each kind in the end of a log, which begins in the middle of a record unless `whole`.
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
    // A record before a step but of a later step was repeated, even if the `lane_resumed` is missing.
    let (mut latest, mut resumed) = (true, None::<Step>);
    for line in lines().filter(is_sound) {
        let Ok(mut glance) = serde_json::from_slice::<Glance>(line) else { continue };
        let end = resumed;
        let stands = |step: Step| end.is_none_or(|end| step <= end);
        let mut saw = |time: Time| last.at_ms = last.at_ms.max(time.at_ms);
        if let Some(Measured { step, values, time }) = glance.measured() {
            saw(time);
            if stands(step) {
                let made = || (step, None);
                let (made, step_ms) = last.step.get_or_insert_with(made);
                if *made == step {
                    *step_ms = step_ms.or(time.step_ms);
                }
                last.figures.fill(values);
            }
            // Records of the same step still count: an evaluation may follow its step.
            resumed = Some(resumed.map_or(step, |resumed| resumed.min(step)));
        }
        if let Some(LaneFinished { step, outcome, time }) = glance.lane_finished {
            saw(time);
            if resumed.is_none() {
                last.finished.get_or_insert((step, outcome));
            }
        }
        if let Some(RecordsLost { records, time }) = glance.records_lost {
            saw(time);
            last.lost_records = last.lost_records.saturating_add(records);
        }
        last.paused |= latest && glance.paused.is_some();
        latest = false;
        if let Some(Moment { step, time }) = glance.lane_resumed {
            saw(time);
            resumed = Some(resumed.map_or(step, |resumed| resumed.min(step)));
        }
        if last.step.is_some() && last.figures.are_all_there() {
            break;
        }
    }
    last
}
