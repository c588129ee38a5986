//! Whether the process that trains a run is alive, as a viewer sees it: at once from its lock if that is readable, else
//! from its heartbeat, whose changes are timed by the viewer's own clock.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crate::runlog::{Status, is_locked, summarize};

/// The time between checks.
const INTERVAL: Duration = Duration::from_millis(250);

/// What a viewer knows about the process.
#[derive(Debug)]
pub struct Presence {
    folder: PathBuf,
    looked: Option<Instant>,
    lives: bool,
    /// The last heartbeat, and when it was first seen.
    beat: Option<(u64, Instant)>,
}

impl Presence {
    /// For the run in a folder.
    pub fn new(folder: PathBuf) -> Presence {
        Presence { folder, looked: None, lives: true, beat: None }
    }

    /// Whether it is alive, as far as known.
    pub fn lives(&mut self, now: Instant) -> bool {
        let fresh = |looked: Instant| now.saturating_duration_since(looked) < INTERVAL;
        if !self.looked.is_some_and(fresh) {
            self.looked = Some(now);
            self.lives = self.look(now);
        }
        self.lives
    }

    fn look(&mut self, now: Instant) -> bool {
        if is_locked(&self.folder) == Some(true) {
            return true;
        }
        let Some(status) = Status::read(&self.folder) else {
            // A run of an older version has no status.
            return summarize(&self.folder, SystemTime::now()).is_ok_and(|run| !run.state.is_over());
        };
        if let Some(lives) = status.life(&self.folder) {
            return lives;
        }
        match self.beat {
            Some((beat, seen)) if beat == status.heartbeat_unix_ms => {
                now.saturating_duration_since(seen) <= status.patience()
            }
            None if !status.is_alive(&self.folder, SystemTime::now()) => {
                // Possibly only the clocks differ; the next heartbeat decides.
                let long_ago = now.checked_sub(status.patience() + INTERVAL).unwrap_or(now);
                self.beat = Some((status.heartbeat_unix_ms, long_ago));
                false
            }
            _ => {
                self.beat = Some((status.heartbeat_unix_ms, now));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runlog::RunLock;

    fn status(host: &str) -> Status {
        // A process that does not exist, unlike this one.
        let status = Status { process_start: None, ..Status::now(Vec::new(), Duration::from_secs(1), None) };
        Status { host: if host == "here" { status.host.clone() } else { host.to_owned() }, ..status }
    }

    #[test]
    fn on_its_own_machine_the_lock_tells_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut presence = Presence::new(folder.path().to_owned());
        let lock = RunLock::take(folder.path()).unwrap();
        status("here").write(folder.path()).unwrap();
        let start = Instant::now();
        assert!(presence.lives(start));
        drop(lock);
        assert!(presence.lives(start), "it is not looked at more often than need be");
        assert!(!presence.lives(start + INTERVAL));
        let _again = RunLock::take(folder.path()).unwrap();
        assert!(presence.lives(start + 2 * INTERVAL), "it was resumed");
    }

    #[test]
    fn elsewhere_silence_tells_by_the_viewers_clock() {
        let folder = tempfile::tempdir().unwrap();
        let beat = |at| Status { heartbeat_unix_ms: at, ..status("far away") }.write(folder.path()).unwrap();
        let mut presence = Presence::new(folder.path().to_owned());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        // The clock there is an hour behind.
        let now = status("far away").heartbeat_unix_ms - 3_600_000;
        beat(now);
        assert!(!presence.lives(at(0)), "so far it looks old");
        beat(now + 1000);
        assert!(presence.lives(at(1)));
        assert!(presence.lives(at(10)));
        assert!(!presence.lives(at(12)));
        beat(now + 13_000);
        assert!(presence.lives(at(13)));
    }
}
