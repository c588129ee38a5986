//! What an object of JSON says: its numbers by their names, those of nested objects dotted. Shared by the formats that
//! write an object for each record; knows nothing of how they are separated.

use super::json::{Cursor, Damage, Token, decoded};
use super::roles::{rank, time_name, time_rank, unix_seconds, whole};
use super::saying::{each_once, unshown, value};
use super::{Measured, Said, Tags};

/// The names of a step, the best first. An epoch is a step only where there is nothing finer.
const STEPS: [&str; 8] =
    ["step", "_step", "global_step", "iter", "iteration", "iterations", "update", "epoch"];
/// The place of the epoch among them.
const EPOCH: usize = STEPS.len() - 1;

/// An object at the top level that only holds what was measured: its name is left out of theirs.
const WRAPPER: &str = "metrics";

/// What is written in quotes for numbers that JSON does not have, in any case, with or without a sign.
const NUMBERS_IN_TEXT: [&[u8]; 3] = [b"nan", b"inf", b"infinity"];

/// The most objects within one another. Real ones have two or three.
const DEEPEST: usize = 64;

/// Reads objects; holds what is used again from one to the next.
#[derive(Debug, Default)]
pub(super) struct ObjectReader {
    path: String,
}

/// By what an object names its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// A step.
    ByStep,
    /// An epoch that is an integer.
    ByEpoch,
    /// An epoch that is not.
    WithinEpoch,
    /// Nothing.
    Nowhere,
}

impl ObjectReader {
    /// Says what an object says. An epoch is taken for a step only if `epoch_counts`. Of an object that is bad,
    /// nothing is said.
    pub(super) fn say(
        &mut self,
        object: &[u8],
        epoch_counts: bool,
        tags: &mut Tags,
        said: &mut Said,
    ) -> Result<Placed, String> {
        self.path.clear();
        let cursor = Cursor::new(object);
        let mut walk = Walk { cursor, path: &mut self.path, tags, said, step: None, at: None };
        let placed = walk.document().map_err(|damage| {
            let Damage { at, expected } = damage;
            format!("expected {expected} at byte {at} of an object, found something else")
        });
        let placed = placed.and_then(|()| walk.place(epoch_counts));
        match placed {
            Ok(_) => each_once(&mut said.values),
            Err(_) => said.clear(),
        }
        placed
    }
}

/// A way through an object.
struct Walk<'a> {
    cursor: Cursor<'a>,
    /// The name of where it is: the keys down to there, dotted.
    path: &'a mut String,
    tags: &'a mut Tags,
    said: &'a mut Said,
    /// The best step so far.
    step: Option<Step>,
    /// The best time so far and its rank.
    at: Option<(usize, f64)>,
}

/// A number under a name of steps.
#[derive(Clone, Copy)]
struct Step {
    rank: usize,
    number: f64,
    /// The integer that it is.
    whole: Option<i64>,
}

