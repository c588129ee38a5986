//! Input: keys, mouse, resizes and signals, read by threads into one bounded channel, and the translation of a
//! terminal's keys into those of the key table.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::{Handle, Signals};

use crate::runs_list::Edit;
use crate::views::Key;

/// The most queued inputs; the terminal itself queues more.
const QUEUE: usize = 256;
/// How soon the reading thread notices that it should end.
const POLL: Duration = Duration::from_millis(150);
/// How long to wait for the end of a thread.
const PATIENCE: Duration = Duration::from_millis(500);

/// An input.
#[derive(Debug)]
pub(super) enum Input {
    /// From the terminal.
    Terminal(Event),
    /// A signal's number; some keys count as signals.
    Signal(i32),
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
    /// Begins to read.
    pub(super) fn start() -> io::Result<Inputs> {
        // crossterm notices resizes only after its first poll, which must not come after the first frame.
        event::poll(Duration::ZERO)?;
        let (sender, receiver) = bounded(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT, SIGCONT])?;
        let handle = signals.handle();
        let to_loop = sender.clone();
        let of_signals = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                if to_loop.send(Input::Signal(signal)).is_err() {
                    break;
                }
            }
        })?;
        let until = Arc::clone(&stop);
        let of_terminal =
            thread::Builder::new().name("terminal input".to_owned()).spawn(move || read(&sender, &until))?;
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
        // With a time limit: a terminal that is lost while it is read keeps crossterm reading forever.
        let end = Instant::now() + PATIENCE;
        while self.threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn read(sender: &Sender<Input>, stop: &AtomicBool) {
    let mut wait = POLL;
    while !stop.load(Ordering::SeqCst) {
        let input = match next(wait) {
            Ok(None) => {
                wait = POLL;
                continue;
            }
            Ok(Some(input)) => input,
            Err(error) => Input::Lost(error),
        };
        // crossterm reads everything available and returns it key by key, so the terminal may have nothing more to
        // read.
        wait = Duration::ZERO;
        let lost = matches!(input, Input::Lost(_) | Input::Signal(SIGHUP));
        // While the loop draws it does not receive; this thread must not outlive it.
        let mut waiting = input;
        while let Err(crossbeam_channel::SendTimeoutError::Timeout(back)) = sender.send_timeout(waiting, POLL)
        {
            if stop.load(Ordering::SeqCst) {
                return;
            }
            waiting = back;
        }
        if lost {
            return;
        }
    }
}

/// Waits for the terminal. crossterm must not be polled once the terminal has hung up: it would read its end again and
/// again.
fn next(wait: Duration) -> io::Result<Option<Input>> {
    let input = rustix::stdio::stdin();
    let mut polled = [PollFd::new(&input, PollFlags::IN)];
    match poll(&mut polled, Timespec::try_from(wait).ok().as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    if polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
        return Ok(Some(Input::Signal(SIGHUP)));
    }
    // Also without a key: crossterm learns of resizes through its own signal handler.
    if !event::poll(Duration::ZERO)? {
        if polled[0].revents().contains(PollFlags::IN) {
            // crossterm is notified of keys only once, and loses that if a resize comes at the same moment. Setting the
            // current modes again repeats the notification.
            tcsetattr(input, OptionalActions::Now, &tcgetattr(input)?)?;
        }
        return Ok(None);
    }
    let event = event::read()?;
    Ok(Some(if is_suspension(&event) { Input::Signal(SIGTSTP) } else { Input::Terminal(event) }))
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
        return None;
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
