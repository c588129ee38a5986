//! Appends events to a lane's log, one JSON object a line. A record is handed to the operating system as a
//! whole before [`LogWriter::append`] returns, so that a crash of the program loses none and a reader beside
//! it sees whole lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::back::LinesBack;
use super::home::{Home, identity};
use super::reader::MAX_LINE;
use super::record::{Frame, TRAILER, apart, frame, seal};
use crate::event::{Kind, RunEvent};

/// Bytes copied at once where a log is written again.
const CHUNK: usize = 1 << 20;
/// Bytes of the log's end that are compared: a record's checksum and number, and a little of the record.
const END: u64 = 64;

/// The log of one lane, open for appending.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    /// The run's folder, where it is held.
    home: Option<Arc<Home>>,
    file: File,
    /// The file's device and inode.
    identity: (u64, u64),
    /// Bytes of whole records.
    length: u64,
    /// Whether a failed write may have left part of a record behind.
    torn: bool,
    /// The number of the next record.
    next: u64,
    /// The first record in its copies, without which no other can be understood.
    beginning: Vec<u8>,
    /// The last bytes of what was written.
    end: Vec<u8>,
    /// What was found since it was last asked for.
    found: Found,
    buffer: Vec<u8>,
}

/// What looks at a log found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// What is to be told.
    pub(super) news: Vec<String>,
    /// Records that are no longer there.
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

    /// Opens a log that a run goes on with, after the first `length` bytes, which are whole records. What comes
    /// after them is torn and is removed, unless it is a record of which the newline alone is missing.
    ///
    /// # Errors
    /// Where the file cannot be opened or cut, or is shorter.
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

    /// Looks after the folder that the log is in, too.
    pub(super) fn kept_in(self, home: Option<Arc<Home>>) -> LogWriter {
        LogWriter { home, ..self }
    }

    /// Gives the next record a number of at least this.
    pub fn numbered_from(self, next: u64) -> LogWriter {
        LogWriter { next: self.next.max(next), ..self }
    }

    /// Appends an event and returns the bytes of its record, the newline included. The first event of a log is
    /// written twice, since nothing else can be understood without it; the bytes are those of both.
    ///
    /// # Errors
    /// Where the file system refuses; the log then still ends with its last whole record, or with a torn one
    /// that the next call removes.
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

    /// What was found since the last time.
    pub(super) fn take_found(&mut self) -> Found {
        std::mem::take(&mut self.found)
    }

    /// Appends a whole record.
    pub(super) fn write(&mut self, record: &[u8]) -> io::Result<()> {
        self.trim()?;
        if let Err(error) = self.file.write_all_at(record, self.length) {
            // What is torn never stays before a good record; at best it does not even stay now.
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

    /// Makes the file end where the next record comes.
    fn trim(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length < self.length {
            let gone = self.mend(length)?;
            self.found.lost += gone;
            self.found.news.push(format!(
                "the log was cut to {length} of {} bytes, and {gone} records are gone; those that come are written \
                 behind the gap",
                self.length
            ));
        } else if length > self.length {
            self.file.set_len(self.length)?;
            if !self.torn {
                let foreign = length - self.length;
                self.found
                    .news
                    .push(format!("{foreign} bytes that others wrote behind the log were cut off"));
            }
        }
        self.torn = false;
        Ok(())
    }

    /// Makes sure that the log's path still leads to what is written: a file that was unlinked would go on taking
    /// records, and lose them all. Where its folder is there and the log is not, it is written again from the open
    /// file; where another file has its records, that one is gone on with.
    ///
    /// # Errors
    /// Where the path leads nowhere or to another log.
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

    /// Leaves of a file that was cut whole records, and a hole up to where the next record comes, which readers pass over:
    /// so every place in the log stays the same. Gives how many records are gone, as their numbers will tell.
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

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn finish(self) -> io::Result<()> {
        self.sync()
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// The file once more, so that another thread can wait until it is on the disk.
    ///
    /// # Errors
    /// Where the system has no more descriptors.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Goes on with the file at the path where it holds the same records: it was mounted again, or copied back.
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
                // Half a log would stand in the way of the next attempt.
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

/// Puts an event's record with its number, or the copies of the first, behind what `buffer` holds.
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
    io::Error::other("another log stands in its place")
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

/// The first record and its copy in the first bytes of a log; empty where they are not whole.
fn beginning_of(mut file: &File, length: u64) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    BufReader::new(file.take(length.min(MAX_LINE as u64))).read_until(b'\n', &mut line)?;
    let is_whole = line.strip_suffix(b"\n").is_some_and(|record| matches!(frame(record), Frame::Sealed(_)));
    Ok(if is_whole { line.repeat(2) } else { Vec::new() })
}

/// The number of the last whole record in the first bytes of a log, with the lines behind it that are none; none where
/// it has no number.
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
