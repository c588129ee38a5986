//! Run folders and their logs: written once, append-only, and read back as the events that were written.
//! The format stands in `docs/RUN_LOG.md`. Knows neither who emits the events nor who folds them.

use std::io;
use std::path::{Path, PathBuf};

use crate::event::FORMAT_VERSION;
use crate::text::printable;

mod bounded;
mod replace;
mod manifest;
mod folder;
mod home;
mod record;
mod back;
mod writer;
mod held;
mod keeper;
mod following;
mod step_parser;
mod event_parser;
mod earlier;
mod index;
mod reader;
mod again;
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

pub use again::{find_step, parse_records, read_record, read_records};
pub use bounded::kind;
pub use folder::{NewRun, RunFolder};
pub use held::Held;
pub use index::{Index, IndexHead, index_of, write_index};
pub use keeper::LogKeeper;
pub use listed::{Known, Listed, ids, read_listed};
pub use listing::summarize;
pub use lock::{RunLock, is_locked};
pub use manifest::{Manifest, ManifestLane};
pub use notes::{MOST_TAGS, NOTE_LENGTH, Notes, TAG_LENGTH};
pub use process::ProcessStart;
pub use reader::{BadRecord, Entry, LogReader, MAX_LINE, Position};
pub use resolve::resolve;
pub use status::{Exit, Status};
pub use summary::{LaneSummary, RunSummary, State};
pub use trash::{Discarded, TRASH, discard, restore, run_path};
pub use writer::LogWriter;

/// Why a run could not be written, found or read. A message says its cause itself, which is why no field is a `source`:
/// whoever writes out a chain of errors would say it again.
#[derive(Debug, thiserror::Error)]
pub enum RunLogError {
    /// The file system refused.
    #[error("could not {action} {}: {cause}", shown(path))]
    Io {
        /// What was tried: `"read"`, `"create"`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// Written by a version of a later format.
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
    /// No run goes by that name.
    #[error("no run `{}` in {}{}", printable(name), shown(root), near_names(near))]
    NotFound {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        root: PathBuf,
        /// Ids that look like it.
        near: Vec<String>,
    },
    /// The folder of runs holds none.
    #[error("no run in {} yet; `skiplane train` makes one, `--runs DIR` looks elsewhere", shown(root))]
    Empty {
        /// Where it was looked for.
        root: PathBuf,
    },
    /// There are not so many runs.
    #[error("latest~{back}: expected more than {back} runs in {}, found {count}", shown(root))]
    TooFew {
        /// How many before the latest.
        back: usize,
        /// Where it was looked for.
        root: PathBuf,
        /// The runs that there are.
        count: usize,
    },
    /// Several ids hold that.
    #[error("`{}` is part of the ids of several runs: {}; give more of it", printable(name), candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// The ids that hold it.
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
