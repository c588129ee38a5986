//! Looks for logs of other programs that appear in a folder while what was there is followed: runs that begin, and states
//! of a trainer that take the place of earlier ones.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use crate::sources::{self, Source};

/// How long it rests between two searches, at least ...
const PAUSE: Duration = Duration::from_secs(1);
/// ... and how many times as long as the last one took, because folders may be large and slow.
const SHARE: u32 = 20;

/// A log that has appeared.
#[derive(Debug)]
pub struct Appeared {
    /// The log.
    pub source: Arc<Source>,
    /// The log of the same lane that is gone since, if there is one.
    pub replaces: Option<PathBuf>,
}

/// A thread that searches a folder.
#[derive(Debug)]
pub struct Discovery {
    appeared: Receiver<Appeared>,
    /// The thread ends when this is gone.
    _keep_searching: Sender<()>,
}

impl Discovery {
    /// Searches a folder for other logs than these, from now on. Where no thread can be started, none appear.
    pub fn start(folder: PathBuf, reading: sources::Reading, known: &[Arc<Source>]) -> Discovery {
        let (sender, appeared) = unbounded();
        let (keep_searching, stopped) = bounded::<()>(0);
        let mut known = Known::of(known);
        let search = move || {
            let mut pause = PAUSE;
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let begun = Instant::now();
                // A folder that cannot be read now, or has nothing any more, may be readable later.
                let found = sources::find(&folder, &reading).unwrap_or_default();
                for appeared in known.update(found) {
                    if sender.send(appeared).is_err() {
                        return;
                    }
                }
                pause = PAUSE.max(begun.elapsed().saturating_mul(SHARE));
            }
        };
        let _ = thread::Builder::new().name("discovery".to_owned()).spawn(search);
        Discovery { appeared, _keep_searching: keep_searching }
    }

    /// Becomes ready when a log has appeared.
    pub fn appeared(&self) -> &Receiver<Appeared> {
        &self.appeared
    }
}

/// The logs that were found, with the lanes that they are of.
struct Known(HashMap<PathBuf, String>);

impl Known {
    fn of(sources: &[Arc<Source>]) -> Known {
        Known(sources.iter().map(|source| (source.path().to_owned(), source.lane.clone())).collect())
    }

    /// Those of all logs that there are now which are new.
    fn update(&mut self, all: Vec<Arc<Source>>) -> Vec<Appeared> {
        let there: Vec<PathBuf> = all.iter().map(|source| source.path().to_owned()).collect();
        let is_gone = |path: &Path| !there.iter().any(|other| other == path);
        let mut appeared = Vec::new();
        for source in all {
            if self.0.contains_key(source.path()) {
                continue;
            }
            let before = self.0.iter().find(|(path, lane)| **lane == source.lane && is_gone(path));
            let replaces = before.map(|(path, _)| path.clone());
            if let Some(path) = &replaces {
                self.0.remove(path);
            }
            self.0.insert(source.path().to_owned(), source.lane.clone());
            appeared.push(Appeared { source, replaces });
        }
        appeared
    }
}
