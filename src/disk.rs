//! Small files: replaced as a whole, so that a reader finds the old or the new one, even after a power failure, and named
//! safely. Knows nothing of what the files are.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The longest name that is made of a text, in bytes.
const LONGEST_NAME: usize = 100;

/// Replaces a file of a folder: writes a temporary one whose name begins with `prefix`, syncs it, and renames it.
///
/// # Errors
/// Where the folder cannot be written to, or the disk reports an error; the old file is then still there.
pub fn replace(folder: &Path, name: &str, prefix: &str, content: &[u8]) -> io::Result<()> {
    // The permissions of any new file, subject to the umask.
    let permissions = Permissions::from_mode(0o666);
    let mut new = tempfile::Builder::new().prefix(prefix).permissions(permissions).tempfile_in(folder)?;
    new.write_all(content)?;
    new.as_file().sync_all()?;
    new.persist(folder.join(name)).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// A name for a file, made of any text: letters, digits, `-` and `_` of ASCII stay, all else becomes `_`.
pub fn file_name(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.chars().take(LONGEST_NAME).map(|c| if is_plain(c) { c } else { '_' }).collect()
}

/// Waits until the names in a folder are on the disk. On a file system that does not support this it does nothing.
///
/// # Errors
/// Where the folder does not exist, or the disk reports an error.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_synced_and_a_missing_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        sync_folder(folder.path()).unwrap();
        let missing = sync_folder(&folder.path().join("gone"));
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_that_cannot_sync_folders_is_no_error() {
        let folder = Path::new("/proc/self");
        let refused = File::open(folder).unwrap().sync_all();
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput, "else this tries nothing");
        sync_folder(folder).unwrap();
    }
}
