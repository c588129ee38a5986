//! Puts small files in a run's folder whole: whoever reads meanwhile finds the old one or the new one, and so does who
//! looks after the machine lost its power.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::disk::sync_folder;

/// Writes a file beside its place under a name that begins with `prefix`, and moves it there once it is on the disk.
pub(super) fn replace(folder: &Path, name: &str, prefix: &str, content: &[u8]) -> io::Result<()> {
    // As any file that is created: what its creator's umask leaves.
    let permissions = Permissions::from_mode(0o666);
    let mut new = tempfile::Builder::new().prefix(prefix).permissions(permissions).tempfile_in(folder)?;
    new.write_all(content)?;
    new.as_file().sync_all()?;
    new.persist(folder.join(name)).map_err(|error| error.error)?;
    sync_folder(folder)
}
