//! `status.json`: the state of the training process and its lanes, written about every second, so that runs can be
//! listed without reading logs. It is replaced atomically, so a reader finds the old or the new one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::bounded::read_bounded;
use super::lock::is_locked;
use super::process::ProcessStart;
use super::summary::{LaneSummary, State};
use crate::disk::sync_folder;

/// The file's name in the run's folder.
const FILE: &str = "status.json";
/// The temporary name of the next one.
const NEXT: &str = ".status.json.new";
/// The format of the file.
const VERSION: u32 = 1;
/// The longest file that is read.
const MOST_BYTES: usize = 4 << 20;
/// The least age of a heartbeat at which the process counts as gone, if its lock says nothing ...
const LEAST_SILENCE: Duration = Duration::from_secs(10);
/// ... and the least number of intervals between heartbeats.
const SILENT_INTERVALS: u32 = 5;

/// The status of a training process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The format of the file.
    pub version: u32,
    /// The process.
    pub pid: u32,
    /// When the process started, if the system says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_start: Option<ProcessStart>,
    /// The machine that it runs on.
    pub host: String,
    /// When this was written, in milliseconds since 1970.
    pub heartbeat_unix_ms: u64,
    /// Milliseconds since the previous one.
    pub interval_ms: u64,
    /// The end of the run; none while it trains.
    pub exit: Option<Exit>,
    /// The lanes in the order of the experiment.
    pub lanes: Vec<LaneSummary>,
}

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// How it ended: the state of the lane that needs most attention.
    pub state: State,
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
}

impl Status {
    /// The status of this process with these lanes; `exit` is how the run ended, if it has.
    pub fn now(lanes: Vec<LaneSummary>, interval: Duration, exit: Option<State>) -> Status {
        let unix_ms = milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        Status {
            version: VERSION,
            pid: std::process::id(),
            process_start: ProcessStart::of(std::process::id()),
            host: this_host(),
            heartbeat_unix_ms: unix_ms,
            interval_ms: milliseconds(interval),
            exit: exit.map(|state| Exit { state, unix_ms }),
            lanes,
        }
    }

    /// The status in a run's folder; none if there is no readable one.
    pub fn read(folder: &Path) -> Option<Status> {
        let text = read_bounded(&folder.join(FILE), MOST_BYTES).ok()?;
        let status: Status = serde_json::from_slice(&text).ok()?;
        (status.version == VERSION).then_some(status)
    }

    /// Replaces the previous status. Requires the lock of the run. The last status is synced.
    ///
    /// # Errors
    /// If a file system operation fails; the previous one then stays.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let next = folder.join(NEXT);
        // A leftover of a killed process; removed rather than overwritten, since it may be a link.
        match fs::remove_file(&next) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        let mut file = File::create_new(&next)?;
        file.write_all(&text)?;
        if self.exit.is_some() {
            file.sync_all()?;
        }
        fs::rename(&next, folder.join(FILE))?;
        if self.exit.is_some() { sync_folder(folder) } else { Ok(()) }
    }

    /// Whether the training process is alive. On its own machine the system's processes or its lock decide; elsewhere
    /// it counts as gone once its heartbeat is too old.
    pub fn is_alive(&self, folder: &Path, now: SystemTime) -> bool {
        self.life(folder).unwrap_or_else(|| {
            let beat = UNIX_EPOCH.checked_add(Duration::from_millis(self.heartbeat_unix_ms));
            let silence = beat.and_then(|beat| now.duration_since(beat).ok()).unwrap_or_default();
            silence <= self.patience()
        })
    }

    /// Whether the training process is alive, if its exit, the system's processes or its lock say so.
    pub fn life(&self, folder: &Path) -> Option<bool> {
        if self.exit.is_some() {
            return Some(false);
        }
        if self.process_is_seen() {
            return Some(true);
        }
        is_locked(folder).filter(|locked| *locked || self.is_here())
    }

    /// Whether the status says that it trains, and its process is not this one and is visibly alive.
    pub(super) fn is_of_another(&self) -> bool {
        self.exit.is_none() && self.pid != std::process::id() && self.process_is_seen()
    }

    /// Whether the process is visible on this machine. If not, it may still run elsewhere, or in another container.
    fn process_is_seen(&self) -> bool {
        self.process_start.is_some() && self.process_start == ProcessStart::of(self.pid)
    }

    /// Whether the training process ran on this machine.
    pub fn is_here(&self) -> bool {
        self.host == this_host()
    }

    /// How long after its heartbeat the process counts as alive, if its lock says nothing.
    pub fn patience(&self) -> Duration {
        LEAST_SILENCE.max(Duration::from_millis(self.interval_ms).saturating_mul(SILENT_INTERVALS))
    }
}

