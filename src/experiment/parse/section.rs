//! Typed access to the keys of one table. A wrong value is reported and replaced by a fallback, so that all problems of
//! a file are found at once. Keys that were never asked for are unknown ones.

use std::cell::RefCell;

use super::node::{Node, Table, Value};
use super::problem::{Origin, Problems, either, nearest};

/// A table being read.
pub(super) struct Section<'a> {
    /// Its dotted path; empty for the whole file.
    path: String,
    table: &'a Table,
    origin: Origin,
    problems: &'a Problems,
    known: RefCell<Vec<&'static str>>,
}

/// The range of a number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    /// Above 0.
    Positive,
    /// 0 or above.
    NotNegative,
    /// 0 or above and below 1.
    BelowOne,
    /// 0 to 1.
    Share,
}

impl Bound {
    fn holds(self, x: f64) -> bool {
        match self {
            Bound::Positive => x > 0.0,
            Bound::NotNegative => x >= 0.0,
            Bound::BelowOne => (0.0..1.0).contains(&x),
            Bound::Share => (0.0..=1.0).contains(&x),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Bound::Positive => "a number above 0",
            Bound::NotNegative => "a number of at least 0",
            Bound::BelowOne => "a number of at least 0 and below 1",
            Bound::Share => "a number from 0 to 1",
        }
    }
}

impl<'a> Section<'a> {
    pub(super) fn new(path: String, table: &'a Table, origin: Origin, problems: &'a Problems) -> Section<'a> {
        Section { path, table, origin, problems, known: RefCell::default() }
    }

    /// The dotted path of a key.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value of a key, where it has one.
    pub(super) fn node(&self, key: &'static str) -> Option<&'a Node> {
        self.known.borrow_mut().push(key);
        self.table.get(key)
    }

    /// Reports that a key's value is not what was expected.
    pub(super) fn wrong(&self, key: &str, node: &Node, expected: &str) {
        self.problems.add(
            node.origin,
            &self.key(key),
            format!("expected {expected}, found {}", node.describe()),
        );
    }

    /// Reports a problem with a key's value.
    pub(super) fn note(&self, key: &str, message: String) {
        let origin = self.table.get(key).map_or(self.origin, |node| node.origin);
        self.problems.add(origin, &self.key(key), message);
    }

    /// Reports that a key is missing.
    pub(super) fn missing(&self, key: &str, what: &str) {
        self.problems.add(self.origin, &self.key(key), format!("expected {what}, found no such key; add it"));
    }

    /// A whole number of at least `least`; without a default the key is required.
    pub(super) fn integer(&self, key: &'static str, least: u64, default: Option<u64>) -> u64 {
        let expected = format!("a whole number of at least {least}");
        let Some(node) = self.node(key) else {
            if default.is_none() {
                self.missing(key, &expected);
            }
            return default.unwrap_or(least);
        };
        match node.value {
            Value::Integer(number) if number >= 0 && number as u64 >= least => number as u64,
            _ => {
                self.wrong(key, node, &expected);
                least
            }
        }
    }

    /// As [`Section::integer`], as a `usize`.
    pub(super) fn size(&self, key: &'static str, least: u64, default: Option<u64>) -> usize {
        usize::try_from(self.integer(key, least, default)).unwrap_or(usize::MAX)
    }

    /// As [`Section::size`], optional.
    pub(super) fn optional_size(&self, key: &'static str, least: u64) -> Option<usize> {
        self.table.contains_key(key).then(|| self.size(key, least, None)).or_else(|| {
            self.node(key);
            None
        })
    }

    /// A finite number within a bound; without a default the key is required.
    pub(super) fn float(&self, key: &'static str, bound: Bound, default: Option<f64>) -> f64 {
        let Some(node) = self.node(key) else {
            if default.is_none() {
                self.missing(key, bound.expected());
            }
            return default.unwrap_or(0.5);
        };
        self.number(key, node, bound).unwrap_or(0.5)
    }

    /// Two finite numbers within a bound.
    pub(super) fn pair(&self, key: &'static str, bound: Bound, default: [f64; 2]) -> [f64; 2] {
        let Some(node) = self.node(key) else { return default };
        if let Value::Array(items) = &node.value
            && let [first, second] = items.as_slice()
        {
            let pair = [first, second].map(|node| self.number(key, node, bound));
            return if let [Some(first), Some(second)] = pair { [first, second] } else { default };
        }
        self.wrong(key, node, &format!("two numbers, each {}", bound.expected()));
        default
    }

    /// A finite number within a bound; none if it is not, which is reported. Networks compute in single precision, so
    /// it must be within the bound in that, too.
    fn number(&self, key: &'static str, node: &Node, bound: Bound) -> Option<f64> {
        let number = match node.value {
            Value::Integer(number) => number as f64,
            Value::Float(number) => number,
            _ => f64::NAN,
        };
        if !number.is_finite() || !bound.holds(number) {
            self.wrong(key, node, bound.expected());
            return None;
        }
        let single = number as f32;
        let vanishes = single == 0.0 && number != 0.0;
        if vanishes || !single.is_finite() || !bound.holds(f64::from(single)) {
            let (expected, found) = (bound.expected(), node.describe());
            self.note(
                key,
                format!("expected {expected}, found {found}, which is {single} in single precision"),
            );
            return None;
        }
        Some(number)
    }

    /// `true` or `false`; false where it is not given.
    pub(super) fn flag(&self, key: &'static str) -> bool {
        match self.node(key) {
            None => false,
            Some(Node { value: Value::Boolean(flag), .. }) => *flag,
            Some(node) => {
                self.wrong(key, node, "`true` or `false`");
                false
            }
        }
    }

    /// A string; without a default the key is required.
    pub(super) fn text(&self, key: &'static str, default: Option<&str>) -> String {
        match self.node(key) {
            Some(Node { value: Value::Text(text), .. }) => text.clone(),
            Some(node) => {
                self.wrong(key, node, "a text in quotes");
                String::new()
            }
            None => {
                if default.is_none() {
                    self.missing(key, "a text in quotes");
                }
                default.unwrap_or_default().to_owned()
            }
        }
    }

    /// One of several words, as its index; none where a problem has been reported.
    pub(super) fn choice(&self, key: &'static str, choices: &[&str]) -> Option<usize> {
        let Some(node) = self.node(key) else {
            self.missing(key, &either(choices));
            return None;
        };
        let found = match &node.value {
            Value::Text(text) => choices.iter().position(|choice| choice == text),
            _ => None,
        };
        if found.is_none() {
            let near = match &node.value {
                Value::Text(text) if choices.len() > 1 => nearest(text, choices),
                _ => None,
            };
            let near = near.map(|near| format!("; the nearest is `{near}`")).unwrap_or_default();
            let message = format!("expected {}, found {}{near}", either(choices), node.describe());
            self.problems.add(node.origin, &self.key(key), message);
        }
        found
    }

    /// A table below this one; none if it is missing or not a table, which is reported.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        let node = self.node(key)?;
        match &node.value {
            Value::Table(table) => Some(Section::new(self.key(key), table, node.origin, self.problems)),
            _ => {
                self.wrong(key, node, "a table");
                None
            }
        }
    }

    /// Reports every key that was never asked for, with the nearest that was.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for (key, node) in self.table.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let near = nearest(key, &known)
                .map(|near| format!("; the nearest known one is `{near}`"))
                .unwrap_or_default();
            self.problems.add(node.origin, &self.key(key), format!("unknown key{near}"));
        }
    }
}
