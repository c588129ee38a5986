//! Waits for a live run to end, telling its events. A first SIGINT or SIGTERM stops all lanes with a
//! checkpoint, a second one ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::Reporter;
use crate::session::live::{Command, Live};

/// The longest wait for events, so that a signal is soon obeyed.
const PATIENCE: Duration = Duration::from_millis(100);
/// The exit status of a process that a signal ended.
const INTERRUPTED: i32 = 130;

/// How a watched run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All lanes came to their end.
    Finished,
    /// A signal stopped them.
    Interrupted,
}

/// Hears the signals that stop a run.
#[derive(Debug)]
pub struct Stopper {
    asked: Arc<AtomicBool>,
}

impl Stopper {
    /// Hears signals from now on.
    ///
    /// # Errors
    /// Where the system does not let them be heard.
    pub fn hear() -> io::Result<Stopper> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds nothing asked and asks, the second finds it asked and ends.
            flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
        }
        Ok(Stopper { asked })
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Tells the events of a run until all its lanes ended.
pub fn watch(live: &mut Live, reporter: &mut Reporter, stopper: &Stopper) -> Ending {
    let mut ending = Ending::Finished;
    loop {
        // Whether it rang or the time was up, everything is looked at.
        let _ = live.bell().recv_timeout(PATIENCE);
        if stopper.is_asked() && ending == Ending::Finished {
            ending = Ending::Interrupted;
            reporter.say(None, "stopping with a checkpoint; once more to end at once");
            live.command_all(Command::Stop);
        }
        let finished = live.is_finished();
        live.drain(|lane, event| reporter.event(lane, event));
        for problem in live.take_problems() {
            reporter.say(None, &format!("warning: {problem}"));
        }
        for warning in live.take_warnings() {
            reporter.say(Some(warning.lane), &format!("warning: {}", warning.problem));
        }
        if finished {
            return ending;
        }
    }
}
