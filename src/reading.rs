//! Opens saved lanes through the indexes beside their logs, folds what an index lacks, and keeps indexes up to date.
//! Without an index the result is the same, only slower: the log alone is authoritative. Knows neither screens nor the
//! command line.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{io, thread};

use crate::app::{App, FOLD_VERSION, HistoryKey, Lane, LaneLabel};
use crate::history::History;
use crate::runlog::{Index, RunLogError};

mod effective;
mod index_writer;
mod library;
mod ordered;
mod origin;
mod ranges;
mod orders;
mod resumption;
pub mod curves;
pub mod discovery;
pub mod replay;

pub use effective::{Superseded, effective};
pub use index_writer::IndexWriter;
pub use library::Library;
use library::Volume;
pub use ordered::Ordered;
pub use orders::TakenOrders;
pub use origin::{Origin, Place};
use replay::{Replay, ReplayLane, Report, Run};
pub use resumption::{Resumption, Saved};

/// Bytes of a log beyond its index that make a new index worthwhile: fewer are folded in a few hundredths of a second.
const WORTH_AN_INDEX: u64 = 4 << 20;
/// The section with the report of what was skipped in the log.
const REPORT: &str = "report";
/// The section that says from where the lane can be resumed.
const RESUMPTION: &str = "resumption";

/// Saved runs, folded up to the current end of their logs.
#[derive(Debug)]
pub struct Opened {
    /// The state.
    pub app: App,
    /// The logs, read up to there; followers of the runs continue reading.
    pub replay: Replay,
    /// For looking up more of them.
    pub library: Library,
}

/// A lane that was folded from its log, or from its index and the rest of its log.
#[derive(Debug)]
struct Folded {
    lane: Lane,
    resumption: Resumption,
    source: ReplayLane,
    index: Option<Index<Place>>,
    /// The bytes of the log that the index lacks.
    unkept: u64,
}

/// Opens the runs in these folders; their lanes follow one another in this order. Lanes are folded in parallel.
///
/// # Errors
/// If a folder holds no run, or a log cannot be read or is of a newer format.
pub fn open(folders: &[PathBuf]) -> Result<Opened, RunLogError> {
    open_all(Replay::open(folders)?).map(|(opened, _)| opened)
}

/// As [`open`], of runs of this program and of others.
///
/// # Errors
/// As [`open`].
pub fn open_runs(runs: &[Run]) -> Result<Opened, RunLogError> {
    open_all(Replay::open_runs(runs)?).map(|(opened, _)| opened)
}

/// As [`open`], and also returns from where each lane can be resumed.
///
/// # Errors
/// As [`open`].
pub fn open_to_resume(folders: &[PathBuf]) -> Result<(Opened, Vec<Resumption>), RunLogError> {
    let (opened, mut resumptions) = open_all(Replay::open(folders)?)?;
    let lanes = opened.app.lanes().iter().zip(opened.replay.lanes());
    for (resumption, (lane, source)) in resumptions.iter_mut().zip(lanes) {
        resumption.started = lane.started().cloned().map(Box::new);
        resumption.position = source.place().and_then(Place::into_log);
    }
    Ok((opened, resumptions))
}

fn open_all(replay: Replay) -> Result<(Opened, Vec<Resumption>), RunLogError> {
    let sources = replay.into_lanes();
    let (mut lanes, mut sources_read, mut volumes) = (Vec::new(), Vec::new(), Vec::new());
    let mut resumptions = Vec::new();
    for folded in side_by_side(sources, |source| Folded::open(source, true)) {
        let Folded { lane, resumption, source, index, .. } = folded?;
        resumptions.push(resumption);
        volumes.push(Volume { origin: source.origin.clone(), index });
        lanes.push(lane);
        sources_read.push(source);
    }
    let (app, replay) = (App::of_lanes(lanes), Replay::of_lanes(sources_read));
    Ok((Opened { app, replay, library: Library { lanes: volumes, ..Library::default() } }, resumptions))
}

/// Writes the indexes of a run's logs, whatever their size.
///
/// # Errors
/// If a log cannot be read or an index cannot be written.
pub fn write_indexes(folder: &Path) -> Result<(), RunLogError> {
    for source in Replay::open(&[folder.to_owned()])?.into_lanes() {
        let folded = Folded::open(source, false)?;
        let failed = |cause| RunLogError::Io {
            action: "write the index of",
            path: folded.source.origin.path().to_owned(),
            cause,
        };
        folded.save().map_err(failed)?;
    }
    Ok(())
}

