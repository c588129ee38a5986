//! Keeps the indexes of a run that trains in this process up to date: a thread that reads the logs as any follower
//! does. Its errors are ignored, since nothing depends on the indexes.

use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::replay::Replay;
use super::{Folded, WORTH_AN_INDEX};

/// How often new records of the logs are read.
const EVERY: Duration = Duration::from_secs(1);

/// The thread, until it is told to finish.
#[derive(Debug)]
pub struct IndexWriter {
    finish: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl IndexWriter {
    /// Starts to keep the indexes of the run in a folder up to date.
    pub fn start(folder: &Path) -> IndexWriter {
        let (finish, finished) = bounded(1);
        let folder = folder.to_owned();
        let thread = thread::Builder::new().name("indexes".to_owned()).spawn(move || keep(folder, &finished));
        IndexWriter { finish, thread: thread.ok() }
    }

    /// Reads the logs to their current end, and waits until the indexes are written.
    pub fn finish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.finish.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for IndexWriter {
    fn drop(&mut self) {
        self.end();
    }
}

fn keep(folder: PathBuf, finished: &Receiver<()>) {
    let Ok(replay) = Replay::open(&[folder]) else { return };
    let open = |source| Folded::open(source, false).ok();
    let mut lanes: Vec<Indexed> = replay
        .into_lanes()
        .into_iter()
        .filter_map(open)
        .map(|folded| Indexed { folded, written: 0 })
        .collect();
    loop {
        let ends = !matches!(finished.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout));
        // A lane whose log cannot be read is dropped.
        lanes.retain_mut(|lane| lane.folded.fold_on().is_ok());
        for lane in &mut lanes {
            // An index is written when the log has grown by as much as was written the last time, so that writing
            // them takes no more than writing the log.
            let due = WORTH_AN_INDEX.max(if ends { 0 } else { lane.written });
            if lane.folded.unkept >= due
                && let Ok(Some(written)) = lane.folded.save()
            {
                (lane.written, lane.folded.unkept) = (written, 0);
            }
        }
        if ends {
            return;
        }
    }
}

struct Indexed {
    folded: Folded,
    /// Bytes of the last index.
    written: u64,
}
