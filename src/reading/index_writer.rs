//! Writes the indexes of a run that trains in this process, from the state that is folded while it trains. Indexes are
//! optional, so failures are ignored.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::replay::{Replay, ReplayLane};
use super::{Folded, Resumption, WORTH_AN_INDEX, save};
use crate::app::App;
use crate::units::LaneIdx;

/// The lanes of a run, and the thread that writes their indexes.
#[derive(Debug)]
pub struct IndexWriter {
    /// The place of the run's first lane in the state.
    first: LaneIdx,
    lanes: Vec<Indexed>,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// A lane with the last index that was made of it.
#[derive(Debug)]
struct Indexed {
    /// Bytes of the log that it covers.
    covered: u64,
    /// Its length in bytes.
    written: Arc<AtomicU64>,
}

/// An index to be written: of a lane as it was folded up to a byte of its log.
#[derive(Debug)]
struct Job {
    lane: LaneIdx,
    folded: u64,
    sections: Vec<(String, Vec<u8>)>,
}

/// What an index has beside the lane: where a reader of its log stands, and where it can be resumed.
struct Walked {
    source: ReplayLane,
    resumption: Resumption,
    written: Arc<AtomicU64>,
}

impl IndexWriter {
    /// Writes the indexes of the run in a folder from now on, whose lanes have their places in the state from `first` on.
    pub fn start(folder: &Path, first: LaneIdx) -> IndexWriter {
        let sources = Replay::open(&[folder.to_owned()]).map(Replay::into_lanes).unwrap_or_default();
        let (mut lanes, mut walked) = (Vec::new(), Vec::new());
        for source in sources {
            let Folded { source, resumption, .. } = Folded::restore(source);
            let written = Arc::new(AtomicU64::new(0));
            lanes.push(Indexed { covered: source.offset(), written: Arc::clone(&written) });
            walked.push(Walked { source, resumption, written });
        }
        // One index waits at most: another is made once there is time for it.
        let (jobs, todo) = bounded(1);
        let thread =
            thread::Builder::new().name("indexes".to_owned()).spawn(move || write_all(walked, &todo));
        IndexWriter { first, lanes, jobs: Some(jobs), thread: thread.ok() }
    }

    /// Has the index of a lane written if its log has grown enough. `folded` tells up to which byte of its log a lane is
    /// folded in the state, counted from the run's first; none if its state has more than its log.
    pub fn offer(&mut self, app: &App, folded: impl Fn(LaneIdx) -> Option<u64>) {
        // An index is written once the log has grown by the length of the last one, so that writing indexes takes no
        // longer than writing the log.
        let due = |lane: &Indexed| WORTH_AN_INDEX.max(lane.written.load(Ordering::Relaxed));
        let Some(jobs) = self.jobs.as_ref().filter(|jobs| jobs.is_empty()) else { return };
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(job) = job(app, self.first, LaneIdx(at), lane.covered + due(lane), &folded) {
                lane.covered = job.folded;
                let _ = jobs.try_send(job);
                return;
            }
        }
    }

    /// Writes what is worth an index at the end of the run, and waits until that is done.
    pub fn finish(mut self, app: &App, folded: impl Fn(LaneIdx) -> Option<u64>) {
        for (at, lane) in self.lanes.iter().enumerate() {
            let job = job(app, self.first, LaneIdx(at), lane.covered + WORTH_AN_INDEX, &folded);
            if let Some((jobs, job)) = self.jobs.as_ref().zip(job) {
                let _ = jobs.send(job);
            }
        }
        self.end();
    }

    fn end(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for IndexWriter {
    fn drop(&mut self) {
        self.end();
    }
}

/// The index of a lane, if it is folded at least up to a byte of its log.
fn job(
    app: &App,
    first: LaneIdx,
    lane: LaneIdx,
    least: u64,
    folded: &impl Fn(LaneIdx) -> Option<u64>,
) -> Option<Job> {
    let folded = folded(lane).filter(|folded| *folded >= least)?;
    Some(Job { lane, folded, sections: app.lane(LaneIdx(first.0 + lane.0))?.to_sections()? })
}

fn write_all(mut lanes: Vec<Walked>, todo: &Receiver<Job>) {
    for Job { lane, folded, sections } in todo {
        crate::panics::if_asked();
        let Some(walked) = lanes.get_mut(lane.0) else { continue };
        if walked.go_to(folded).is_some()
            && let Ok(Some(written)) = save(sections, &walked.source, &walked.resumption)
        {
            walked.written.store(written, Ordering::Relaxed);
        }
    }
}

impl Walked {
    /// Reads the log on up to a byte; none if no record ends there.
    fn go_to(&mut self, end: u64) -> Option<()> {
        while self.source.offset() < end {
            let replayed = self.source.next_event().ok()??;
            self.resumption.note(&replayed.event, &replayed.bytes);
        }
        (self.source.offset() == end).then_some(())
    }
}
