//! Reports a sweep: its runs as they start and end, and one progress bar for all of them. In plain lines where there is
//! no terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::lines;
use super::outlet::{Outlet, standard_output};
use crate::printable::printable;

/// The bar; `wide_bar` takes the remaining width.
const TEMPLATE: &str = "{wide_bar} {msg}";
/// How finely the bar moves.
const LENGTH: u64 = 10_000;

/// Reports a sweep to the user.
pub struct SweepReporter(Face);

enum Face {
    /// In plain lines with time stamps.
    Lines(Outlet),
    /// In lines above a progress bar.
    Bar(ProgressBar),
}

impl SweepReporter {
    /// A reporter on standard output.
    pub fn new(on_terminal: bool) -> SweepReporter {
        if on_terminal {
            let style =
                ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::with_draw_target(Some(LENGTH), ProgressDrawTarget::stdout());
            return SweepReporter(Face::Bar(bar.with_style(style)));
        }
        let note =
            |dropped: u64| format!("{dropped} older lines were dropped, because the output was not read");
        SweepReporter(Face::Lines(Outlet::new(standard_output(), note)))
    }

    /// Says something about the sweep.
    pub fn say(&self, text: &str) {
        match &self.0 {
            Face::Lines(out) => out.tell(lines::line(Timestamp::now(), "", 0, text)),
            Face::Bar(bar) => bar.println(printable(text)),
        }
    }

    /// Draws the bar anew: the share of the work that is done, and how it stands in words.
    pub fn tick(&self, done: f64, text: String) {
        if let Face::Bar(bar) = &self.0 {
            bar.set_position((done * LENGTH as f64) as u64);
            bar.set_message(text);
        }
    }
}
