//! Opens and reads a data set's files without trusting them: only regular files, no longer than the file system says,
//! and never more than a bound.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::DatasetError;
use crate::experiment::Data;
use crate::printable::grouped;

/// The longest file that is read, twice that of the largest known data set of these kinds.
pub(super) const MAX_BYTES: u64 = 1 << 30;

/// A regular file with its length, which has been checked.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) len: u64,
}

/// Opens a regular file that isn't longer than [`MAX_BYTES`]. Nothing else is opened, since opening a pipe could wait
/// forever.
pub(super) fn open(path: &Path) -> Result<Opened, DatasetError> {
    open_up_to(path, MAX_BYTES)
}

/// Opens a regular file of at most this many bytes.
pub(super) fn open_up_to(path: &Path, most: u64) -> Result<Opened, DatasetError> {
    let unreadable = |error: &io::Error| {
        DatasetError::file(path, "a readable file", describe(error), "check the file and its permissions")
    };
    let kind = fs::metadata(path).map_err(|e| unreadable(&e))?;
    if !kind.is_file() {
        let found = if kind.is_dir() { "a folder" } else { "a special file" };
        return Err(DatasetError::file(path, "a regular file", found, "put the data set's own file there"));
    }
    let file = File::open(path).map_err(|e| unreadable(&e))?;
    let len = file.metadata().map_err(|e| unreadable(&e))?.len();
    if len > most {
        return Err(DatasetError::file(
            path,
            format!("at most {} bytes", grouped(most)),
            format!("{} bytes", grouped(len)),
            "check that it is the right file",
        ));
    }
    Ok(Opened { file, len })
}

/// Reads a file whose length has been checked.
pub(super) fn read(path: &Path, opened: Opened) -> Result<Vec<u8>, DatasetError> {
    let mut bytes = Vec::with_capacity(opened.len as usize);
    // One byte more than expected shows that the file grows while it is read.
    let read = opened.file.take(opened.len + 1).read_to_end(&mut bytes);
    let found = match read {
        Ok(read) if read as u64 == opened.len => return Ok(bytes),
        Ok(_) => "another length while reading".to_owned(),
        Err(error) => describe(&error),
    };
    let expected = format!("{} bytes", grouped(opened.len));
    Err(DatasetError::file(path, expected, found, "try again when nothing else writes the file"))
}

/// Reads the file that an experiment names for a data set, of at most `most` bytes, as text; without the mark that some
/// programs write at its beginning.
pub(super) fn text(path: &Path, most: u64) -> Result<String, DatasetError> {
    let bytes = read(path, open_up_to(path, most)?)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let lines = error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count();
        let found = format!("a byte that is not UTF-8 in line {}", grouped(lines as u64 + 1));
        DatasetError::file(path, "text in UTF-8", found, "convert it, such as with iconv")
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// The file that an experiment names for a data set.
pub(super) fn file<'a>(data: &'a Data, name: &'static str) -> Result<&'a Path, DatasetError> {
    data.path.as_deref().ok_or(DatasetError::NoFile { name })
}

/// The folder that an experiment names for a data set of files.
pub(super) fn folder<'a>(data: &'a Data, name: &'static str) -> Result<&'a Path, DatasetError> {
    let path = data.path.as_deref().ok_or(DatasetError::NoFolder { name })?;
    let remedy = || format!("set data.path to the folder that holds the files of {name}");
    match fs::metadata(path) {
        Ok(kind) if kind.is_dir() => Ok(path),
        Ok(_) => Err(DatasetError::file(path, "a folder", "a file", remedy())),
        Err(error) => Err(DatasetError::file(path, "a folder", describe(&error), remedy())),
    }
}

/// The names of a folder's entries that are valid UTF-8, sorted; at most 10,000 of them.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, DatasetError> {
    let entries = fs::read_dir(folder).map_err(|error| {
        DatasetError::file(folder, "a readable folder", describe(&error), "check its permissions")
    })?;
    let mut names: Vec<String> =
        entries.take(10_000).flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(names)
}

/// The first of a folder and its given sub-folders whose names satisfy `holds`, with those names.
pub(super) fn first_folder_that(
    folder: &Path,
    below: &[&str],
    holds: impl Fn(&[String]) -> bool,
) -> Result<Option<(PathBuf, Vec<String>)>, DatasetError> {
    let below = below.iter().map(|name| folder.join(name)).filter(|path| path.is_dir());
    for candidate in std::iter::once(folder.to_owned()).chain(below) {
        let found = names(&candidate)?;
        if holds(&found) {
            return Ok(Some((candidate, found)));
        }
    }
    Ok(None)
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "nothing".to_owned(),
        io::ErrorKind::PermissionDenied => "no permission to read it".to_owned(),
        _ => format!("an error ({error})"),
    }
}
