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
//! A filter is evaluated for **one lane** at a time, and a run matches if one of its lanes does. So
//! `depth>20 shortcut=identity` requires one lane that is both deep and residual, and `not loss<0.5` a lane whose loss
//! isn't below 0.5. Words without a key, and keys of the run, are the same for all its lanes. A missing value fails
//! every comparison but `!=`, the opposite of `=`.
//!
//! Pure: text in, filter out; the list supplies the values of a run's keys.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::printable::printable;

mod keys;
mod lexer;
mod matcher;
mod parser;
mod value;

pub use keys::{KEYS, Key, KeyEntry, Kind};
pub use matcher::Subject;
pub use value::Field;

use value::Value;

/// The most bytes of a filter.
pub(crate) const LENGTH: usize = 1_000;
/// The deepest nesting of parentheses and negations.
pub(crate) const DEPTH: usize = 32;

/// Selects runs; the empty filter selects all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter(Option<Expression>);

/// A filter's parts.
#[derive(Clone, Debug, PartialEq)]
enum Expression {
    /// The run's name, question, note or tags contain this, ignoring case.
    Text(String),
    Condition(Condition),
    Not(Box<Expression>),
    /// Two or more, none of them `All`.
    All(Vec<Expression>),
    /// Two or more, none of them `Any`.
    Any(Vec<Expression>),
}

/// The comparison of a key with a value.
#[derive(Clone, Debug)]
struct Condition {
    key: Key,
    comparison: Comparison,
    /// The value as it was written.
    source: String,
    /// The value as read for the key.
    value: Value,
}

impl PartialEq for Condition {
    /// The value is determined by key and source, and NaN must equal itself here.
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
    /// Contains the text, ignoring case.
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

    /// Whether it compares magnitudes.
    fn is_order(self) -> bool {
        !matches!(self, Comparison::Equal | Comparison::Unequal | Comparison::Contains)
    }
}

/// Why a text is not a valid filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// The bytes of the text that are wrong.
    pub place: Range<usize>,
    /// The place in characters, from 1.
    pub column: usize,
    /// What was expected, what was found, and the nearest valid choice.
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
    /// Whether it selects all runs.
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

/// Writes a text bare if it would be read back as one word, otherwise quoted.
fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !text.is_empty() && text.chars().all(lexer::is_of_word) && !lexer::is_keyword(text) {
        return f.write_str(text);
    }
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;
