//! Why a run could not be started, as messages for the user.

use std::io;

use thiserror::Error;

use crate::datasets::DatasetError;
use crate::printable::printable;
use crate::runlog::RunLogError;

/// Why a run could not be started.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The experiment doesn't fit the data.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// A log could not be created.
    #[error(transparent)]
    Log(#[from] RunLogError),
    /// Another process trains it.
    #[error("{}: {}; `skiplane attach` shows it", printable(folder), holder(process))]
    Held {
        /// The run's folder.
        folder: String,
        /// The process and its machine, if known.
        process: Option<(u32, String)>,
    },
    /// Its experiment or data have changed.
    #[error(
        "{}: expected the experiment and data the run was started with, found\n  {}\n{}",
        printable(folder),
        changes.join("\n  "),
        remedy(*same_networks)
    )]
    Changed {
        /// The run's folder.
        folder: String,
        /// What has changed, in words.
        changes: Vec<String>,
        /// Whether its lanes are still the same networks.
        same_networks: bool,
    },
    /// The run's lock could not be opened.
    #[error("could not lock {}: {cause}", printable(folder))]
    Lock {
        /// The run's folder.
        folder: String,
        /// The cause.
        cause: io::Error,
    },
    /// The system could not start a thread.
    #[error("expected a thread for {purpose}, found {cause}; start fewer lanes, or raise the limit")]
    Thread {
        /// What it is for.
        purpose: String,
        /// The cause.
        cause: io::Error,
    },
}

fn holder(process: &Option<(u32, String)>) -> String {
    match process {
        Some((pid, host)) => format!("process {pid} on {} is training it", printable(host)),
        None => "another process is training it".to_owned(),
    }
}

fn remedy(same_networks: bool) -> &'static str {
    if same_networks {
        "restore it, or continue anyway with --force"
    } else {
        "restore it, or start a new run; the checkpoints do not fit other networks"
    }
}
