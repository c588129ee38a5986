//! Starts a run: its lock, its status, a thread per lane, and the channel by which it takes orders.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;

use super::control::Control;
use super::lane_sink::{LaneSink, Progress, Wires};
use super::orders::{OrderReceiver, OrderSender};
use super::status::{self, Board};
use super::{Live, LiveLane, SessionError, Setup, lane};
use crate::datasets::BatchOrder;
use crate::order::LaneOrder;
use crate::runlog::{LogKeeper, Position, RunFolder, RunLock, Status};
use crate::session::control::Asked;
use crate::session::permits::Permits;
use crate::units::LaneIdx;

/// The most warnings waiting to be read.
const WARNINGS: usize = 256;

/// Starts a thread for each lane of the experiment.
///
/// # Errors
/// If the batch is larger than the training split, another process trains the run, or logs or threads cannot be
/// created. Lanes that were started before the error are stopped.
pub fn start(mut setup: Setup) -> Result<Live, SessionError> {
    let lock = match setup.lock.take() {
        Some(lock) if lock.is_in_place() => lock,
        Some(_) => {
            let cause = io::Error::other("expected the lock that was taken, found it removed; start again");
            return Err(SessionError::Lock { folder: setup.folder.path().display().to_string(), cause });
        }
        None => lock(&setup.folder)?,
    };
    setup.folder.hold()?;
    setup.folder.tidy();
    let training = &setup.experiment.training;
    let order = BatchOrder::new(setup.dataset.train.len(), training.batch, setup.experiment.seed)?;
    let permits = setup.permits.take().unwrap_or_else(|| Permits::new(setup.threads));
    let (events_in, events) = bounded(setup.capacity.max(1));
    let (warnings_in, warnings) = bounded(WARNINGS);
    let (wakeups_in, wakeups) = bounded(1);
    let wires = Wires { events: events_in, warnings: warnings_in, wakeups: wakeups_in };
    let setup = Arc::new(setup);
    let board = Board::new(setup.summaries());
    // At once, because the status written by an earlier part of the run is out of date.
    status::tell(&setup.folder, setup.summaries(), Duration::ZERO, false);
    let mut live = Live {
        folder: setup.folder.clone(),
        lanes: Vec::new(),
        events,
        warnings,
        wakeups,
        orders: OrderSender::default(),
        wires,
        filled: 0,
        status: None,
        problems: Vec::new(),
    };
    for (index, lane) in setup.experiment.lanes.iter().enumerate() {
        let orders = live.orders.add(&lane.name);
        match live.start_lane(&setup, LaneIdx(index), order.clone(), orders, &permits, &board) {
            Ok(lane) => live.lanes.push(lane),
            Err(error) => {
                live.stop();
                live.join();
                return Err(error);
            }
        }
    }
    let control = live.open_control(&setup.folder);
    let status = status::keep(setup.folder.clone(), lock, control, board);
    let status =
        status.map_err(|cause| SessionError::Thread { purpose: "the run's status".to_owned(), cause });
    match status {
        Ok(status) => live.status = Some(status),
        Err(error) => {
            live.stop();
            live.join();
            return Err(error);
        }
    }
    Ok(live)
}

/// Takes the lock of the run, which is held as long as it trains.
pub(super) fn lock(folder: &RunFolder) -> Result<RunLock, SessionError> {
    let path = folder.path();
    let folder = || path.display().to_string();
    match RunLock::take(path) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => {
            let process = Status::read(path).map(|status| (status.pid, status.host));
            Err(SessionError::Held { folder: folder(), process })
        }
        Err(cause) => Err(SessionError::Lock { folder: folder(), cause }),
    }
}

impl Live {
    fn start_lane(
        &self,
        setup: &Arc<Setup>,
        index: LaneIdx,
        order: BatchOrder,
        orders: OrderReceiver,
        permits: &Arc<Permits>,
        board: &Arc<Board>,
    ) -> Result<LiveLane, SessionError> {
        let name = setup.experiment.lanes[index.0].name.clone();
        let resumed = setup.resumed.get(index.0);
        let position = resumed.and_then(|lane| lane.position.as_ref());
        let earlier = position.map_or(0, Position::offset);
        let log = setup.folder.log(index).unwrap_or_default();
        let lane = |name, log, progress, thread, outcome| LiveLane {
            name,
            log,
            progress,
            thread,
            outcome,
            applied: earlier,
            is_log: true,
            dropped: 0,
            declared: position.map(|position| position.declared().clone()).unwrap_or_default(),
        };
        if let Some(outcome) = resumed.and_then(|lane| lane.outcome.clone()) {
            let progress = Arc::new(Progress::after(earlier, Arc::default()));
            return Ok(lane(name, log, progress, None, Some(outcome)));
        }
        let writer = match position {
            // Only an incomplete record at its end is cut off.
            Some(whole) => setup.folder.reopen_log(index, whole.offset(), whole.next_number())?,
            None => setup.folder.create_log(index)?,
        };
        let keeper = LogKeeper::new(writer);
        let progress = Arc::new(Progress::after(keeper.length(), keeper.held()));
        let thread = {
            let (setup, wires, permits) = (Arc::clone(setup), self.wires.clone(), Arc::clone(permits));
            let progress = Arc::clone(&progress);
            let pulse = board.pulse(index);
            let body = move || {
                let sink = LaneSink::open(index, keeper, wires, progress, orders, pulse, permits);
                lane::run(&setup, index, order, sink)
            };
            thread::Builder::new().name(format!("lane-{name}")).spawn(body)
        };
        let thread =
            thread.map_err(|cause| SessionError::Thread { purpose: format!("lane {name}"), cause })?;
        Ok(lane(name, log, progress, Some(thread), None))
    }

    /// Lets the run's owner give it orders from other processes; if that fails, training continues without.
    fn open_control(&mut self, folder: &RunFolder) -> Option<Control> {
        let (orders, run) = (self.orders.clone(), folder.id().to_owned());
        let obey = move |asked: Asked| {
            if asked.run.is_some_and(|meant| meant != run) {
                return Err(format!("expected an order for run {run}, found one for another"));
            }
            let order = LaneOrder { order: asked.order, lane: asked.lane };
            orders.send(&order).map_err(|error| error.to_string())
        };
        match Control::open(folder.reach(), Arc::new(obey)) {
            Ok(control) => Some(control),
            Err(error) => {
                self.problems.push(format!("the run takes no orders from other processes: {error}"));
                None
            }
        }
    }
}
