//! Opens saved lanes through the indexes beside their logs, folds what these lack, and keeps them up to date. Without an
//! index everything is the same, later: the log alone counts. Knows neither screens nor the command line.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{io, thread};

use crate::app::{Answer, App, FOLD_VERSION, HistoryKey, Lane, LaneLabel, Need};
use crate::event::{Kind, LaneStarted, RunEvent};
use crate::history::History;
use crate::runlog::{Index, IndexHead, RunLogError, find_step, write_index};
use crate::units::LaneIdx;

mod effective;
mod index_writer;
pub mod curves;
pub mod replay;

pub use effective::{Superseded, effective};
pub use index_writer::IndexWriter;
use replay::{Replay, ReplayLane, Report};

/// Bytes of a log beyond its index that are worth a new index: less is folded in a few hundredths of a second.
const WORTH_AN_INDEX: u64 = 4 << 20;
/// The part that tells what was passed over in the log.
const REPORT: &str = "report";

/// Saved runs, folded up to the present end of their logs.
#[derive(Debug)]
pub struct Opened {
    /// The state.
    pub app: App,
    /// The logs, read up to there: whoever follows the runs goes on reading.
    pub replay: Replay,
    /// Where more of them can be looked up.
    pub library: Library,
}

/// What answers a state's needs: the logs of its lanes, and the indexes that were taken.
#[derive(Debug, Default)]
pub struct Library {
    lanes: Vec<Volume>,
}

#[derive(Debug)]
struct Volume {
    log: PathBuf,
    index: Option<Index>,
}

/// A lane that was folded from its log, or its index and the rest of its log.
#[derive(Debug)]
struct Folded {
    lane: Lane,
    source: ReplayLane,
    index: Option<Index>,
    /// The bytes of the log that the index lacks.
    unkept: u64,
}

/// Opens the runs in these folders; their lanes follow one another in this order. Lanes are folded side by side.
///
/// # Errors
/// Where a folder holds no run, or a log cannot be read or is of a newer format.
pub fn open(folders: &[PathBuf]) -> Result<Opened, RunLogError> {
    let sources = Replay::open(folders)?.into_lanes();
    let (mut lanes, mut sources_read, mut volumes) = (Vec::new(), Vec::new(), Vec::new());
    for folded in side_by_side(sources, |source| open_lane(source, true)) {
        let Folded { lane, source, index, .. } = folded?;
        volumes.push(Volume { log: source.log.clone(), index });
        lanes.push(lane);
        sources_read.push(source);
    }
    let (app, replay) = (App::of_lanes(lanes), Replay::of_lanes(sources_read));
    Ok(Opened { app, replay, library: Library { lanes: volumes } })
}

/// Writes the indexes of a run's logs, whatever their size.
///
/// # Errors
/// Where a log cannot be read, or an index not be written.
pub fn write_indexes(folder: &Path) -> Result<(), RunLogError> {
    for source in Replay::open(&[folder.to_owned()])?.into_lanes() {
        let Folded { lane, source, .. } = open_lane(source, false)?;
        let failed =
            |cause| RunLogError::Io { action: "write the index of", path: source.log.clone(), cause };
        save_index(&lane, &source).map_err(failed)?;
    }
    Ok(())
}

/// Does something with each lane, on as many threads as there are cores, and gives the results in order.
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

/// Folds a lane up to the present end of its log. Where `save`, a long way that the index lacks is saved in a new
/// one, and the lane goes over to it: its histories then take no memory until they are wanted.
fn open_lane(mut source: ReplayLane, save: bool) -> Result<Folded, RunLogError> {
    let (mut lane, mut index) = match restore(&mut source) {
        Some((lane, index)) => (lane, Some(index)),
        None => (Lane::new(source.idx(), label(&source)), None),
    };
    let from = source.offset();
    if !fold_on(&mut lane, &mut source, index.as_ref())? {
        index = None;
        source = ReplayLane::of_log(source.idx(), source.run, source.name, &source.log);
        lane = Lane::new(source.idx(), label(&source));
        fold_on(&mut lane, &mut source, None)?;
    }
    let unkept = source.offset() - from.min(source.offset());
    if save && unkept >= WORTH_AN_INDEX && save_index(&lane, &source).is_ok_and(|written| written.is_some()) {
        let started = lane.started().cloned();
        if let Some((lane, index)) = started.and_then(|started| take(&source, started)) {
            return Ok(Folded { lane, source, index: Some(index), unkept: 0 });
        }
    }
    Ok(Folded { lane, source, index, unkept })
}

/// Folds a lane on to the present end of its log; false where its index is damaged, and everything is to be folded anew.
fn fold_on(lane: &mut Lane, source: &mut ReplayLane, index: Option<&Index>) -> Result<bool, RunLogError> {
    let mut is_whole = false;
    while let Some(replayed) = source.next_event()? {
        // Once there is something to fold, and only then.
        is_whole = is_whole || fetch_all(lane, index);
        if !is_whole {
            return Ok(false);
        }
        lane.apply(&replayed.event, Some(replayed.bytes.start));
    }
    Ok(true)
}

/// Has every history here, so that more can be folded; false where one cannot be read.
fn fetch_all(lane: &mut Lane, index: Option<&Index>) -> bool {
    let saved = lane.saved_histories();
    saved.into_iter().all(|key| match index.and_then(|index| fetch(lane, index, key)) {
        Some(history) => {
            lane.supply(key, history);
            true
        }
        None => false,
    })
}

