//! Saves the modes of the terminal for a process that may be killed before it can restore them.

use std::io::{self, IsTerminal};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::guard;

/// The modes of standard output's terminal; none if it is not a terminal.
#[derive(Debug)]
pub struct Modes(Option<Termios>);

impl Modes {
    /// The current modes.
    pub fn note() -> Modes {
        let out = io::stdout();
        Modes(out.is_terminal().then(|| tcgetattr(&out).ok()).flatten())
    }

    /// If the terminal was left in other modes, which only the dashboard sets, restores them, leaves the alternate
    /// screen, shows the cursor and releases the mouse. Errors are ignored: the terminal may be gone.
    pub fn put_back(&self) {
        let out = io::stdout();
        let (Some(before), Ok(now)) = (&self.0, tcgetattr(&out)) else { return };
        if (now.local_modes, now.input_modes) != (before.local_modes, before.input_modes) {
            guard::unset_modes();
            // Keys typed for the dashboard are not for the shell.
            _ = tcsetattr(&out, OptionalActions::Flush, before);
        }
    }
}
