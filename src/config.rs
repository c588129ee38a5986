//! The user's settings, `config.toml`: which keys do what, how the user is notified, filters of layers, and how the screen
//! changes. A file never keeps the dashboard from opening: what is wrong in it is told with its line, and the default
//! stays. `docs/CONFIG.md` lists what may stand in it.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::app::NameFilter;
use crate::printable::printable;
use crate::theme::Dots;
use crate::views::{Bound, Key, Keymap, NO_OP, browser, command_named, named};

mod layouts;

pub use layouts::{Layouts, experiment};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;
/// The most problems that are told.
const MOST_PROBLEMS: usize = 20;
/// The tables of a file.
const TABLES: &[&str] = &["keys", "notify", "filters", "screen"];
/// The keys of `[notify]`.
const NOTIFY: &[&str] = &["bell", "osc9"];
/// The keys of `[screen]`.
const SCREEN: &[&str] = &["budget", "mouse", "reduced_motion", "graphics", "dots"];
/// The values of `graphics`.
const GRAPHICS: [(&str, Graphics); 4] = [
    ("auto", Graphics::Auto),
    ("kitty", Graphics::Kitty),
    ("sixel", Graphics::Sixel),
    ("blocks", Graphics::Blocks),
];

/// The values of `dots`.
const DOTS: [(&str, Dots); 3] =
    [("braille", Dots::Braille), ("quadrants", Dots::Quadrants), ("octants", Dots::Octants)];

/// The settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The keys in force on the dashboard.
    pub keymap: Keymap,
    /// Those in the list of runs.
    pub runs_keymap: Keymap<browser::Command>,
    /// How the user is notified.
    pub notify: Notify,
    /// The filters of layers, by name, in the order of the file.
    pub filters: Vec<(String, NameFilter)>,
    /// What the screen may do.
    pub screen: Screen,
    /// What is wrong in the file, each with the file's name, without its folder, and the line.
    pub problems: Vec<String>,
}

/// What tells the user, beyond the screen, that a run has ended or that something critical was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// The terminal's bell.
    pub bell: bool,
    /// A message of the desktop, by the terminal's sequence OSC 9.
    pub osc9: bool,
}

/// What the screen may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// How much it sends of itself, without keys or mouse, in bytes per second; none for any amount.
    pub budget: Option<u32>,
    /// Whether the mouse is for the screen, rather than for the terminal, which then selects text.
    pub mouse: bool,
    /// Whether it changes at most once a second unless the user does something: also while lanes train or are played
    /// back.
    pub reduced_motion: bool,
    /// How pictures are drawn.
    pub graphics: Graphics,
    /// What curves are drawn in.
    pub dots: Dots,
}

/// How pictures are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Graphics {
    /// By the best means that the terminal says it has; in cells within tmux and GNU screen.
    #[default]
    Auto,
    /// By the graphics protocol of kitty, whatever the terminal says.
    Kitty,
    /// As sixels, whatever it says.
    Sixel,
    /// In cells of two pixels.
    Blocks,
}

impl Default for Screen {
    fn default() -> Screen {
        Screen {
            budget: Some(20_000),
            mouse: true,
            reduced_motion: false,
            graphics: Graphics::Auto,
            dots: Dots::Braille,
        }
    }
}

/// The least budget, in bytes per second.
const LEAST_BUDGET: f64 = 100.0;
/// The factors of a budget's units.
const RATES: [(&str, f64); 3] = [("MB/s", 1e6), ("kB/s", 1e3), ("B/s", 1.0)];

impl Config {
    /// The settings in a file; the defaults if there is none.
    pub fn read(path: &Path) -> Config {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let failed = |problem: String| Config {
            problems: vec![printable(&format!("{name}: {problem}"))],
            ..Config::default()
        };
        // A pipe would be waited for.
        match fs::metadata(path) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Config::default();
            }
            Err(error) => return failed(error.to_string()),
            Ok(found) if !found.is_file() => return failed("expected a file".to_owned()),
            Ok(found) if found.len() > LARGEST => return failed("larger than 1 MiB".to_owned()),
            Ok(_) => {}
        }
        let mut text = String::new();
        match fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text)) {
            Ok(_) => Config::parse(&text, &name),
            Err(error) => failed(error.to_string()),
        }
    }

    /// The settings in a text; `name` is the file's, for messages.
    pub fn parse(text: &str, name: &str) -> Config {
        let mut parser = Parser { text, name, config: Config::default(), left_out: 0 };
        match DeTable::parse(text) {
            Ok(table) => parser.file(table.get_ref()),
            Err(error) => parser.problem(error.span().map_or(0, |span| span.start), error.message()),
        }
        let Parser { mut config, left_out, .. } = parser;
        if left_out > 0 {
            config.problems.push(format!("{}: and {left_out} more problems", printable(name)));
        }
        config
    }
}

