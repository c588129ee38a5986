//! A pseudo-terminal for tests: a process in it, the screen that the user would see, keys, and the state in which the
//! terminal is left. Knows nothing of what is shown.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// How long to wait for something to show on screen; only a failing test waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A process in a pseudo-terminal, with the screen that a terminal would show.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Keys,
    output: Receiver<Vec<u8>>,
    reader: JoinHandle<()>,
    /// Whether output is not read, as when a connection hangs.
    frozen: Arc<AtomicBool>,
    line: Arc<Line>,
    /// All output that was read.
    written: Vec<u8>,
    screen: vt100::Parser,
    child: Process,
}

/// Where keys and answers are written.
type Keys = Arc<Mutex<Box<dyn Write + Send>>>;

/// How output is read.
#[derive(Default)]
struct Line {
    /// Bytes per second; 0 for any number.
    rate: AtomicU64,
    /// Whether requests for the terminal's status are answered, as a terminal does.
    answers: AtomicBool,
}

/// A request for the terminal's status, and the answer.
const REQUEST: &[u8] = b"\x1b[5n";
const ANSWER: &[u8] = b"\x1b[0n";

impl Line {
    /// Reads from a terminal as fast as the line is.
    fn read(&self, reader: &mut dyn Read, bytes: &mut [u8]) -> std::io::Result<usize> {
        let rate = self.rate.load(Ordering::SeqCst);
        if rate == 0 {
            return reader.read(bytes);
        }
        let slice = Duration::from_millis(20);
        thread::sleep(slice);
        let most = (rate / 50).clamp(1, bytes.len() as u64) as usize;
        reader.read(&mut bytes[..most])
    }

    /// Answers the requests that are complete with these bytes; `before` are the last ones before them.
    fn answer(&self, before: &mut Vec<u8>, bytes: &[u8], keys: &Keys) {
        before.extend_from_slice(bytes);
        let requests = before.windows(REQUEST.len()).filter(|window| *window == REQUEST).count();
        before.drain(..before.len().saturating_sub(REQUEST.len() - 1));
        if self.answers.load(Ordering::SeqCst) {
            // The process may have ended.
            let _ = keys.lock().unwrap().write_all(&ANSWER.repeat(requests));
        }
    }
}

/// The running process; killed if the test ends before it.
pub(crate) struct Process(Box<dyn Child + Send + Sync>);

impl Terminal {
    /// Starts a command on a screen of that many columns and rows.
    pub(crate) fn start(mut command: CommandBuilder, (columns, rows): (u16, u16)) -> Terminal {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        let child = Process(pair.slave.spawn_command(command).unwrap());
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        let frozen = Arc::new(AtomicBool::new(false));
        let waits = Arc::clone(&frozen);
        let line = Arc::new(Line::default());
        let keys: Keys = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let (of_line, answers) = (Arc::clone(&line), Arc::clone(&keys));
        let reader = thread::spawn(move || {
            let (mut bytes, mut before) = ([0; 4096], Vec::new());
            // On some systems the end of a pseudo-terminal is an error.
            while let Ok(count @ 1..) = of_line.read(&mut reader, &mut bytes) {
                of_line.answer(&mut before, &bytes[..count], &answers);
                if sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
                while waits.load(Ordering::SeqCst) {
                    thread::park();
                }
            }
        });
        let (written, screen) = (Vec::new(), parser((columns, rows)));
        Terminal { master: pair.master, keys, output, reader, frozen, line, written, screen, child }
    }

