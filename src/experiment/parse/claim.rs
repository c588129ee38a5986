//! Reads `[claim]`: what is claimed, and the rules that decide it.

use super::node::{Node, Value};
use super::problem::{Problems, Source};
use super::section::Section;
use crate::experiment::{Claim, RuleText};

/// The most rules of a kind.
const MOST_RULES: usize = 64;

/// Reads a claim.
pub(super) fn claim(section: &Section<'_>, source: &Source, problems: &Problems) -> Claim {
    let says = section.text("says", None);
    let [sources, figures] = ["sources", "figures"].map(|key| texts(section, key));
    let [confirm, refute] = ["confirm", "refute"].map(|key| rules(section, key, source, problems));
    Claim { says, sources, figures, confirm, refute }
}

/// An array of texts; empty where it is missing.
fn texts(section: &Section<'_>, key: &'static str) -> Vec<String> {
    let Some(node) = section.node(key) else { return Vec::new() };
    let Value::Array(items) = &node.value else {
        section.wrong(key, node, "an array of texts in quotes");
        return Vec::new();
    };
    let text = |item: &Node| match &item.value {
        Value::Text(text) => Some(text.clone()),
        _ => {
            section.wrong(key, item, "a text in quotes");
            None
        }
    };
    items.iter().filter_map(text).collect()
}

/// The tables of `[[claim.confirm]]` or `[[claim.refute]]`, at least one.
fn rules(section: &Section<'_>, key: &'static str, source: &Source, problems: &Problems) -> Vec<RuleText> {
    let expected = format!("1 to {MOST_RULES} tables `[[claim.{key}]]` with a `rule`");
    let Some(node) = section.node(key) else {
        section.missing(key, &expected);
        return Vec::new();
    };
    let items = match &node.value {
        Value::Array(items) if (1..=MOST_RULES).contains(&items.len()) => items.as_slice(),
        _ => {
            section.wrong(key, node, &expected);
            return Vec::new();
        }
    };
    let mut rules = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Value::Table(table) = &item.value else {
            section.wrong(key, item, &expected);
            continue;
        };
        let of = Section::new(section.key(&format!("{key}.{index}")), table, item.origin, problems);
        let place = source.place(table.get("rule").map_or(item.origin, |rule| rule.origin));
        let rule = of.text("rule", None);
        let [means, literature] = ["means", "literature"].map(|key| of.text(key, Some("")));
        of.finish();
        rules.push(RuleText { place, rule, means, literature });
    }
    rules
}
