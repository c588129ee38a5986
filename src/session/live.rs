//! A live run: a thread a lane that trains, and the stream of events that comes from all of them.
//!
//! An event is in its lane's log before it is sent. The channel is bounded and sending never waits: what
//! finds it full is left out, noticed by the gap in the log's bytes, and read from the log, so that whoever
//! drains sees every event of a lane, in order. Knows nothing of what is done with the events.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::permits::Permits;
use crate::datasets::{BatchOrder, DatasetError};
use crate::event::{Outcome, RunEvent};
use crate::runlog::{
    Entry, LogKeeper, LogReader, RunFolder, RunLock, RunLogError, Status, parse_records, read_records,
};
use crate::text::printable;
use crate::units::LaneIdx;

mod ahead;
mod control;
mod lane;
mod orders;
mod resumption;
mod setup;
mod status;
mod syncing;
mod tap;

pub use setup::{Build, CAPACITY, Setup};

use control::Control;
use orders::Orders;
use status::Board;
use tap::{Progress, Tap, Wires};

/// Warnings that wait to be taken.
const WARNINGS: usize = 256;

/// Why a run could not be started.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The experiment doesn't fit the data.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// A log could not be created.
    #[error(transparent)]
    Log(#[from] RunLogError),
    /// Another process trains it.
    #[error("{}: {}; `skiplane attach` shows it", printable(folder), holder(process))]
    Held {
        /// The run's folder.
        folder: String,
        /// The process and its machine, where they are known.
        process: Option<(u32, String)>,
    },
    /// The run's lock could not be asked for.
    #[error("could not lock {}: {source}", printable(folder))]
    Lock {
        /// The run's folder.
        folder: String,
        /// Why not.
        source: io::Error,
    },
    /// The system gave no thread.
    #[error("expected a thread for {purpose}, found {source}; start fewer lanes, or raise the limit")]
    Thread {
        /// What it is for.
        purpose: String,
        /// Why not.
        source: io::Error,
    },
}

fn holder(process: &Option<(u32, String)>) -> String {
    match process {
        Some((pid, host)) => format!("process {pid} on {} is training it", printable(host)),
        None => "another process is training it".to_owned(),
    }
}

/// What can be asked of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Wait after the current step.
    Pause,
    /// Go on.
    Resume,
    /// Write a checkpoint now.
    Checkpoint,
    /// End with a checkpoint.
    Stop,
}

/// An event on its way from a lane.
#[derive(Debug)]
struct LaneEvent {
    lane: LaneIdx,
    event: RunEvent,
    /// Its record in the lane's log; empty where the log lacks it.
    bytes: Range<u64>,
}

/// A problem that a lane survived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The lane.
    pub lane: LaneIdx,
    /// What could not be done, and why.
    pub problem: String,
}

/// A run that trains in its threads. Dropping it leaves them training, without a listener; what is paused then
/// goes on.
pub struct Live {
    lanes: Vec<LiveLane>,
    events: Receiver<LaneEvent>,
    warnings: Receiver<Warning>,
    bell: Receiver<()>,
    /// Kept so that the bell and the warnings outlive the lanes.
    wires: Wires,
    filled: u64,
    /// The thread that says how the run stands.
    status: Option<JoinHandle<()>>,
    /// What went wrong with the run as a whole.
    problems: Vec<String>,
}

struct LiveLane {
    name: String,
    log: PathBuf,
    orders: Arc<Orders>,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<Outcome>>,
    outcome: Option<Outcome>,
    /// Bytes of the log that earlier parts of the run left.
    earlier: u64,
    /// Bytes of the log whose events were handed over.
    applied: u64,
    /// Dropped events that were looked for in the log.
    dropped: u64,
}

/// Starts a thread for each lane of the experiment.
///
/// # Errors
/// A batch larger than the training split, a run that another process trains, logs that cannot be created, no threads.
/// Lanes that were started before the error are stopped.
pub fn start(mut setup: Setup) -> Result<Live, SessionError> {
    let lock = match setup.lock.take() {
        Some(lock) => lock,
        None => lock(&setup.folder)?,
    };
    let training = &setup.experiment.training;
    let order = BatchOrder::new(setup.dataset.train.len(), training.batch, setup.experiment.seed)?;
    let permits = Permits::new(setup.threads);
    let (events_in, events) = bounded(setup.capacity.max(1));
    let (warnings_in, warnings) = bounded(WARNINGS);
    let (bell_in, bell) = bounded(1);
    let wires = Wires { events: events_in, warnings: warnings_in, bell: bell_in };
    let setup = Arc::new(setup);
    let board = Board::new(setup.summaries());
    // At once, because what an earlier part of the run said of itself is no longer true.
    status::tell(&setup.folder, setup.summaries(), Duration::ZERO, false);
    let mut live = Live {
        lanes: Vec::new(),
        events,
        warnings,
        bell,
        wires,
        filled: 0,
        status: None,
        problems: Vec::new(),
    };
    // What an earlier part of the run left can be drained at once.
    let _ = live.wires.bell.try_send(());
    for index in 0..setup.experiment.lanes.len() {
        match live.start_lane(&setup, LaneIdx(index), order.clone(), &permits, &board) {
            Ok(lane) => live.lanes.push(lane),
            Err(error) => {
                live.command_all(Command::Stop);
                live.join();
                return Err(error);
            }
        }
    }
    let control = live.open_control(&setup.folder, &board);
    let status = status::keep(setup.folder.clone(), lock, control, board);
    let status =
        status.map_err(|source| SessionError::Thread { purpose: "the run's status".to_owned(), source });
    match status {
        Ok(status) => live.status = Some(status),
        Err(error) => {
            live.command_all(Command::Stop);
            live.join();
            return Err(error);
        }
    }
    Ok(live)
}

