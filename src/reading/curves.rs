//! The curves of a saved run's lanes, for overlaying runs: read from the index of a log and the part of the log after
//! it, so that they are available for a run of any size, in bounded memory.

use std::fs::Metadata;
use std::path::Path;

use super::Origin;
use crate::app::section_of;
use crate::event::Kind;
use crate::history::{Bounds, History, Point};
use crate::metric::{Metric, known};
use crate::runlog::{Entry, LogReader, Position, RunFolder, RunLogError, run_path};
use crate::units::{LaneIdx, Step};

/// The most runs whose curves are read at once.
pub const MOST_RUNS: usize = 24;
/// The most bytes that are read of logs beyond their indexes.
pub const MOST_BYTES: u64 = 512 << 20;
/// The most points of a curve.
pub const MOST_POINTS: usize = 1_024;

/// The curves of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunCurves {
    /// The run's id.
    pub id: String,
    /// The curves of each lane, or why there are none.
    pub lanes: Result<Vec<LaneCurves>, String>,
}

/// The curves of a lane, in at most [`MOST_POINTS`] points each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaneCurves {
    /// The lane's name.
    pub name: String,
    /// The loss of every step's batch.
    pub loss: Vec<Point>,
    /// The test errors that were evaluated with running statistics, 0 to 1.
    pub test: Vec<Point>,
}

/// The numbers that are read.
const METRICS: [Metric; 2] = [known::LOSS, known::TEST_ERROR];

/// Reads the curves of a run in `root`. `budget` is the number of bytes that may still be read of all logs; it is
/// reduced by what was read. If a run needs more, the result is a message instead of curves.
pub fn read(root: &Path, id: &str, budget: &mut u64) -> RunCurves {
    let lanes = read_lanes(root, id, budget).map_err(|error| error.to_string());
    RunCurves { id: id.to_owned(), lanes }
}

fn read_lanes(root: &Path, id: &str, budget: &mut u64) -> Result<Vec<LaneCurves>, RunLogError> {
    let folder = RunFolder::open(&run_path(root, id)?)?;
    let mut lanes = Vec::new();
    for (index, lane) in folder.manifest().lanes.iter().enumerate() {
        let path = folder.log(LaneIdx(index)).unwrap_or_default();
        let metadata = std::fs::symlink_metadata(&path);
        let length = metadata.ok().filter(Metadata::is_file).map_or(0, |metadata| metadata.len());
        let mut curves = LaneCurves { name: lane.name.clone(), ..LaneCurves::default() };
        if length > 0 {
            let [loss, test] = read_log(&path, length, budget)?.map(|history| points(&history));
            (curves.loss, curves.test) = (loss, test);
        }
        lanes.push(curves);
    }
    Ok(lanes)
}

fn points(history: &History) -> Vec<Point> {
    history.level(0, (Step(0), Step(u64::MAX)), MOST_POINTS)
}

/// The histories of a log of this length.
fn read_log(log: &Path, length: u64, budget: &mut u64) -> Result<[History; 2], RunLogError> {
    let (mut histories, position) =
        indexed(log).unwrap_or_else(|| (METRICS.map(|_| History::of_scalars()), Position::default()));
    let rest = length.saturating_sub(position.offset());
    if rest > *budget {
        let reason = format!(
            "{rest} bytes of its log are not indexed, too many to read here; `skiplane review` creates the index"
        );
        return Err(RunLogError::Malformed { path: log.to_owned(), reason });
    }
    *budget -= rest;
    let mut reader = LogReader::open_at(log, position)?;
    while let Some(entry) = reader.next_entry()? {
        let Entry::Event { event, .. } = entry else { continue };
        if let Some(rewind) = event.rewind() {
            histories.iter_mut().for_each(|history| history.rewind(rewind.next()));
        }
        if let Kind::Measured(values) = &event.kind {
            for (metric, history) in METRICS.iter().zip(&mut histories) {
                if let Some(value) = values.number(*metric) {
                    history.push(event.step, event.time.at_ms, &[value]);
                }
            }
        }
    }
    Ok(histories)
}

/// The histories in the index of a log, and the position up to which they cover the log; none if no index fits or it is
/// damaged.
fn indexed(log: &Path) -> Option<([History; 2], Position)> {
    let index = Origin::Log(log.to_owned()).index()?;
    let position = index.head().position.clone().into_log()?;
    let history = |metric| {
        // A metric that is not declared was never measured.
        let Some(section) = section_of(position.declared(), metric, 0) else {
            return Some(History::of_scalars());
        };
        History::from_bytes(&index.section(&section)?, 1, Bounds::SCALARS)
    };
    let [loss, test] = METRICS.map(history);
    Some(([loss?, test?], position))
}
