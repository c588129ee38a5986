//! The bytes of a log of another program: of one file, or of several in the order of their names, each of which a
//! restarted writer began. Reads on where something was added, and notices where what was read has been replaced. Knows
//! nothing of records.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Bytes read at once.
const CHUNK: u64 = 4 << 20;
/// The most bytes that are kept for a record that is not complete.
pub(super) const MOST_BYTES: usize = 128 << 20;
/// Bytes at the start of a file, and before the end of what was read, by which it is known again.
const ANCHOR: u64 = 4 << 10;
/// The most files of one log.
const MOST_FILES: usize = 10_000;

/// Where a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// A file.
    File(PathBuf),
    /// All files of a folder whose names contain this.
    Folder(PathBuf, &'static str),
}

impl Where {
    /// The file or the folder.
    pub(super) fn path(&self) -> &Path {
        match self {
            Where::File(path) | Where::Folder(path, _) => path,
        }
    }

    /// The files, in the order in which they are read.
    pub(super) fn files(&self) -> io::Result<Vec<PathBuf>> {
        let (folder, part) = match self {
            Where::File(path) => return Ok(vec![path.clone()]),
            Where::Folder(folder, part) => (folder, part),
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().contains(part) && files.len() < MOST_FILES {
                files.push(entry.path());
            }
        }
        files.sort_unstable();
        Ok(files)
    }
}

/// A place in a log, from which another reader can go on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The files that were read to their ends, with their lengths.
    before: Vec<(PathBuf, u64)>,
    /// The file that is read, and how far it was read.
    current: Option<PathBuf>,
    offset: u64,
    /// CRC-32 of the first bytes of that file and of the last ones before the place.
    anchors: [u32; 2],
}

impl Place {
    /// Bytes before it, in all files.
    pub(super) fn bytes(&self) -> u64 {
        self.before.iter().map(|(_, length)| length).sum::<u64>() + self.offset
    }
}

/// What looking for more has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum More {
    /// More bytes.
    Bytes,
    /// Another file. The last bytes of the one before, as many as this, were no complete record.
    File(u64),
    /// Nothing, for the time being.
    Nothing,
    /// What was read is no longer there.
    Replaced(String),
}

/// The bytes of a log.
#[derive(Debug)]
pub(super) struct Files {
    at: Where,
    before: Vec<(PathBuf, u64)>,
    current: Option<Current>,
    /// Bytes that were read; those before `start` have been taken.
    buffer: Vec<u8>,
    start: usize,
    /// When the folder was last seen changed: files are looked for again only then.
    folder: Option<(i64, i64)>,
}

/// The file that is read.
#[derive(Debug)]
struct Current {
    path: PathBuf,
    file: File,
    seen: Seen,
    /// Where the first byte that was not taken is.
    offset: u64,
    /// Up to where it was read.
    read: u64,
    /// Whether the last read came to its end.
    is_whole: bool,
    /// Where it ended when it was last read to its end, and the anchors there.
    end: Option<(u64, [u32; 2])>,
}

/// What looking at a file again has found.
enum Look {
    /// It is as it was, and was read to its end.
    Same,
    /// It may have more.
    Unread,
    /// It is another one.
    Replaced,
}

/// What distinguishes a file and its states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
}

