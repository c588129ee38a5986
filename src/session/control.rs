//! The control channel of a run: a socket in its folder, for its owner alone, that takes orders as JSON lines. Here is
//! what both ends agree on, and the end of whoever gives orders. Whether the run lives, and where, its status tells.

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
use crate::runlog::{Manifest, Status, is_locked, kind};
use crate::text::printable;

/// The socket's name in the run's folder.
pub(super) const SOCKET: &str = "control.sock";
/// The longest line that either end reads.
pub(super) const MOST_BYTES: u64 = 2048;
/// How long an answer is awaited.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest path that a socket's address holds.
const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) order: Order,
    /// The lane that is meant; every lane where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lane: Option<String>,
    /// The id of the run that is meant, since a socket may come to stand in another's folder; any where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<String>,
}

/// What is answered: that it was taken, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Ok(bool),
    Error(String),
}

/// Why an order was not taken.
#[derive(Debug, Error)]
pub enum ControlError {
    /// There is no channel, for this reason.
    #[error("{0}")]
    Absent(String),
    /// The channel could not be used.
    #[error("the run could not be reached: {0}")]
    Io(#[from] io::Error),
    /// The run said no.
    #[error("the run took no order: {}", printable(.0))]
    Refused(String),
}

/// Gives the run in a folder an order and waits until it is taken, which is before it is obeyed.
///
/// # Errors
/// Where no process takes orders there, or does not take this one.
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
    // One that is refused at once may be closed before it is written to, with its answer to be read.
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

/// Reads a line, for no longer than an answer may take: whatever listens there may dribble.
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
        None => "expected a process that trains it, found none".to_owned(),
        Some(Status { exit: Some(exit), .. }) => format!("it is over ({})", exit.state.name()),
        Some(status) if status.is_here() => {
            "its process is gone; `skiplane train --resume` goes on with it".to_owned()
        }
        Some(status) => format!("it is trained on {}, and takes orders only there", printable(&status.host)),
    }
}

/// A value as a line.
pub(super) fn line<T: Serialize>(value: &T) -> Vec<u8> {
    // Nothing in these types can fail to be JSON.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The address of a socket in a folder.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) path: PathBuf,
    /// The folder or the socket, where the path goes through it.
    _through: Option<OwnedFd>,
}

impl Socket {
    /// To be made, of that name. A path that is too long for an address goes through the opened folder, where there is a
    /// way.
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

    /// That stands there; a link, which may lead to another run's, is refused.
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
