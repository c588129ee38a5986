//! Appends events to a lane's log, one JSON object a line. A record is handed to the operating system as a
//! whole before [`LogWriter::append`] returns, so that a crash of the program loses none and a reader beside
//! it sees whole lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use super::reader::MAX_LINE;
use super::record::{Frame, frame, seal};
use crate::event::RunEvent;

/// The log of one lane, open for appending.
#[derive(Debug)]
pub struct LogWriter {
    file: File,
    /// Bytes of whole records.
    length: u64,
    /// Whether a failed write may have left part of a record behind.
    torn: bool,
    buffer: Vec<u8>,
}

impl LogWriter {
    /// Creates a log.
    ///
    /// # Errors
    /// Where the file exists already or cannot be created.
    pub fn create(path: &Path) -> io::Result<LogWriter> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(LogWriter { file, length: 0, torn: false, buffer: Vec::new() })
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
            file.write_all(b"\n")?;
            length = found + 1;
        }
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        Ok(LogWriter { file, length, torn: false, buffer: Vec::new() })
    }

    /// Appends an event and returns the bytes of its record, the newline included. The first event of a log is
    /// written twice, since nothing else can be understood without it; the bytes are those of both.
    ///
    /// # Errors
    /// Where the file system refuses; the log then still ends with its last whole record, or with a torn one
    /// that the next call removes.
    pub fn append(&mut self, event: &RunEvent) -> io::Result<Range<u64>> {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, event)?;
        seal(&mut self.buffer, 0);
        if matches!(event, RunEvent::LaneStarted(_)) {
            self.buffer.extend_from_within(..);
        }
        if self.torn {
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            self.torn = false;
        }
        if let Err(e) = self.file.write_all(&self.buffer) {
            self.torn = true;
            return Err(e);
        }
        let start = self.length;
        self.length += self.buffer.len() as u64;
        Ok(start..self.length)
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()
    }
}
