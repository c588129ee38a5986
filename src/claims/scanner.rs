//! Reads a text from left to right. Knows characters, not rules.

use std::ops::Range;

/// A place in a text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0 }
    }

    /// The text from here on, after white space.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    /// The byte at which the next thing begins.
    pub(super) fn start(&mut self) -> usize {
        self.rest();
        self.at
    }

    /// The byte after the last thing that was read.
    pub(super) fn end(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&mut self) -> bool {
        self.rest().is_empty()
    }

    /// Reads these characters, if they are next.
    pub(super) fn eat(&mut self, wanted: &str) -> bool {
        let is_next = self.rest().starts_with(wanted);
        if is_next {
            self.at += wanted.len();
        }
        is_next
    }

    /// Reads as many characters as are accepted; none if the next is not.
    pub(super) fn while_next(&mut self, accepted: impl Fn(char) -> bool) -> Option<(Range<usize>, &'a str)> {
        let rest = self.rest();
        let length = rest.find(|c| !accepted(c)).unwrap_or(rest.len());
        let start = self.at;
        self.at += length;
        (length > 0).then(|| (start..self.at, &rest[..length]))
    }

    /// Reads a text in quotation marks without them; none if none is next, or it does not end.
    pub(super) fn quoted(&mut self) -> Option<(Range<usize>, &'a str)> {
        let inner = self.rest().strip_prefix('"')?;
        let length = inner.find('"')?;
        let start = self.at;
        self.at += length + 2;
        Some((start..self.at, &inner[..length]))
    }

    /// Reads a number without a sign: `20`, `0.05`, `1e-4`.
    pub(super) fn number(&mut self) -> Option<(Range<usize>, f64)> {
        let rest = self.rest();
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let mut length = digits(rest);
        if length == 0 {
            return None;
        }
        if rest[length..].starts_with('.') && digits(&rest[length + 1..]) > 0 {
            length += 1 + digits(&rest[length + 1..]);
        }
        if let Some(power) = rest[length..].strip_prefix(['e', 'E']) {
            let unsigned = power.strip_prefix(['-', '+']).unwrap_or(power);
            if digits(unsigned) > 0 {
                length += 1 + power.len() - unsigned.len() + digits(unsigned);
            }
        }
        let number = rest[..length].parse().ok()?;
        let start = self.at;
        self.at += length;
        Some((start..self.at, number))
    }

    /// The next character, and its place; nothing at the end.
    pub(super) fn next(&mut self) -> (Range<usize>, Option<char>) {
        let next = self.rest().chars().next();
        (self.at..self.at + next.map_or(0, char::len_utf8), next)
    }
}
