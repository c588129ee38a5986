//! Syncs folders, so that new names survive a power failure. Knows nothing of what the files are.

use std::fs::File;
use std::io;
use std::path::Path;

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
