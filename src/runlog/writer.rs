//! Appends events to a lane's log, one JSON object a line. A record is written in one call before [`LogWriter::append`]
//! returns, so that a crash of the program loses none, and a concurrent reader sees whole lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::home::{Home, identity};
use super::lines_back::LinesBack;
use super::reader::MAX_LINE;
use super::record::{Frame, TRAILER, apart, frame, seal};
use crate::event::{Kind, RunEvent};

/// Bytes copied at once when a log is rewritten.
const CHUNK: usize = 1 << 20;
/// Bytes of the log's end that are compared: a record's checksum and number, and some of its content.
const END: u64 = 64;

/// The log of one lane, open for appending.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    /// The run's folder, if it is kept open.
    home: Option<Arc<Home>>,
    file: File,
    /// The file's device and inode.
    identity: (u64, u64),
    /// The length of whole records in bytes.
    length: u64,
    /// Whether a failed write may have left part of a record behind.
    torn: bool,
    /// The number of the next record.
    next: u64,
    /// Both copies of the first record, without which no other can be interpreted.
    beginning: Vec<u8>,
    /// The last bytes of what was written.
    end: Vec<u8>,
    /// What checks found since the last call of `take_found`.
    found: Found,
    buffer: Vec<u8>,
}

/// What checks of a log found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Messages for the user.
    pub(super) news: Vec<String>,
    /// The number of records that have disappeared.
    pub(super) lost: u64,
}

impl LogWriter {
    /// Creates a log.
    ///
    /// # Errors
    /// Where the file exists already or cannot be created.
    pub fn create(path: &Path) -> io::Result<LogWriter> {
        LogWriter::of(path, create_new(path)?, 0)
    }

