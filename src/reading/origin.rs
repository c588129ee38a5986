//! Where the events of a lane come from: a log of this program, or one of another, which are read alike from here on.

use std::fs;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::maker;
use crate::event::{Declared, LaneStarted, RunEvent, Values};
use crate::runlog::{
    Entry, Index, IndexHead, LogReader, Position, RunLogError, anchors_of, find_step, first_event, index_of,
    read_steps, write_index,
};
use crate::sources::{self, Source, SourceReader};
use crate::units::Step;

/// A log.
#[derive(Clone, Debug)]
pub enum Origin {
    /// Of this program, or written for it.
    Log(PathBuf),
    /// Of another program.
    Foreign(Arc<Source>),
}

impl Default for Origin {
    fn default() -> Origin {
        Origin::Log(PathBuf::new())
    }
}

/// A place in a log, from which another reader can continue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Place {
    /// In a log of this program.
    Log(Box<Position>),
    /// In one of another.
    Foreign(Box<sources::Position>),
}

/// Reads the records of a log.
#[derive(Debug)]
pub(super) enum Records {
    Log(Box<LogReader<File>>),
    Foreign(Box<SourceReader>),
}

impl Place {
    /// The number of bytes before it.
    pub fn offset(&self) -> u64 {
        match self {
            Place::Log(position) => position.offset(),
            Place::Foreign(position) => position.offset(),
        }
    }

    /// The place in a log of this program.
    pub(super) fn into_log(self) -> Option<Position> {
        match self {
            Place::Log(position) => Some(*position),
            Place::Foreign(_) => None,
        }
    }
}

impl Origin {
    /// The file, or the folder of its files.
    pub fn path(&self) -> &Path {
        match self {
            Origin::Log(log) => log,
            Origin::Foreign(source) => source.path(),
        }
    }

    /// The name of its format.
    pub fn format(&self) -> &'static str {
        match self {
            Origin::Log(_) => "a log of skiplane",
            Origin::Foreign(source) => source.format(),
        }
    }

    /// The log, if it is one of this program.
    pub fn log(&self) -> Option<&Path> {
        match self {
            Origin::Log(log) => Some(log),
            Origin::Foreign(_) => None,
        }
    }

    /// Opens it at its beginning; none if it does not exist.
    pub(super) fn open(&self) -> Result<Option<Records>, RunLogError> {
        match self {
            Origin::Log(log) => match LogReader::open(log) {
                Ok(reader) => Ok(Some(Records::Log(Box::new(reader)))),
                Err(RunLogError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
            Origin::Foreign(source) => Ok(Some(Records::Foreign(Box::new(SourceReader::open(source))))),
        }
    }

    /// Opens it where another reader stopped.
    pub(super) fn open_at(&self, place: Place) -> Result<Records, RunLogError> {
        match (self, place) {
            (Origin::Log(log), Place::Log(position)) => {
                Ok(Records::Log(Box::new(LogReader::open_at(log, *position)?)))
            }
            (Origin::Foreign(source), Place::Foreign(position)) => {
                Ok(Records::Foreign(Box::new(SourceReader::open_at(source, *position)?)))
            }
            (_, _) => Err(RunLogError::Malformed {
                path: self.path().to_owned(),
                reason: "expected a place in a log of this kind, found another".to_owned(),
            }),
        }
    }

    /// The index that fits it; none if there is none.
    pub(super) fn index(&self) -> Option<Index<Place>> {
        let anchors = |place: &Place| self.anchors(place);
        Index::open(&self.index_path()?, &maker(), anchors)
    }

    /// Writes its index; returns the length.
    pub(super) fn write_index(
        &self,
        place: Place,
        sections: &[(String, Vec<u8>)],
    ) -> io::Result<Option<u64>> {
        let Some(path) = self.index_path() else { return Ok(None) };
        let anchors = self.anchors(&place)?;
        let permissions = match self {
            // The index has the permissions of the log.
            Origin::Log(log) => Some(log.metadata()?.permissions()),
            Origin::Foreign(_) => {
                fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
                None
            }
        };
        let head = IndexHead { maker: maker(), position: place };
        write_index(&path, permissions, head, anchors, sections).map(Some)
    }

    fn index_path(&self) -> Option<PathBuf> {
        match self {
            Origin::Log(log) => Some(index_of(log)),
            Origin::Foreign(source) => source.index().map(Path::to_owned),
        }
    }

    fn anchors(&self, place: &Place) -> io::Result<[u32; 2]> {
        match (self, place) {
            (Origin::Log(log), place) => anchors_of(log, place.offset()),
            // A position in a log of another program has its own.
            (Origin::Foreign(_), _) => Ok([0, 0]),
        }
    }

    /// How the lane starts and what it had declared up to a place.
    pub(super) fn started_at(&self, place: &Place) -> Option<(LaneStarted, Declared)> {
        match (self, place) {
            (Origin::Log(log), Place::Log(position)) => {
                Some((first_event(log).ok()??, position.declared().clone()))
            }
            (Origin::Foreign(source), Place::Foreign(position)) => Some(position.started(source)),
            (_, _) => None,
        }
    }

    /// What was measured over axes at the last step that is not after `step`, searched from a byte on.
    pub(super) fn find_step(
        &self,
        from: u64,
        step: Step,
        declared: &Declared,
    ) -> Result<Option<(Step, Values)>, RunLogError> {
        match self {
            Origin::Log(log) => find_step(log, from, step, declared),
            Origin::Foreign(source) => sources::find_step(source, from, step),
        }
    }

    /// Reads what was measured in a range of steps again, from a range of bytes.
    pub(super) fn read_steps(
        &self,
        bytes: Range<u64>,
        steps: (Step, Step),
        most: u64,
        declared: &Declared,
        each: impl FnMut(RunEvent),
    ) -> Result<(), RunLogError> {
        match self {
            Origin::Log(log) => read_steps(log, bytes, steps, most, declared, each),
            Origin::Foreign(source) => sources::read_steps(source, bytes, steps, most, each),
        }
    }
}

impl Records {
    pub(super) fn next_entry(&mut self) -> Result<Option<Entry>, RunLogError> {
        match self {
            Records::Log(reader) => reader.next_entry(),
            Records::Foreign(reader) => reader.next_entry(),
        }
    }

    pub(super) fn place(&self) -> Option<Place> {
        match self {
            Records::Log(reader) => Some(Place::Log(Box::new(reader.position().clone()))),
            Records::Foreign(reader) => reader.position().map(|position| Place::Foreign(Box::new(position))),
        }
    }

    pub(super) fn offset(&self) -> u64 {
        match self {
            Records::Log(reader) => reader.position().offset(),
            Records::Foreign(reader) => reader.offset(),
        }
    }

    pub(super) fn foreign(&self) -> Option<&SourceReader> {
        match self {
            Records::Log(_) => None,
            Records::Foreign(reader) => Some(reader),
        }
    }

    pub(super) fn torn_bytes(&self) -> u64 {
        match self {
            Records::Log(reader) => reader.torn_bytes(),
            Records::Foreign(reader) => reader.torn_bytes(),
        }
    }
}
