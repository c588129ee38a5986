//! Finds what a typed part of a name means, the best first.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// An item that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found<T> {
    /// What was found.
    pub(super) item: T,
    /// The places of the characters of its text that match, in any order.
    pub(super) matched: Vec<u32>,
}

impl<T> Found<T> {
    /// An item of which nothing was typed.
    pub(super) fn unmatched(item: T) -> Found<T> {
        Found { item, matched: Vec::new() }
    }
}

/// The items whose text has the typed characters in their order, the best first; equally good ones stay in their order.
pub(super) fn ranked<T>(
    typed: &str,
    case: CaseMatching,
    items: impl Iterator<Item = T>,
    text: impl Fn(&T) -> String,
) -> Vec<Found<T>> {
    let pattern = Pattern::parse(typed, case, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut chars = Vec::new();
    let found = |item: T| {
        let (text, mut matched) = (text(&item), Vec::new());
        let score = pattern.indices(Utf32Str::new(&text, &mut chars), &mut matcher, &mut matched)?;
        Some((score, Found { item, matched }))
    };
    let mut scored: Vec<(u32, Found<T>)> = items.filter_map(found).collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, found)| found).collect()
}

/// The first of the rows shown, so that the chosen one is among them.
pub(super) fn first_row(chosen: usize, len: usize, rows: usize) -> usize {
    (chosen.min(len.saturating_sub(1)) + 1).saturating_sub(rows)
}
