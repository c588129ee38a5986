//! The language by which runs are chosen: `depth>20 shortcut=identity loss<0.5 not tag=draft`.
//!
//! ```text
//! filter    = [ any ]
//! any       = all { "or" all }
//! all       = term { [ "and" ] term }
//! term      = ( "not" | "!" ) term | "(" any ")" | condition | text
//! condition = key ( "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" ) text
//! text      = word | quoted, in which \ makes a quotation mark and itself ordinary
//! ```
//!
//! A filter holds or doesn't for **one lane** of a run, all of it, and a run is chosen where it holds for one
//! of its lanes. So `depth>20 shortcut=identity` wants one lane that is both deep and residual, and
//! `not loss<0.5` a lane whose loss isn't below 0.5. Words without a key, and keys of the run, are the same for
//! all its lanes. What a run or lane doesn't have fails every comparison but `!=`, the opposite of `=`.
//!
//! Pure: text in, filter out; the catalog says what a run's keys hold.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::text::printable;

mod keys;
mod lexer;
mod matcher;
mod parser;
mod value;

pub use keys::{KEYS, Key, KeyEntry, Kind};
pub use matcher::Subject;
pub use value::Field;

use value::Value;

/// The bytes of a filter at most.
pub const LENGTH: usize = 1_000;
/// Parentheses and negations within each other at most.
pub const DEPTH: usize = 32;

/// What chooses runs; the empty one chooses all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter(Option<Expression>);

/// A filter's parts.
#[derive(Clone, Debug, PartialEq)]
enum Expression {
    /// What a run is called, asked, noted or tagged holds this, whatever its case.
    Text(String),
    Condition(Condition),
    Not(Box<Expression>),
    /// Two or more, none of them `All`.
    All(Vec<Expression>),
    /// Two or more, none of them `Any`.
    Any(Vec<Expression>),
}

/// What one key is compared with.
#[derive(Clone, Debug)]
struct Condition {
    key: Key,
    comparison: Comparison,
    /// As it was written.
    source: String,
    /// What that means for the key.
    value: Value,
}

impl PartialEq for Condition {
    /// The value follows from key and source, and NaN must equal itself here.
    fn eq(&self, other: &Condition) -> bool {
        (self.key, self.comparison, &self.source) == (other.key, other.comparison, &other.source)
    }
}

/// How a key is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// Holds the text, whatever its case.
    Contains,
}

impl Comparison {
    const ALL: [Comparison; 7] = [
        Comparison::Equal,
        Comparison::Unequal,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
        Comparison::Contains,
    ];

    fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::Unequal => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
            Comparison::Contains => "~",
        }
    }

    /// Whether it asks which of two is more.
    fn is_order(self) -> bool {
        !matches!(self, Comparison::Equal | Comparison::Unequal | Comparison::Contains)
    }
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// The bytes of the text that are meant.
    pub place: Range<usize>,
    /// The place in characters, from 1.
    pub column: usize,
    /// What was expected, what was found, and what is near.
    pub message: String,
}

impl std::error::Error for FilterError {}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: {}", self.column, self.message)
    }
}

impl FilterError {
    fn new(text: &str, place: Range<usize>, message: impl Into<String>) -> FilterError {
        let column = text.get(..place.start).map_or(0, |before| before.chars().count()) + 1;
        FilterError { place, column, message: printable(&message.into()) }
    }
}

impl Filter {
    /// Whether it chooses all.
    pub fn is_everything(&self) -> bool {
        self.0.is_none()
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Filter, FilterError> {
        parser::parse(text).map(Filter)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|expression| write!(f, "{expression}"))
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Text(text) => write_text(text, f),
            Expression::Condition(Condition { key, comparison, source, .. }) => {
                write!(f, "{}{}", key.name(), comparison.sign())?;
                write_text(source, f)
            }
            Expression::Not(inner) => {
                f.write_str("not ")?;
                inner.write_within(f, matches!(**inner, Expression::All(_) | Expression::Any(_)))
            }
            Expression::All(terms) => {
                for (at, term) in terms.iter().enumerate() {
                    f.write_str(if at > 0 { " " } else { "" })?;
                    term.write_within(f, matches!(term, Expression::Any(_)))?;
                }
                Ok(())
            }
            Expression::Any(terms) => {
                for (at, term) in terms.iter().enumerate() {
                    f.write_str(if at > 0 { " or " } else { "" })?;
                    write!(f, "{term}")?;
                }
                Ok(())
            }
        }
    }
}

impl Expression {
    fn write_within(&self, f: &mut fmt::Formatter<'_>, parentheses: bool) -> fmt::Result {
        if parentheses { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

/// Writes a text bare where it would be read as one word, else quoted.
fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !text.is_empty() && text.chars().all(lexer::is_of_word) && !lexer::is_keyword(text) {
        return f.write_str(text);
    }
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;
