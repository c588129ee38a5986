//! A tape: a text file that says what to run on which screen, which keys to press, and what to look at for how long. Knows
//! neither terminals nor pictures.

use std::fmt;
use std::time::Duration;

/// A tape.
#[derive(Debug, PartialEq)]
pub(crate) struct Tape {
    /// Columns and rows.
    pub(crate) size: (u16, u16),
    /// The arguments of the program.
    pub(crate) arguments: Vec<String>,
    /// What happens, in order.
    pub(crate) steps: Vec<Step>,
}

/// A step of a tape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// A key is pressed: its name for the viewer, and what a terminal sends for it.
    Press(String, String),
    /// A character is typed.
    Type(char),
    /// Time passes, in which the screen may change.
    Wait(Duration),
    /// The screen is shown as it is.
    Hold(Duration),
}

/// What is wrong with a tape.
#[derive(Debug, PartialEq)]
pub(crate) struct Problem {
    /// The line, from 1; 0 for the whole tape.
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.what),
            line => write!(f, "line {line}: {}", self.what),
        }
    }
}

/// The most times that a key is pressed in one word.
const MOST_TIMES: usize = 1_000;
/// The longest wait or hold.
const LONGEST: Duration = Duration::from_secs(600);

/// Reads a tape: a command a line, where `#` begins a line that is a comment.
pub(crate) fn parse(text: &str) -> Result<Tape, Problem> {
    let (mut size, mut arguments, mut steps) = (None, None, Vec::new());
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let read = match command {
            "size" => parse_size(rest).map(|read| size = Some(read)),
            "run" if rest.is_empty() => Err("expected arguments after `run`, found none".to_owned()),
            "run" => {
                arguments = Some(rest.split_whitespace().map(str::to_owned).collect());
                Ok(())
            }
            "key" => parse_key(rest).map(|key| steps.push(key)),
            "keys" => parse_keys(rest).map(|keys| steps.extend(keys)),
            "type" => parse_quoted(rest).map(|text| steps.extend(text.chars().map(Step::Type))),
            "wait" => parse_time(rest).map(|time| steps.push(Step::Wait(time))),
            "hold" => parse_time(rest).map(|time| steps.push(Step::Hold(time))),
            other => Err(format!("expected size, run, key, keys, type, wait or hold, found `{other}`")),
        };
        let early = arguments.is_none() && !steps.is_empty();
        let read = if early { Err("expected `run` before the first step".to_owned()) } else { read };
        read.map_err(|what| Problem { line: at + 1, what })?;
    }
    let lacks = |what: &str| Problem { line: 0, what: format!("expected a line `{what}`, found none") };
    Ok(Tape {
        size: size.ok_or_else(|| lacks("size 100x30"))?,
        arguments: arguments.ok_or_else(|| lacks("run review example"))?,
        steps,
    })
}

fn parse_size(text: &str) -> Result<(u16, u16), String> {
    let sides =
        text.split_once('x').and_then(|(columns, rows)| Some((columns.parse().ok()?, rows.parse().ok()?)));
    sides
        .filter(|(columns, rows)| (20..=400).contains(columns) && (5..=200).contains(rows))
        .ok_or_else(|| format!("expected columns x rows such as 100x30, found `{text}`"))
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(""), 1.0),
    };
    let seconds = number.parse::<f64>().ok().map(|number| number * unit);
    seconds
        .filter(|seconds| (0.0..=LONGEST.as_secs_f64()).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("expected a time such as 500ms or 1.5s, found `{text}`"))
}

fn parse_quoted(text: &str) -> Result<&str, String> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner
        .filter(|inner| !inner.is_empty() && !inner.contains(char::is_control))
        .ok_or_else(|| format!("expected a text in quotes such as \"heat\", found `{text}`"))
}

/// Keys, each perhaps several times: `down*5 s`.
fn parse_keys(text: &str) -> Result<Vec<Step>, String> {
    let mut keys = Vec::new();
    for word in text.split_whitespace() {
        // The key `*` itself is a word of one character.
        let (name, times) = match word.rsplit_once('*').filter(|(name, _)| !name.is_empty()) {
            Some((name, times)) => (name, times.parse().ok()),
            None => (word, Some(1)),
        };
        let times = times.filter(|times| (1..=MOST_TIMES).contains(times));
        let times =
            times.ok_or_else(|| format!("expected a key and how often, such as down*5, found `{word}`"))?;
        keys.extend(std::iter::repeat_n(parse_key(name)?, times));
    }
    if keys.is_empty() { Err("expected keys such as down*5, found none".to_owned()) } else { Ok(keys) }
}

fn parse_key(name: &str) -> Result<Step, String> {
    let known = KEYS.iter().find(|(known, ..)| *known == name);
    if let Some((_, label, sent)) = known {
        return Ok(Step::Press((*label).to_owned(), (*sent).to_owned()));
    }
    let mut characters = name.chars();
    if let (Some(character), None) = (characters.next(), characters.next()) {
        return Ok(Step::Press(character.to_string(), character.to_string()));
    }
    if let Some(letter @ b'a'..=b'z') =
        name.strip_prefix("ctrl-").and_then(|letter| letter.as_bytes().first())
        && name.len() == "ctrl-".len() + 1
    {
        let sent = char::from(letter - b'a' + 1).to_string();
        return Ok(Step::Press(format!("Ctrl-{}", char::from(letter.to_ascii_uppercase())), sent));
    }
    let names: Vec<&str> = KEYS.iter().map(|(name, ..)| *name).collect();
    Err(format!("expected a key such as s, ctrl-p, {}, found `{name}`", names.join(", ")))
}

/// Keys that are not characters: their names in tapes and for viewers, and what a terminal sends.
const KEYS: &[(&str, &str, &str)] = &[
    ("up", "↑", "\x1b[A"),
    ("down", "↓", "\x1b[B"),
    ("right", "→", "\x1b[C"),
    ("left", "←", "\x1b[D"),
    ("home", "Home", "\x1b[H"),
    ("end", "End", "\x1b[F"),
    ("pageup", "PgUp", "\x1b[5~"),
    ("pagedown", "PgDn", "\x1b[6~"),
    ("enter", "Enter", "\r"),
    ("esc", "Esc", "\x1b"),
    ("tab", "Tab", "\t"),
    ("space", "Space", " "),
    ("backspace", "Backspace", "\x7f"),
    ("f1", "F1", "\x1bOP"),
];
