//! Holds the folder of a run that trains, by an open handle: what the process writes follows a folder that is moved, and
//! never goes to another one that stands at its path, nor to one that would have to be made anew.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::io::{FdFlags, dup2, fcntl_setfd};

use super::manifest::Manifest;

/// A run's folder, held open.
#[derive(Debug)]
pub(super) struct Home {
    /// The path by which it was opened.
    given: PathBuf,
    /// A path that leads through the handle, wherever the folder is by now; the given one where the system has none.
    through: PathBuf,
    /// Its `run.json`, by which a copy of it is known.
    manifest: Vec<u8>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    handle: OwnedFd,
    identity: (u64, u64),
    /// The path at which it was seen last.
    known: PathBuf,
}

impl Home {
    /// Opens a run's folder.
    pub(super) fn hold(path: &Path) -> io::Result<Home> {
        let given = std::path::absolute(path)?;
        let handle = OwnedFd::from(File::open(&given)?);
        let identity = identity_of(&given)?;
        let through = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
        let leads = identity_of(&through).is_ok_and(|found| found == identity);
        let through = if leads { through } else { given.clone() };
        let manifest = fs::read(through.join(Manifest::FILE))?;
        let held = Mutex::new(Held { handle, identity, known: given.clone() });
        Ok(Home { given, through, manifest, held })
    }

    /// The path by which its files are reached.
    pub(super) fn path(&self) -> &Path {
        &self.through
    }

    /// Makes sure that what is written in the folder can be found again: that it still has a path. Gives the path where
    /// that is another than at the last look. A copy at the path by which the folder was opened takes its place where
    /// the folder itself is gone: it was mounted again, or restored.
    ///
    /// # Errors
    /// Where it has none: it was deleted, or its file system unmounted.
    pub(super) fn check(&self) -> io::Result<Option<PathBuf>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_here = |path: &Path| identity_of(path).is_ok_and(|found| found == held.identity);
        if is_here(&held.known) {
            return Ok(None);
        }
        let moved = fs::read_link(&self.through).ok().filter(|path| is_here(path));
        if moved.is_none() {
            self.adopt(&mut held)?;
        }
        held.known = moved.unwrap_or_else(|| self.given.clone());
        Ok(Some(held.known.clone()))
    }

    /// Holds what stands at the given path from now on, where that is this run's folder, too.
    fn adopt(&self, held: &mut Held) -> io::Result<()> {
        let is_copy = fs::read(self.given.join(Manifest::FILE)).is_ok_and(|found| found == self.manifest);
        if !is_copy {
            let reason =
                format!("the run's folder was deleted or unmounted; expected it at {}", held.known.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
        let folder = OwnedFd::from(File::open(&self.given)?);
        held.identity = identity_of(&self.given)?;
        // The handle keeps its number, which stands in paths.
        dup2(folder, &mut held.handle)?;
        Ok(fcntl_setfd(&held.handle, FdFlags::CLOEXEC)?)
    }
}

/// The identity of what a path leads to.
fn identity_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| identity(&metadata))
}

/// The device and inode of a file or folder.
pub(super) fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
