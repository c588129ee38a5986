//! The tables `[[lane]]`: checks that names are safe as file names, and that this build has the networks.

use super::node::{Node, Value};
use super::problem::Problems;
use super::section::Section;
use crate::experiment::{ArchitectureEntry, Lane, Shortcut};

/// The most lanes: each is a thread, a network and a column on screen.
const MOST_LANES: usize = 32;
/// The greatest depth; the deepest network of the literature has 1202 layers.
const GREATEST_DEPTH: usize = 2_000;
/// The longest name.
const NAME_LENGTH: usize = 64;

/// Reads all lanes.
pub(super) fn lanes(
    root: &Section<'_>,
    architectures: &[ArchitectureEntry],
    problems: &Problems,
) -> Vec<Lane> {
    let Some(node) = root.node("lane") else {
        root.missing("lane", "at least one `[[lane]]`");
        return Vec::new();
    };
    let Value::Array(items) = &node.value else {
        root.wrong("lane", node, "tables `[[lane]]` in double brackets");
        return Vec::new();
    };
    if items.is_empty() || items.len() > MOST_LANES {
        root.note("lane", format!("expected 1 to {MOST_LANES} lanes, found {}", items.len()));
    }
    let mut lanes: Vec<Lane> = Vec::new();
    for (index, item) in items.iter().enumerate().take(MOST_LANES) {
        let Value::Table(table) = &item.value else {
            root.wrong("lane", item, "a table");
            continue;
        };
        let label = match table.get("name") {
            Some(Node { value: Value::Text(name), .. }) if is_name(name) => name.clone(),
            _ => index.to_string(),
        };
        let section = Section::new(format!("lane.{label}"), table, item.origin, problems);
        let lane = lane(&section, architectures);
        if let Some(other) = lanes.iter().find(|other| other.name.eq_ignore_ascii_case(&lane.name))
            && is_name(&lane.name)
        {
            // Names are used for files, and some file systems ignore case.
            let message = format!("expected a unique name, found `{}` twice; rename one", other.name);
            section.note("name", message);
        }
        section.finish();
        lanes.push(lane);
    }
    lanes
}

fn lane(section: &Section<'_>, architectures: &[ArchitectureEntry]) -> Lane {
    let name = section.text("name", None);
    if let Some(node) = section.node("name").filter(|node| matches!(node.value, Value::Text(_)))
        && !is_name(&name)
    {
        let expected = format!(
            "at most {NAME_LENGTH} letters a-z, digits, `-`, `_` and `.`, the first a letter or digit (it names files)"
        );
        section.wrong("name", node, &expected);
    }
    let names: Vec<&str> = architectures.iter().map(|entry| entry.name).collect();
    let entry = section.choice("architecture", &names).and_then(|found| architectures.get(found));
    let depth = section.size("depth", 1, None);
    let width = section.size("width", 1, None);
    let spelled: Vec<&str> = match entry {
        Some(entry) => entry.shortcuts.iter().map(|shortcut| shortcut.name()).collect(),
        None => Shortcut::ALL.iter().map(|(name, _)| *name).collect(),
    };
    let shortcut = section.choice("shortcut", &spelled).and_then(|found| spelled.get(found));
    if let Some(entry) = entry {
        check_depth(section, depth, entry);
        check_width(section, width, entry);
    }
    Lane {
        name,
        architecture: entry.map(|entry| entry.name).unwrap_or_default().to_owned(),
        depth,
        width,
        shortcut: Shortcut::ALL
            .iter()
            .find(|(name, _)| Some(name) == shortcut)
            .map_or(Shortcut::None, |(_, shortcut)| *shortcut),
    }
}

/// Whether a value is a positive integer, so that its range is worth checking.
fn is_integer(section: &Section<'_>, key: &'static str) -> bool {
    matches!(section.node(key), Some(Node { value: Value::Integer(1..), .. }))
}

fn check_depth(section: &Section<'_>, depth: usize, entry: &ArchitectureEntry) {
    let (step, offset) = (entry.depth_step.max(1), entry.depth_offset);
    let greatest = offset + (GREATEST_DEPTH - offset) / step * step;
    let least = offset + step;
    let fits = (least..=greatest).contains(&depth) && (depth - offset).is_multiple_of(step);
    if fits || !is_integer(section, "depth") {
        return;
    }
    let below = offset + depth.saturating_sub(offset) / step * step;
    let near = if depth < least {
        format!("the nearest is {least}")
    } else if depth > greatest {
        format!("the nearest is {greatest}")
    } else {
        format!("the nearest are {below} and {}", below + step)
    };
    let message = format!(
        "expected {step}n+{offset} layers for `{}`, {least} to {greatest}, found {depth}; {near}",
        entry.name
    );
    section.note("depth", message);
}

fn check_width(section: &Section<'_>, width: usize, entry: &ArchitectureEntry) {
    if entry.widths.contains(&width) || !is_integer(section, "width") {
        return;
    }
    let widths: Vec<String> = entry.widths.iter().map(usize::to_string).collect();
    let near = entry.widths.iter().min_by_key(|known| known.abs_diff(width));
    let near = near.map(|near| format!("; the nearest is {near}")).unwrap_or_default();
    let message =
        format!("expected a width that is compiled in ({}), found {width}{near}", widths.join(", "));
    section.note("width", message);
}

/// Whether a name is safe as a file name on any system, and in any terminal.
fn is_name(name: &str) -> bool {
    name.len() <= NAME_LENGTH
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
