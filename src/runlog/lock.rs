//! `run.lock`: locked by the training process for as long as it lives, so that nobody trains the run a second time, and
//! so that whoever looks at it on the same machine knows at once whether it still lives. The file is always empty.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

#[cfg(unix)]
use rustix::fs::OFlags;

use super::bounded::open;

/// The file's name in the run's folder.
const FILE: &str = "run.lock";
/// Whoever looks holds the lock for a moment; so often it is tried again ...
const ATTEMPTS: u32 = 20;
/// ... after this time.
const WAIT: Duration = Duration::from_millis(10);

/// The lock of a run, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct RunLock(#[expect(dead_code, reason = "holding the file is what it is for")] File);

impl RunLock {
    /// Takes the lock of the run in a folder; none where another process holds it.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    pub fn take(folder: &Path) -> io::Result<Option<RunLock>> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed());
        let file = options.open(folder.join(FILE))?;
        for _ in 0..ATTEMPTS {
            match file.try_lock() {
                Ok(()) => return Ok(Some(RunLock(file))),
                Err(TryLockError::WouldBlock) => thread::sleep(WAIT),
                // A file system without locks is no reason not to train; its viewers go by the heartbeat.
                Err(TryLockError::Error(_)) => return Ok(Some(RunLock(file))),
            }
        }
        Ok(None)
    }
}

/// Whether a process holds the lock of the run in a folder; none where that cannot be told, because there is no lock or
/// the file system has none.
pub fn is_locked(folder: &Path) -> Option<bool> {
    let file = open(&folder.join(FILE)).ok()?;
    match file.try_lock_shared() {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_one_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(is_locked(folder.path()), None);
        let lock = RunLock::take(folder.path()).unwrap().unwrap();
        assert_eq!(is_locked(folder.path()), Some(true));
        assert!(RunLock::take(folder.path()).unwrap().is_none());
        drop(lock);
        assert_eq!(is_locked(folder.path()), Some(false));
        assert!(RunLock::take(folder.path()).unwrap().is_some());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_no_file_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join(FILE);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &lock, fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        assert_ne!(is_locked(folder.path()), Some(true));
        std::fs::remove_file(&lock).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, &lock).unwrap();
        assert_eq!(is_locked(folder.path()), None);
        assert!(RunLock::take(folder.path()).is_err());
        assert!(!elsewhere.exists());
    }
}
