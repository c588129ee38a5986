//! The control channel of a run: a socket in its folder, accessible only to its owner, that takes orders as JSON lines.
//! Has the protocol and the client's side. The run's status says whether it is alive, and where.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use rustix::fs::{Mode, OFlags, open};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::order::{LaneOrder, Order};
use crate::printable::printable;
use crate::runlog::{Manifest, Status, is_locked, kind};

/// The socket's name in the run's folder.
pub(super) const SOCKET: &str = "control.sock";
/// The longest line that either side reads.
pub(super) const MOST_BYTES: u64 = 2048;
/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest path in a socket's address.
const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) order: Order,
    /// The lane; every lane if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lane: Option<String>,
    /// The id of the run, since a socket may end up in another run's folder; any run if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<String>,
}

/// The answer: that the order was taken, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Ok(bool),
    Error(String),
}

/// Why an order was not taken.
#[derive(Debug, Error)]
pub enum ControlError {
    /// There is no channel; says why.
    #[error("{0}")]
    Absent(String),
    /// The channel could not be used.
    #[error("the run could not be reached: {0}")]
    Io(#[from] io::Error),
    /// The run refused the order.
    #[error("the run refused the order: {}", printable(.0))]
    Refused(String),
}

/// Sends an order to the run in a folder and waits until it is accepted, which is before it is carried out.
///
/// # Errors
/// If no process takes orders there, or it refuses this one.
pub fn send(folder: &Path, order: &LaneOrder) -> Result<(), ControlError> {
    let run = Manifest::read(folder).ok().map(|manifest| manifest.run);
    let connected = Socket::found(folder, SOCKET).and_then(|socket| UnixStream::connect(&socket.path));
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Err(ControlError::Absent(absence(folder)));
        }
        Err(error) => return Err(error.into()),
    };
    stream.set_write_timeout(Some(PATIENCE))?;
    // A refused connection may be closed before this is written; its answer can still be read.
    let LaneOrder { order, lane } = order.clone();
    let asked = line(&Asked { order, lane, run });
    if asked.len() as u64 >= MOST_BYTES {
        let found = asked.len();
        return Err(ControlError::Refused(format!("expected less than {MOST_BYTES} bytes, found {found}")));
    }
    let written = stream.write_all(&asked);
    let answer = read_answer(&mut stream)?;
    if answer.is_empty() {
        written?;
    }
    match serde_json::from_slice(&answer) {
        Ok(Answer::Ok(true)) => Ok(()),
        Ok(Answer::Error(reason)) => Err(ControlError::Refused(reason)),
        Ok(Answer::Ok(false)) | Err(_) => {
            let found = String::from_utf8_lossy(&answer).into_owned();
            Err(ControlError::Refused(format!("expected an answer, found `{found}`")))
        }
    }
}

/// Reads a line, within the time limit of an answer, since bytes may arrive slowly.
fn read_answer(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let end = Instant::now() + PATIENCE;
    let mut answer = Vec::new();
    while answer.last() != Some(&b'\n') && answer.len() < MOST_BYTES as usize {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut piece = [0; MOST_BYTES as usize];
        match stream.read(&mut piece)? {
            0 => break,
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    Ok(answer)
}

/// Why a run has no channel.
fn absence(folder: &Path) -> String {
    let status = Status::read(folder);
    let life = status.as_ref().map_or_else(|| is_locked(folder), |status| status.life(folder));
    match status {
        _ if life == Some(true) => "its process has no control channel".to_owned(),
        None => "expected a process that is training it, found none".to_owned(),
        Some(Status { exit: Some(exit), .. }) => format!("it is over ({})", exit.state.name()),
        Some(status) if status.is_here() => {
            "its process is gone; `skiplane train --resume` continues the run".to_owned()
        }
        Some(status) => format!("it is trained on {}, and takes orders only there", printable(&status.host)),
    }
}

/// A value as a line of JSON.
pub(super) fn line<T: Serialize>(value: &T) -> Vec<u8> {
    // Serialising these types cannot fail.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The address of a socket in a folder.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) path: PathBuf,
    /// The folder or the socket, if the path goes through its handle.
    _through: Option<OwnedFd>,
}

impl Socket {
    /// For a new socket of this name. A path that is too long for an address goes through a handle to the folder, if
    /// the system supports that.
    pub(super) fn in_folder(folder: &Path, name: &str) -> io::Result<Socket> {
        let path = folder.join(name);
        if OsStr::as_bytes(path.as_os_str()).len() <= LONGEST_PATH {
            return Ok(Socket { path, _through: None });
        }
        Socket::through(folder, name)
    }

    #[cfg(target_os = "linux")]
    fn through(folder: &Path, name: &str) -> io::Result<Socket> {
        let folder = open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()));
        Ok(Socket { path, _through: Some(folder) })
    }

    /// For the existing socket; a link, which may lead to another run's, is an error.
    #[cfg(target_os = "linux")]
    fn found(folder: &Path, name: &str) -> io::Result<Socket> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = File::from(open(folder.join(name), flags, Mode::empty())?);
        expect_socket(&found.metadata()?)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
        Ok(Socket { path, _through: Some(found.into()) })
    }

    #[cfg(not(target_os = "linux"))]
    fn found(folder: &Path, name: &str) -> io::Result<Socket> {
        expect_socket(&fs::symlink_metadata(folder.join(name))?)?;
        Socket::in_folder(folder, name)
    }

    #[cfg(not(target_os = "linux"))]
    fn through(folder: &Path, _: &str) -> io::Result<Socket> {
        let shown = printable(&folder.to_string_lossy());
        let reason = format!("expected a run folder whose path leaves room for a socket's, found {shown}");
        Err(io::Error::new(io::ErrorKind::InvalidFilename, reason))
    }
}

fn expect_socket(found: &fs::Metadata) -> io::Result<()> {
    if found.file_type().is_socket() {
        return Ok(());
    }
    Err(io::Error::other(format!("expected a socket, found {}", kind(found))))
}
