//! The file as a tree of values, each with the line or the override it comes from. Knows TOML, and nothing
//! of what an experiment is.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::problem::{Origin, Problem};

/// A value and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(Table),
    /// What no experiment contains: a date, or an integer beyond 64 bits, as it is written.
    Other(String),
}

/// A table: its values by their keys.
pub(super) type Table = BTreeMap<String, Node>;

impl Node {
    /// What was found, for a message.
    pub(super) fn describe(&self) -> String {
        match &self.value {
            Value::Text(text) => format!("`{}`", shortened(text)),
            Value::Integer(number) => format!("`{number}`"),
            Value::Float(number) => format!("`{number:?}`"),
            Value::Boolean(flag) => format!("`{flag}`"),
            Value::Array(_) => "an array".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Other(spelled) => format!("`{}`", shortened(spelled)),
        }
    }
}

impl Node {
    /// The value as a file spells it, but a text without quotes.
    pub(super) fn spelled(&self) -> String {
        match &self.value {
            Value::Text(text) | Value::Other(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => format!("{number:?}"),
            Value::Boolean(flag) => flag.to_string(),
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(Node::spelled).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Table(table) => {
                let items = table.iter().map(|(key, node)| format!("{key} = {}", node.spelled()));
                format!("{{ {} }}", items.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// The beginning of a text that may be long.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    if text.chars().count() <= MOST {
        text.to_owned()
    } else {
        format!("{}...", text.chars().take(MOST).collect::<String>())
    }
}

/// Parses a whole file.
pub(super) fn parse_file(text: &str) -> Result<Table, Problem> {
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|error| {
        let origin = error.span().map_or(Origin::File, |span| lines.at(span.start));
        Problem { origin, key: String::new(), message: format!("expected TOML: {}", error.message()) }
    })?;
    Ok(convert_table(table.get_ref(), &|at| lines.at(at)))
}

/// Parses the value of an override; a bare word is a string.
pub(super) fn parse_override(index: usize, text: &str) -> Result<Node, String> {
    let word = text.trim();
    match DeValue::parse(word) {
        Ok(value) => Ok(convert(&value, &|_| Origin::Override(index))),
        Err(_) if is_bare(word) => {
            Ok(Node { value: Value::Text(word.to_owned()), origin: Origin::Override(index) })
        }
        Err(error) => Err(error.message().to_owned()),
    }
}

/// Whether a text that is not a TOML value may be an unquoted string: a word or a path.
fn is_bare(text: &str) -> bool {
    !text.is_empty() && !text.contains(['"', '\'', '[', ']', '{', '}', '=', '#', '\n', '\r'])
}

fn convert(value: &Spanned<DeValue<'_>>, origin: &dyn Fn(usize) -> Origin) -> Node {
    let converted = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => integer(number),
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(parsed) => Value::Float(parsed),
            Err(_) => Value::Other(number.to_string()),
        },
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(date) => Value::Other(date.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| convert(item, origin)).collect()),
        DeValue::Table(table) => Value::Table(convert_table(table, origin)),
    };
    Node { value: converted, origin: origin(value.span().start) }
}

fn integer(number: &DeInteger<'_>) -> Value {
    match i64::from_str_radix(number.as_str(), number.radix()) {
        Ok(parsed) => Value::Integer(parsed),
        Err(_) => Value::Other(number.to_string()),
    }
}

fn convert_table(table: &DeTable<'_>, origin: &dyn Fn(usize) -> Origin) -> Table {
    table
        .iter()
        .map(|(key, value)| {
            let mut node = convert(value, origin);
            // The place of a value is that of its key; that of a table is its first header.
            if !matches!(node.value, Value::Table(_) | Value::Array(_)) {
                node.origin = origin(key.span().start);
            }
            (key.get_ref().to_string(), node)
        })
        .collect()
}

/// The offsets at which the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        Lines(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line of a byte, from 1.
    fn at(&self, byte: usize) -> Origin {
        Origin::Line(self.0.partition_point(|&start| start <= byte))
    }
}
