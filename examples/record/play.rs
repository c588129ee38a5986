//! Plays a tape: runs a program in a pseudo-terminal, does what the tape says, and takes the screen after each step.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::tape::{Step, Tape};
use crate::pseudo_terminal::Terminal;

/// What is shown for a time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shot {
    /// The screen.
    pub(crate) screen: Buffer,
    /// What was pressed or typed last.
    pub(crate) caption: String,
    pub(crate) shown: Duration,
}

/// Without output for so long, a screen is drawn.
const QUIET: Duration = Duration::from_millis(100);
/// A program that shows nothing by then is recorded as it is.
const STARTED: Duration = Duration::from_secs(30);
/// A screen that keeps changing is taken after this time.
const MOST: Duration = Duration::from_secs(2);
/// How often a screen is taken while time passes.
const EVERY: Duration = Duration::from_millis(250);
/// How long a screen is shown after a key.
const AFTER_KEY: Duration = Duration::from_millis(150);

/// Plays a tape with the program at a path, in a folder.
pub(crate) fn play(tape: &Tape, program: &Path, folder: &Path) -> std::io::Result<Vec<Shot>> {
    // Without the user's settings.
    let home = tempfile::tempdir()?;
    let mut command = CommandBuilder::new(program);
    command.args(&tape.arguments);
    command.cwd(folder);
    command.env("HOME", home.path());
    ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"].iter().for_each(|name| command.env_remove(name));
    command.env("COLORTERM", "truecolor");
    let mut terminal = Terminal::start(command, tape.size);
    terminal.answer();
    let mut film =
        Film { shots: Vec::new(), caption: format!("$ skiplane {}", tape.arguments.join(" ")), run: None };
    let end = Instant::now() + STARTED;
    while terminal.text().trim().is_empty() && Instant::now() < end {
        terminal.read_for(EVERY);
    }
    terminal.settle(QUIET, MOST);
    film.take(&terminal, Duration::ZERO);
    for step in &tape.steps {
        match step {
            Step::Press(label, sent) => {
                film.press(label);
                terminal.press(sent);
                terminal.settle(QUIET, MOST);
                film.take(&terminal, AFTER_KEY);
            }
            Step::Type(character) => {
                film.write(*character);
                terminal.press(&character.to_string());
                terminal.settle(QUIET, MOST);
                film.take(&terminal, AFTER_KEY);
            }
            Step::Wait(time) => {
                let end = Instant::now() + *time;
                while let left @ 1.. = end.saturating_duration_since(Instant::now()).as_millis() {
                    let part = EVERY.min(Duration::from_millis(left as u64));
                    let begun = Instant::now();
                    terminal.read_for(part);
                    // A program that has ended has no more output to wait for.
                    thread::sleep(part.saturating_sub(begun.elapsed()));
                    film.take(&terminal, part);
                }
            }
            Step::Hold(time) => film.hold(*time),
        }
    }
    Ok(film.shots)
}

/// The shots until now.
struct Film {
    shots: Vec<Shot>,
    caption: String,
    /// The key that was pressed last, and how often in a row; none after other steps.
    run: Option<(String, usize)>,
}

impl Film {
    fn press(&mut self, label: &str) {
        let times = self.run.take().filter(|(last, _)| last == label).map_or(1, |(_, times)| times + 1);
        self.caption = if times == 1 { label.to_owned() } else { format!("{label} ×{times}") };
        self.run = Some((label.to_owned(), times));
    }

    fn write(&mut self, character: char) {
        if self.run.take().is_some() || self.caption.starts_with('$') {
            self.caption.clear();
        }
        self.caption.push(character);
    }

    /// Adds the screen as it is, or the time if nothing has changed.
    fn take(&mut self, terminal: &Terminal, shown: Duration) {
        let (screen, caption) = (buffer(terminal.screen()), self.caption.clone());
        match self.shots.last_mut() {
            Some(last) if last.screen == screen && last.caption == caption => last.shown += shown,
            _ => self.shots.push(Shot { screen, caption, shown }),
        }
    }

    fn hold(&mut self, time: Duration) {
        self.shots.last_mut().expect("the first screen was taken").shown += time;
        // The same key again is counted anew.
        self.run = self.run.take().map(|(label, _)| (label, 0));
    }
}

/// The screen's cells.
fn buffer(screen: &vt100::Screen) -> Buffer {
    let (rows, columns) = screen.size();
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns.get(), rows.get()));
    for (row, column) in (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column))) {
        if let (Some(from), Some(to)) = (screen.cell(row, column), buffer.cell_mut((column, row))) {
            *to = cell(from);
        }
    }
    buffer
}

fn cell(from: &vt100::Cell) -> Cell {
    let color = |color| match color {
        vt100::Color::Default => Color::Reset,
        vt100::Color::Idx(index) => Color::Indexed(index),
        vt100::Color::Rgb(r, g, b) => Color::Rgb(r, g, b),
    };
    let mut cell = Cell::default();
    if from.has_contents() {
        cell.set_symbol(from.contents());
    }
    (cell.fg, cell.bg) = (color(from.fgcolor()), color(from.bgcolor()));
    let modifiers = [
        (from.bold(), Modifier::BOLD),
        (from.dim(), Modifier::DIM),
        (from.underline(), Modifier::UNDERLINED),
        (from.inverse(), Modifier::REVERSED),
    ];
    cell.modifier = modifiers.into_iter().filter(|(is, _)| *is).map(|(_, modifier)| modifier).collect();
    cell
}
