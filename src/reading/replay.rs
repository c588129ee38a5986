//! Replays the events of saved runs, for review and for following a run that another process writes. Knows nothing of
//! who folds the events; a broken record is skipped without affecting others.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::origin::{Origin, Place, Records};
use crate::event::{Kind, RunEvent};
use crate::runlog::{BadRecord, Entry, RunFolder, RunLogError};
use crate::sources::{Source, SourceReader};
use crate::units::LaneIdx;

/// The most bad records kept with their reasons; further ones are only counted.
const BAD_KEPT: usize = 100;
/// The most unknown kinds of events that are counted separately.
const KINDS_KEPT: usize = 16;

/// The lanes of one or several saved runs, read from their beginning.
#[derive(Debug)]
pub struct Replay {
    lanes: Vec<ReplayLane>,
    /// The lane that is read next.
    current: usize,
}

/// A run to be opened.
#[derive(Clone, Debug)]
pub enum Run {
    /// Of this program, or written for it: a folder.
    Own(PathBuf),
    /// Of another program: its logs, each of which is a lane.
    Foreign(Vec<Arc<Source>>),
}

impl Run {
    /// The folders and files that it is read from, which are not to be written to.
    pub fn paths(&self) -> Vec<PathBuf> {
        match self {
            Run::Own(folder) => vec![folder.clone()],
            Run::Foreign(sources) => sources.iter().map(|source| source.path().to_owned()).collect(),
        }
    }

    /// The folder, if it is a run of this program.
    pub fn folder(&self) -> Option<&PathBuf> {
        match self {
            Run::Own(folder) => Some(folder),
            Run::Foreign(_) => None,
        }
    }
}

/// One lane of a saved run.
#[derive(Debug)]
pub struct ReplayLane {
    /// The run's id.
    pub run: String,
    /// The lane's name in it.
    pub name: String,
    /// Its log.
    pub origin: Origin,
    idx: LaneIdx,
    /// None while the log does not exist.
    reader: Option<Records>,
    finished: bool,
    report: Report,
}

/// An event of a saved run.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// The lane, counted through all runs.
    pub lane: LaneIdx,
    /// What happened.
    pub event: RunEvent,
    /// The bytes of its record in the lane's log, for [`crate::runlog::read_record`].
    pub bytes: Range<u64>,
}

/// What was skipped while reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The first bad records.
    pub bad: Vec<(LaneIdx, BadRecord)>,
    /// How many there were.
    pub bad_count: u64,
    /// Events of kinds that only newer versions know, by kind.
    pub unknown: BTreeMap<String, u64>,
    /// How often a log was found replaced by another while it was followed, and read from its beginning. Its
    /// [`Kind::LaneStarted`] then comes again.
    pub replaced: u64,
}

impl Replay {
    /// Opens the runs in these folders; their lanes follow one another in this order.
    ///
    /// # Errors
    /// If a folder holds no run, or a log cannot be opened. If a log does not exist, its lane has no events, because
    /// a run that has only just started may not have created it yet.
    pub fn open(folders: &[PathBuf]) -> Result<Replay, RunLogError> {
        let runs: Vec<Run> = folders.iter().map(|folder| Run::Own(folder.clone())).collect();
        Replay::open_runs(&runs)
    }

    /// As [`Replay::open`], of runs of this program and of others.
    ///
    /// # Errors
    /// As [`Replay::open`].
    pub fn open_runs(runs: &[Run]) -> Result<Replay, RunLogError> {
        let mut lanes = Vec::new();
        for run in runs {
            match run {
                Run::Own(path) => {
                    let folder = RunFolder::open(path)?;
                    for (index, lane) in folder.manifest().lanes.iter().enumerate() {
                        let log = Origin::Log(folder.log(LaneIdx(index)).unwrap_or_default());
                        let (run, name) = (folder.id().to_owned(), lane.name.clone());
                        lanes.push(ReplayLane::of(LaneIdx(lanes.len()), run, name, log));
                    }
                }
                Run::Foreign(sources) => {
                    let places = lanes.len()..;
                    let all = sources.iter().zip(places);
                    lanes.extend(all.map(|(source, at)| ReplayLane::of_source(LaneIdx(at), source)));
                }
            }
        }
        let lanes: Result<_, _> = lanes.into_iter().map(ReplayLane::opened).collect();
        Ok(Replay::of_lanes(lanes?))
    }

    /// A replay of lanes that may have been read in part.
    pub fn of_lanes(lanes: Vec<ReplayLane>) -> Replay {
        Replay { lanes, current: 0 }
    }

    /// The lanes, to be read separately.
    pub(crate) fn into_lanes(self) -> Vec<ReplayLane> {
        self.lanes
    }

    /// Adds a lane, of a log of another program; returns its place.
    ///
    /// # Errors
    /// If the log cannot be opened.
    pub fn add(&mut self, source: &Arc<Source>) -> Result<LaneIdx, RunLogError> {
        let idx = LaneIdx(self.lanes.len());
        self.lanes.push(ReplayLane::of_source(idx, source).opened()?);
        Ok(idx)
    }

    /// Reads a lane from another log of another program, from its beginning.
    ///
    /// # Errors
    /// If the log cannot be opened; then the lane stays as it is.
    pub fn replace(&mut self, idx: LaneIdx, source: &Arc<Source>) -> Result<(), RunLogError> {
        if let Some(lane) = self.lanes.get_mut(idx.0) {
            *lane = ReplayLane::of_source(idx, source).opened()?;
        }
        Ok(())
    }