/// The lock of the run, which is held as long as it trains.
fn lock(folder: &RunFolder) -> Result<RunLock, SessionError> {
    let path = folder.path();
    let folder = || path.display().to_string();
    match RunLock::take(path) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => {
            let process = Status::read(path).map(|status| (status.pid, status.host));
            Err(SessionError::Held { folder: folder(), process })
        }
        Err(source) => Err(SessionError::Lock { folder: folder(), source }),
    }
}

impl Live {
    fn start_lane(
        &self,
        setup: &Arc<Setup>,
        index: LaneIdx,
        order: BatchOrder,
        permits: &Arc<Permits>,
        board: &Arc<Board>,
    ) -> Result<LiveLane, SessionError> {
        let name = setup.experiment.lanes[index.0].name.clone();
        let resumed = setup.resumed.get(index.0);
        let kept = resumed.and_then(|lane| lane.log_bytes);
        let earlier = kept.unwrap_or(0);
        let (orders, log) = (Arc::new(Orders::default()), setup.folder.log(index).unwrap_or_default());
        if let Some(outcome) = resumed.and_then(|lane| lane.outcome.clone()) {
            let (thread, outcome) = (None, Some(outcome));
            let progress = Arc::new(Progress::after(earlier, Arc::default()));
            return Ok(LiveLane {
                name,
                log,
                orders,
                progress,
                thread,
                outcome,
                earlier,
                applied: 0,
                dropped: 0,
            });
        }
        let writer = match kept {
            // Only what is torn at its end is cut.
            Some(whole) => setup.folder.reopen_log(index, whole)?,
            None => setup.folder.create_log(index)?,
        };
        let keeper = LogKeeper::new(writer);
        let progress = Arc::new(Progress::after(keeper.length(), keeper.held()));
        let thread = {
            let (setup, wires, permits) = (Arc::clone(setup), self.wires.clone(), Arc::clone(permits));
            let (orders, progress) = (Arc::clone(&orders), Arc::clone(&progress));
            let pulse = board.pulse(index);
            let body = move || {
                let tap = Tap::open(index, keeper, wires, progress, orders, pulse, permits);
                lane::run(&setup, index, order, tap)
            };
            thread::Builder::new().name(format!("lane-{name}")).spawn(body)
        };
        let thread =
            thread.map_err(|source| SessionError::Thread { purpose: format!("lane {name}"), source })?;
        let (thread, outcome) = (Some(thread), None);
        Ok(LiveLane { name, log, orders, progress, thread, outcome, earlier, applied: 0, dropped: 0 })
    }

    /// The names of the lanes, in the order of the experiment.
    pub fn lanes(&self) -> impl Iterator<Item = &str> {
        self.lanes.iter().map(|lane| lane.name.as_str())
    }

    /// The lanes' logs, in the same order.
    pub fn logs(&self) -> impl Iterator<Item = &Path> {
        self.lanes.iter().map(|lane| lane.log.as_path())
    }

    /// Becomes ready when there may be something to drain, or a warning; draining silences it.
    pub fn bell(&self) -> &Receiver<()> {
        &self.bell
    }

    /// Hands over every event that came since the last time, without waiting: each lane's all and in order.
    pub fn drain(&mut self, mut apply: impl FnMut(LaneIdx, &RunEvent)) {
        self.drain_placed(|lane, event, _| apply(lane, event));
    }

    /// As [`Live::drain`], with the byte of the lane's log at which an event's record begins, where it has one.
    pub fn drain_placed(&mut self, mut apply: impl FnMut(LaneIdx, &RunEvent, Option<u64>)) {
        let _ = self.bell.try_recv();
        // What arrives meanwhile rings again; this bound lets the caller draw in between.
        for _ in 0..self.events.len() {
            let Ok(LaneEvent { lane, event, bytes }) = self.events.try_recv() else { break };
            self.fill_up_to(lane, bytes.start, &mut apply);
            let place = &mut self.lanes[lane.0];
            // Else it, or one after it, was read from the log before it arrived.
            if bytes.start >= place.applied {
                place.applied = bytes.end;
                apply(lane, &event, Some(bytes.start));
            }
        }
        for index in 0..self.lanes.len() {
            let lane = &mut self.lanes[index];
            let dropped = lane.progress.dropped();
            if dropped != lane.dropped {
                lane.dropped = dropped;
                let written = lane.progress.written();
                self.fill_up_to(LaneIdx(index), written, &mut apply);
            }
        }
    }

