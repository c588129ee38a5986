//! Appends events to a lane's log, one JSON object a line. A record is handed to the operating system as a
//! whole before [`LogWriter::append`] returns, so that a crash of the program loses none and a reader beside
//! it sees whole lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::reader::MAX_LINE;
use super::record::{Frame, TRAILER, frame, seal};
use crate::event::RunEvent;

/// Bytes copied at once where a log is written again.
const CHUNK: usize = 1 << 20;

/// The log of one lane, open for appending.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    file: File,
    /// The file's device and inode.
    identity: (u64, u64),
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
        Ok(LogWriter { path: path.to_owned(), file, identity, length, torn: false, buffer: Vec::new() })
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
        let written = serialise(event, &mut buffer).and_then(|()| self.write(&buffer));
        self.buffer = buffer;
        written.map(|()| start..self.length)
    }

    /// Bytes of the whole records in it.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Appends a whole record.
    pub(super) fn write(&mut self, record: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        if let Err(error) = self.file.write_all_at(record, self.length) {
            // What is torn never stays before a good record; at best it does not even stay now.
            self.torn = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += record.len() as u64;
        Ok(())
    }

    /// Makes sure that the log's path still leads to what is written: a file that was unlinked would go on taking
    /// records, and lose them all. Where its folder is there and the log is not, it is written again from the open
    /// file; where another file has its records, that one is gone on with.
    ///
    /// # Errors
    /// Where the path leads nowhere or to another log.
    pub(super) fn check(&mut self) -> io::Result<()> {
        match fs::metadata(&self.path) {
            Ok(metadata) if identity(&metadata) == self.identity => Ok(()),
            Ok(_) => self.adopt(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.path.parent().is_some_and(Path::is_dir) { self.write_again() } else { Err(error) }
            }
            Err(error) => Err(error),
        }
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
        let other = || io::Error::other("another file stands in the log's place");
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        let metadata = file.metadata()?;
        let beyond = metadata.len().checked_sub(self.length).ok_or_else(other)?;
        let [ours, theirs] = [&self.file, &file].map(|file| end_of_record(file, self.length));
        if !metadata.is_file() || beyond > MAX_LINE as u64 || ours? != theirs? {
            return Err(other());
        }
        let mut torn = vec![0; beyond as usize];
        file.read_exact_at(&mut torn, self.length)?;
        if torn.contains(&b'\n') {
            return Err(other());
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

/// Puts an event's record, or records, behind what `buffer` holds.
pub(super) fn serialise(event: &RunEvent, buffer: &mut Vec<u8>) -> io::Result<()> {
    let start = buffer.len();
    serde_json::to_writer(&mut *buffer, event)?;
    seal(buffer, start);
    if matches!(event, RunEvent::LaneStarted(_)) {
        buffer.extend_from_within(start..);
    }
    Ok(())
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The last bytes of the record that ends at `end`, among them its checksum; fewer at the beginning.
fn end_of_record(file: &File, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; (TRAILER as u64 + 1).min(end) as usize];
    file.read_exact_at(&mut bytes, end - (TRAILER as u64 + 1).min(end))?;
    Ok(bytes)
}
