//! Checks whether the file of a log that is being read has grown, was truncated, or was replaced.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::RunLogError;
use super::bounded::open;
use super::record::{TRAILER, written_checksum};

/// What was known of a file when it was last checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    device: u64,
    inode: u64,
    /// When it was last written, in seconds and nanoseconds.
    modified: (i64, i64),
}

/// The end of what was read of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// The bytes that were read.
    pub(super) offset: u64,
    /// The checksum of the last record, if it has one.
    pub(super) checksum: Option<u32>,
}

/// What checking a file again found.
#[derive(Debug)]
pub(super) enum Look<F> {
    /// Nothing new.
    Nothing,
    /// There is more to read, from a file positioned at the end of what was read.
    More(F),
    /// It was replaced by another file, or is shorter than what was read.
    Replaced(String),
}

impl Seen {
    /// Opens a log and seeks to the end of what was read of it.
    pub(super) fn open(path: &Path, end: End) -> Result<(File, Seen), RunLogError> {
        let file = open_file(path).map_err(RunLogError::io("open", path))?;
        let mut file =
            file.ok_or_else(|| RunLogError::malformed(path, "expected a file, found something else"))?;
        let metadata = file.metadata().map_err(RunLogError::io("read", path))?;
        if let Some(reason) = end.is_elsewhere(&mut file).map_err(RunLogError::io("read", path))? {
            return Err(RunLogError::malformed(path, reason));
        }
        file.seek(SeekFrom::Start(end.offset)).map_err(RunLogError::io("read", path))?;
        Ok((file, Seen::of(&metadata)))
    }

    /// Checks the path for more to read; `torn` bytes after the end were seen already. The file is reopened, because
    /// only then does a network file system show what another machine wrote. A missing file may come back.
    pub(super) fn look_again(&mut self, path: &Path, end: End, torn: u64) -> io::Result<Look<File>> {
        let mut file = match open_file(path) {
            Ok(Some(file)) => file,
            Ok(None) => {
                let reason = "expected the file that was read, found something else in its place";
                return Ok(Look::Replaced(reason.to_owned()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Nothing),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        let seen = Seen::of(&metadata);
        if (seen.device, seen.inode) != (self.device, self.inode) {
            return Ok(Look::Replaced(
                "expected the file that was read, found another in its place".to_owned(),
            ));
        }
        if metadata.len() == end.offset + torn && (torn == 0 || seen == *self) {
            return Ok(Look::Nothing);
        }
        if let Some(reason) = end.is_elsewhere(&mut file)? {
            return Ok(Look::Replaced(reason));
        }
        // A torn record is read again: its writer may have removed it and written something else.
        file.seek(SeekFrom::Start(end.offset))?;
        *self = seen;
        Ok(Look::More(file))
    }

    fn of(metadata: &Metadata) -> Seen {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Seen { device: metadata.dev(), inode: metadata.ino(), modified }
    }
}

/// Opens a file; none if it is not a regular file.
fn open_file(path: &Path) -> io::Result<Option<File>> {
    let file = open(path)?;
    Ok(file.metadata()?.is_file().then_some(file))
}

impl End {
    /// Why a file cannot be the one that was read up to here, if so: it is shorter, or another record ends here.
    fn is_elsewhere(&self, file: &mut File) -> io::Result<Option<String>> {
        let length = file.metadata()?.len();
        if length < self.offset {
            let reason = format!("expected at least {} bytes, found {length}: it was replaced", self.offset);
            return Ok(Some(reason));
        }
        let Some(checksum) = self.checksum else { return Ok(None) };
        let mut trailer = [0; TRAILER];
        file.seek(SeekFrom::Start(self.offset.saturating_sub(TRAILER as u64 + 1)))?;
        file.read_exact(&mut trailer)?;
        Ok((written_checksum(&trailer) != Some(checksum)).then(|| {
            format!(
                "expected the record of checksum {checksum:08x} before byte {}: it was replaced",
                self.offset
            )
        }))
    }
}
