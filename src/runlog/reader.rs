//! Reads a lane's log record by record. What is broken is skipped and told with its line; what is torn at
//! the end stays unread, because its writer may be in the middle of it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::RunLogError;
use super::consistency::Consistency;
use crate::event::{FORMAT_VERSION, RunEvent};

/// The longest line that is read; a longer one is a bad record.
pub const MAX_LINE: usize = 16 << 20;
/// Bytes asked of the source at once.
const CHUNK: usize = 64 << 10;

/// A whole line of a log.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// An event.
    Event {
        /// What happened.
        event: RunEvent,
        /// The bytes of its record.
        bytes: Range<u64>,
    },
    /// An event of a kind that only newer versions know.
    UnknownKind {
        /// Its line, from 1.
        line: u64,
        /// Its kind.
        kind: String,
    },
    /// A line that is no record, or one that contradicts those before it.
    Bad(BadRecord),
}

/// A line that was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Its line, from 1.
    pub line: u64,
    /// Its bytes.
    pub bytes: Range<u64>,
    /// What was expected and what was found.
    pub reason: String,
}

/// A place between two records, from which another reader can go on.
#[derive(Clone, Debug, Default)]
pub struct Position {
    offset: u64,
    line: u64,
    consistency: Consistency,
}

impl Position {
    /// Bytes of the whole records before it.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Lines before it.
    pub fn line(&self) -> u64 {
        self.line
    }
}

/// Reads the records of a log.
#[derive(Debug)]
pub struct LogReader<R> {
    source: R,
    /// The file, for messages.
    path: PathBuf,
    position: Position,
    /// Bytes read from the source and not consumed; begins at `position` unless a long line is being skipped.
    buffer: Vec<u8>,
    /// Where the next line starts in `buffer`.
    start: usize,
    /// Where the search for its end goes on.
    searched: usize,
    /// Bytes of a line longer than [`MAX_LINE`] that were thrown away.
    skipped: u64,
}

impl LogReader<File> {
    /// Opens a log from its beginning.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(path: &Path) -> Result<LogReader<File>, RunLogError> {
        LogReader::open_at(path, Position::default())
    }

    /// Opens a log from where another reader stopped.
    ///
    /// # Errors
    /// Where it cannot be opened, or is shorter than that by now.
    pub fn open_at(path: &Path, position: Position) -> Result<LogReader<File>, RunLogError> {
        let mut file = File::open(path).map_err(RunLogError::io("open", path))?;
        let length = file.metadata().map_err(RunLogError::io("read", path))?.len();
        if length < position.offset {
            let reason =
                format!("expected at least {} bytes, found {length}: it was replaced", position.offset);
            return Err(RunLogError::malformed(path, reason));
        }
        file.seek(SeekFrom::Start(position.offset)).map_err(RunLogError::io("read", path))?;
        Ok(LogReader { position, ..LogReader::new(file, path) })
    }
}

impl<R: Read> LogReader<R> {
    /// Reads from any source; `path` is its name in messages.
    pub fn new(source: R, path: &Path) -> LogReader<R> {
        LogReader {
            source,
            path: path.to_owned(),
            position: Position::default(),
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            skipped: 0,
        }
    }

    /// Reads the next whole line. None means that there is none yet: a later call finds what was appended
    /// to the source in the meantime.
    ///
    /// # Errors
    /// Where the source cannot be read, or is of a newer format.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, RunLogError> {
        loop {
            if let Some(length) = self.find_line_end() {
                return self.take_line(length).map(Some);
            }
            if !self.fill().map_err(RunLogError::io("read", &self.path))? {
                return Ok(None);
            }
        }
    }

    /// The place after the last line read. What follows it when [`LogReader::next_entry`] gives none is torn.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Bytes after [`LogReader::position`] that are no whole line yet.
    pub fn torn_bytes(&self) -> u64 {
        self.skipped + (self.buffer.len() - self.start) as u64
    }

    /// The length of the line at `start`, its newline included, where the buffer holds its end.
    fn find_line_end(&mut self) -> Option<usize> {
        let found = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n');
        match found {
            Some(at) => Some(self.searched + at + 1 - self.start),
            None => {
                self.searched = self.buffer.len();
                None
            }
        }
    }

    /// Reads more from the source; false at its end.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.len() > MAX_LINE {
            self.skipped += self.buffer.len() as u64;
            self.buffer.clear();
        }
        self.searched = self.buffer.len();
        let before = self.buffer.len();
        (&mut self.source).take(CHUNK as u64).read_to_end(&mut self.buffer)?;
        Ok(self.buffer.len() > before)
    }

    fn take_line(&mut self, length: usize) -> Result<Entry, RunLogError> {
        let line = &self.buffer[self.start..self.start + length - 1];
        let start = self.position.offset;
        let bytes = start..start + self.skipped + length as u64;
        let number = self.position.line + 1;
        let bad = |reason| Entry::Bad(BadRecord { line: number, bytes: bytes.clone(), reason });
        let entry = if self.skipped > 0 || line.len() > MAX_LINE {
            bad(format!("expected a line of at most {MAX_LINE} bytes, found {}", bytes.end - bytes.start))
        } else {
            match parse(line, &self.path)? {
                Parsed::Event(event) => match self.position.consistency.accept(&event) {
                    Ok(()) => Entry::Event { event, bytes: bytes.clone() },
                    Err(reason) => bad(reason),
                },
                Parsed::UnknownKind(kind) => Entry::UnknownKind { line: number, kind },
                Parsed::Bad(reason) => bad(reason),
            }
        };
        self.start += length;
        self.searched = self.start;
        self.skipped = 0;
        self.position.offset = bytes.end;
        self.position.line = number;
        Ok(entry)
    }
}

