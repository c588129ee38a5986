//! Writes plain lines in a separate thread. A pipe that is not read blocks only that thread; when the queue is full,
//! the oldest lines are dropped, and their number is reported.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The most queued lines.
const MOST_LINES: usize = 1_000;
/// How long the end waits for a reader that reads nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// The time between attempts if a non-blocking write would block.
const AGAIN: Duration = Duration::from_millis(50);

/// A queue of lines and the thread that writes them. Dropping it waits for the last lines as long as they are being
/// read.
pub(super) struct Outlet {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// At most [`MOST_LINES`].
    pending: VecDeque<String>,
    /// Lines dropped since their number was last reported.
    dropped: u64,
    /// Whether a line is being written.
    busy: bool,
    /// The number of written lines.
    written: u64,
    /// No more lines come.
    closed: bool,
    /// The reader is gone.
    gone: bool,
}

impl State {
    fn is_idle(&self) -> bool {
        self.gone || (!self.busy && self.pending.is_empty() && self.dropped == 0)
    }
}

impl Outlet {
    /// Writes lines to `out`; `note` makes the line that says how many were dropped.
    pub(super) fn new(
        mut out: Box<dyn Write + Send>,
        note: impl Fn(u64) -> String + Send + 'static,
    ) -> Outlet {
        let shared = Arc::new(Shared::default());
        let writes = Arc::clone(&shared);
        let body = move || writes.write(&mut *out, &note);
        let started = thread::Builder::new().name("lines".to_owned()).spawn(body);
        // If the system cannot start a thread, training goes on without output.
        shared.lock().gone = started.is_err();
        Outlet { shared }
    }

    /// Queues a line; doesn't block.
    pub(super) fn tell(&self, line: String) {
        {
            let mut state = self.shared.lock();
            if state.gone {
                return;
            }
            state.pending.push_back(line);
            if state.pending.len() > MOST_LINES {
                state.pending.pop_front();
                state.dropped += 1;
            }
        }
        self.shared.changed.notify_all();
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        self.shared.changed.notify_all();
        while !state.is_idle() {
            let before = state.written;
            let goes_on = |state: &mut State| !state.is_idle() && state.written == before;
            let waited = self.shared.changed.wait_timeout_while(state, PATIENCE, goes_on);
            let (now, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return;
            }
            state = now;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body of the thread: writes lines until no more come or the reader is gone.
    fn write(&self, out: &mut dyn Write, note: &dyn Fn(u64) -> String) {
        let mut state = self.lock();
        while !state.gone {
            let line = match std::mem::take(&mut state.dropped) {
                0 => state.pending.pop_front(),
                // The dropped lines came before all queued ones.
                dropped => Some(note(dropped)),
            };
            let Some(mut line) = line else {
                if state.closed {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.busy = true;
            drop(state);
            line.push('\n');
            let written = write_all(out, line.as_bytes());
            state = self.lock();
            state.busy = false;
            state.written += 1;
            // Training does not depend on a reader: after the first error, nothing more is written.
            state.gone = written.is_err();
            self.changed.notify_all();
        }
        state.pending.clear();
    }
}

/// A duplicate of standard output, without its lock: a writer that blocks on it does not block others.
pub fn standard_output() -> Box<dyn Write + Send> {
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(output) => Box::new(File::from(output)),
        Err(_) => Box::new(io::stdout()),
    }
}

/// Writes everything, however long it takes.
fn write_all(out: &mut dyn Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            // Another process sharing the pipe may have made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(AGAIN),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    fn outlet(out: impl Write + Send + 'static) -> Outlet {
        Outlet::new(Box::new(out), |dropped| format!("{dropped} dropped"))
    }

    #[test]
    fn a_reader_gets_every_line_in_order_and_the_end_waits_for_it() {
        let (reader, writer) = io::pipe().unwrap();
        let outlet = outlet(writer);
        let lines: Vec<String> = (0..MOST_LINES).map(|line| format!("line {line}")).collect();
        lines.iter().for_each(|line| outlet.tell(line.clone()));
        // It reads late; only then can the last lines be written.
        let read = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            BufReader::new(reader).lines().collect::<io::Result<Vec<_>>>().unwrap()
        });
        drop(outlet);
        assert_eq!(read.join().unwrap(), lines);
    }

    #[test]
    fn where_nobody_reads_the_oldest_are_dropped_counted_and_nobody_waits() {
        let (reader, writer) = io::pipe().unwrap();
        let outlet = outlet(writer);
        // More than pipe (usually 64 KiB) and queue can take.
        let (told, padding) = (20 * MOST_LINES, "x".repeat(100));
        (0..told).for_each(|line| outlet.tell(format!("{line} {padding}")));
        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        let (mut next, mut dropped) = (0, 0);
        while next < told {
            let line = lines.next().unwrap();
            match line.strip_suffix(" dropped") {
                Some(count) => {
                    let count: usize = count.parse().unwrap();
                    (next, dropped) = (next + count, dropped + count);
                }
                None => {
                    assert_eq!(line, format!("{next} {padding}"), "what is missing is told in its place");
                    next += 1;
                }
            }
        }
        assert!(dropped > told / 2 && dropped < told - MOST_LINES, "{dropped} of {told}");
        drop(outlet);
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn the_end_waits_for_no_reader_that_takes_nothing() {
        let (reader, writer) = io::pipe().unwrap();
        let outlet = outlet(writer);
        (0..2 * MOST_LINES).for_each(|_| outlet.tell("x".repeat(100)));
        // It returns.
        drop(outlet);
        drop(reader);
    }

    #[test]
    fn a_reader_that_leaves_ends_the_telling() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let outlet = outlet(writer);
        outlet.tell("to nobody".to_owned());
        let waited = outlet.shared.changed.wait_while(outlet.shared.lock(), |state| !state.gone).unwrap();
        drop(waited);
        outlet.tell("to nobody".to_owned());
        assert!(outlet.shared.lock().pending.is_empty());
    }
}
