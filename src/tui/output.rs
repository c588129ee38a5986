//! Writes to the terminal in a separate thread. A terminal that is not read (a hanging connection, a stopped
//! multiplexer) blocks only this thread. What lies between here and the terminal, such as the buffers of a pseudo-terminal
//! or of ssh, takes far more than a frame; so each frame ends with a request that the terminal answers once it has come
//! that far, and where terminals answer, there is no further frame before that.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::termios::{QueueSelector, tcflush, tcgetwinsize};

use super::graphics::{Answer, Known};

/// The sides of a cell in pixels that are believed.
pub(super) const CELL: RangeInclusive<u16> = 2..=256;
/// How soon the thread notices that the terminal accepts output again, if the system doesn't report it.
const POLL: Duration = Duration::from_millis(100);
/// Asks for the terminal's status, which every terminal since the VT100 answers.
const REQUEST: &[u8] = b"\x1b[5n";
/// How long an answer may take before the terminal counts as one that does not answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long writing the last bytes may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it may take after its queue was flushed, which is noticed within [`POLL`].
const MORE_PATIENCE: Duration = Duration::from_millis(250);

/// The output to the terminal; clones share it.
#[derive(Clone)]
pub(super) struct Output {
    shared: Arc<Shared>,
    wakeups: Receiver<()>,
    waker: Sender<()>,
}

struct Shared {
    terminal: File,
    state: Mutex<State>,
    /// Signals that there is something to write, or that everything was written.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Bytes still to be written: at most about a frame, since the next one is drawn only after that.
    pending: VecDeque<u8>,
    /// How many requests are not answered, and when the last one was made.
    owed: Option<(u32, Instant)>,
    /// Whether the terminal answers.
    answers: bool,
    /// Nothing comes after what is pending.
    closed: bool,
    /// The thread has panicked.
    dead: bool,
    failed: Option<io::Error>,
    /// All bytes that the terminal has accepted.
    written: u64,
    /// What it has said of itself.
    known: Known,
}

impl Output {
    /// Opens the output to the terminal on standard output.
    pub(super) fn open() -> io::Result<Output> {
        let shared = Shared { terminal: open()?, state: Mutex::default(), changed: Condvar::new() };
        let shared = Arc::new(shared);
        let (waker, wakeups) = bounded(1);
        let writes = Arc::clone(&shared);
        let wakes = waker.clone();
        let body = move || {
            let _watch = Watch(Arc::clone(&writes));
            writes.write(&wakes);
        };
        thread::Builder::new().name("terminal output".to_owned()).spawn(body)?;
        Ok(Output { shared, wakeups, waker })
    }

    /// Queues bytes; doesn't block.
    pub(super) fn send(&self, bytes: &[u8]) {
        {
            let mut state = self.shared.lock();
            state.pending.extend(bytes);
            // Clears an earlier signal.
            let _ = self.wakeups.try_recv();
        }
        self.shared.changed.notify_all();
    }

    /// Queues a frame and a request to answer when it has arrived; returns the number of bytes.
    pub(super) fn send_frame(&self, frame: &[u8]) -> usize {
        {
            let mut state = self.shared.lock();
            let owed = state.owed.map_or(0, |(owed, _)| owed);
            state.owed = Some((owed + 1, Instant::now()));
        }
        self.send(&[frame, REQUEST].concat());
        frame.len() + REQUEST.len()
    }

    /// Records that the terminal answered a request.
    pub(super) fn acknowledge(&self) {
        {
            let mut state = self.shared.lock();
            state.answers = true;
            state.owed = state.owed.filter(|(owed, _)| *owed > 1).map(|(owed, since)| (owed - 1, since));
        }
        self.shared.changed.notify_all();
        // If it is full, a signal is pending already.
        let _ = self.waker.try_send(());
    }

    /// Waits for the answers that are still to come, so that nobody else gets them; at most for [`PATIENCE`].
    pub(super) fn settle(&self) {
        let waits = |state: &mut State| state.answers && state.owed.is_some() && state.failed.is_none();
        // Whatever comes out of it, the end goes on.
        let _ = self.shared.changed.wait_timeout_while(self.shared.lock(), PATIENCE, waits);
    }

    /// Whether everything was written and has arrived.
    ///
    /// # Errors
    /// The last error since the previous call.
    pub(super) fn is_idle(&self) -> io::Result<bool> {
        let mut state = self.shared.lock();
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        if state.owed.is_some_and(|(_, since)| since.elapsed() > ANSWER) {
            (state.owed, state.answers) = (None, false);
        }
        Ok(state.pending.is_empty() && (state.owed.is_none() || !state.answers))
    }

