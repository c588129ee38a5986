//! The lane's side of a live run: events go first to the log, then to the screen, and neither a slow screen nor a full
//! disk blocks training.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::Sender;

use super::orders::OrderReceiver;
use super::status::Pulse;
use super::syncing::Syncing;
use super::{LaneEvent, Warning};
use crate::event::RunEvent;
use crate::order::Order;
use crate::runlog::{Held, LogKeeper};
use crate::session::permits::{Permit, Permits};
use crate::trainer::{Place, Sink};
use crate::units::{LaneIdx, Step};

/// The state of a lane's log, shared with the drain.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The length of the log's whole records in bytes, including those held for it.
    written: AtomicU64,
    /// The number of events that found the channel full.
    dropped: AtomicU64,
    /// The records that are held.
    held: Arc<Held>,
    /// What the log lacks when it has ended, in words.
    missing: Mutex<Option<String>>,
}

impl Progress {
    /// Of a log with so many bytes, and of what is held for it.
    pub(super) fn after(written: u64, held: Arc<Held>) -> Progress {
        Progress { written: AtomicU64::new(written), held, ..Progress::default() }
    }

    /// The number of events that found the channel full so far. Reading [`Progress::written`] afterwards covers them.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Acquire)
    }

    /// The length of the log's whole records in bytes, including those held for it.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// The records that are held for the log.
    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    /// What the log lacks, in words, if it has ended and lacks something.
    pub(super) fn missing(&self) -> Option<String> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The sending sides of a lane's channels.
#[derive(Clone)]
pub(super) struct Wires {
    pub(super) events: Sender<LaneEvent>,
    pub(super) warnings: Sender<Warning>,
    /// Signals that there is something to drain.
    pub(super) wakeups: Sender<()>,
}

/// Where a lane's events go, and where its orders come from.
pub(super) struct LaneSink {
    lane: LaneIdx,
    log: LogKeeper,
    syncing: Syncing,
    wires: Wires,
    progress: Arc<Progress>,
    orders: OrderReceiver,
    /// Dropped after the log is closed, so that the last status describes complete logs.
    pulse: Pulse,
    permits: Arc<Permits>,
    /// None only while the lane is paused.
    permit: Option<Permit>,
    /// The step of the last event.
    pub(super) step: Step,
    /// The number of missing records last reported to the status.
    lost: u64,
}

impl LaneSink {
    /// Waits for a permit to compute.
    pub(super) fn open(
        lane: LaneIdx,
        log: LogKeeper,
        wires: Wires,
        progress: Arc<Progress>,
        orders: OrderReceiver,
        pulse: Pulse,
        permits: Arc<Permits>,
    ) -> LaneSink {
        let permit = Some(permits.acquire());
        let syncing = Syncing::default();
        LaneSink {
            lane,
            log,
            syncing,
            wires,
            progress,
            orders,
            pulse,
            permits,
            permit,
            step: Step(0),
            lost: 0,
        }
    }

    /// Syncs the log after the last event.
    pub(super) fn close(mut self) {
        self.permit = None;
        let finished = self.log.finish();
        self.tell_news();
        if let Err(problem) = finished {
            self.warn(problem.clone());
            *self.progress.missing.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
        }
        self.wake();
    }

    /// Appends an event to the log; the returned range is empty if it is lost.
    fn write(&mut self, event: &RunEvent) -> Range<u64> {
        let bytes = self.log.append(event);
        self.tell_news();
        if let Some(bytes) = &bytes {
            self.progress.written.store(bytes.end, Ordering::Release);
        }
        if self.syncing.is_due(event) {
            self.sync();
        }
        let end = self.progress.written();
        bytes.unwrap_or(end..end)
    }

    /// Starts syncing what is written, without waiting for it.
    fn sync(&mut self) {
        let Some(file) = self.log.file() else { return };
        let (lane, warnings) = (self.lane, self.wires.warnings.clone());
        let failed = move |error| {
            let _ = warnings
                .try_send(Warning { lane, problem: format!("the log may not be on the disk: {error}") });
        };
        self.syncing.start(file, failed);
    }

