//! Has logs put on the disk now and then, in a thread, because a disk may take its time. Knows nothing of what is in them.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::event::{Kind, RunEvent};

/// The longest that a record waits, beside at a checkpoint: what a machine that loses its power forgets.
const EVERY: Duration = Duration::from_secs(10);

/// One log on its way to the disk.
#[derive(Debug, Default)]
pub(super) struct Syncing {
    last: Option<Instant>,
    busy: Arc<AtomicBool>,
}

impl Syncing {
    /// Whether the log is to be put on the disk after this event.
    pub(super) fn is_due(&self, event: &RunEvent) -> bool {
        matches!(event.kind, Kind::CheckpointWritten(_) | Kind::LaneStarted(_) | Kind::Paused)
            || self.last.is_none_or(|last| last.elapsed() >= EVERY)
    }

    /// Puts a file on the disk, unless the disk is still busy with it.
    pub(super) fn start(&mut self, file: io::Result<File>, failed: impl FnOnce(io::Error) + Send + 'static) {
        self.last = Some(Instant::now());
        let file = match file {
            Ok(file) => file,
            Err(error) => return failed(error),
        };
        if self.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let busy = Arc::clone(&self.busy);
        let body = move || {
            let synced = file.sync_data();
            busy.store(false, Ordering::Release);
            if let Err(error) = synced {
                failed(error);
            }
        };
        if thread::Builder::new().name("log-to-disk".to_owned()).spawn(body).is_err() {
            // The next time there may be a thread; the end of the lane waits for the disk in any case.
            self.busy.store(false, Ordering::Release);
        }
    }
}
