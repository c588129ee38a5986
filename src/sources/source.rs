//! A log of another program: where it is, and in which format.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::files::Where;
use super::layers::Pattern;
use super::parser::Parser;
use crate::runlog::RunLogError;

/// A writer may keep what it writes for two minutes, as TensorBoard's does.
const SILENCE: Duration = Duration::from_secs(300);

/// A format of logs.
pub(super) struct Format {
    /// Its name in messages.
    pub(super) name: &'static str,
    /// What takes its records.
    pub(super) parser: fn() -> Box<dyn Parser>,
    /// Whether a file is of this format, by its first bytes and its name.
    pub(super) recognises: fn(&[u8], &str) -> bool,
    /// Whether tags come in the order in which the program named them.
    pub(super) is_ordered: bool,
    /// A log consists of all files of a folder that have this in their names, rather than of one file.
    pub(super) part: Option<&'static str>,
    /// The ends of the names by which its files are looked for in a folder.
    pub(super) endings: &'static [&'static str],
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A log of another program.
#[derive(Debug)]
pub struct Source {
    /// The run that it belongs to.
    pub run: String,
    /// The lane that it is.
    pub lane: String,
    pub(super) at: Where,
    pub(super) format: &'static Format,
    pub(super) layers: Vec<Pattern>,
    /// Where its index is kept.
    index: Option<PathBuf>,
    /// Up to where it has to be searched for tags.
    pub(super) surveyed: AtomicU64,
}

/// How logs of other programs are to be read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Which tags are of layers; none to find out.
    pub layers: Vec<Pattern>,
    /// The folder for indexes; none to do without.
    pub indexes: Option<PathBuf>,
}

impl Source {
    pub(super) fn new(
        run: String,
        lane: String,
        at: Where,
        format: &'static Format,
        reading: &Reading,
    ) -> Arc<Source> {
        let index = reading.indexes.as_ref().map(|folder| folder.join(index_name(&at, &reading.layers)));
        let (layers, surveyed) = (reading.layers.clone(), AtomicU64::new(0));
        Arc::new(Source { run, lane, at, format, layers, index, surveyed })
    }

    /// Its file, or the folder of its files.
    pub fn path(&self) -> &Path {
        self.at.path()
    }

    /// The folder that its files are in.
    pub fn folder(&self) -> &Path {
        match &self.at {
            Where::Folder(folder, _) => folder,
            Where::File(file) => {
                file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
            }
        }
    }

    /// The name of its format.
    pub fn format(&self) -> &'static str {
        self.format.name
    }

    /// The file in which its index is kept; none to do without.
    pub fn index(&self) -> Option<&Path> {
        self.index.as_deref()
    }

    /// Whether nothing was written to it for so long that its run can be taken for ended.
    pub fn is_silent(&self, now: SystemTime) -> bool {
        let files = self.at.files().unwrap_or_default();
        let last = files.iter().filter_map(|file| file.metadata().ok()?.modified().ok()).max();
        last.is_none_or(|last| now.duration_since(last).is_ok_and(|since| since > SILENCE))
    }

    /// An error of reading it.
    pub(super) fn failed(&self, cause: io::Error) -> RunLogError {
        RunLogError::Io { action: "read", path: self.path().to_owned(), cause }
    }
}

/// The name of the index of a log: that of its folder or file, and what distinguishes it from others of that name.
fn index_name(at: &Where, layers: &[Pattern]) -> String {
    let path = at.path();
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut hash = Sha256::new();
    hash.update(whole.as_os_str().as_encoded_bytes());
    for pattern in layers {
        hash.update([0]);
        hash.update(pattern.to_string());
    }
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let stem: String = path.file_stem().unwrap_or_default().to_string_lossy().chars().take(40).collect();
    format!("{stem}-{hash}.index")
}
