//! The runs of a folder as a stream: first all of them, the newest first, from several threads; then changes, about
//! every second. Finished runs are not read again unless their folder changed. Knows nothing of how runs are shown.

use std::collections::HashMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::reading::curves::{self, RunCurves};
use crate::runlog::{Listed, State, ids, read_listed};

/// Runs that a thread reads before it sends them.
const CHUNK: usize = 64;
/// The most queued messages; reading threads block beyond that.
const QUEUE: usize = 32;
/// The most reading threads.
const MOST_THREADS: usize = 8;
/// How often running runs are read again, and new ones looked for.
const INTERVAL: Duration = Duration::from_secs(1);
/// What is told if the thread panics.
const PANICKED: &str = "the runs are no longer listed, because that panicked; leave and open the list again";
/// Every so many times, finished runs are checked for changes, too.
const OVER: u64 = 5;

/// A message about the runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The current state of these runs.
    Runs(Vec<Listed>),
    /// These runs no longer exist.
    Gone(Vec<String>),
    /// All runs have been sent once; or why the folder cannot be read.
    Complete(Result<(), String>),
    /// The time, in milliseconds since 1970.
    Time(i64),
    /// The requested curves of a run.
    Curves(RunCurves),
}

/// A thread that lists the runs of a folder; it ends soon after this is dropped.
#[derive(Debug)]
pub struct Listing {
    found: Receiver<Found>,
    wanted: Sender<Vec<String>>,
}

impl Listing {
    /// Begins to list the runs in `root`.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn start(root: PathBuf) -> std::io::Result<Listing> {
        let (sender, found) = bounded(QUEUE);
        let (wanted, orders) = bounded(QUEUE);
        let watch = move || {
            let mut watch = Watch { root, sender, known: HashMap::new() };
            // It runs as long as the channel has a receiver.
            if catch_unwind(AssertUnwindSafe(|| watch.run(&orders))).is_err() {
                let _ = watch.tell(Found::Complete(Err(PANICKED.to_owned())));
            }
        };
        thread::Builder::new().name("runs".to_owned()).spawn(watch)?;
        Ok(Listing { found, wanted })
    }

    /// Receives what it found.
    pub fn found(&self) -> &Receiver<Found> {
        &self.found
    }

    /// Requests the curves of runs; false if too many requests are pending.
    pub fn want_curves(&self, ids: Vec<String>) -> bool {
        self.wanted.try_send(ids).is_ok()
    }
}

/// All runs in `root`, in the order of their ids.
///
/// # Errors
/// Where the folder cannot be read.
pub fn read_all(root: &Path) -> Result<Vec<Listed>, crate::runlog::RunLogError> {
    let ids = ids(root)?;
    let (sender, receiver) = bounded(QUEUE);
    let mut runs = thread::scope(|scope| {
        scope.spawn(|| read_many(root, &ids, sender));
        receiver.into_iter().flatten().collect::<Vec<Listed>>()
    });
    runs.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(runs)
}

/// Reads runs in chunks, in the order of `ids`, in several threads.
fn read_many(root: &Path, ids: &[String], sender: Sender<Vec<Listed>>) {
    let now = SystemTime::now();
    let next = AtomicUsize::new(0);
    let chunks = ids.len().div_ceil(CHUNK);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(chunks);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(chunk) = ids.chunks(CHUNK).nth(at) else { return };
                    let read = chunk.iter().filter_map(|id| read_listed(root, id, now)).collect();
                    if sender.send(read).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// The receiver is gone.
struct Unheard;

/// The state of the thread.
struct Watch {
    root: PathBuf,
    sender: Sender<Found>,
    known: HashMap<String, Seen>,
}

/// A run as it was when it was read last.
struct Seen {
    state: Option<State>,
    /// When something in its folder was last created, replaced or removed.
    changed: Option<SystemTime>,
}

impl Watch {
    fn tell(&self, found: Found) -> Result<(), Unheard> {
        self.sender.send(found).map_err(|_| Unheard)
    }

    fn run(&mut self, orders: &Receiver<Vec<String>>) -> Result<(), Unheard> {
        self.tell(Found::Time(unix_ms()))?;
        let complete = self.look(true)?;
        self.tell(Found::Complete(complete))?;
        crate::panics::if_asked();
        let mut next = Instant::now() + INTERVAL;
        for round in 1u64.. {
            loop {
                match orders.recv_deadline(next) {
                    Ok(ids) => self.read_curves(&ids, orders)?,
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            }
            // A single failure to read the folder is ignored; the runs stay as they were.
            let _ = self.look(round.is_multiple_of(OVER))?;
            self.tell(Found::Time(unix_ms()))?;
            next = Instant::now() + INTERVAL;
        }
        Ok(())
    }

    /// Reads new runs and those that may have changed.
    fn look(&mut self, thoroughly: bool) -> Result<Result<(), String>, Unheard> {
        let mut ids = match ids(&self.root) {
            Ok(ids) => ids,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let gone: Vec<String> =
            self.known.keys().filter(|id| ids.binary_search(id).is_err()).cloned().collect();
        if !gone.is_empty() {
            self.known.retain(|id, _| ids.binary_search(id).is_ok());
            self.tell(Found::Gone(gone))?;
        }
        ids.retain(|id| self.may_have_changed(id, thoroughly));
        // Ids begin with the time of their run's start.
        ids.reverse();
        let (sender, receiver) = bounded::<Vec<Listed>>(QUEUE);
        let root = self.root.clone();
        thread::scope(|scope| {
            scope.spawn(|| read_many(&root, &ids, sender));
            for chunk in receiver {
                if chunk.is_empty() {
                    continue;
                }
                for run in &chunk {
                    let changed = changed(&self.root.join(&run.id));
                    self.known.insert(run.id.clone(), Seen { state: run.state(), changed });
                }
                self.tell(Found::Runs(chunk))?;
            }
            Ok(Ok(()))
        })
    }

    fn may_have_changed(&self, id: &String, thoroughly: bool) -> bool {
        match self.known.get(id) {
            None => true,
            Some(Seen { state: Some(state), .. }) if !state.is_over() => true,
            Some(seen) => thoroughly && seen.changed != changed(&self.root.join(id)),
        }
    }

    fn read_curves(&self, ids: &[String], orders: &Receiver<Vec<String>>) -> Result<(), Unheard> {
        let mut budget = curves::MOST_BYTES;
        for id in ids.iter().take(curves::MOST_RUNS) {
            // A newer request makes these curves unnecessary.
            if !orders.is_empty() {
                return Ok(());
            }
            self.tell(Found::Curves(curves::read(&self.root, id, &mut budget)))?;
        }
        Ok(())
    }
}

fn changed(run: &Path) -> Option<SystemTime> {
    fs::metadata(run).and_then(|metadata| metadata.modified()).ok()
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