impl Seen {
    fn of(metadata: &Metadata) -> Seen {
        Seen {
            file: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl Files {
    /// The bytes of a log from its beginning.
    pub(super) fn new(at: Where) -> Files {
        Files { at, before: Vec::new(), current: None, buffer: Vec::new(), start: 0, folder: None }
    }

    /// The bytes of a log from a place on.
    ///
    /// # Errors
    /// If what was read before the place is no longer there.
    pub(super) fn at(at: Where, place: &Place) -> io::Result<Files> {
        let mut files = Files { before: place.before.clone(), ..Files::new(at) };
        for (path, length) in &place.before {
            if fs::metadata(path)?.len() < *length {
                return Err(io::Error::other(other(path)));
            }
        }
        if let Some(path) = &place.current {
            let mut current = Current::open(path.clone())?;
            if current.seen.length < place.offset || current.anchors(place.offset)? != place.anchors {
                return Err(io::Error::other(other(path)));
            }
            current.go_to(place.offset)?;
            files.current = Some(current);
        }
        Ok(files)
    }

    /// The bytes that were read and not taken, where in their file they begin, and whether it ends with them.
    pub(super) fn bytes(&self) -> (&[u8], u64, bool) {
        let (offset, is_whole) =
            self.current.as_ref().map_or((0, true), |current| (current.offset, current.is_whole));
        (self.buffer.get(self.start..).unwrap_or_default(), offset, is_whole)
    }

    /// How many bytes of all files were taken.
    pub(super) fn taken(&self) -> u64 {
        let before: u64 = self.before.iter().map(|(_, length)| length).sum();
        before + self.current.as_ref().map_or(0, |current| current.offset)
    }

    /// How many bytes were read and not taken; white space is not waited for.
    pub(super) fn torn(&self) -> u64 {
        let (bytes, ..) = self.bytes();
        if bytes.iter().all(u8::is_ascii_whitespace) { 0 } else { bytes.len() as u64 }
    }

    /// Takes bytes.
    pub(super) fn take(&mut self, count: usize) {
        let count = count.min(self.buffer.len() - self.start);
        self.start += count;
        if let Some(current) = &mut self.current {
            current.offset += count as u64;
        }
    }

    /// The place after what was taken.
    pub(super) fn place(&self) -> io::Result<Place> {
        let Some(current) = &self.current else {
            return Ok(Place { before: self.before.clone(), ..Place::default() });
        };
        Ok(Place {
            before: self.before.clone(),
            current: Some(current.path.clone()),
            offset: current.offset,
            anchors: current.anchors(current.offset)?,
        })
    }

    /// Reads the first bytes of the first file again, from which some formats learn what follows.
    pub(super) fn head(&self, most: u64) -> io::Result<Vec<u8>> {
        let first = self.before.first().map(|(path, _)| path.as_path());
        let first = first.or(self.current.as_ref().map(|current| current.path.as_path()));
        let mut head = Vec::new();
        if let Some(path) = first {
            File::open(path)?.take(most).read_to_end(&mut head)?;
        }
        Ok(head)
    }

    /// Goes to a byte of the log, counted over all files.
    pub(super) fn seek(&mut self, to: u64) -> io::Result<()> {
        let mut before = Vec::new();
        let mut begin = 0;
        for path in self.at.files()? {
            let mut current = Current::open(path)?;
            if to - begin < current.seen.length {
                current.go_to(to - begin)?;
                *self = Files { before, current: Some(current), ..Files::new(self.at.clone()) };
                return Ok(());
            }
            begin += current.seen.length;
            before.push((current.path, current.seen.length));
        }
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("expected more than {to} bytes, found {begin}"),
        ))
    }

    /// Reads more.
    ///
    /// # Errors
    /// If a file cannot be read. A missing one may come back.
    pub(super) fn more(&mut self) -> io::Result<More> {
        let Some(current) = &mut self.current else { return self.next_file(0) };
        match current.look()? {
            Look::Same => return self.next_file(self.torn()),
            Look::Replaced => return Ok(More::Replaced(other(&current.path))),
            Look::Unread => {}
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let room = CHUNK.min((MOST_BYTES.saturating_sub(self.buffer.len())) as u64);
        let read = (&mut current.file).take(room).read_to_end(&mut self.buffer)? as u64;
        current.read += read;
        current.is_whole = read < room;
        if read > 0 || room == 0 {
            return Ok(More::Bytes);
        }
        current.end = Some((current.read, current.anchors(current.read)?));
        self.next_file(self.torn())
    }

    /// Goes on with the next file, if there is one.
    fn next_file(&mut self, torn: u64) -> io::Result<More> {
        if let Where::Folder(folder, _) = &self.at {
            let metadata = fs::metadata(folder)?;
            let changed = (metadata.mtime(), metadata.mtime_nsec());
            if self.folder == Some(changed) {
                return Ok(More::Nothing);
            }
            self.folder = Some(changed);
        }
        let after = self.current.as_ref().map(|current| current.path.clone());
        let files = self.at.files()?;
        let mut files = files.into_iter().filter(|file| after.as_ref().is_none_or(|after| file > after));
        let Some(next) = files.next() else { return Ok(More::Nothing) };
        // There may be more than one: the folder is looked at again after this one.
        self.folder = None;
        if let Some(current) = self.current.replace(Current::open(next)?) {
            self.before.push((current.path, current.read));
        }
        self.buffer.clear();
        self.start = 0;
        Ok(More::File(torn))
    }
}

impl Current {
    fn open(path: PathBuf) -> io::Result<Current> {
        let file = open(&path)?;
        let seen = Seen::of(&file.metadata()?);
        Ok(Current { path, file, seen, offset: 0, read: 0, is_whole: false, end: None })
    }

    fn go_to(&mut self, offset: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        (self.offset, self.read) = (offset, offset);
        Ok(())
    }

    /// CRC-32 of the first bytes of the file and of the last ones before `offset`.
    fn anchors(&self, offset: u64) -> io::Result<[u32; 2]> {
        let last = offset.saturating_sub(ANCHOR);
        Ok([self.crc(0..offset.min(ANCHOR))?, self.crc(last..offset)?])
    }

    fn crc(&self, range: Range<u64>) -> io::Result<u32> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(crc32fast::hash(&bytes))
    }

    /// Looks whether there may be more to read in the file at this path. The file is opened again, because only then
    /// does a network file system show what another machine wrote.
    fn look(&mut self) -> io::Result<Look> {
        let Some((end, anchors)) = self.end else { return Ok(Look::Unread) };
        let file = match open(&self.path) {
            Ok(file) => file,
            // It may come back.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Same),
            Err(error) => return Err(error),
        };
        let seen = Seen::of(&file.metadata()?);
        if seen == self.seen {
            return Ok(Look::Same);
        }
        let was = std::mem::replace(&mut self.seen, seen);
        self.file = file;
        if was.file != seen.file || seen.length < end || self.anchors(end)? != anchors {
            return Ok(Look::Replaced);
        }
        self.file.seek(SeekFrom::Start(end))?;
        self.end = None;
        Ok(Look::Unread)
    }
}

fn other(path: &Path) -> String {
    format!("expected the file that was read, found another in the place of {}", path.display())
}

/// Opens a regular file, without waiting for the writer of a pipe.
fn open(path: &Path) -> io::Result<File> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other(format!("expected a file, found something else at {}", path.display())));
    }
    File::open(path)
}