    /// The id of the process, for signals.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.0.process_id().unwrap()
    }

    /// The screen as it was last read.
    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    /// The screen's text.
    pub(crate) fn text(&self) -> String {
        self.screen().contents()
    }

    /// All output that was read.
    pub(crate) fn written(&self) -> &[u8] {
        &self.written
    }

    /// Reads output until the screen shows a text.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.text().contains(text) {
            if let Err(error) = self.read(end) {
                panic!("{error} while waiting for {text}; the screen:\n{}", self.text());
            }
        }
    }

    fn read(&mut self, end: Instant) -> Result<(), RecvTimeoutError> {
        let bytes = self.output.recv_timeout(end.saturating_duration_since(Instant::now()))?;
        self.screen.process(&bytes);
        self.written.extend(bytes);
        Ok(())
    }

    /// Types keys.
    pub(crate) fn press(&mut self, keys: &str) {
        let mut to = self.keys.lock().unwrap();
        to.write_all(keys.as_bytes()).unwrap();
        to.flush().unwrap();
    }

    /// Answers requests for the terminal's status from now on, as terminals do.
    pub(crate) fn answer(&self) {
        self.line.answers.store(true, Ordering::SeqCst);
    }

    /// Reads at most that many bytes per second from now on; 0 for any number.
    pub(crate) fn set_rate(&self, bytes_per_second: u64) {
        self.line.rate.store(bytes_per_second, Ordering::SeqCst);
    }

    /// Reads output for a while.
    pub(crate) fn read_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while self.read(end).is_ok() {}
    }

    /// Reads output until no more comes for a while, or for `most`; waits longer for the first of it.
    pub(crate) fn settle(&mut self, quiet: Duration, most: Duration) {
        let end = Instant::now() + most;
        let mut wait = 5 * quiet;
        while Instant::now() < end && self.read(Instant::now() + wait).is_ok() {
            wait = quiet;
        }
    }

    /// Changes the size of terminal and screen.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.master.resize(size(columns, rows)).unwrap();
        self.screen.screen_mut().set_size(cells(rows), cells(columns));
    }

    /// Stops reading, and lets the process draw until the terminal's buffer is full.
    pub(crate) fn freeze(&mut self) {
        self.frozen.store(true, Ordering::SeqCst);
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let path = self.master.tty_name().unwrap();
        let terminal = OpenOptions::new().write(true).custom_flags(flags).open(path).unwrap();
        let (rows, columns) = self.screen().size();
        let end = Instant::now() + PATIENCE;
        // A single check may fall between two frames.
        let mut full = 0;
        while full < 3 {
            full = if has_room(&terminal) { 0 } else { full + 1 };
            assert!(Instant::now() < end, "the terminal takes all that is drawn");
            self.resize(columns.get() + 1, rows.get());
            thread::sleep(Duration::from_millis(30));
            self.resize(columns.get(), rows.get());
            thread::sleep(Duration::from_millis(30));
        }
    }

    /// Continues reading.
    pub(crate) fn thaw(&mut self) {
        self.frozen.store(false, Ordering::SeqCst);
        self.reader.thread().unpark();
    }

    /// Waits for the end of the process without reading, and returns its exit status.
    pub(crate) fn wait(&mut self) -> u32 {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.0.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(Instant::now() < end, "the process goes on");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Reads everything that the process still writes, and returns its exit status.
    pub(crate) fn finish(&mut self) -> u32 {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.read(end) {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the process goes on; the screen:\n{}", self.text()),
            }
        }
        self.child.0.wait().unwrap().exit_code()
    }

    /// Closes the terminal and waits for the end of the process.
    pub(crate) fn close(self) {
        let mut process = self.hang_up();
        let end = Instant::now() + PATIENCE;
        while process.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "the process outlived its terminal");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Closes the terminal; the process may go on.
    pub(crate) fn hang_up(mut self) -> Process {
        self.thaw();
        let Terminal { master, keys, output, reader, child, .. } = self;
        drop(output);
        // The reading thread releases its end of the terminal after the next output, which a resize triggers.
        let mut width = 90;
        while !reader.is_finished() {
            width += 1;
            master.resize(size(width, 28)).unwrap();
            thread::sleep(Duration::from_millis(50));
        }
        drop((master, keys));
        child
    }

    /// Panics unless the terminal has the modes that a shell expects.
    pub(crate) fn assert_restored(&self) {
        let (screen, text) = (self.screen(), self.text());
        assert!(!screen.alternate_screen(), "the alternate screen was left on:\n{text}");
        assert!(!screen.hide_cursor(), "the cursor was left hidden:\n{text}");
        let mouse = screen.mouse_protocol_mode();
        assert_eq!(mouse, vt100::MouseProtocolMode::None, "the mouse was left captured");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago.
        drop(self.0.kill());
    }
}

/// Whether a terminal accepts output at this moment.
fn has_room(terminal: &File) -> bool {
    let mut polled = [PollFd::new(terminal, PollFlags::OUT)];
    poll(&mut polled, Some(&Timespec::default())).unwrap();
    polled[0].revents().contains(PollFlags::OUT)
}

/// An empty screen of that many columns and rows.
pub(crate) fn parser((columns, rows): (u16, u16)) -> vt100::Parser {
    vt100::Parser::new(cells(rows), cells(columns), 0)
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}