/// Calls `each` for every lane, on as many threads as there are cores, and returns the results in order.
fn side_by_side<T: Send>(lanes: Vec<ReplayLane>, each: impl Fn(ReplayLane) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get()).min(lanes.len());
    let results: Vec<Mutex<Option<T>>> = lanes.iter().map(|_| Mutex::new(None)).collect();
    let lanes: Vec<Mutex<Option<ReplayLane>>> =
        lanes.into_iter().map(|lane| Mutex::new(Some(lane))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((lane, result)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            lanes.get(at).zip(results.get(at))
        } {
            if let Some(lane) = lane.lock().unwrap_or_else(PoisonError::into_inner).take() {
                *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(each(lane));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    results
        .into_iter()
        .filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

impl Folded {
    /// Folds a lane up to the current end of its log. With `save`, if the index lacks much, a new one is written and
    /// the lane switches to it: its histories then take no memory until they are needed.
    fn open(source: ReplayLane, save: bool) -> Result<Folded, RunLogError> {
        let mut folded = Folded::restore(source);
        folded.fold_on()?;
        if save && folded.unkept >= WORTH_AN_INDEX && folded.save().is_ok_and(|written| written.is_some()) {
            folded.go_over();
        }
        Ok(folded)
    }

    /// A lane of which nothing has been folded.
    fn new(source: ReplayLane) -> Folded {
        Folded {
            lane: Lane::new(source.idx(), label(&source)),
            resumption: Resumption::new(&source.name, 0),
            source,
            index: None,
            unkept: 0,
        }
    }

    /// The lane as stored in its index; if no index fits, one of which nothing has been folded.
    fn restore(mut source: ReplayLane) -> Folded {
        let restored = source.origin.index().and_then(|index| {
            let report: Report = section(&index, REPORT)?;
            let resumption: Resumption = section(&index, RESUMPTION)?;
            let lane = lane_of(&source, &index)?;
            source.go_on_from(index.head().position.clone(), report, lane.state().is_over()).ok()?;
            Some((lane, resumption, index))
        });
        match restored {
            Some((lane, resumption, index)) => {
                Folded { lane, resumption, source, index: Some(index), unkept: 0 }
            }
            None => Folded::new(source),
        }
    }

    /// Switches to the index that was just written of it.
    fn go_over(&mut self) {
        let index = self.source.origin.index();
        let Some(index) = index.filter(|index| index.head().position.offset() == self.source.offset()) else {
            return;
        };
        if let Some(lane) = lane_of(&self.source, &index) {
            (self.lane, self.index, self.unkept) = (lane, Some(index), 0);
        }
    }

    /// Folds the rest of the lane up to the current end of its log; from the beginning if its index is damaged.
    fn fold_on(&mut self) -> Result<(), RunLogError> {
        let (mut is_whole, from) = (false, self.source.offset());
        while let Some(replayed) = self.source.next_event()? {
            // Only once there is something to fold.
            is_whole = is_whole || fetch_all(&mut self.lane, self.index.as_ref());
            if !is_whole {
                let ReplayLane { run, name, origin, .. } = &self.source;
                let source = ReplayLane::of(self.source.idx(), run.clone(), name.clone(), origin.clone());
                *self = Folded::new(source);
                continue;
            }
            self.lane.apply(&replayed.event, Some(replayed.bytes.start));
            self.resumption.note(&replayed.event, &replayed.bytes);
        }
        self.unkept += self.source.offset().saturating_sub(from);
        Ok(())
    }

    /// Saves what was folded in the lane's index; returns the bytes written, or none if the lane has not started.
    fn save(&self) -> io::Result<Option<u64>> {
        let Some(sections) = self.lane.to_sections() else { return Ok(None) };
        save(sections, &self.source, &self.resumption)
    }
}

/// Writes the index of a lane from its sections, up to where its source has been read; returns the bytes written, or none
/// if there is no log.
fn save(
    mut sections: Vec<(String, Vec<u8>)>,
    source: &ReplayLane,
    resumption: &Resumption,
) -> io::Result<Option<u64>> {
    let Some(place) = source.place() else { return Ok(None) };
    let report = postcard::to_stdvec(source.report()).map_err(io::Error::other)?;
    let resumption = postcard::to_stdvec(resumption).map_err(io::Error::other)?;
    sections.extend([(REPORT.to_owned(), report), (RESUMPTION.to_owned(), resumption)]);
    source.origin.write_index(place, &sections)
}

/// Loads every history, so that more can be folded; false if one cannot be read.
fn fetch_all(lane: &mut Lane, index: Option<&Index<Place>>) -> bool {
    let saved = lane.saved_histories();
    saved.into_iter().all(|key| match index.and_then(|index| fetch(lane, index, key)) {
        Some(history) => {
            lane.supply(key, history);
            true
        }
        None => false,
    })
}

/// A history from an index; none if its section is missing or damaged.
fn fetch(lane: &Lane, index: &Index<Place>, key: HistoryKey) -> Option<History> {
    lane.history_from(key, &index.section(&lane.section_of(key)?)?)
}

fn label(source: &ReplayLane) -> LaneLabel {
    LaneLabel { run: source.run.clone(), lane: source.name.clone() }
}

/// The content of a section of an index; none if it is missing or damaged.
fn section<T: serde::de::DeserializeOwned>(index: &Index<Place>, name: &str) -> Option<T> {
    postcard::from_bytes(&index.section(name)?).ok()
}

fn lane_of(source: &ReplayLane, index: &Index<Place>) -> Option<Lane> {
    let (started, declared) = source.origin.started_at(&index.head().position)?;
    Lane::from_sections(source.idx(), label(source), started, declared, &|name| index.section(name))
}

/// Identifies the writer of these indexes: another version may fold differently.
fn maker() -> String {
    format!("skiplane {} fold {FOLD_VERSION}", env!("CARGO_PKG_VERSION"))
}
