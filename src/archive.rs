//! Opens saved lanes through the indexes beside their logs, folds what these lack, and keeps them up to date. Without an
//! index everything is the same, later: the log alone counts. Knows neither screens nor the command line.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{io, thread};

use crate::app::parts::Parts;
use crate::app::{App, FOLD_VERSION, Lane, LaneLabel};
use crate::event::{LaneStarted, RunEvent};
use crate::runlog::{Index, IndexHead, RunLogError, find_step, write_index};
use crate::session::replay::{Replay, ReplayLane, Report};
use crate::units::LaneIdx;

mod keeper;

pub use keeper::Keeper;

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
    pub shelf: Shelf,
}

/// The logs behind a state, for what the state does not hold.
#[derive(Debug, Default)]
pub struct Shelf {
    lanes: Vec<Shelved>,
}

#[derive(Debug)]
struct Shelved {
    log: PathBuf,
    kept: Option<Arc<KeptParts>>,
}

/// The parts of a lane in its index.
#[derive(Debug)]
struct KeptParts {
    index: Index,
    /// Whether a part turned out to be damaged.
    broken: AtomicBool,
}

impl Parts for KeptParts {
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.index.part(name)
    }

    fn report(&self, _: &str) {
        self.broken.store(true, Ordering::Relaxed);
    }
}

/// A lane that was folded from its log, or its index and the rest of its log.
#[derive(Debug)]
struct Folded {
    lane: Lane,
    source: ReplayLane,
    kept: Option<Arc<KeptParts>>,
    /// The bytes of the log that the index lacks.
    unkept: u64,
}

/// Opens the runs in these folders; their lanes follow one another in this order. Lanes are folded side by side.
///
/// # Errors
/// Where a folder holds no run, or a log cannot be read or is of a newer format.
pub fn open(folders: &[PathBuf]) -> Result<Opened, RunLogError> {
    let sources = Replay::open(folders)?.into_lanes();
    let (mut lanes, mut sources_read, mut shelved) = (Vec::new(), Vec::new(), Vec::new());
    for folded in side_by_side(sources, |source| open_lane(source, true)) {
        let Folded { lane, source, kept, .. } = folded?;
        shelved.push(Shelved { log: source.log.clone(), kept });
        lanes.push(lane);
        sources_read.push(source);
    }
    let (app, replay) = (App::of_lanes(lanes), Replay::of_lanes(sources_read));
    Ok(Opened { app, replay, shelf: Shelf { lanes: shelved } })
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
    let (mut lane, kept) = match restore(&mut source) {
        Some((lane, kept)) => (lane, Some(kept)),
        None => (Lane::new(source.idx(), label(&source)), None),
    };
    let from = source.offset();
    while let Some(replayed) = source.next_event()? {
        lane.apply(&replayed.event, Some(replayed.bytes.start));
    }
    let unkept = source.offset() - from;
    if save && unkept >= WORTH_AN_INDEX && save_index(&lane, &source).is_ok_and(|written| written.is_some()) {
        let started = lane.started().cloned();
        if let Some((lane, kept)) = started.and_then(|started| take(&source, started)) {
            return Ok(Folded { lane, source, kept: Some(kept), unkept: 0 });
        }
    }
    Ok(Folded { lane, source, kept, unkept })
}

fn label(source: &ReplayLane) -> LaneLabel {
    LaneLabel { run: source.run.clone(), lane: source.name.clone() }
}

/// The lane as its index keeps it; the source then stands where the index ends. None where no index fits, and the
/// source stands at its beginning.
fn restore(source: &mut ReplayLane) -> Option<(Lane, Arc<KeptParts>)> {
    let index = Index::open(&source.log, &maker())?;
    let started = first_event(&source.log)?;
    let report: Report = postcard::from_bytes(&index.part(REPORT)?).ok()?;
    let position = index.head().position.clone();
    let parts = Arc::new(KeptParts { index, broken: AtomicBool::new(false) });
    let lane = lane_of(source, started, &parts)?;
    source.go_on_from(position, report, lane.state().is_over()).ok()?;
    Some((lane, parts))
}

/// The lane as the index keeps it that was just written at the source's place.
fn take(source: &ReplayLane, started: LaneStarted) -> Option<(Lane, Arc<KeptParts>)> {
    let index = Index::open(&source.log, &maker())?;
    if index.head().position.offset() != source.offset() {
        return None;
    }
    let parts = Arc::new(KeptParts { index, broken: AtomicBool::new(false) });
    Some((lane_of(source, started, &parts)?, parts))
}

fn lane_of(source: &ReplayLane, started: LaneStarted, parts: &Arc<KeptParts>) -> Option<Lane> {
    let parts: Arc<dyn Parts> = Arc::<KeptParts>::clone(parts);
    Lane::from_parts(source.idx(), label(source), started, &parts)
}

/// The first event of a log.
fn first_event(log: &Path) -> Option<LaneStarted> {
    let mut lanes = crate::runlog::LogReader::open(log).ok()?;
    loop {
        match lanes.next_entry().ok()?? {
            crate::runlog::Entry::Event { event: RunEvent::LaneStarted(started), .. } => {
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
    let (Some(mut parts), Some(position)) = (lane.to_parts(), source.position()) else { return Ok(None) };
    let report = postcard::to_stdvec(source.report()).map_err(io::Error::other)?;
    parts.push((REPORT.to_owned(), report));
    let head = IndexHead { maker: maker(), position };
    write_index(&source.log, head, &parts).map(Some)
}

/// What makes these indexes: another version may fold otherwise.
fn maker() -> String {
    format!("skiplane {} fold {FOLD_VERSION}", env!("CARGO_PKG_VERSION"))
}

impl Shelf {
    /// The logs of a run that this process writes.
    pub fn of_logs(logs: impl IntoIterator<Item = PathBuf>) -> Shelf {
        Shelf { lanes: logs.into_iter().map(|log| Shelved { log, kept: None }).collect() }
    }

    /// Reads what the cursor stands on where the state holds it only merged with its neighbours, and folds lanes
    /// anew whose index turned out to be damaged. Whether anything on screen may have changed.
    pub fn look_up(&mut self, app: &mut App) -> bool {
        let mut changed = false;
        let step = app.step();
        for (at, shelved) in self.lanes.iter_mut().enumerate() {
            let Some(lane) = app.lane_mut(LaneIdx(at)) else { continue };
            if shelved.kept.take_if(|kept| kept.broken.load(Ordering::Relaxed)).is_some() {
                changed |= fold_anew(lane, &shelved.log);
            }
            if let Some(offset) = lane.wanted_at(step)
                && let Ok(Some(found)) = find_step(&shelved.log, offset, step)
            {
                lane.set_exact(step, found);
                changed = true;
            }
        }
        changed
    }
}

/// Folds a lane from the beginning of its log.
fn fold_anew(lane: &mut Lane, log: &Path) -> bool {
    let mut source = ReplayLane::of_log(lane.idx(), lane.label().run.clone(), lane.name().to_owned(), log);
    let mut anew = Lane::new(lane.idx(), lane.label().clone());
    while let Ok(Some(replayed)) = source.next_event() {
        anew.apply(&replayed.event, Some(replayed.bytes.start));
    }
    if lane.state().is_over() {
        anew.source_ended();
    }
    *lane = anew;
    true
}
