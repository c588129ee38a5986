//! Reads the small files of a run's folder whole, in as few system calls as possible, and no more than a bound: a
//! folder may come from anywhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// The bytes of the first read; nearly every such file is shorter.
const FIRST: usize = 8 << 10;

/// The content of a file of at most `most` bytes.
pub(super) fn read_bounded(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let mut content = vec![0; FIRST.min(most + 1)];
    let mut length = 0;
    loop {
        let room = content.len();
        let count = match file.read(&mut content[length..]) {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        length += count;
        // A short read means the end of the file.
        if length < room {
            content.truncate(length);
            return Ok(content);
        }
        if length > most {
            let reason = format!("expected at most {most} bytes, found more");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        content.resize((2 * room).min(most + 1), 0);
    }
}

/// Opens without blocking, since a pipe in place of the file would block a reader forever, and without following a
/// link, which may lead anywhere.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW).bits().cast_signed(),
    );
    options.open(path).map_err(|error| match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => io::Error::other(format!("found {}", kind(&metadata))),
        _ => error,
    })
}

/// The kind of what is in place of a file or folder.
pub fn kind(metadata: &fs::Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        "a symbolic link, which is not followed"
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_file() {
        "a file"
    } else {
        "a device, pipe or socket"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_whole_up_to_their_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for length in [0, 1, FIRST - 1, FIRST, FIRST + 1, 5 * FIRST] {
            let content: Vec<u8> = (0..length).map(|at| at as u8).collect();
            fs::write(&path, &content).unwrap();
            assert!(read_bounded(&path, 5 * FIRST).unwrap() == content, "{length}");
        }
        assert!(read_bounded(&path, 5 * FIRST - 1).unwrap_err().to_string().contains("at most"));
        assert_eq!(read_bounded(&folder.path().join("y"), 9).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(read_bounded(&path, 99).unwrap_err().to_string().contains("symbolic link"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        assert!(read_bounded(&path, 99).unwrap().is_empty());
    }
}