    /// Opens a log for appending after the first `length` bytes, which are whole records. What follows is torn and is
    /// removed, unless it is a record of which only the newline is missing.
    ///
    /// # Errors
    /// If the file cannot be opened or truncated, or is shorter.
    pub fn reopen(path: &Path, mut length: u64) -> io::Result<LogWriter> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let found = file.metadata()?.len();
        if found < length {
            let reason = format!("expected at least {length} bytes, found {found}");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
        }
        let mut torn = Vec::new();
        file.seek(SeekFrom::Start(length))?;
        (&file).take(MAX_LINE as u64).read_to_end(&mut torn)?;
        if matches!(frame(&torn), Frame::Sealed(_)) && found == length + torn.len() as u64 {
            file.write_all_at(b"\n", found)?;
            length = found + 1;
        }
        file.set_len(length)?;
        LogWriter::of(path, file, length)
    }

    fn of(path: &Path, file: File, length: u64) -> io::Result<LogWriter> {
        let identity = identity(&file.metadata()?);
        let next = last_number(&file, length)?.unwrap_or(0) + 1;
        let (beginning, end) = (beginning_of(&file, length)?, end_of(&file, length)?);
        Ok(LogWriter {
            path: path.to_owned(),
            home: None,
            file,
            identity,
            length,
            torn: false,
            next,
            beginning,
            end,
            found: Found::default(),
            buffer: Vec::new(),
        })
    }

    /// Keeps the folder of the log open, too.
    pub(super) fn kept_in(self, home: Option<Arc<Home>>) -> LogWriter {
        LogWriter { home, ..self }
    }

    /// Sets the least number of the next record.
    pub(crate) fn numbered_from(self, next: u64) -> LogWriter {
        LogWriter { next: self.next.max(next), ..self }
    }

    /// Appends an event and returns the bytes of its record, the newline included. The first event of a log is written
    /// twice, since nothing else can be interpreted without it; the bytes are those of both copies.
    ///
    /// # Errors
    /// If writing fails; the log then still ends with its last whole record, or with a torn one that the next call
    /// removes.
    pub fn append(&mut self, event: &RunEvent) -> io::Result<Range<u64>> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let start = self.length;
        let written = serialise(event, self.next, &mut buffer).and_then(|()| self.write(&buffer));
        self.buffer = buffer;
        written.map(|()| start..self.length)
    }

    /// Bytes of the whole records in it.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The number of the next record.
    pub(super) fn next_number(&self) -> u64 {
        self.next
    }

    /// Takes what checks found since the last call.
    pub(super) fn take_found(&mut self) -> Found {
        std::mem::take(&mut self.found)
    }

    /// Appends a whole record.
    pub(super) fn write(&mut self, record: &[u8]) -> io::Result<()> {
        self.trim()?;
        if let Err(error) = self.file.write_all_at(record, self.length) {
            // A torn record must not stay before a good one; if possible it is removed at once.
            self.torn = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        if self.length == 0 {
            self.beginning = record.to_owned();
        }
        self.length += record.len() as u64;
        let (_, number) = apart(&record[..record.len().saturating_sub(TRAILER + 1)]);
        self.next = number.map_or(self.next, |number| number + 1);
        self.end.clear();
        self.end.extend_from_slice(&record[record.len().saturating_sub(END as usize)..]);
        Ok(())
    }

    /// Truncates the file to where the next record begins.
    fn trim(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length < self.length {
            let gone = self.mend(length)?;
            self.found.lost += gone;
            self.found.news.push(format!(
                "the log was cut to {length} of {} bytes, and {gone} records are gone; new records are written \
                 after the gap",
                self.length
            ));
        } else if length > self.length {
            self.file.set_len(self.length)?;
            if !self.torn {
                let foreign = length - self.length;
                self.found
                    .news
                    .push(format!("removed {foreign} bytes that another process appended to the log"));
            }
        }
        self.torn = false;
        Ok(())
    }

    /// Checks that the log's path still leads to the open file: an unlinked file would go on taking records, and lose
    /// them all. If the folder exists but the log does not, it is rewritten from the open file; if another file has the
    /// same records, writing goes on in that one.
    ///
    /// # Errors
    /// If the path leads nowhere or to another log.
    pub(super) fn check(&mut self) -> io::Result<()> {
        if let Some(place) = self.home.as_ref().map(|home| home.check()).transpose()?.flatten() {
            self.found.news.push(format!("the run's folder is now {}", place.display()));
        }
        match fs::metadata(&self.path) {
            Ok(metadata) if identity(&metadata) == self.identity => {
                self.trim()?;
                if end_of(&self.file, self.length)? == self.end { Ok(()) } else { Err(other_content()) }
            }
            Ok(_) => self.adopt(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.write_again(),
            Err(error) => Err(error),
        }
    }

    /// Repairs a truncated file: keeps its whole records and leaves a hole, which readers skip, up to where the next
    /// record begins, so that places in the log stay the same. Returns how many records are gone, which their numbers
    /// will show.
    fn mend(&mut self, found: u64) -> io::Result<u64> {
        let written = self.next.saturating_sub(1);
        let mut kept = LinesBack::new(&self.file, found)?.end();
        let beginning = self.beginning.len() as u64;
        if kept < beginning {
            self.file.write_all_at(&self.beginning, 0)?;
            kept = beginning;
        }
        let left = last_number(&self.file, kept)?.unwrap_or(0);
        if kept < self.length {
            self.file.set_len(kept)?;
            self.file.write_all_at(b"\n", self.length - 1)?;
        }
        self.end = end_of(&self.file, self.length)?;
        Ok(written.saturating_sub(left))
    }

    /// Syncs the file.
    ///
    /// # Errors
    /// If syncing fails.
    pub fn finish(self) -> io::Result<()> {
        self.sync()
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// A duplicate of the file handle, so that another thread can sync it.
    ///
    /// # Errors
    /// If the system has no more descriptors.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Switches to the file at the path if it has the same records, as one that was remounted or copied back.
    fn adopt(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        let metadata = file.metadata()?;
        let beyond = metadata.len().checked_sub(self.length).ok_or_else(other_content)?;
        if !metadata.is_file() || beyond > MAX_LINE as u64 || end_of(&file, self.length)? != self.end {
            return Err(other_content());
        }
        let mut torn = vec![0; beyond as usize];
        file.read_exact_at(&mut torn, self.length)?;
        if torn.contains(&b'\n') {
            return Err(other_content());
        }
        self.go_on_with(file, beyond > 0)
    }
    /// Writes all records into a new file at the path.
    fn write_again(&mut self) -> io::Result<()> {
        let file = create_new(&self.path)?;
        let mut chunk = vec![0; CHUNK];
        let mut at = 0;
        while at < self.length {
            let part = &mut chunk[..(self.length - at).min(CHUNK as u64) as usize];
            let copied = self.file.read_exact_at(part, at).and_then(|()| file.write_all_at(part, at));
            if let Err(error) = copied {
                // Half a log would prevent the next attempt.
                let _ = fs::remove_file(&self.path);
                return Err(error);
            }
            at += part.len() as u64;
        }
        self.go_on_with(file, false)
    }

    fn go_on_with(&mut self, file: File, torn: bool) -> io::Result<()> {
        self.identity = identity(&file.metadata()?);
        (self.file, self.torn) = (file, torn);
        Ok(())
    }
}

/// Appends an event's record with its number, or both copies of the first record, to `buffer`.
pub(super) fn serialise(event: &RunEvent, number: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    let start = buffer.len();
    serde_json::to_writer(&mut *buffer, event)?;
    seal(buffer, start, number);
    if matches!(event.kind, Kind::LaneStarted(_)) {
        buffer.extend_from_within(start..);
    }
    Ok(())
}

fn other_content() -> io::Error {
    io::Error::other("another log is in its place")
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

/// The last bytes before `length`; fewer at the beginning.
fn end_of(file: &File, length: u64) -> io::Result<Vec<u8>> {
    let count = END.min(length);
    let mut bytes = vec![0; count as usize];
    file.read_exact_at(&mut bytes, length - count)?;
    Ok(bytes)
}

/// The first record and its copy at the start of a log; empty if they are not whole.
fn beginning_of(mut file: &File, length: u64) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    BufReader::new(file.take(length.min(MAX_LINE as u64))).read_until(b'\n', &mut line)?;
    let is_whole = line.strip_suffix(b"\n").is_some_and(|record| matches!(frame(record), Frame::Sealed(_)));
    Ok(if is_whole { line.repeat(2) } else { Vec::new() })
}

/// The number of the last whole record in the first bytes of a log, plus the lines after it that are not records; none
/// if it has no number.
fn last_number(file: &File, length: u64) -> io::Result<Option<u64>> {
    let mut lines = LinesBack::new(file, length)?;
    let mut behind = 0;
    while let Some(line) = lines.next()? {
        if let Frame::Sealed(sealed) = frame(line) {
            return Ok(sealed.number.map(|number| number + behind));
        }
        behind += 1;
    }
    Ok(None)
}