/// The name of this machine.
fn this_host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::lock::RunLock;
    use super::*;

    fn status(host: &str, exit: Option<State>) -> Status {
        let lane = LaneSummary { loss: Some(f32::NAN), ..LaneSummary::new("plain", 60) };
        // A process that does not exist, unlike this one.
        let now = Status::now(vec![lane], Duration::from_secs(1), exit);
        Status { host: host.to_owned(), process_start: None, ..now }
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NEXT), "half").unwrap();
        for exit in [None, Some(State::Finished)] {
            let written = status("here", exit);
            written.write(folder.path()).unwrap();
            let read = Status::read(folder.path()).unwrap();
            assert!(read.lanes[0].loss.unwrap().is_nan());
            assert_eq!((read.exit, read.heartbeat_unix_ms), (written.exit, written.heartbeat_unix_ms));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "untouched").unwrap();
        for name in [FILE, NEXT] {
            std::os::unix::fs::symlink(&secret, folder.path().join(name)).unwrap();
        }
        status("here", None).write(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&secret).unwrap(), "untouched");
        assert!(Status::read(folder.path()).is_some());
    }

    #[test]
    fn what_is_no_status_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{", r#"{"version":1}"#, r#"{"version":99}"#, "[[[["] {
            fs::write(folder.path().join(FILE), text).unwrap();
            assert_eq!(Status::read(folder.path()), None, "{text}");
        }
    }

    #[test]
    fn a_process_lives_as_long_as_its_lock_or_elsewhere_its_heart() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (status(&this_host(), None), status("far away", None));
        let now = SystemTime::now();
        let later = now + Duration::from_secs(11);
        let alive = |status: &Status| [now, later].map(|now| status.is_alive(folder.path(), now));
        assert_eq!([alive(&here), alive(&there)], [[true, false]; 2], "there is no lock to be seen");
        let lock = RunLock::take(folder.path()).unwrap();
        assert_eq!([alive(&here), alive(&there)], [[true, true]; 2]);
        drop(lock);
        assert_eq!([alive(&here), alive(&there)], [[false, false], [true, false]]);
        let slow = Status { interval_ms: 3000, ..there };
        assert_eq!(alive(&slow), [true, true]);
        assert_eq!(alive(&status(&this_host(), Some(State::Stopped))), [false, false]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_is_seen_lives_whatever_became_of_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let later = SystemTime::now() + Duration::from_secs(1000);
        let own = Status::now(Vec::new(), Duration::from_secs(1), None);
        assert!(own.is_alive(folder.path(), later));
        let mut start = own.process_start.clone().unwrap();
        start.ticks += 1;
        let before = Status { process_start: Some(start.clone()), ..own.clone() };
        assert!(!before.is_alive(folder.path(), later), "another process had the number");
        start.boot.clear();
        let booted = Status { process_start: Some(start), ..own.clone() };
        assert!(!booted.is_alive(folder.path(), later));
        assert!(
            !Status { exit: Some(Exit { state: State::Finished, unix_ms: 0 }), ..own }
                .is_alive(folder.path(), later)
        );
    }
}
