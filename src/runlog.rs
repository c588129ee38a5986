//! Run folders and their logs: written once, append-only, and read back as the events that were written.
//! The format is described in `docs/RUN_LOG.md`. Knows neither what emits the events nor what folds them.

use std::io;
use std::path::{Path, PathBuf};

use crate::event::FORMAT_VERSION;
use crate::printable::printable;

mod bounded;
mod manifest;
mod folder;
mod home;
mod record;
mod lines_back;
mod writer;
mod held;
mod keeper;
mod following;
mod step_parser;
mod event_parser;
mod earlier;
mod index;
mod reader;
mod reread;
mod numbering;
mod consistency;
mod resolve;
mod tail;
mod summary;
mod process;
mod lock;
mod status;
mod listing;
mod notes;
mod trash;
mod listed;

pub use bounded::kind;
pub use folder::{Imported, NewRun, RunFolder, SweepFile};
pub use held::Held;
pub use index::{Index, IndexHead, anchors_of, index_of, write_index};
pub use keeper::LogKeeper;
pub use listed::{Known, Listed, ids, read_listed};
pub use listing::summarize;
pub use lock::{RunLock, is_locked};
pub use manifest::{Manifest, ManifestLane, SweepName};
pub use notes::{MOST_TAGS, NOTE_LENGTH, Notes, TAG_LENGTH};
pub use process::ProcessStart;
pub use reader::{BadRecord, Entry, LogReader, Position};
pub use reread::{find_step, first_event, parse_records, read_record, read_records, read_steps};
pub use resolve::{resolve, runs_in};
pub use status::{Exit, Status};
pub use summary::{LaneSummary, RunSummary, State};
pub use trash::{Discarded, discard, restore, run_path};
pub use writer::LogWriter;

/// Why a run could not be written, found or read. Messages include their cause, so no field is a `source`: a printed
/// chain of errors would repeat it.
#[derive(Debug, thiserror::Error)]
pub enum RunLogError {
    /// A file system operation failed.
    #[error("could not {action} {}: {cause}", shown(path))]
    Io {
        /// The operation: `"read"`, `"create"`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// The file has a later format.
    #[error(
        "{}: expected log format {FORMAT_VERSION} or older, found {found}; read it with a newer skiplane",
        shown(path)
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// A file of the run folder is not what it should be.
    #[error("{}: {reason}", shown(path))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// There is no run of that name.
    #[error("no run `{}` in {}{}", printable(name), shown(root), near_names(near))]
    NotFound {
        /// The name given.
        name: String,
        /// The folder of runs.
        root: PathBuf,
        /// Similar ids.
        near: Vec<String>,
    },
    /// The folder of runs is empty.
    #[error("no run in {} yet; `skiplane train` makes one, `--runs DIR` looks elsewhere", shown(root))]
    Empty {
        /// The folder of runs.
        root: PathBuf,
    },
    /// There are not that many runs.
    #[error("latest~{back}: expected more than {back} runs in {}, found {count}", shown(root))]
    TooFew {
        /// How many before the latest.
        back: usize,
        /// The folder of runs.
        root: PathBuf,
        /// The number of runs.
        count: usize,
    },
    /// Several ids contain the name.
    #[error("`{}` is part of the ids of several runs: {}; give a longer part", printable(name), candidates.join(", "))]
    Ambiguous {
        /// The name given.
        name: String,
        /// The ids that contain it.
        candidates: Vec<String>,
    },
}

impl RunLogError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunLogError {
        let path = path.to_owned();
        move |cause| RunLogError::Io { action, path, cause }
    }

    fn malformed(path: &Path, reason: impl Into<String>) -> RunLogError {
        RunLogError::Malformed { path: path.to_owned(), reason: printable(&reason.into()) }
    }
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

fn near_names(near: &[String]) -> String {
    if near.is_empty() {
        "; `skiplane runs` lists them".to_owned()
    } else {
        format!("; did you mean {}?", near.join(" or "))
    }
}
