//! Reads the records of ranges of steps again, for charts that are zoomed to where a history is merged: at once, or by a
//! thread while the screen goes on.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crossbeam_channel::{Receiver, Select, TryRecvError, bounded};

use super::origin::Origin;
use crate::app::Answer;
use crate::event::{Declared, Kind, Value};
use crate::history::History;
use crate::metric::Metric;
use crate::units::{LaneIdx, Step};

/// A range of a lane's steps to be read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) lane: LaneIdx,
    pub(super) origin: Origin,
    pub(super) bytes: Range<u64>,
    pub(super) steps: (Step, Step),
    pub(super) declared: Declared,
    /// The metrics, each with an empty history for it.
    pub(super) empty: Vec<(Metric, History)>,
}

/// More records than this many a step mean that the lane went back to a checkpoint many times.
const MOST_PER_STEP: u64 = 8;

/// Reads a range, and returns an answer for each of its metrics.
pub(super) fn read(reading: &Reading) -> Vec<Answer> {
    crate::panics::if_asked();
    let Reading { lane, origin, bytes, steps, declared, empty } = reading;
    let mut histories = empty.clone();
    let most = (steps.1.0 - steps.0.0 + 1).saturating_mul(MOST_PER_STEP);
    let is_read = origin
        .read_steps(bytes.clone(), *steps, most, declared, |event| {
            for (metric, history) in &mut histories {
                if let Some(rewind) = event.rewind() {
                    history.rewind(rewind.next());
                }
                let Kind::Measured(values) = &event.kind else { continue };
                match values.get(*metric) {
                    Some(Value::Number(number)) => history.push(event.step, event.time.at_ms, &[*number]),
                    Some(Value::Numbers(numbers)) => history.push(event.step, event.time.at_ms, numbers),
                    Some(Value::Histograms(_)) | None => {}
                }
            }
        })
        .is_ok();
    let answer = |(metric, history)| Answer::Range {
        lane: *lane,
        metric,
        steps: *steps,
        history: Some(history).filter(|_| is_read),
    };
    histories.into_iter().map(answer).collect()
}

/// The answer for each metric of a range that cannot be read.
fn unread(reading: &Reading) -> impl Iterator<Item = Answer> {
    let answer = |(metric, _): &(Metric, History)| Answer::Range {
        lane: reading.lane,
        metric: *metric,
        steps: reading.steps,
        history: None,
    };
    reading.empty.iter().map(answer)
}

/// The ranges that a thread reads; one thread at a time.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    reading: Option<Receiver<Vec<Answer>>>,
}

impl Ranges {
    /// Begins to read, unless others are still being read: then what is still lacking is asked for again after them.
    pub(super) fn begin(&mut self, readings: Vec<Reading>) {
        if readings.is_empty() || self.reading.is_some() {
            return;
        }
        let (sender, receiver) = bounded(1);
        let work = move || {
            let all = AssertUnwindSafe(|| readings.iter().flat_map(read).collect());
            // What panics is not to be asked for again.
            let answers = catch_unwind(all).unwrap_or_else(|_| readings.iter().flat_map(unread).collect());
            // Nobody may wait for them any more.
            _ = sender.send(answers);
        };
        let started = thread::Builder::new().name("ranges".to_owned()).spawn(work);
        self.reading = started.is_ok().then_some(receiver);
    }

    pub(super) fn watch<'a>(&'a self, select: &mut Select<'a>) {
        if let Some(reading) = &self.reading {
            select.recv(reading);
        }
    }

    /// What has been read since the last call.
    pub(super) fn read(&mut self) -> Vec<Answer> {
        let read = self.reading.as_ref().map(Receiver::try_recv);
        match read {
            None | Some(Err(TryRecvError::Empty)) => Vec::new(),
            Some(read) => {
                self.reading = None;
                read.unwrap_or_default()
            }
        }
    }
}
