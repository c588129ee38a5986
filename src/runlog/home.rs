//! Keeps an open handle to the folder of a training run: writes follow a folder that is moved, and never go to another
//! folder at its path or to a recreated one.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::io::{FdFlags, dup2, fcntl_setfd};

use super::manifest::Manifest;

/// A run's folder, kept open.
#[derive(Debug)]
pub(super) struct Home {
    /// The path by which it was opened.
    given: PathBuf,
    /// A path through the handle, wherever the folder has been moved; the given path where the system does not support
    /// this.
    through: PathBuf,
    /// Its `run.json`, by which a copy of the folder is recognised.
    manifest: Vec<u8>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    handle: OwnedFd,
    identity: (u64, u64),
    /// The path at which it was last seen.
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

    /// Checks that the folder still has a path, so that what is written in it can be found. Returns the path if it has
    /// changed since the last check. If the folder itself is gone, a copy at the original path, such as a remounted or
    /// restored one, takes its place.
    ///
    /// # Errors
    /// If it has none: it was deleted, or its file system unmounted.
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

    /// Switches to the folder at the original path, if that is this run's folder, too.
    fn adopt(&self, held: &mut Held) -> io::Result<()> {
        let is_copy = fs::read(self.given.join(Manifest::FILE)).is_ok_and(|found| found == self.manifest);
        if !is_copy {
            let reason =
                format!("the run's folder was deleted or unmounted; expected it at {}", held.known.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
        let folder = OwnedFd::from(File::open(&self.given)?);
        held.identity = identity_of(&self.given)?;
        // The handle keeps its number, which is part of paths.
        dup2(folder, &mut held.handle)?;
        Ok(fcntl_setfd(&held.handle, FdFlags::CLOEXEC)?)
    }
}

/// The identity of the file or folder at a path.
fn identity_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| identity(&metadata))
}

/// The device and inode of a file or folder.
pub(super) fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
