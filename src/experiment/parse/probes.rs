//! The tables `[probe.NAME]`: when each of the registered probes measures, and the keys that it declares.

use std::collections::BTreeMap;

use super::declared;
use super::node::{Node, Value};
use super::section::Section;
use crate::experiment::{Probe, ProbeEntry, When};
use crate::printable::grouped;

/// The most steps that a probe may be given.
const MOST_STEPS: usize = 1_000;
/// The last step that may be given.
const LAST_STEP: i64 = 1_000_000_000_000;
/// What may be given.
const EXPECTED: &str = "`end`, `evaluations` or an array of ascending steps such as `[0, 100]`";

/// Reads the tables of all probes.
pub(super) fn all(section: Section<'_>, entries: &[ProbeEntry]) -> BTreeMap<String, Probe> {
    let mut probes = BTreeMap::new();
    for entry in entries {
        if let Some(table) = section.section(entry.name) {
            probes.insert(entry.name.to_owned(), probe(&table, entry));
            table.finish();
        }
    }
    section.finish();
    probes
}

fn probe(section: &Section<'_>, entry: &ProbeEntry) -> Probe {
    let at = section.node("at").map(|node| when(section, node)).unwrap_or_default();
    let settings = declared::settings(section, entry.name, &entry.keys);
    if let Some(Err((key, message))) = settings.as_ref().map(entry.check) {
        section.note(key, message);
    }
    Probe { at, settings: settings.unwrap_or_default() }
}

fn when(section: &Section<'_>, node: &Node) -> When {
    match &node.value {
        Value::Text(word) => match When::WORDS.iter().find(|(known, _)| known == word) {
            Some((_, when)) => return when.clone(),
            None => section.wrong("at", node, EXPECTED),
        },
        Value::Array(items) if (1..=MOST_STEPS).contains(&items.len()) => {
            return When::Steps(steps(section, items));
        }
        Value::Array(items) => {
            section.note(
                "at",
                format!("expected 1 to {} steps, found {}", grouped(MOST_STEPS as u64), items.len()),
            );
        }
        _ => section.wrong("at", node, EXPECTED),
    }
    When::End
}

fn steps(section: &Section<'_>, items: &[Node]) -> Vec<u64> {
    let mut steps: Vec<u64> = Vec::new();
    for item in items {
        match item.value {
            Value::Integer(at @ 0..=LAST_STEP) => {
                let at = at.unsigned_abs();
                if let Some(before) = steps.last().filter(|&&before| before >= at) {
                    section.note("at", format!("expected ascending steps, found {at} after {before}"));
                }
                steps.push(at);
            }
            _ => section.wrong("at", item, "whole numbers of at least 0"),
        }
    }
    steps
}
