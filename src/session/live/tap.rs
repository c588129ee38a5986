//! The lane's end of a live run: events go first to the log, then towards the screen, and neither a slow
//! screen nor a full disk keeps training waiting.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::Sender;

use super::orders::Orders;
use super::status::Pulse;
use super::{LaneEvent, Warning};
use crate::event::RunEvent;
use crate::runlog::LogWriter;
use crate::session::permits::{Permit, Permits};
use crate::trainer::{Control, Sink};
use crate::units::{LaneIdx, Step};

/// What both ends know of a lane's log.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes of whole records in the log.
    written: AtomicU64,
    /// Events that found the channel full.
    dropped: AtomicU64,
}

impl Progress {
    /// Of a log that holds so many bytes already. They count as dropped, so that they are read from the log.
    pub(super) fn after(written: u64) -> Progress {
        Progress { written: AtomicU64::new(written), dropped: AtomicU64::new(u64::from(written > 0)) }
    }

    /// Events that found the channel full so far. What [`Progress::written`] gives after it covers them.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Acquire)
    }

    /// Bytes of whole records in the log.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }
}

/// Where a lane's events are kept: its log.
pub(super) trait Journal: Send {
    /// Appends an event and returns the bytes of its record.
    fn append(&mut self, event: &RunEvent) -> io::Result<Range<u64>>;

    /// Waits until everything is on the disk.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

impl Journal for LogWriter {
    fn append(&mut self, event: &RunEvent) -> io::Result<Range<u64>> {
        LogWriter::append(self, event)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        LogWriter::finish(*self)
    }
}

/// The ends of the channels on a lane's side.
#[derive(Clone)]
pub(super) struct Wires {
    pub(super) events: Sender<LaneEvent>,
    pub(super) warnings: Sender<Warning>,
    /// Says that there is something to drain.
    pub(super) bell: Sender<()>,
}

/// Where a lane's events go, and where its orders come from.
pub(super) struct Tap {
    lane: LaneIdx,
    /// None once writing failed.
    log: Option<Box<dyn Journal>>,
    wires: Wires,
    progress: Arc<Progress>,
    orders: Arc<Orders>,
    /// Dropped after the log is closed, so that the status of a run that is over tells of whole logs.
    pulse: Pulse,
    permits: Arc<Permits>,
    /// None only while the lane is paused.
    permit: Option<Permit>,
    /// The step of the last event.
    pub(super) step: Step,
}

impl Tap {
    /// Waits for a permit to compute.
    pub(super) fn open(
        lane: LaneIdx,
        log: Box<dyn Journal>,
        wires: Wires,
        progress: Arc<Progress>,
        orders: Arc<Orders>,
        pulse: Pulse,
        permits: Arc<Permits>,
    ) -> Tap {
        let permit = Some(permits.acquire());
        Tap { lane, log: Some(log), wires, progress, orders, pulse, permits, permit, step: Step(0) }
    }

    /// Has the log put on the disk, after the last event.
    pub(super) fn close(mut self) {
        self.permit = None;
        if let Some(log) = self.log.take()
            && let Err(error) = log.finish()
        {
            self.warn(format!("the end of the log may not be on the disk: {error}"));
        }
        self.ring();
    }

    /// Appends to the log. After a failure nothing more is written, so that the log stays a true beginning.
    fn write(&mut self, event: &RunEvent) -> Option<Range<u64>> {
        match self.log.as_mut()?.append(event) {
            Ok(bytes) => {
                self.progress.written.store(bytes.end, Ordering::Release);
                Some(bytes)
            }
            Err(error) => {
                self.log = None;
                let step = event.step();
                self.warn(format!("the log ends before step {step}, training goes on without it: {error}"));
                None
            }
        }
    }

    fn ring(&self) {
        // A bell that rings already is as good.
        let _ = self.wires.bell.try_send(());
    }
}

impl Sink for Tap {
    fn accept(&mut self, event: RunEvent) {
        self.step = event.step();
        let bytes = self.write(&event);
        self.pulse.note(&event);
        // Where the channel is full the event is found in the log; where nobody listens it need not be.
        if self.wires.events.try_send(LaneEvent { lane: self.lane, event, bytes }).is_err() {
            self.progress.dropped.fetch_add(1, Ordering::Release);
        }
        self.ring();
    }

    fn poll(&mut self) -> Control {
        if let Some(permit) = &mut self.permit {
            permit.give_way();
        }
        self.orders.poll()
    }

    fn wait(&mut self) -> Control {
        self.permit = None;
        let control = self.orders.wait();
        self.permit = Some(self.permits.acquire());
        control
    }

    fn warn(&mut self, problem: String) {
        // Full means that hundreds of warnings wait already; one more would tell nothing new.
        let _ = self.wires.warnings.try_send(Warning { lane: self.lane, problem });
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::super::status::Board;
    use super::*;
    use crate::event::{At, Moment};

    /// A log on a disk that is full after two records.
    struct FullDisk {
        length: u64,
    }

    impl Journal for FullDisk {
        fn append(&mut self, _: &RunEvent) -> io::Result<Range<u64>> {
            self.length += 10;
            if self.length > 20 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(self.length - 10..self.length)
        }

        fn finish(self: Box<Self>) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_told_once_and_events_still_arrive() {
        let (events, arrived) = bounded(8);
        let (warnings, warned) = bounded(8);
        let (bell, _rung) = bounded(1);
        let wires = Wires { events, warnings, bell };
        let progress = Arc::new(Progress::default());
        let log = Box::new(FullDisk { length: 0 });
        let pulse = Board::new(Vec::new()).pulse(LaneIdx(1));
        let mut tap =
            Tap::open(LaneIdx(1), log, wires, Arc::clone(&progress), Arc::default(), pulse, Permits::new(1));
        for step in 1..=4 {
            tap.accept(RunEvent::Paused(Moment { step: Step(step), time: At::default() }));
        }
        tap.close();
        let bytes: Vec<_> = arrived.try_iter().map(|event| event.bytes).collect();
        assert_eq!(bytes, [Some(0..10), Some(10..20), None, None]);
        assert_eq!((progress.written(), progress.dropped()), (20, 0));
        let warnings: Vec<Warning> = warned.try_iter().collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].problem.starts_with("the log ends before step 3, training goes on without it: "));
        assert_eq!(warnings[0].lane, LaneIdx(1));
    }
}