    /// The terminal's columns and rows.
    ///
    /// # Errors
    /// It does not tell them.
    pub(super) fn size(&self) -> io::Result<(u16, u16)> {
        let size = tcgetwinsize(&self.shared.terminal)?;
        match (size.ws_col, size.ws_row) {
            (0, _) | (_, 0) => crossterm::terminal::size(),
            size => Ok(size),
        }
    }

    /// The width and height of a cell in pixels, as the system knows them, or the terminal has said; none if neither has.
    pub(super) fn cell(&self) -> Option<(u16, u16)> {
        let of = |pixels: u16, cells: u16| pixels.checked_div(cells).filter(|side| CELL.contains(side));
        let size = tcgetwinsize(&self.shared.terminal).ok();
        let by_system =
            size.and_then(|size| of(size.ws_xpixel, size.ws_col).zip(of(size.ws_ypixel, size.ws_row)));
        by_system.or(self.known().cell)
    }

    /// What the terminal has said of itself.
    pub(super) fn known(&self) -> Known {
        self.shared.lock().known
    }

    /// Takes in what the terminal says of itself; returns whether that is new.
    pub(super) fn learn(&self, answer: Answer) -> bool {
        let mut state = self.shared.lock();
        let before = state.known;
        state.known.learn(answer);
        state.known != before
    }

    /// All bytes that the terminal has accepted.
    pub(super) fn written(&self) -> u64 {
        self.shared.lock().written
    }

    /// Becomes ready when everything was written, and when the terminal answers.
    pub(super) fn wakeups(&self) -> &Receiver<()> {
        &self.wakeups
    }

    /// Waits until everything was written, at most for [`PATIENCE`].
    pub(super) fn wait(&self) -> bool {
        self.wait_for(PATIENCE)
    }

    fn wait_for(&self, patience: Duration) -> bool {
        let is_pending = |state: &mut State| !state.pending.is_empty();
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), patience, is_pending);
        waited.unwrap_or_else(PoisonError::into_inner).0.pending.is_empty()
    }

    /// Replaces all pending bytes by these last ones. If the terminal does not accept them in time, its queue is
    /// flushed to make room for them; failing that, they are still written later, as long as this process lives.
    pub(super) fn finish(&self, last: &[u8]) {
        {
            let mut state = self.shared.lock();
            if state.dead {
                // If that fails, there is nothing else to try.
                let _ = (&self.shared.terminal).write_all(last);
                return;
            }
            state.pending = VecDeque::from(last.to_vec());
            state.closed = true;
        }
        self.shared.changed.notify_all();
        if !self.wait_for(PATIENCE) {
            // If that fails, there is no room for the last bytes yet.
            let _ = tcflush(&self.shared.terminal, QueueSelector::OFlush);
            self.wait_for(MORE_PATIENCE);
        }
    }
}

/// Notes if the thread that writes panics; the loop then ends as if the terminal were lost.
struct Watch(Arc<Shared>);

impl Drop for Watch {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut state = self.0.lock();
            state.pending.clear();
            (state.dead, state.owed) = (true, None);
            state.failed = Some(io::Error::other("the thread that writes to the terminal panicked"));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body of the thread: writes what is pending until nothing more comes.
    fn write(&self, wakeups: &Sender<()>) {
        let mut state = self.lock();
        loop {
            if state.pending.is_empty() {
                if state.closed {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            crate::panics::if_asked();
            match (&self.terminal).write(state.pending.as_slices().0) {
                Ok(count) => {
                    state.pending.drain(..count);
                    state.written += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    drop(state);
                    let mut polled = [PollFd::new(&self.terminal, PollFlags::OUT)];
                    // Errors show in the next write.
                    let _ = poll(&mut polled, Timespec::try_from(POLL).ok().as_ref());
                    state = self.lock();
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    state.pending.clear();
                    state.owed = None;
                    state.failed = Some(error);
                }
            }
            if state.pending.is_empty() {
                self.changed.notify_all();
                // If it is full, a signal is pending already.
                let _ = wakeups.try_send(());
            }
        }
    }
}

/// Reopens the terminal for non-blocking writes, which must not affect other processes that share standard output. If
/// that is not possible, standard output itself, which blocks.
fn open() -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let open = |path| OpenOptions::new().write(true).custom_flags(flags).open(path).ok();
    match ["/dev/fd/1", "/dev/tty"].into_iter().find_map(open) {
        Some(terminal) => Ok(terminal),
        None => io::stdout().as_fd().try_clone_to_owned().map(File::from),
    }
}
