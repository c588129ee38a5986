//! Training that outlives its terminal. What the user starts is a waiting process; training and dashboard are its
//! child, on the same terminal. When the child leaves the terminal it reports that through a pipe, and the waiting
//! process ends, so that the shell shows its prompt, while the child goes on with all its threads.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::thread;

use rustix::fs::OFlags;
use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, kill_process, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::runlog::RunFolder;
use crate::tui;

/// The environment variable with the number of the child's end of the pipe.
const PIPE: &str = "SKIPLANE_WAITING_PIPE";
/// Where the lines of a run without a terminal go, in its folder.
pub(super) const OUTPUT: &str = "output.log";
/// The longest run id that is accepted.
const MOST_BYTES: u64 = 4096;

/// How the child left the waiting process.
pub(super) enum Parting {
    /// It goes on without the terminal, as the run of this id.
    Detached(String),
    /// It ended, with this exit status.
    Ended(u8),
    /// A signal of this number ended it.
    Killed(i32),
}

/// Starts this program once more, with the same arguments, and waits until the child ends or leaves the terminal.
/// Signals are forwarded to it. If one ends it, the terminal's modes are restored.
pub(super) fn start_and_wait() -> io::Result<Parting> {
    let modes = tui::Modes::note();
    let (told, teller) = io::pipe()?;
    // The child inherits this end; nothing else is started that could inherit it, too.
    rustix::io::fcntl_setfd(&teller, FdFlags::empty())?;
    let signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
    let mut command = Command::new(env::current_exe()?);
    command.args(env::args_os().skip(1)).env(PIPE, teller.as_raw_fd().to_string());
    let mut child = command.spawn()?;
    drop(teller);
    pass_on(signals, &child)?;
    let mut line = String::new();
    // Nothing is written if the child ends without leaving the terminal.
    BufReader::new(told.take(MOST_BYTES)).read_line(&mut line)?;
    if let Some(id) = line.strip_suffix('\n') {
        return Ok(Parting::Detached(id.to_owned()));
    }
    let status = child.wait()?;
    if let Some(signal) = status.signal() {
        // It could not do that itself.
        modes.put_back();
        return Ok(Parting::Killed(signal));
    }
    Ok(Parting::Ended(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Forwards signals to the child as long as this process runs.
fn pass_on(mut signals: Signals, child: &Child) -> io::Result<()> {
    let Some(child) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return Ok(()) };
    let body = move || {
        for signal in signals.forever() {
            // The child is not waited for while this thread runs, so its id is not reused.
            if let Some(signal) = Signal::from_named_raw(signal) {
                let _ = kill_process(child, signal);
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(body).map(drop)
}

/// The process that waits for this one to leave the terminal.
pub(super) struct Waiting(File);

impl Waiting {
    /// The process that started this one; none if the user started it directly.
    pub(super) fn find() -> Option<Waiting> {
        let number: u32 = env::var(PIPE).ok()?.parse().ok()?;
        let pipe = OpenOptions::new().write(true).open(format!("/dev/fd/{number}")).ok()?;
        pipe.metadata().ok()?.file_type().is_fifo().then_some(Waiting(pipe))
    }

    /// Lets it end.
    fn release(mut self, run: &str) {
        // Fails if it was killed, which is fine.
        let _ = self.0.write_all(format!("{run}\n").as_bytes());
    }
}

/// Makes writes to the terminal non-blocking: what there is no room for is lost. The terminal is reopened, so that
/// other processes sharing it are not affected.
pub(super) fn never_wait_for_terminal() -> io::Result<()> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let open = |path| OpenOptions::new().write(true).custom_flags(flags).open(path);
    if io::stdout().is_terminal() {
        dup2_stdout(&open("/dev/fd/1")?)?;
    }
    if io::stderr().is_terminal() {
        dup2_stderr(&open("/dev/fd/2")?)?;
    }
    Ok(())
}

/// Leaves the terminal for good: standard output and error go to the run's `output.log` from here on, no hang-up of the
/// terminal reaches this process, and nothing keeps the terminal open.
pub(super) fn leave_terminal(folder: &RunFolder, waiting: Option<Waiting>) -> io::Result<()> {
    let path = folder.reach().join(OUTPUT);
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    let output = OpenOptions::new().append(true).create(true).custom_flags(no_link).open(path);
    // If it cannot be written, the output is lost, which is no reason to stay on the terminal.
    let nowhere = File::options().read(true).write(true).open("/dev/null")?;
    let output = output.or_else(|_| nowhere.try_clone())?;
    // Fails only if this process leads its group, because no process waits for it.
    let _ = setsid();
    dup2_stdin(&nowhere)?;
    // Output that a lost terminal did not accept does not belong in the log.
    dup2_stdout(&nowhere)?;
    io::stdout().flush()?;
    dup2_stdout(&output)?;
    dup2_stderr(&output)?;
    if let Some(waiting) = waiting {
        waiting.release(folder.id());
    }
    Ok(())
}