/// Reads one record again, by the bytes that writing or reading it gave.
///
/// # Errors
/// Where it cannot be read or is no longer there.
pub fn read_record(path: &Path, bytes: Range<u64>) -> Result<RunEvent, RunLogError> {
    let length = bytes.end.saturating_sub(bytes.start);
    if length == 0 || length > MAX_LINE as u64 + 1 {
        return Err(RunLogError::malformed(path, format!("expected a record, found {length} bytes")));
    }
    let mut file = File::open(path).map_err(RunLogError::io("open", path))?;
    file.seek(SeekFrom::Start(bytes.start)).map_err(RunLogError::io("read", path))?;
    let mut record = Vec::new();
    file.take(length).read_to_end(&mut record).map_err(RunLogError::io("read", path))?;
    serde_json::from_slice(&record)
        .map_err(|e| RunLogError::malformed(path, format!("expected a record at byte {}: {e}", bytes.start)))
}

/// Reads the whole records in a range of bytes, one after the other, and hands each over.
///
/// # Errors
/// Where they cannot be read or are no longer there; those before were handed over.
pub fn read_records(
    path: &Path,
    bytes: Range<u64>,
    mut each: impl FnMut(RunEvent),
) -> Result<(), RunLogError> {
    let mut file = File::open(path).map_err(RunLogError::io("open", path))?;
    file.seek(SeekFrom::Start(bytes.start)).map_err(RunLogError::io("read", path))?;
    let mut source = BufReader::new(file.take(bytes.end.saturating_sub(bytes.start)));
    let (mut at, mut record) = (bytes.start, Vec::new());
    while at < bytes.end {
        record.clear();
        let length = source.read_until(b'\n', &mut record).map_err(RunLogError::io("read", path))?;
        let event = serde_json::from_slice(&record)
            .map_err(|e| RunLogError::malformed(path, format!("expected a record at byte {at}: {e}")))?;
        each(event);
        at += length as u64;
    }
    Ok(())
}

enum Parsed {
    Event(RunEvent),
    UnknownKind(String),
    Bad(String),
}

/// The head of a `lane_started` of any version.
#[derive(Deserialize)]
struct AnyStart {
    lane_started: Versioned,
}

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

fn parse(line: &[u8], path: &Path) -> Result<Parsed, RunLogError> {
    if line.starts_with(b"{\"lane_started\"")
        && let Ok(AnyStart { lane_started: Versioned { version } }) = serde_json::from_slice(line)
        && version > u64::from(FORMAT_VERSION)
    {
        return Err(RunLogError::Newer { path: path.to_owned(), found: version });
    }
    match serde_json::from_slice::<RunEvent>(line) {
        Ok(event) => Ok(Parsed::Event(event)),
        Err(error) => Ok(unknown_kind(line).map_or_else(|| Parsed::Bad(reason(&error)), Parsed::UnknownKind)),
    }
}

/// The kind of a well-formed event that this version does not know.
fn unknown_kind(line: &[u8]) -> Option<String> {
    let object: std::collections::BTreeMap<String, IgnoredAny> = serde_json::from_slice(line).ok()?;
    let mut kinds = object.into_keys();
    let kind = kinds.next()?;
    (kinds.next().is_none() && !RunEvent::KINDS.contains(&kind.as_str())).then_some(kind)
}

/// What a JSON error says, with the column but without the line, which is always the first.
fn reason(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}