    /// Hands over what the log holds, or what is held for it, up to a byte and was not handed over yet.
    fn fill_up_to(
        &mut self,
        lane: LaneIdx,
        end: u64,
        apply: &mut impl FnMut(LaneIdx, &RunEvent, Option<u64>),
    ) {
        let place = &mut self.lanes[lane.0];
        if place.applied >= end {
            return;
        }
        let gap = place.applied..end;
        place.applied = end;
        let filled = &mut self.filled;
        let mut each = |event, offset: Option<u64>| {
            *filled += 1;
            apply(lane, &event, offset);
        };
        let (written, held) = place.progress.held().part_of(&gap);
        let read = match gap.start {
            // An earlier part of the run, which may have been damaged since.
            0 => read_beginning(&place.log, written, |event, offset| each(event, Some(offset))),
            start => read_records(&place.log, start..written, |event, offset| each(event, Some(offset))),
        };
        let read = read
            .map_err(|error| error.to_string())
            .and_then(|()| parse_records(&held, |event| each(event, None)));
        if let Err(error) = read {
            let problem = format!("events are missing on screen, though not in the log: {error}");
            let _ = self.wires.warnings.try_send(Warning { lane, problem });
        }
    }

    /// Hands over what the earlier parts of the run left in its logs, so that it can be told from what comes.
    pub fn drain_earlier(&mut self, mut apply: impl FnMut(LaneIdx, &RunEvent, Option<u64>)) {
        for index in 0..self.lanes.len() {
            let earlier = self.lanes[index].earlier;
            self.fill_up_to(LaneIdx(index), earlier, &mut apply);
        }
    }

    /// Lets the run's owner give it orders from elsewhere; training goes on where that cannot be.
    fn open_control(&mut self, folder: &RunFolder, board: &Arc<Board>) -> Option<Control> {
        let board = Arc::clone(board);
        let lanes: Vec<Arc<Orders>> = self.lanes.iter().map(|lane| Arc::clone(&lane.orders)).collect();
        let obey = move |order| {
            lanes.iter().for_each(|lane| lane.give(order));
            !board.is_over()
        };
        match Control::open(folder.path(), Arc::new(obey)) {
            Ok(control) => Some(control),
            Err(error) => {
                self.problems.push(format!("the run takes no orders from elsewhere: {error}"));
                None
            }
        }
    }

    /// Takes the problems of the run as a whole since the last time.
    pub fn take_problems(&mut self) -> Vec<String> {
        std::mem::take(&mut self.problems)
    }

    /// Takes the problems that lanes survived since the last time.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        self.warnings.try_iter().collect()
    }

    /// What the logs of lanes that ended lack, in words.
    pub fn missing(&self) -> Vec<(LaneIdx, String)> {
        let lanes = self.lanes.iter().enumerate();
        lanes.filter_map(|(index, lane)| Some((LaneIdx(index), lane.progress.missing()?))).collect()
    }

    /// Events that found the channel full and were read from the log.
    pub fn filled(&self) -> u64 {
        self.filled
    }

    /// Asks something of one lane; nothing where there is no such lane.
    pub fn command(&self, lane: LaneIdx, command: Command) {
        if let Some(lane) = self.lanes.get(lane.0) {
            lane.orders.give(command);
        }
    }

    /// Asks something of every lane.
    pub fn command_all(&self, command: Command) {
        self.lanes.iter().for_each(|lane| lane.orders.give(command));
    }

    /// Whether all lanes ended and all their events were handed over.
    pub fn is_finished(&self) -> bool {
        let ended = |lane: &LiveLane| lane.thread.as_ref().is_none_or(JoinHandle::is_finished);
        let drained = |lane: &LiveLane| lane.progress.dropped() == lane.dropped;
        self.lanes.iter().all(ended) && self.events.is_empty() && self.lanes.iter().all(drained)
    }

    /// Waits until all lanes ended and says how, in the order of the experiment. Events can still be drained.
    pub fn join(&mut self) -> Vec<Outcome> {
        for lane in &mut self.lanes {
            if let Some(thread) = lane.thread.take() {
                let lost = |_| Outcome::Failed { reason: "the lane's thread was lost".to_owned() };
                lane.outcome = Some(thread.join().unwrap_or_else(lost));
            }
        }
        if let Some(Err(_)) = self.status.take().map(JoinHandle::join) {
            self.problems.push("the thread that says how the run stands was lost".to_owned());
        }
        self.lanes.iter().filter_map(|lane| lane.outcome.clone()).collect()
    }
}

/// Reads the events of a log up to a byte, leaving out what is broken.
fn read_beginning(log: &Path, end: u64, mut each: impl FnMut(RunEvent, u64)) -> Result<(), RunLogError> {
    let mut reader = LogReader::open(log)?;
    while reader.position().offset() < end {
        match reader.next_entry()? {
            // Reading on over the copy of the first record may lead behind the end.
            Some(Entry::Event { event, bytes }) if bytes.start < end => each(event, bytes.start),
            Some(_) => {}
            None => break,
        }
    }
    Ok(())
}

impl Drop for Live {
    fn drop(&mut self) {
        self.command_all(Command::Resume);
    }
}
