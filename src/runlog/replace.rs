//! Replaces small files in a run's folder atomically: a reader finds the old or the new one, even after a power
//! failure.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::disk::sync_folder;

/// Writes a temporary file whose name begins with `prefix`, syncs it, and renames it.
pub(super) fn replace(folder: &Path, name: &str, prefix: &str, content: &[u8]) -> io::Result<()> {
    // The permissions of any new file, subject to the umask.
    let permissions = Permissions::from_mode(0o666);
    let mut new = tempfile::Builder::new().prefix(prefix).permissions(permissions).tempfile_in(folder)?;
    new.write_all(content)?;
    new.as_file().sync_all()?;
    new.persist(folder.join(name)).map_err(|error| error.error)?;
    sync_folder(folder)
}
