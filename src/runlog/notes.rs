//! `notes.json` of a run's folder: the user's note and tags, separate from what the run itself writes.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::RunLogError;
use super::bounded::read_bounded;
use crate::disk::replace;
use crate::printable::printable;

/// The version of the file that this build writes, and the latest that it reads.
const VERSION: u64 = 1;
/// A larger file is not read.
const MOST_BYTES: usize = 64 << 10;

/// The most characters of a note.
pub const NOTE_LENGTH: usize = 1_000;
/// The most characters of a tag.
pub const TAG_LENGTH: usize = 40;
/// The most tags of a run.
pub const MOST_TAGS: usize = 16;

/// A note and tags. Created only by [`Notes::new`], so that they are always printable and within the bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Notes {
    note: String,
    tags: Vec<String>,
}

/// The content of the file. Fields of newer writers are kept when it is written again.
#[derive(Debug, Default, Serialize, Deserialize)]
struct NotesFile {
    version: u64,
    #[serde(default)]
    note: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

impl Notes {
    /// The file's name in the run's folder.
    pub const FILE: &'static str = "notes.json";

    /// A one-line note, and tags, sorted and without duplicates. What is too long is cut, and characters unsafe for a
    /// terminal are replaced.
    pub fn new<T: AsRef<str>>(note: &str, tags: impl IntoIterator<Item = T>) -> Notes {
        let note: String = printable(note.trim()).chars().take(NOTE_LENGTH).collect();
        let tag = |tag: T| printable(tag.as_ref().trim()).chars().take(TAG_LENGTH).collect::<String>();
        let tags: BTreeSet<String> = tags.into_iter().map(tag).filter(|tag| !tag.is_empty()).collect();
        Notes { note, tags: tags.into_iter().take(MOST_TAGS).collect() }
    }

    /// The tags in a line, separated by blanks or commas.
    pub fn tags_of(line: &str) -> impl Iterator<Item = &str> {
        line.split(|c: char| c.is_whitespace() || c == ',').filter(|tag| !tag.is_empty())
    }

    /// The note; may be empty.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The tags, ascending.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Reads the file of a run's folder; a run without one has empty notes.
    ///
    /// # Errors
    /// If it cannot be read, is too large, of a newer version, or not a file of notes.
    pub fn read(folder: &Path) -> Result<Notes, RunLogError> {
        let file = read_file(folder)?.unwrap_or_default();
        Ok(Notes::new(&file.note, &file.tags))
    }

    /// Replaces the file of a run's folder atomically: a reader finds the old or the new one.
    ///
    /// # Errors
    /// As [`Notes::read`], so that an unreadable file is not overwritten, and if it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), RunLogError> {
        let path = folder.join(Notes::FILE);
        let others = read_file(folder)?.unwrap_or_default().others;
        let file = NotesFile { version: VERSION, note: self.note.clone(), tags: self.tags.clone(), others };
        let mut json = serde_json::to_vec_pretty(&file)
            .map_err(|e| RunLogError::malformed(&path, format!("cannot be JSON: {e}")))?;
        json.push(b'\n');
        replace(folder, Notes::FILE, ".notes-", &json).map_err(RunLogError::io("write", &path))
    }
}

fn read_file(folder: &Path) -> Result<Option<NotesFile>, RunLogError> {
    let path = folder.join(Notes::FILE);
    let bytes = match read_bounded(&path, MOST_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(RunLogError::io("read", &path))?,
    };
    let malformed = |e: serde_json::Error| RunLogError::malformed(&path, format!("expected notes: {e}"));
    let file: NotesFile = serde_json::from_slice(&bytes).map_err(malformed)?;
    if file.version > VERSION {
        let reason = format!("expected notes of version {VERSION} or older, found {}", file.version);
        return Err(RunLogError::malformed(&path, reason));
    }
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Notes::read(folder.path()).unwrap(), Notes::default());
        let notes = Notes::new(" the good one ", ["paper", "baseline", "paper", " "]);
        notes.write(folder.path()).unwrap();
        let read = Notes::read(folder.path()).unwrap();
        assert_eq!((read.note(), read.tags()), ("the good one", &["baseline".into(), "paper".into()][..]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn what_cannot_be_understood_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(Notes::FILE);
        for text in [r#"{"version":9,"note":"from the future"}"#, "{", "[]", r#"{"version":1,"tags":3}"#] {
            fs::write(&path, text).unwrap();
            assert!(Notes::read(folder.path()).is_err(), "{text}");
            assert!(Notes::new("x", ["y"]).write(folder.path()).is_err(), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn fields_of_others_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(Notes::FILE);
        fs::write(&path, r#"{"version":1,"note":"a","stars":5}"#).unwrap();
        Notes::new("b", ["c"]).write(folder.path()).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("\"stars\": 5"));
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, r#"{"version":1,"note":"secret"}"#).unwrap();
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        std::os::unix::fs::symlink(&secret, run.join(Notes::FILE)).unwrap();
        assert!(Notes::read(&run).is_err());
    }

    proptest! {
        #[test]
        fn notes_are_bounded_and_printable(note in ".{0,2000}", tags in proptest::collection::vec(".{0,60}", 0..30)) {
            let notes = Notes::new(&note, &tags);
            prop_assert!(notes.note().chars().count() <= NOTE_LENGTH && notes.tags().len() <= MOST_TAGS);
            prop_assert!(notes.tags().is_sorted());
            for text in notes.tags().iter().map(String::as_str).chain([notes.note()]) {
                prop_assert_eq!(&printable(text), text);
            }
        }
    }
}