struct Parser<'a> {
    text: &'a str,
    name: &'a str,
    config: Config,
    /// The number of problems that are not told.
    left_out: usize,
}

impl Parser<'_> {
    fn file(&mut self, file: &DeTable<'_>) {
        for (name, value) in in_order(file) {
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("keys", DeValue::Table(table)) => {
                    self.keys(table, |config| &mut config.keymap);
                    if let Some((_, DeValue::Table(table))) = runs_of(table) {
                        self.keys(table, |config| &mut config.runs_keymap);
                    }
                }
                ("notify", DeValue::Table(table)) => self.notify(table),
                ("filters", DeValue::Table(table)) => self.filters(table),
                ("screen", DeValue::Table(table)) => self.screen(table),
                (name, _) if TABLES.contains(&name) => {
                    self.problem(value.span().start, &format!("expected a table [{name}]"));
                }
                (found, _) => {
                    self.problem(name.span().start, &unknown("a table", found, TABLES.iter().copied()))
                }
            }
        }
    }

    /// Binds the keys of a table, but for the table of the list of runs within it.
    fn keys<C: Bound>(&mut self, table: &DeTable<'_>, keymap: fn(&mut Config) -> &mut Keymap<C>) {
        let mut bound: Vec<Key> = Vec::new();
        for (name, value) in in_order(table) {
            if name.get_ref() == RUNS && matches!(value.get_ref(), DeValue::Table(_)) {
                continue;
            }
            let (key, command) = match (Key::named(name.get_ref()), command_of(value)) {
                (Ok(key), Ok(command)) => (key, command),
                (Err(problem), _) => {
                    self.problem(name.span().start, &problem);
                    continue;
                }
                (_, Err(problem)) => {
                    self.problem(value.span().start, &problem);
                    continue;
                }
            };
            if bound.contains(&key) {
                let key = key.name();
                self.problem(name.span().start, &format!("`{key}` has a command already; that one stays"));
                continue;
            }
            bound.push(key);
            keymap(&mut self.config).bind(key, command);
        }
        // By this command every other one can be reached, or is told.
        let (key, command) = C::ALWAYS;
        if keymap(&mut self.config).keys(command).next().is_none() {
            keymap(&mut self.config).bind(key, Some(command));
            let name = named(command).map_or("", |named| named.name);
            self.problem(0, &format!("expected a key for `{name}`, found none; `{}` opens it", key.name()));
        }
    }

    fn notify(&mut self, table: &DeTable<'_>) {
        for (name, value) in in_order(table) {
            let of = match name.get_ref().as_ref() {
                "bell" => &mut self.config.notify.bell,
                "osc9" => &mut self.config.notify.osc9,
                found => {
                    self.problem(name.span().start, &unknown("a key", found, NOTIFY.iter().copied()));
                    continue;
                }
            };
            match value.get_ref() {
                DeValue::Boolean(on) => *of = *on,
                _ => self.problem(value.span().start, "expected true or false"),
            }
        }
    }

    fn filters(&mut self, table: &DeTable<'_>) {
        for (name, value) in in_order(table) {
            let filter = match value.get_ref() {
                DeValue::String(pattern) => NameFilter::new(pattern),
                _ => Err("expected a regular expression in quotation marks".to_owned()),
            };
            match filter {
                Ok(Some(filter)) => self.config.filters.push((name.get_ref().to_string(), filter)),
                Ok(None) => self.problem(value.span().start, "expected a regular expression, found nothing"),
                // The rest of the message points into the pattern.
                Err(problem) => {
                    self.problem(value.span().start, problem.lines().next().unwrap_or_default());
                }
            }
        }
    }

    fn screen(&mut self, table: &DeTable<'_>) {
        for (name, value) in in_order(table) {
            let understood = match (name.get_ref().as_ref(), value.get_ref()) {
                ("budget", value) => budget_of(value).map(|budget| self.config.screen.budget = budget),
                ("mouse", DeValue::Boolean(on)) => {
                    self.config.screen.mouse = *on;
                    Ok(())
                }
                ("reduced_motion", DeValue::Boolean(on)) => {
                    self.config.screen.reduced_motion = *on;
                    Ok(())
                }
                ("graphics", value) => chosen("how pictures are drawn", value, &GRAPHICS)
                    .map(|graphics| self.config.screen.graphics = graphics),
                ("dots", value) => chosen("what curves are drawn in", value, &DOTS)
                    .map(|dots| self.config.screen.dots = dots),
                ("mouse" | "reduced_motion", _) => Err("expected true or false".to_owned()),
                (found, _) => {
                    self.problem(name.span().start, &unknown("a key", found, SCREEN.iter().copied()));
                    continue;
                }
            };
            if let Err(problem) = understood {
                self.problem(value.span().start, &problem);
            }
        }
    }

    /// Notes what is wrong at a byte of the text.
    fn problem(&mut self, at: usize, problem: &str) {
        if self.config.problems.len() == MOST_PROBLEMS {
            self.left_out += 1;
            return;
        }
        let before = self.text.as_bytes().iter().take(at);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        let name = self.name;
        self.config.problems.push(printable(&format!("{name}:{line}: {problem}")));
    }
}