impl Walk<'_> {
    /// Goes through the document, which is an object.
    fn document(&mut self) -> Result<(), Damage> {
        match self.cursor.value()? {
            Token::Object => self.members(0)?,
            _ => return Err(Damage { at: 0, expected: "`{`" }),
        }
        self.cursor.end()
    }

    /// Goes through the members of an object that is within `depth` others. Their names follow the path.
    fn members(&mut self, depth: usize) -> Result<(), Damage> {
        if depth > DEEPEST {
            return Err(self.cursor.damage("fewer objects within one another"));
        }
        if *self.path == WRAPPER {
            self.path.clear();
        }
        let outer = self.path.len();
        let before = (self.said.values.len(), self.said.other.len());
        let mut kind = None;
        let mut is_first = true;
        while let Some(key) = self.cursor.key(is_first)? {
            is_first = false;
            if kind.is_some() {
                self.cursor.skip()?;
                continue;
            }
            self.descend(key)?;
            match self.cursor.value()? {
                Token::Text(named) if key == b"_type" && depth > 0 => kind = Some(kind_of(named)),
                token => self.hear_token(token, depth)?,
            }
            self.path.truncate(outer);
        }
        if let Some(kind) = kind {
            // It was one thing, whatever was heard of its parts.
            self.said.values.truncate(before.0);
            self.said.other.truncate(before.1);
            unshown(self.said, &kind);
        }
        Ok(())
    }

    /// Puts a key behind the path.
    fn descend(&mut self, key: &[u8]) -> Result<(), Damage> {
        let key = decoded(key).ok_or_else(|| self.cursor.damage("a key in UTF-8 before this"))?;
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(&key);
        Ok(())
    }

    /// Hears what stands at the path.
    fn hear_token(&mut self, token: Token, depth: usize) -> Result<(), Damage> {
        match token {
            Token::Object => return self.members(depth + 1),
            Token::Number(number, written) => self.hear(number, Some(written)),
            Token::Truth(truth) => {
                let truth = Measured::Number(f64::from(u8::from(truth)));
                value(self.said, self.tags, self.path, truth);
            }
            Token::Text(text) => self.hear_text(text),
            Token::List => unshown(self.said, "list"),
            Token::Null => {}
        }
        Ok(())
    }

    /// Hears a number and how it was written. A step or a time that is not the best is a value like any other.
    fn hear(&mut self, number: f64, written: Option<&[u8]>) {
        let mut name = self.path.as_str();
        let mut number = number;
        if let Some(rank) = rank(&STEPS, name) {
            // Not every integer is a floating-point number.
            let exact = written.and_then(|written| std::str::from_utf8(written).ok()?.parse().ok());
            let found = Step { rank, number, whole: exact.or(whole(number)) };
            match self.step {
                Some(best) if best.rank < rank => {}
                best => {
                    self.step = Some(found);
                    let Some(other) = best.filter(|other| other.rank != rank) else { return };
                    (name, number) = (STEPS.get(other.rank).copied().unwrap_or_default(), other.number);
                }
            }
        } else if let Some(rank) = time_rank(name)
            && let Some(seconds) = unix_seconds(number)
        {
            match self.at {
                Some((best, _)) if best < rank => {}
                best => {
                    self.at = Some((rank, seconds));
                    let Some((other, seconds)) = best.filter(|(other, _)| *other != rank) else { return };
                    (name, number) = (time_name(other), seconds);
                }
            }
        }
        value(self.said, self.tags, name, Measured::Number(number));
    }

    /// Hears a text, which says a number where JSON has none for it.
    fn hear_text(&mut self, text: &[u8]) {
        let magnitude = text.strip_prefix(b"-").unwrap_or(text);
        let is_number = NUMBERS_IN_TEXT.iter().any(|word| word.eq_ignore_ascii_case(magnitude));
        match fast_float2::parse(text).ok().filter(|_| is_number) {
            Some(number) => self.hear(number, None),
            // A date would be no less a time, but it is not worth a parser of dates.
            None if time_rank(self.path).is_some() => {}
            None => unshown(self.said, "text"),
        }
    }

    /// Says the step and the time.
    fn place(self, epoch_counts: bool) -> Result<Placed, String> {
        self.said.at = self.at.map(|(_, seconds)| seconds);
        let Some(Step { rank, number, whole }) = self.step else { return Ok(Placed::Nowhere) };
        if rank == EPOCH && (whole.is_none() || !epoch_counts) {
            value(self.said, self.tags, "epoch", Measured::Number(number));
            return Ok(if whole.is_some() { Placed::ByEpoch } else { Placed::WithinEpoch });
        }
        let name = STEPS.get(rank).copied().unwrap_or_default();
        self.said.step =
            Some(whole.ok_or_else(|| format!("expected an integer as `{name}`, found {number}"))?);
        Ok(if rank == EPOCH { Placed::ByEpoch } else { Placed::ByStep })
    }
}

/// The kind of an object that names its type, as those of Weights & Biases do: `histogram`, `image-file`.
fn kind_of(named: &[u8]) -> String {
    let named = named.strip_suffix(b"-file").unwrap_or(named);
    let is_word = named.len() < 40 && named.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    if is_word { String::from_utf8_lossy(named).into_owned() } else { "object".to_owned() }
}
