//! The modes of the terminal before another process was given it, which may be killed before it can restore them.

use std::io::{self, IsTerminal};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::guard;

/// The modes of standard output's terminal; nothing where it is none.
#[derive(Debug)]
pub struct Modes(Option<Termios>);

impl Modes {
    /// Those of now.
    pub fn note() -> Modes {
        let out = io::stdout();
        Modes(out.is_terminal().then(|| tcgetattr(&out).ok()).flatten())
    }

    /// Puts them back, leaves the alternate screen, shows the cursor and lets the mouse go, where the terminal was left
    /// in other modes: only the dashboard sets those. Errors are passed over: the terminal may be gone.
    pub fn put_back(&self) {
        let out = io::stdout();
        let (Some(before), Ok(now)) = (&self.0, tcgetattr(&out)) else { return };
        if (now.local_modes, now.input_modes) != (before.local_modes, before.input_modes) {
            guard::unset_modes();
            // What was typed for the dashboard is not for the shell.
            _ = tcsetattr(&out, OptionalActions::Flush, before);
        }
    }
}
