//! The dashboard on a terminal: its modes, its input, and the loop that folds what happens and draws when
//! something changed. It knows neither how runs are trained nor how they are stored; a [`Source`] gives it
//! their events.

use std::io;

use crate::app::App;
use crate::theme::Theme;

mod abilities;
mod dashboard;
mod guard;
mod input;
mod pacer;
mod screen;
mod source;

pub use abilities::{Appearance, describe, detect};
pub use source::{Followed, Order, Saved, Source};

/// How the dashboard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The user left, and nothing was running.
    Left,
    /// The user wants training to stop, and then to leave.
    Stop,
    /// The user wants training to go on without the terminal.
    Detach,
    /// A signal of this number came.
    Signal(i32),
    /// The terminal is gone; nobody was asked anything.
    Lost,
}

/// Shows the dashboard until the user leaves or a signal comes; restores the terminal whatever happens, a
/// panic included. Training is not stopped here: the [`Ending`] says what is wanted.
///
/// # Errors
/// The terminal cannot be put into the modes that are needed, or cannot be written to.
pub fn run(app: &mut App, source: &mut dyn Source, theme: Theme) -> io::Result<Ending> {
    let guard = guard::Guard::enter()?;
    let inputs = input::Inputs::start()?;
    let mut screen = screen::TerminalScreen::new()?;
    let ending = dashboard::Dashboard::new(app, source, &mut screen, theme).run(inputs.receiver());
    drop(inputs);
    drop(guard);
    ending
}
