//! A live run: one training thread per lane, and the stream of events from all of them.
//!
//! An event is in its lane's log before it is sent. The channel is bounded and sending never waits: events that find it
//! full are dropped, noticed by the gap in the log's bytes, and read from the log, so that draining delivers every
//! event of a lane, in order. Knows nothing of how events are used.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;

use crate::event::{Declared, Outcome, RunEvent};
use crate::order::Order;
use crate::runlog::RunFolder;
use crate::units::LaneIdx;

mod error;
mod setup;
mod drift;
mod starting;
mod ahead;
mod lane;
mod lane_sink;
mod syncing;
mod orders;
mod draining;
mod status;
mod control;

pub use error::SessionError;
pub use orders::{OrderError, OrderSender};
pub use setup::{Build, Setup};
pub use starting::start;

use lane_sink::{Progress, Wires};

/// An event on its way from a lane.
#[derive(Debug)]
struct LaneEvent {
    lane: LaneIdx,
    event: RunEvent,
    /// Its record in the lane's log; empty if the log lacks it.
    bytes: Range<u64>,
}

/// A problem despite which a lane went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The lane.
    pub lane: LaneIdx,
    /// What could not be done, and why.
    pub problem: String,
}

/// A training run. Dropping it leaves its threads training, without a listener; paused lanes then go on.
pub struct Live {
    folder: RunFolder,
    lanes: Vec<LiveLane>,
    events: Receiver<LaneEvent>,
    warnings: Receiver<Warning>,
    wakeups: Receiver<()>,
    orders: OrderSender,
    /// Keeps the channels open when the lanes have ended.
    wires: Wires,
    filled: u64,
    /// The thread that writes the status.
    status: Option<JoinHandle<()>>,
    /// What went wrong with the run as a whole.
    problems: Vec<String>,
}

struct LiveLane {
    name: String,
    log: PathBuf,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<Outcome>>,
    outcome: Option<Outcome>,
    /// Bytes of the log whose events were handed over, or were there before.
    applied: u64,
    /// The number of dropped events already read from the log.
    dropped: u64,
    /// Whether the events that were delivered are those of the log.
    is_log: bool,
    /// What the delivered events declared.
    declared: Declared,
}

impl Live {
    /// The run's folder, kept open.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// The names of the lanes, in the order of the experiment.
    pub fn lanes(&self) -> impl Iterator<Item = &str> {
        self.lanes.iter().map(|lane| lane.name.as_str())
    }

    /// The lanes' logs, in the same order.
    pub fn logs(&self) -> impl Iterator<Item = &Path> {
        self.lanes.iter().map(|lane| lane.log.as_path())
    }

    /// Becomes ready when there may be something to drain, or a warning; draining resets it.
    pub fn wakeups(&self) -> &Receiver<()> {
        &self.wakeups
    }

    /// Takes the problems of the run as a whole since the last call.
    pub fn take_problems(&mut self) -> Vec<String> {
        std::mem::take(&mut self.problems)
    }

    /// Takes the warnings of lanes since the last call.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        let named = |problem: &str| self.folder.named(problem);
        let warnings = self.warnings.try_iter();
        warnings.map(|Warning { lane, problem }| Warning { lane, problem: named(&problem) }).collect()
    }

    /// The warnings of lanes, by their names, and the problems of the run as a whole since the last call.
    pub fn take_all_problems(&mut self) -> Vec<String> {
        let warnings = self.take_warnings();
        let name = |lane: LaneIdx| self.lanes.get(lane.0).map_or("", |lane| &lane.name);
        let of_lanes =
            warnings.iter().map(|warning| format!("lane {}: {}", name(warning.lane), warning.problem));
        of_lanes.chain(std::mem::take(&mut self.problems)).collect()
    }

    /// Waits until all lanes have ended, and returns what went wrong first: why a lane failed, or what is missing in its
    /// log. Events can still be drained.
    pub fn failure(&mut self) -> Option<String> {
        let outcomes = self.join();
        let failed = self.lanes().zip(outcomes).find_map(|(name, outcome)| match outcome {
            Outcome::Failed { reason } => Some(format!("lane {name} failed: {reason}")),
            _ => None,
        });
        let missing = || self.missing().into_iter().next();
        let in_words = |(lane, what): (LaneIdx, String)| format!("lane {}: {what}", self.lanes[lane.0].name);
        failed.or_else(|| missing().map(in_words))
    }

    /// What is missing in the logs of lanes that ended, in words.
    pub fn missing(&self) -> Vec<(LaneIdx, String)> {
        let lanes = self.lanes.iter().enumerate();
        lanes.filter_map(|(index, lane)| Some((LaneIdx(index), lane.progress.missing()?))).collect()
    }

    /// The bytes of a lane's log whose events were delivered; none if others were delivered, too, because the log lacks
    /// them, or if some could not be read.
    pub fn delivered(&self, lane: LaneIdx) -> Option<u64> {
        self.lanes.get(lane.0).filter(|lane| lane.is_log).map(|lane| lane.applied)
    }

    /// The number of events that found the channel full and were read from the log.
    pub fn filled(&self) -> u64 {
        self.filled
    }

    /// The sender of orders to the lanes.
    pub fn orders(&self) -> &OrderSender {
        &self.orders
    }

    /// Stops every lane that has not ended, each with a checkpoint.
    pub fn stop(&self) {
        // Lanes that have ended are stopped already.
        let _ = self.orders.send(&Order::Stop.into());
    }

    /// Whether all lanes ended and all their events have been delivered.
    pub fn is_finished(&self) -> bool {
        let ended = |lane: &LiveLane| lane.thread.as_ref().is_none_or(JoinHandle::is_finished);
        let drained = |lane: &LiveLane| lane.progress.dropped() == lane.dropped;
        self.lanes.iter().all(ended) && self.events.is_empty() && self.lanes.iter().all(drained)
    }

    /// How many lanes have not ended.
    pub fn open_lanes(&self) -> usize {
        let is_open = |lane: &&LiveLane| lane.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        self.lanes.iter().filter(is_open).count()
    }

    /// Waits until all lanes have ended and returns their outcomes, in the order of the experiment. Events can still be
    /// drained.
    pub fn join(&mut self) -> Vec<Outcome> {
        for lane in &mut self.lanes {
            if let Some(thread) = lane.thread.take() {
                let lost = |_| Outcome::Failed { reason: "the lane's thread ended unexpectedly".to_owned() };
                lane.outcome = Some(thread.join().unwrap_or_else(lost));
            }
        }
        if let Some(Err(_)) = self.status.take().map(JoinHandle::join) {
            self.problems.push("the status thread panicked".to_owned());
        }
        self.lanes.iter().filter_map(|lane| lane.outcome.clone()).collect()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // If every lane has ended, nothing waits.
        let _ = self.orders.send(&Order::Resume.into());
    }
}