    /// Reports the state of the log to the user and the status.
    fn tell_news(&mut self) {
        let lost = self.log.lost();
        if lost > self.lost {
            self.pulse.lose(lost - self.lost);
            self.lost = lost;
        }
        for news in self.log.take_news() {
            self.warn(news);
        }
    }

    fn wake(&self) {
        // If it is full, a signal is pending already.
        let _ = self.wires.wakeups.try_send(());
    }
}

impl Sink for LaneSink {
    fn accept(&mut self, event: RunEvent) {
        self.step = event.step;
        let bytes = self.write(&event);
        self.pulse.note(&event);
        // If the channel is full, the event is found in the log; without a receiver it is not needed.
        if self.wires.events.try_send(LaneEvent { lane: self.lane, event, bytes }).is_err() {
            self.progress.dropped.fetch_add(1, Ordering::Release);
        }
        self.wake();
    }

    fn poll(&mut self, step: Step, place: Place) -> Option<Order> {
        if let Some(permit) = &mut self.permit {
            permit.give_way();
        }
        self.orders.poll(step, place)
    }

    fn wait(&mut self, step: Step, place: Place) -> Order {
        self.permit = None;
        let order = self.orders.wait(step, place);
        self.permit = Some(self.permits.acquire());
        order
    }

    fn warn(&mut self, problem: String) {
        // If it is full, hundreds of warnings are pending already.
        let _ = self.wires.warnings.try_send(Warning { lane: self.lane, problem });
        self.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crossbeam_channel::bounded;

    use super::super::status::Board;
    use super::*;
    use crate::event::{Kind, Time};
    use crate::runlog::{LaneSummary, LogWriter};

    #[test]
    fn a_log_that_cannot_be_written_is_told_and_events_arrive_with_their_places() {
        let (events, arrived) = bounded(8);
        let (warnings, warned) = bounded(8);
        let (wakeups, _woken) = bounded(1);
        let wires = Wires { events, warnings, wakeups };
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        let log = LogKeeper::new(LogWriter::create(&run.join("plain.jsonl")).unwrap());
        let progress = Arc::new(Progress::after(0, log.held()));
        let board = Board::new(vec![LaneSummary::new("a", 9), LaneSummary::new("b", 9)]);
        let pulse = board.pulse(LaneIdx(1));
        let permits = Permits::new(1);
        // The folder is away from the beginning.
        fs::rename(&run, folder.path().join("away")).unwrap();
        let mut sink = LaneSink::open(
            LaneIdx(1),
            log,
            wires,
            Arc::clone(&progress),
            OrderReceiver::default(),
            pulse,
            permits,
        );
        for step in 1..=4 {
            sink.accept(RunEvent { step: Step(step), time: Time::default(), kind: Kind::Paused });
        }
        let bytes: Vec<_> = arrived.try_iter().map(|event| event.bytes).collect();
        assert!(bytes.is_sorted_by(|a, b| a.end == b.start && a.start < b.start), "{bytes:?}");
        assert_eq!((progress.written(), progress.dropped()), (bytes[3].end, 0));
        let (written, held) = progress.held().part_of(&(bytes[1].start..bytes[3].start));
        assert_eq!((written, held.len() as u64), (bytes[1].start, bytes[2].end - bytes[1].start));
        let warnings: Vec<Warning> = warned.try_iter().collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].problem.starts_with("the log cannot be written: "));
        assert_eq!(warnings[0].lane, LaneIdx(1));
        fs::rename(folder.path().join("away"), &run).unwrap();
        sink.close();
        let problem = warned.try_recv().unwrap().problem;
        assert_eq!(problem, "the log can be written again; all 4 held records were written");
        assert_eq!(progress.missing(), None);
        assert_eq!(fs::metadata(run.join("plain.jsonl")).unwrap().len(), bytes[3].end);
    }
}
