//! Waits for a live run to end, reporting its events. A first SIGINT or SIGTERM stops all lanes with a
//! checkpoint, a second one ends the process at once; a terminal that hangs up ends nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use super::Reporter;
use crate::reading::IndexWriter;
use crate::session::live::Live;

/// The longest wait for events, so that signals are noticed soon.
const PATIENCE: Duration = Duration::from_millis(100);
/// The exit status of a process ended by a signal.
const INTERRUPTED: i32 = 130;
/// Signals closer together than this count as one: a terminal sends a signal to a whole process group, in which one
/// process may forward it to another.
const ONE_SIGNAL: Duration = Duration::from_millis(200);

/// How watching a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All lanes have ended.
    Finished,
    /// A signal stopped them.
    Interrupted,
    /// The terminal is gone; the run goes on.
    HungUp,
}

/// Listens for the signals that stop a run, and for the hang-up of its terminal.
#[derive(Debug)]
pub struct Stopper {
    heard: Arc<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    stop: AtomicBool,
    hang_up: AtomicBool,
}

impl Stopper {
    /// Starts listening for signals; ignores the one for too large files.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn hear() -> io::Result<Stopper> {
        // If a file would exceed the size limit, writing then fails as on a full disk, instead of ending the process.
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
        let heard = Arc::new(Heard::default());
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let hears = Arc::clone(&heard);
        let body = move || {
            let mut first = None;
            for signal in signals.forever() {
                let now = Instant::now();
                match first {
                    _ if signal == SIGHUP => hears.hang_up.store(true, Ordering::SeqCst),
                    None => {
                        first = Some(now);
                        hears.stop.store(true, Ordering::SeqCst);
                    }
                    Some(first) if now.saturating_duration_since(first) < ONE_SIGNAL => {}
                    Some(_) => signal_hook::low_level::exit(INTERRUPTED),
                }
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(body)?;
        Ok(Stopper { heard })
    }

    /// Whether a signal has asked for the end.
    pub fn is_asked(&self) -> bool {
        self.heard.stop.load(Ordering::SeqCst)
    }

    fn has_hung_up(&self) -> bool {
        self.heard.hang_up.swap(false, Ordering::SeqCst)
    }
}

/// Reports the events of a run, and has its indexes written, until all its lanes have ended, or the terminal is gone.
pub fn watch(
    live: &mut Live,
    reporter: &mut Reporter,
    indexes: &mut IndexWriter,
    stopper: &Stopper,
) -> Ending {
    let mut ending = Ending::Finished;
    loop {
        // After a signal or a timeout, everything is checked.
        let _ = live.wakeups().recv_timeout(PATIENCE);
        if stopper.is_asked() && ending == Ending::Finished {
            ending = Ending::Interrupted;
            reporter.say(None, "stopping with a checkpoint; a second signal ends at once");
            live.stop();
        }
        let finished = live.is_finished();
        live.drain(|lane, event, offset| reporter.event(lane, event, offset));
        indexes.offer(reporter.app(), |lane| live.delivered(lane));
        for problem in live.take_problems() {
            reporter.say(None, &format!("warning: {problem}"));
        }
        for warning in live.take_warnings() {
            reporter.say(Some(warning.lane), &format!("warning: {}", warning.problem));
        }
        if finished {
            return ending;
        }
        if stopper.has_hung_up() {
            return Ending::HungUp;
        }
    }
}