/// The table of the keys of the list of runs, in that of the dashboard's.
const RUNS: &str = "runs";

fn runs_of<'a>(table: &'a DeTable<'_>) -> Option<(&'static str, &'a DeValue<'a>)> {
    table.get(RUNS).map(|value| (RUNS, value.get_ref()))
}

/// The entries of a table as they stand in the file.
fn in_order<'a, 't>(
    table: &'a DeTable<'t>,
) -> Vec<(&'a Spanned<std::borrow::Cow<'t, str>>, &'a Spanned<DeValue<'t>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

/// The command that a value names; none for [`NO_OP`].
fn command_of<C: Bound>(value: &Spanned<DeValue<'_>>) -> Result<Option<C>, String> {
    let DeValue::String(name) = value.get_ref() else {
        return Err("expected the name of an action in quotation marks".to_owned());
    };
    if name == NO_OP {
        return Ok(None);
    }
    let names = C::COMMANDS.iter().map(|named| named.name).chain([NO_OP]);
    command_named(name).map(Some).ok_or_else(|| unknown("an action", name, names))
}

/// What a value chooses by a word of a list; `what` says what is chosen.
fn chosen<T: Copy>(what: &str, value: &DeValue<'_>, choices: &[(&str, T)]) -> Result<T, String> {
    let names = || choices.iter().map(|(name, _)| *name);
    let DeValue::String(word) = value else {
        let quoted: Vec<String> = names().map(|name| format!("`{name}`")).collect();
        let (others, last) = quoted.split_at(quoted.len().saturating_sub(1));
        return Err(format!("expected {} or {} in quotation marks", others.join(", "), last.concat()));
    };
    let named = choices.iter().find(|(name, _)| name == word);
    named.map(|(_, choice)| *choice).ok_or_else(|| unknown(what, word, names()))
}

/// The bytes per second of a value such as "20 kB/s"; none for "none" and 0.
fn budget_of(value: &DeValue<'_>) -> Result<Option<u32>, String> {
    let expected = || {
        let least = format!("at least {LEAST_BUDGET} B/s");
        format!("expected \"none\" or a rate such as \"20 kB/s\", \"500 B/s\" or \"1.5 MB/s\", {least}")
    };
    let text = match value {
        DeValue::Integer(number) if number.as_str() == "0" => return Ok(None),
        DeValue::String(text) if text == "none" => return Ok(None),
        DeValue::String(text) => text,
        _ => return Err(expected()),
    };
    let rate = RATES.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), factor)));
    let (number, factor) = rate.ok_or_else(expected)?;
    let number: f64 = number.parse().map_err(|_| expected())?;
    let bytes = number * factor;
    (LEAST_BUDGET..=f64::from(u32::MAX)).contains(&bytes).then_some(Some(bytes as u32)).ok_or_else(expected)
}

fn unknown<'a>(what: &str, found: &str, choices: impl Iterator<Item = &'a str>) -> String {
    let likeness = |choice: &str| strsim::normalized_damerau_levenshtein(&found.to_lowercase(), choice);
    let nearest = choices.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default();
    format!("expected {what}, found `{found}`; the nearest is `{nearest}`")
}

#[cfg(test)]
mod tests;
