//! What is written to the terminal, by a thread of its own. A terminal that nobody reads (a connection that hangs, a
//! multiplexer that was stopped) takes nothing more; that keeps this thread waiting, and nobody else.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::termios::{QueueSelector, tcflush};

/// How soon it is noticed that the terminal has room again, where the system doesn't tell.
const POLL: Duration = Duration::from_millis(100);
/// How long the terminal may take for the last bytes.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it may take once its queue was emptied: it is looked at within [`POLL`].
const MORE_PATIENCE: Duration = Duration::from_millis(250);

/// The way to the terminal; all clones are the same one.
#[derive(Clone)]
pub(super) struct Output {
    shared: Arc<Shared>,
    bell: Receiver<()>,
}

struct Shared {
    terminal: File,
    state: Mutex<State>,
    /// Something is to be written, or all was.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What is still to be written: at most about a frame, since nobody draws the next one before.
    pending: VecDeque<u8>,
    /// Nothing comes after what is pending.
    closed: bool,
    failed: Option<io::Error>,
}

impl Output {
    /// The way to the terminal on standard output.
    pub(super) fn open() -> io::Result<Output> {
        let shared = Shared { terminal: open()?, state: Mutex::default(), changed: Condvar::new() };
        let shared = Arc::new(shared);
        let (ringer, bell) = bounded(1);
        let writes = Arc::clone(&shared);
        let body = move || writes.write(&ringer);
        thread::Builder::new().name("terminal output".to_owned()).spawn(body)?;
        Ok(Output { shared, bell })
    }

    /// Has bytes written after all that is pending; doesn't wait for it.
    pub(super) fn send(&self, bytes: &[u8]) {
        {
            let mut state = self.shared.lock();
            state.pending.extend(bytes);
            // What was written before is no news any more.
            let _ = self.bell.try_recv();
        }
        self.shared.changed.notify_all();
    }

    /// Whether all was written.
    ///
    /// # Errors
    /// The first of what went wrong since the last time.
    pub(super) fn is_idle(&self) -> io::Result<bool> {
        let mut state = self.shared.lock();
        state.failed.take().map_or(Ok(state.pending.is_empty()), Err)
    }

    /// Becomes ready when all was written.
    pub(super) fn bell(&self) -> &Receiver<()> {
        &self.bell
    }

    /// Waits until all was written, for [`PATIENCE`] at most.
    pub(super) fn wait(&self) -> bool {
        self.wait_for(PATIENCE)
    }

    fn wait_for(&self, patience: Duration) -> bool {
        let is_pending = |state: &mut State| !state.pending.is_empty();
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), patience, is_pending);
        waited.unwrap_or_else(PoisonError::into_inner).0.pending.is_empty()
    }

    /// Has these last bytes written instead of all that is pending. Where the terminal does not take them in time, what
    /// it has not shown yet is taken back to make room for them; they are written late rather than never as long as
    /// this process lives.
    pub(super) fn finish(&self, last: &[u8]) {
        {
            let mut state = self.shared.lock();
            state.pending = VecDeque::from(last.to_vec());
            state.closed = true;
        }
        self.shared.changed.notify_all();
        if !self.wait_for(PATIENCE) {
            // Where that fails, there is no room for the last bytes yet.
            let _ = tcflush(&self.shared.terminal, QueueSelector::OFlush);
            self.wait_for(MORE_PATIENCE);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's work: writes what is pending until nothing more comes.
    fn write(&self, bell: &Sender<()>) {
        let mut state = self.lock();
        loop {
            if state.pending.is_empty() {
                if state.closed {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            match (&self.terminal).write(state.pending.as_slices().0) {
                Ok(count) => drop(state.pending.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    drop(state);
                    let mut polled = [PollFd::new(&self.terminal, PollFlags::OUT)];
                    // Whatever comes of it, the next write tells.
                    let _ = poll(&mut polled, Timespec::try_from(POLL).ok().as_ref());
                    state = self.lock();
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    state.pending.clear();
                    state.failed = Some(error);
                }
            }
            if state.pending.is_empty() {
                self.changed.notify_all();
                // One that rings already is enough.
                let _ = bell.try_send(());
            }
        }
    }
}

/// The terminal, opened anew: to be written to without waiting, which must not be set for the processes that share
/// standard output. Where that is not allowed, standard output itself, which waits.
fn open() -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let open = |path| OpenOptions::new().write(true).custom_flags(flags).open(path).ok();
    match ["/dev/fd/1", "/dev/tty"].into_iter().find_map(open) {
        Some(terminal) => Ok(terminal),
        None => io::stdout().as_fd().try_clone_to_owned().map(File::from),
    }
}
