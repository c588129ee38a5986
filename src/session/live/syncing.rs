//! Syncs logs regularly, in a separate thread, because that may take long. Knows nothing of their content.

use std::fs::File;
use std::io;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::event::{Kind, RunEvent};

/// The longest time between syncs, apart from checkpoints: what a power failure may lose.
const EVERY: Duration = Duration::from_secs(10);

/// The syncing of one log.
#[derive(Debug, Default)]
pub(super) struct Syncing {
    last: Option<Instant>,
    busy: Arc<AtomicBool>,
}

impl Syncing {
    /// Whether to sync the log after this event.
    pub(super) fn is_due(&self, event: &RunEvent) -> bool {
        matches!(event.kind, Kind::CheckpointWritten(_) | Kind::LaneStarted(_) | Kind::Paused)
            || self.last.is_none_or(|last| last.elapsed() >= EVERY)
    }

    /// Syncs a file, unless a sync is still in progress.
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
            let sync = || {
                crate::panics::if_asked();
                file.sync_data()
            };
            // After a panic the next sync is tried, too.
            let synced = catch_unwind(sync).unwrap_or_else(|_| Err(io::Error::other("syncing it panicked")));
            busy.store(false, Ordering::Release);
            if let Err(error) = synced {
                failed(error);
            }
        };
        if thread::Builder::new().name("log-to-disk".to_owned()).spawn(body).is_err() {
            // Starting a thread may succeed next time; the end of the lane syncs in any case.
            self.busy.store(false, Ordering::Release);
        }
    }
}