/// A history from an index; none where its section is missing or damaged.
fn fetch(lane: &Lane, index: &Index, key: HistoryKey) -> Option<History> {
    lane.history_from(key, &index.part(&lane.section_of(key)?)?)
}

fn label(source: &ReplayLane) -> LaneLabel {
    LaneLabel { run: source.run.clone(), lane: source.name.clone() }
}

/// The lane as its index keeps it; the source then stands where the index ends. None where no index fits, and the
/// source stands at its beginning.
fn restore(source: &mut ReplayLane) -> Option<(Lane, Index)> {
    let index = Index::open(&source.log, &maker())?;
    let started = first_event(&source.log)?;
    let report: Report = postcard::from_bytes(&index.part(REPORT)?).ok()?;
    let position = index.head().position.clone();
    let lane = lane_of(source, started, &index)?;
    source.go_on_from(position, report, lane.state().is_over()).ok()?;
    Some((lane, index))
}

/// The lane as the index keeps it that was just written at the source's place.
fn take(source: &ReplayLane, started: LaneStarted) -> Option<(Lane, Index)> {
    let index = Index::open(&source.log, &maker())?;
    if index.head().position.offset() != source.offset() {
        return None;
    }
    Some((lane_of(source, started, &index)?, index))
}

fn lane_of(source: &ReplayLane, started: LaneStarted, index: &Index) -> Option<Lane> {
    let declared = index.head().position.declared().clone();
    Lane::from_sections(source.idx(), label(source), started, declared, &|name| index.part(name))
}

/// The first event of a log.
fn first_event(log: &Path) -> Option<LaneStarted> {
    let mut lanes = crate::runlog::LogReader::open(log).ok()?;
    loop {
        match lanes.next_entry().ok()?? {
            crate::runlog::Entry::Event {
                event: RunEvent { kind: Kind::LaneStarted(started), .. }, ..
            } => {
                return Some(*started);
            }
            crate::runlog::Entry::Event { .. } => return None,
            _ => {}
        }
    }
}

/// Saves a lane that was folded up to the source's place; gives the bytes written, or none where the lane has not
/// started.
fn save_index(lane: &Lane, source: &ReplayLane) -> io::Result<Option<u64>> {
    let (Some(mut sections), Some(position)) = (lane.to_sections(), source.position()) else {
        return Ok(None);
    };
    let report = postcard::to_stdvec(source.report()).map_err(io::Error::other)?;
    sections.push((REPORT.to_owned(), report));
    let head = IndexHead { maker: maker(), position };
    write_index(&source.log, head, &sections).map(Some)
}

/// What makes these indexes: another version may fold otherwise.
fn maker() -> String {
    format!("skiplane {} fold {FOLD_VERSION}", env!("CARGO_PKG_VERSION"))
}

impl Library {
    /// The logs of a run that this process writes.
    pub fn of_logs(logs: impl IntoIterator<Item = PathBuf>) -> Library {
        Library { lanes: logs.into_iter().map(|log| Volume { log, index: None }).collect() }
    }

    /// Looks up what a state needs; whether anything on screen may have changed. A lane whose index turns out to be
    /// damaged is folded anew from its log.
    pub fn answer(&mut self, app: &mut App, needs: &[Need]) -> bool {
        let mut changed = false;
        for need in needs {
            changed |= self.look_up(app, *need);
        }
        changed
    }

    fn look_up(&mut self, app: &mut App, need: Need) -> bool {
        let (Need::History { lane: idx, .. } | Need::Step { lane: idx, .. }) = need;
        let (Some(volume), Some(lane)) = (self.lanes.get_mut(idx.0), app.lane(idx)) else { return false };
        let answer = match need {
            Need::History { lane: idx, key } => {
                let history = volume.index.as_ref().and_then(|index| fetch(lane, index, key));
                history.map(|history| Answer::History { lane: idx, key, history })
            }
            Need::Step { lane: idx, step, from } => match find_step(&volume.log, from, step, lane.declared())
            {
                Ok(Some((found, values))) => Some(Answer::Step { lane: idx, asked: step, found, values }),
                // The log is away, or no longer what it was; what is merged must do.
                _ => return false,
            },
        };
        match answer {
            Some(answer) => app.answer(answer),
            None => {
                volume.index = None;
                app.replace(fold_anew(lane, &volume.log));
                true
            }
        }
    }

    /// Has every history of a lane here, before more of its events are folded.
    pub fn prepare(&mut self, app: &mut App, idx: LaneIdx) {
        let needs: Vec<Need> = app
            .lane(idx)
            .map(Lane::saved_histories)
            .unwrap_or_default()
            .into_iter()
            .map(|key| Need::History { lane: idx, key })
            .collect();
        if !needs.is_empty() {
            self.answer(app, &needs);
        }
    }
}

/// A lane as folded from the beginning of its log.
fn fold_anew(lane: &Lane, log: &Path) -> Lane {
    let mut source = ReplayLane::of_log(lane.idx(), lane.label().run.clone(), lane.name().to_owned(), log);
    let mut anew = Lane::new(lane.idx(), lane.label().clone());
    // What can be read of it must do.
    let _ = fold_on(&mut anew, &mut source, None);
    if lane.state().is_over() {
        anew.source_ended();
    }
    anew
}
