//! Where a lane of an earlier run goes on: after its last checkpoint that is still there.

use std::path::PathBuf;

use crate::event::{Outcome, RunEvent};
use crate::runlog::{Entry, RunFolder, RunLogError};
use crate::units::{LaneIdx, Step};

/// What an earlier part of the run left of a lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Resumption {
    /// How the lane ended for good, where it did: there is nothing left to do.
    pub(super) outcome: Option<Outcome>,
    /// The model's file of the checkpoint; none where the lane has to begin again.
    pub(super) checkpoint: Option<PathBuf>,
    /// The updates made.
    pub(super) done: Step,
    /// Bytes of the log up to here; what comes after is made again.
    pub(super) kept: u64,
    /// Milliseconds since the run started at the last event that is kept.
    pub(super) at_ms: f64,
}

impl Resumption {
    /// Reads a lane's log. Its events up to the last checkpoint stay, or all where it completed or diverged.
    pub(super) fn find(folder: &RunFolder, lane: LaneIdx) -> Result<Resumption, RunLogError> {
        let mut reader = folder.read_log(lane)?;
        let mut found = Resumption::default();
        while let Some(entry) = reader.next_entry()? {
            let Entry::Event { event, bytes } = entry else { continue };
            match &event {
                RunEvent::CheckpointWritten(written) => {
                    let file = folder.path().join(&written.file);
                    if file.is_file() {
                        (found.checkpoint, found.done) = (Some(file), written.step);
                        (found.kept, found.at_ms) = (bytes.end, event.at_ms());
                    }
                }
                RunEvent::LaneFinished(finished)
                    if matches!(finished.outcome, Outcome::Completed | Outcome::Diverged) =>
                {
                    found.outcome = Some(finished.outcome.clone());
                    (found.kept, found.at_ms) = (bytes.end, event.at_ms());
                }
                _ => {}
            }
        }
        Ok(found)
    }
}
