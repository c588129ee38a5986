//! What is wrong with a rule, and where in its text.

use std::fmt;
use std::ops::Range;

use thiserror::Error;

use crate::printable::{is_printable, printable};

/// What is wrong with a rule, or with a metric of a figure; shows the rule with the place marked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct RuleError {
    /// Where the rule stands: `degradation.toml:31`.
    place: String,
    rule: String,
    /// Bytes of the rule.
    at: Range<usize>,
    message: String,
}

impl RuleError {
    pub(super) fn new(rule: &str, at: Range<usize>, message: impl Into<String>) -> RuleError {
        RuleError { place: String::new(), rule: rule.to_owned(), at, message: message.into() }
    }

    /// The same error of a rule that stands at a place.
    pub(super) fn standing_at(self, place: &str) -> RuleError {
        RuleError { place: place.to_owned(), ..self }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", printable(&self.place))?;
        }
        let characters = |range: Range<usize>| self.rule.get(range).map_or(0, |text| text.chars().count());
        let before = characters(0..self.at.start);
        let marked = characters(self.at.clone()).max(1);
        // A character that cannot be shown is replaced by one.
        let is_shown = |c: char| c != '\n' && is_printable(c.encode_utf8(&mut [0; 4]));
        let shown: String = self.rule.chars().map(|c| if is_shown(c) { c } else { '?' }).collect();
        writeln!(f, "{}", printable(&self.message))?;
        writeln!(f, "    {shown}")?;
        write!(f, "    {}{}", " ".repeat(before), "^".repeat(marked))
    }
}
