//! The dashboard and the runs browser on a terminal: its modes, its input, and the loop that folds events and draws
//! when something changed. It knows neither how runs are trained nor how they are stored; a [`Source`] supplies events, a
//! [`Stock`] the runs of a folder.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::app::App;
use crate::config::{Config, Layouts};
use crate::printable::printable;
use crate::runs_list::RunsList;
use crate::theme::Theme;
use crate::widgets::put_centered;
use screen::Screen;

mod abilities;
mod aside;
mod browser;
mod dashboard;
mod encoder;
mod explaining;
mod graphics;
mod guard;
mod input;
mod modes;
mod output;
mod pacer;
mod page;
mod plain;
mod screen;
mod sequences;
mod stock;
mod source;

pub use abilities::{Appearance, describe, detect, has_screen};
pub use encoder::{Encoded, Encoder, Fidelity};
pub use modes::Modes;
pub use plain::plain;
pub use source::{Followed, Mode, Saved, Source};
pub use stock::{RunsStock, Stock};

/// How the screens look, and what the user has set.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Colours and characters.
    pub theme: Theme,
    /// The user's settings. What is wrong in them is shown when a dashboard opens.
    pub config: Config,
    /// The layouts that the user keeps.
    pub layouts: Layouts,
}

/// How the dashboard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The user left, and nothing was running.
    Left,
    /// The user wants to see all runs.
    Browse,
    /// The user wants training to stop, and then to leave.
    Stop,
    /// The user wants training to go on without the terminal.
    Detach,
    /// A signal with this number was received.
    Signal(i32),
    /// The terminal is gone, without asking the user.
    Lost,
}

/// What the user chose in the runs browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// To see these runs on the dashboard.
    Open(Vec<String>),
    /// To leave, or what else ended it.
    Leave(Ending),
}

/// The terminal in the modes that screens need; they are restored in any case, including a panic.
pub struct Terminal {
    screen: screen::TerminalScreen,
    // Dropped before the guard, so that nothing reads the terminal any more when its modes are restored.
    inputs: input::Inputs,
    setup: Setup,
    _guard: guard::Guard,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.screen.settle();
    }
}

impl Terminal {
    /// Puts the terminal of this process into its modes.
    ///
    /// # Errors
    /// If that fails.
    pub fn open(setup: Setup) -> io::Result<Terminal> {
        let output = output::Output::open()?;
        let guard = guard::Guard::enter(&output, setup.config.screen.mouse)?;
        let inputs = input::Inputs::start(output.clone())?;
        let (graphics, has_colours) = (setup.config.screen.graphics, setup.theme.has_half_cells());
        let screen = screen::TerminalScreen::new(output, graphics, has_colours);
        Ok(Terminal { screen, inputs, setup, _guard: guard })
    }

    /// Shows the dashboard until the user leaves or a signal comes. Training is not stopped here: the [`Ending`] says
    /// what is wanted.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn dashboard(&mut self, app: &mut App, source: &mut dyn Source) -> io::Result<Ending> {
        self.screen.forget();
        let mut dashboard = dashboard::Dashboard::new(app, source, &mut self.screen, &self.setup);
        let shown = page::run(&mut dashboard, self.inputs.receiver());
        // They are shown once.
        self.setup.config.problems.clear();
        shown
    }

    /// Shows the runs browser until the user leaves or opens runs, or a signal comes; `notice` is shown first.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn browser(
        &mut self,
        list: &mut RunsList,
        stock: &mut dyn Stock,
        notice: Option<&str>,
    ) -> io::Result<Choice> {
        self.screen.forget();
        let mut browser = browser::Browser::new(list, stock, &mut self.screen, &self.setup);
        notice.into_iter().for_each(|notice| browser.notify(notice));
        page::run(&mut browser, self.inputs.receiver())
    }

    /// Shows a text while something takes time.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        let theme = &self.setup.theme;
        let text = printable(text);
        self.screen.paint(&mut |area, buffer| {
            put_centered(buffer, area, area.height / 2, &text, theme.muted());
            Vec::new()
        })?;
        Ok(())
    }
}

/// Shows the dashboard until the user leaves or a signal comes; restores the terminal in any case, including a panic.
/// Training is not stopped here: the [`Ending`] says what is wanted.
///
/// # Errors
/// The terminal cannot be put into the modes that are needed, or cannot be written to.
pub fn run(app: &mut App, source: &mut dyn Source, setup: Setup) -> io::Result<Ending> {
    Terminal::open(setup)?.dashboard(app, source)
}

/// The result of a dashboard that its caller outlives.
pub struct Parting {
    /// How it ended; a panic is an error.
    pub ending: io::Result<Ending>,
    /// The reports of panics while it was shown, including those of other threads.
    pub reports: Vec<String>,
}

/// As [`run`], for a caller that must go on after a panic of the dashboard.
pub fn run_beside(app: &mut App, source: &mut dyn Source, setup: Setup) -> Parting {
    guard::keep_reports();
    // Drawing does not change the state, and folding changes it event by event.
    let ending = catch_unwind(AssertUnwindSafe(|| run(app, source, setup)));
    let ending =
        ending.unwrap_or_else(|panic| Err(io::Error::other(format!("it panicked: {}", said(&*panic)))));
    Parting { ending, reports: guard::take_kept() }
}

/// The message of a panic.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
