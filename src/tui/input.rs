//! Input: keys, mouse, resizes and signals, read by threads into one bounded channel, and the translation of a
//! terminal's keys into those of the key table.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::isatty;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::{Handle, Signals};

use super::output::Output;
use parser::{Parsed, Parser};

use crate::runs_list::Edit;
use crate::views::Key;

mod parser;

/// The most queued inputs; the terminal itself queues more.
const QUEUE: usize = 256;
/// How soon the reading thread notices that it should end.
const POLL: Duration = Duration::from_millis(150);
/// How long the rest of a sequence may take before an escape is taken for the key: a line may part them.
const REST: Duration = Duration::from_millis(50);
/// How long to wait for the end of a thread.
const PATIENCE: Duration = Duration::from_millis(500);

/// An input.
#[derive(Debug)]
pub(super) enum Input {
    /// From the terminal.
    Terminal(Event),
    /// A signal's number; some keys count as signals.
    Signal(i32),
    /// The terminal has said something new of itself.
    Learnt,
    /// The terminal can no longer be read.
    Lost(io::Error),
}

/// The threads that read; dropping it ends them.
pub(super) struct Inputs {
    receiver: Receiver<Input>,
    stop: Arc<AtomicBool>,
    signals: Handle,
    threads: Vec<JoinHandle<()>>,
}

impl Inputs {
    /// Begins to read; the output is told of the terminal's answers.
    pub(super) fn start(output: Output) -> io::Result<Inputs> {
        let terminal = open()?;
        let (sender, receiver) = bounded(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT, SIGCONT, SIGWINCH])?;
        let handle = signals.handle();
        let to_loop = sender.clone();
        let of_signals = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                let input = match signal {
                    // The loop asks for the size when it draws.
                    SIGWINCH => Input::Terminal(Event::Resize(0, 0)),
                    signal => Input::Signal(signal),
                };
                if to_loop.send(input).is_err() {
                    break;
                }
            }
        })?;
        let reader = Reader { terminal, parser: Parser::default(), output, sender, stop: Arc::clone(&stop) };
        let of_terminal =
            thread::Builder::new().name("terminal input".to_owned()).spawn(move || reader.read())?;
        Ok(Inputs { receiver, stop, signals: handle, threads: vec![of_signals, of_terminal] })
    }

    /// Where the inputs arrive.
    pub(super) fn receiver(&self) -> &Receiver<Input> {
        &self.receiver
    }
}

impl Drop for Inputs {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.signals.close();
        // A full queue would block the threads.
        while self.receiver.try_recv().is_ok() {}
        // With a time limit, in case a terminal that is lost keeps a read waiting.
        let end = Instant::now() + PATIENCE;
        while self.threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The thread that reads the terminal.
struct Reader {
    terminal: File,
    parser: Parser,
    output: Output,
    sender: Sender<Input>,
    stop: Arc<AtomicBool>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        if thread::panicking() {
            let error = io::Error::other("the thread that reads the terminal panicked");
            // If the queue is full, nobody takes inputs any more.
            let _ = self.sender.try_send(Input::Lost(error));
        }
    }
}

impl Reader {
    fn read(mut self) {
        while !self.stop.load(Ordering::SeqCst) {
            let inputs = self.next().unwrap_or_else(|error| vec![Input::Lost(error)]);
            for input in inputs {
                let lost = matches!(input, Input::Lost(_) | Input::Signal(SIGHUP));
                if !self.deliver(input) || lost {
                    return;
                }
            }
        }
    }

    /// Queues an input; false once nobody wants it. While the loop draws it does not receive, and this thread must not
    /// outlive it.
    fn deliver(&self, mut input: Input) -> bool {
        while let Err(error) = self.sender.send_timeout(input, POLL) {
            if error.is_disconnected() || self.stop.load(Ordering::SeqCst) {
                return false;
            }
            input = error.into_inner();
        }
        true
    }

    /// Waits for the terminal, for a while.
    fn next(&mut self) -> io::Result<Vec<Input>> {
        let wait = if self.parser.waits() { REST } else { POLL };
        let mut polled = [PollFd::new(&self.terminal, PollFlags::IN)];
        match poll(&mut polled, Timespec::try_from(wait).ok().as_ref()) {
            Ok(0) => {
                let left = self.parser.flush();
                return Ok(self.inputs_of(left.into_iter().collect()));
            }
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        if polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return Ok(vec![Input::Signal(SIGHUP)]);
        }
        let mut bytes = [0; 1024];
        match rustix::io::read(&self.terminal, &mut bytes) {
            Ok(0) => Ok(vec![Input::Signal(SIGHUP)]),
            Ok(count) => {
                crate::panics::if_asked();
                let parsed = self.parser.feed(&bytes[..count]);
                Ok(self.inputs_of(parsed))
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// What the loop gets; an answer of the terminal is for the output.
    fn inputs_of(&self, parsed: Vec<Parsed>) -> Vec<Input> {
        let of = |parsed| match parsed {
            Parsed::Status => {
                self.output.acknowledge();
                None
            }
            Parsed::Answer(answer) => self.output.learn(answer).then_some(Input::Learnt),
            Parsed::Event(event) if is_suspension(&event) => Some(Input::Signal(SIGTSTP)),
            Parsed::Event(event) => Some(Input::Terminal(event)),
        };
        parsed.into_iter().filter_map(of).collect()
    }
}

/// The terminal on standard input, or that of the process if standard input is something else.
fn open() -> io::Result<File> {
    let input = io::stdin();
    if isatty(&input) { input.as_fd().try_clone_to_owned().map(File::from) } else { File::open("/dev/tty") }
}

/// Whether it is the suspend key, which in raw mode is left to the program.
fn is_suspension(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    key.modifiers == KeyModifiers::CONTROL
        && key.code == KeyCode::Char('z')
        && key.kind != KeyEventKind::Release
}

/// The edit of a key while a line is typed.
pub(super) fn edit_of(key: Key) -> Option<Edit> {
    Some(match key {
        Key::Backspace => Edit::Backspace,
        Key::Delete => Edit::Delete,
        Key::Left => Edit::Left,
        Key::Right => Edit::Right,
        Key::Home | Key::Control('a') => Edit::Start,
        Key::End | Key::Control('e') => Edit::End,
        Key::Control('w') => Edit::DeleteWord,
        Key::Control('u') => Edit::DeleteToStart,
        _ => return None,
    })
}

/// The table's key for a terminal's; none for key releases and keys that are never bound.
pub(super) fn key_of(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let shift = event.modifiers.contains(KeyModifiers::SHIFT);
    if event.modifiers.contains(KeyModifiers::ALT) {
        return match event.code {
            KeyCode::Char(c) if !event.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Alt(c)),
            _ => None,
        };
    }
    Some(match event.code {
        KeyCode::Char(c) if event.modifiers.contains(KeyModifiers::CONTROL) => {
            Key::Control(c.to_ascii_lowercase())
        }
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Left if shift => Key::ShiftLeft,
        KeyCode::Right if shift => Key::ShiftRight,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Tab if shift => Key::BackTab,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::F(number) => Key::F(number),
        _ => return None,
    })
}
