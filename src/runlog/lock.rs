//! `run.lock`: locked by the training process as long as it lives, so that no other process trains the run, and so that
//! others see at once whether it is alive. The file is always empty, and readable only by those who may write to the
//! run, since anybody who can open a file can lock it.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use super::bounded::open;
use super::home::identity;
use super::status::Status;

/// The file's name in the run's folder.
const FILE: &str = "run.lock";
/// The temporary name of one that replaces another.
const NEXT: &str = ".run.lock.new";
/// Checking the lock also takes it for a moment, so taking it is retried this often ...
const ATTEMPTS: u32 = 20;
/// ... with this pause.
const WAIT: Duration = Duration::from_millis(10);

/// The lock of a run, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    path: PathBuf,
}

impl RunLock {
    /// Takes the lock of the run in a folder; none if another process trains the run.
    ///
    /// # Errors
    /// If the file cannot be opened or created.
    pub fn take(folder: &Path) -> io::Result<Option<RunLock>> {
        let path = folder.join(FILE);
        let mut file = open_or_create(&path, folder)?;
        if !is_private(&file, folder)? {
            // Anybody could hold it, so it proves nothing, and must not prevent training.
            if Status::read(folder).is_some_and(|status| status.is_alive(folder, SystemTime::now())) {
                return Ok(None);
            }
            let next = folder.join(NEXT);
            match fs::remove_file(&next) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => file = open_or_create(&next, folder)?,
            }
            fs::rename(&next, &path)?;
        }
        if !is_taken(&file) {
            return Ok(None);
        }
        let lock = RunLock { file, path };
        // The file may have been removed while the process of the run still trains, as its status says.
        let trains = Status::read(folder).is_some_and(|status| status.is_of_another());
        Ok((!trains && lock.is_in_place()).then_some(lock))
    }

    /// Whether the locked file is still in its place, so that nobody else can lock a new one.
    pub fn is_in_place(&self) -> bool {
        let [held, found] =
            [self.file.metadata(), fs::symlink_metadata(&self.path)].map(|it| it.map(|it| identity(&it)));
        held.is_ok_and(|held| found.is_ok_and(|found| held == found))
    }
}

/// Locks the file, with retries.
fn is_taken(file: &File) -> bool {
    for _ in 0..ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return true,
            Err(TryLockError::WouldBlock) => thread::sleep(WAIT),
            // On a file system without locks training goes on; viewers rely on the heartbeat.
            Err(TryLockError::Error(_)) => return true,
        }
    }
    false
}

/// Whether a process holds the lock of the run in a folder; none if unknown, because there is no lock file, it may not
/// be opened, anybody could hold it, or the file system has no locks.
pub fn is_locked(folder: &Path) -> Option<bool> {
    let file = open(&folder.join(FILE)).ok()?;
    if !is_private(&file, folder).ok()? {
        return None;
    }
    match file.try_lock_shared() {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}

fn open_or_create(path: &Path, folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed());
    match options.clone().mode(0o600).create_new(true).open(path) {
        Ok(file) => {
            // Only now, so that others can never open it.
            file.set_permissions(Permissions::from_mode(lockers(folder)?))?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

/// The permissions of a lock file: for those who may write to the folder.
fn lockers(folder: &Path) -> io::Result<u32> {
    let writers = fs::metadata(folder)?.mode() & 0o222;
    Ok(0o600 | writers | writers << 1)
}

/// Whether only those who may write to the folder can open it.
fn is_private(file: &File, folder: &Path) -> io::Result<bool> {
    Ok(file.metadata()?.mode() & 0o777 & !lockers(folder)? == 0)
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

    /// A process that may read the file may lock it; that must neither look like training nor prevent it.
    #[test]
    fn a_lock_that_anybody_may_hold_tells_and_prevents_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        File::create(&path).unwrap();
        for mode in [0o644, 0o640, 0o604] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let somebody = File::open(&path).unwrap();
            somebody.lock().unwrap();
            assert_eq!(is_locked(folder.path()), None);
            let lock = RunLock::take(folder.path()).unwrap().unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
            assert_eq!(is_locked(folder.path()), Some(true));
            drop(lock);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn who_may_write_to_the_folder_may_lock_it() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, expected) in [(0o755, 0o600), (0o775, 0o660), (0o777, 0o666), (0o700, 0o600)] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            drop(RunLock::take(folder.path()).unwrap().unwrap());
            assert_eq!(fs::metadata(folder.path().join(FILE)).unwrap().mode() & 0o777, expected);
            fs::remove_file(folder.path().join(FILE)).unwrap();
        }
    }

    #[test]
    fn a_lock_knows_that_its_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let lock = RunLock::take(folder.path()).unwrap().unwrap();
        assert!(lock.is_in_place());
        fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(!lock.is_in_place());
        File::create(folder.path().join(FILE)).unwrap();
        assert!(!lock.is_in_place());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_no_file_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join(FILE);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &lock, fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        assert_ne!(is_locked(folder.path()), Some(true));
        fs::remove_file(&lock).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, &lock).unwrap();
        assert_eq!(is_locked(folder.path()), None);
        assert!(RunLock::take(folder.path()).is_err());
        assert!(!elsewhere.exists());
    }
}