    /// The lanes.
    pub fn lanes(&self) -> &[ReplayLane] {
        &self.lanes
    }

    /// What was skipped so far, in all lanes.
    pub fn report(&self) -> Report {
        self.lanes.iter().fold(Report::default(), |all, lane| all.with(&lane.report))
    }

    /// Whether every lane's last event was read.
    pub fn is_finished(&self) -> bool {
        self.lanes.iter().all(|lane| lane.finished)
    }

    /// The next event, lane by lane. None means that there is none yet; a follower of a run that is being written asks
    /// again later.
    ///
    /// # Errors
    /// If a log cannot be read or is of a newer format.
    pub fn next_event(&mut self) -> Result<Option<Replayed>, RunLogError> {
        for _ in 0..self.lanes.len() {
            if let Some(lane) = self.lanes.get_mut(self.current)
                && let Some(replayed) = lane.next_event()?
            {
                return Ok(Some(replayed));
            }
            self.current = (self.current + 1) % self.lanes.len();
        }
        Ok(None)
    }
}

impl ReplayLane {
    /// A lane of a log of another program.
    fn of_source(idx: LaneIdx, source: &Arc<Source>) -> ReplayLane {
        let (run, name) = (source.run.clone(), source.lane.clone());
        ReplayLane::of(idx, run, name, Origin::Foreign(Arc::clone(source)))
    }

    /// The lane with its log opened, if that exists.
    fn opened(mut self) -> Result<ReplayLane, RunLogError> {
        self.reader = self.origin.open()?;
        Ok(self)
    }

    /// A lane by its log, from the beginning.
    pub(crate) fn of(idx: LaneIdx, run: String, name: String, origin: Origin) -> ReplayLane {
        ReplayLane { run, name, origin, idx, reader: None, finished: false, report: Report::default() }
    }

    /// Its place among the lanes.
    pub fn idx(&self) -> LaneIdx {
        self.idx
    }

    /// Whether its log is in a folder.
    pub fn is_in(&self, folder: &Path) -> bool {
        self.origin.path().starts_with(folder)
    }

    /// When its log begins, in milliseconds of Unix time, if the log itself tells.
    pub fn begun_unix_ms(&self) -> Option<i64> {
        self.foreign()?.begun_unix_ms()
    }

    /// Its reader, if its log is one of another program.
    pub fn foreign(&self) -> Option<&SourceReader> {
        self.reader.as_ref().and_then(Records::foreign)
    }

    /// What was skipped so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Up to where its log was read; none while there is no log.
    pub fn place(&self) -> Option<Place> {
        self.reader.as_ref().and_then(Records::place)
    }

    /// Bytes of its log that were read.
    pub fn offset(&self) -> u64 {
        self.reader.as_ref().map_or(0, Records::offset)
    }

    /// Continues from where another reader stopped, with that reader's report.
    ///
    /// # Errors
    /// If the log cannot be opened or has been replaced; the lane is then unchanged.
    pub fn go_on_from(&mut self, place: Place, report: Report, finished: bool) -> Result<(), RunLogError> {
        self.reader = Some(self.origin.open_at(place)?);
        (self.report, self.finished) = (report, finished);
        Ok(())
    }

    /// Whether its last event was read.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The bytes of a torn record at the end of what was read.
    pub fn torn_bytes(&self) -> u64 {
        self.reader.as_ref().map_or(0, Records::torn_bytes)
    }

    /// The next event of the lane; none if there is none yet.
    ///
    /// # Errors
    /// If the log cannot be read or is of a newer format.
    pub fn next_event(&mut self) -> Result<Option<Replayed>, RunLogError> {
        let (lane, report) = (self.idx, &mut self.report);
        if self.reader.is_none() {
            self.reader = self.origin.open()?;
        }
        let Some(reader) = &mut self.reader else { return Ok(None) };
        while let Some(entry) = reader.next_entry()? {
            match entry {
                Entry::Replaced { .. } => {
                    report.replaced += 1;
                    self.finished = false;
                    match self.origin.open()? {
                        Some(again) => *reader = again,
                        None => {
                            self.reader = None;
                            return Ok(None);
                        }
                    }
                }
                Entry::Event { event, bytes } => {
                    match event.kind {
                        Kind::LaneFinished(_) => self.finished = true,
                        Kind::LaneResumed(_) => self.finished = false,
                        _ => {}
                    }
                    return Ok(Some(Replayed { lane, event, bytes }));
                }
                Entry::UnknownKind { kind, .. } => report.note_unknown(kind),
                Entry::Bad(bad) => report.note_bad(lane, bad),
            }
        }
        Ok(None)
    }
}

impl Report {
    /// This report merged with another.
    fn with(mut self, more: &Report) -> Report {
        let room = BAD_KEPT.saturating_sub(self.bad.len());
        self.bad.extend(more.bad.iter().take(room).cloned());
        self.bad_count += more.bad_count;
        self.replaced += more.replaced;
        for (kind, count) in &more.unknown {
            *self.unknown.entry(kind.clone()).or_default() += count;
        }
        self
    }

    fn note_bad(&mut self, lane: LaneIdx, bad: BadRecord) {
        self.bad_count += 1;
        if self.bad.len() < BAD_KEPT {
            self.bad.push((lane, bad));
        }
    }

    fn note_unknown(&mut self, kind: String) {
        let kept = self.unknown.len() < KINDS_KEPT || self.unknown.contains_key(&kind);
        *self.unknown.entry(if kept { kind } else { "others".to_owned() }).or_default() += 1;
    }
}
