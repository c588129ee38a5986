//! Writes the status of a training run: each lane's events are summarised as they come, and a thread writes the summary
//! about every second, at each change of a lane's state, and at the end.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::control::Control;
use crate::event::RunEvent;
use crate::runlog::{LaneSummary, RunFolder, RunLock, State, Status};
use crate::units::LaneIdx;

/// The time between two heartbeats.
const INTERVAL: Duration = Duration::from_secs(1);

/// The current summaries of all lanes.
#[derive(Debug)]
pub(super) struct Board {
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Debug)]
struct Told {
    lanes: Vec<LaneSummary>,
    /// The number of lanes that may still change.
    open: usize,
    /// Whether a state has changed since the status was written.
    changed: bool,
}

impl Board {
    /// A board of lanes as an earlier part of the run left them, or as they begin.
    pub(super) fn new(lanes: Vec<LaneSummary>) -> Arc<Board> {
        let told = Mutex::new(Told { lanes, open: 0, changed: false });
        Arc::new(Board { told, changed: Condvar::new() })
    }

    /// The handle to the board for a lane.
    pub(super) fn pulse(self: &Arc<Board>, lane: LaneIdx) -> Pulse {
        self.lock().open += 1;
        Pulse { board: Arc::clone(self), lane }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change of state, or until `interval` is over; returns the summaries, and whether all lanes have
    /// ended.
    fn wait(&self) -> (Vec<LaneSummary>, bool) {
        let quiet = |told: &mut Told| !told.changed && told.open > 0;
        let waited = self.changed.wait_timeout_while(self.lock(), INTERVAL, quiet);
        let mut told = waited.unwrap_or_else(PoisonError::into_inner).0;
        told.changed = false;
        (told.lanes.clone(), told.open == 0)
    }
}

/// Reports a lane's events to the board. Dropping it says that no more will come.
#[derive(Debug)]
pub(super) struct Pulse {
    board: Arc<Board>,
    lane: LaneIdx,
}

impl Pulse {
    /// Folds an event into the lane's summary.
    pub(super) fn note(&self, event: &RunEvent) {
        let mut told = self.board.lock();
        let Some(lane) = told.lanes.get_mut(self.lane.0) else { return };
        let before = lane.state;
        lane.note(event);
        if lane.state != before {
            told.changed = true;
            self.board.changed.notify_one();
        }
    }
}

impl Pulse {
    /// Adds to the number of records that the log lacks.
    pub(super) fn lose(&self, records: u64) {
        if let Some(lane) = self.board.lock().lanes.get_mut(self.lane.0) {
            lane.lost_records = lane.lost_records.saturating_add(records);
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let mut told = self.board.lock();
        told.open -= 1;
        if let Some(lane) = told.lanes.get_mut(self.lane.0).filter(|lane| !lane.state.is_over()) {
            lane.state = State::Failed;
            lane.reason = Some("the lane's thread ended unexpectedly".to_owned());
        }
        self.board.changed.notify_one();
    }
}

/// Writes the status.
pub(super) fn tell(folder: &RunFolder, mut lanes: Vec<LaneSummary>, interval: Duration, over: bool) {
    crate::panics::if_asked();
    for (index, lane) in lanes.iter_mut().enumerate() {
        let log = folder.log(LaneIdx(index)).unwrap_or_default();
        lane.log_bytes = fs::metadata(log).map_or(0, |metadata| metadata.len());
    }
    let exit = over.then(|| lanes.iter().map(|lane| lane.state).max().unwrap_or(State::Finished));
    // The lanes report a folder that cannot be written to; this thread keeps trying.
    let _ = Status::now(lanes, interval, exit).write(folder.reach());
}

/// Writes the status until all lanes have ended, then closes the control channel and writes it once more; holds the
/// run's lock until that is on the disk.
pub(super) fn keep(
    folder: RunFolder,
    lock: RunLock,
    control: Option<Control>,
    board: Arc<Board>,
) -> io::Result<JoinHandle<()>> {
    let body = move || {
        let (mut last, mut control) = (Instant::now(), control);
        loop {
            let (lanes, over) = board.wait();
            if over {
                drop(control.take());
            }
            let told = AssertUnwindSafe(|| tell(&folder, lanes, last.elapsed(), over));
            // After a panic the lock is held on, as long as lanes train; the next status may be written.
            let _ = catch_unwind(told);
            last = Instant::now();
            if over {
                return drop(lock);
            }
        }
    };
    thread::Builder::new().name("status".to_owned()).spawn(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, LaneFinished, Outcome};
    use crate::units::Step;

    #[test]
    fn a_change_of_state_is_told_at_once_and_the_end_at_the_end() {
        let board = Board::new(["a", "b"].map(|name| LaneSummary::new(name, 9)).to_vec());
        let (a, b) = (board.pulse(LaneIdx(0)), board.pulse(LaneIdx(1)));
        a.note(&RunEvent::new(Step(1), 5.0, Kind::Paused));
        let start = Instant::now();
        let (lanes, over) = board.wait();
        assert_eq!((lanes[0].state, lanes[1].state, over), (State::Paused, State::Running, false));
        let finished = Kind::LaneFinished(LaneFinished { outcome: Outcome::Completed });
        a.note(&RunEvent::new(Step(9), 5.0, finished));
        drop(a);
        assert!(!board.wait().1);
        drop(b);
        let (lanes, over) = board.wait();
        assert_eq!((lanes[0].state, lanes[0].step, over), (State::Finished, Step(9), true));
        assert_eq!(lanes[1].state, State::Failed);
        assert!(start.elapsed() < INTERVAL, "a change of state was not told at once");
    }
}
