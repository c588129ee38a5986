//! The tables `[[lane]]`: checks that names are safe as file names, and that this build has the architectures. What else
//! a lane may have is declared by its architecture.

use super::declared;
use super::node::{Node, Value};
use super::problem::{Problems, either};
use super::section::Section;
use super::start::Tuning;
use crate::experiment::{ArchitectureEntry, DataKind, Lane, Settings};

/// The most lanes: each is a thread, a network and a column on screen.
const MOST_LANES: usize = 32;
/// The longest name.
const NAME_LENGTH: usize = 64;

/// What all lanes have in common.
pub(super) struct Reader<'a> {
    pub(super) architectures: &'a [ArchitectureEntry],
    /// What the examples of the data set are; none if it is unknown.
    pub(super) kind: Option<DataKind>,
    /// What lanes have that don't say otherwise.
    pub(super) tuning: &'a Tuning,
    /// The learning rate.
    pub(super) rate: f64,
    pub(super) problems: &'a Problems,
}

impl Reader<'_> {
    /// Reads all lanes.
    pub(super) fn all(&self, root: &Section<'_>) -> Vec<Lane> {
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
            let section = Section::new(format!("lane.{label}"), table, item.origin, self.problems);
            let mut lane = lane(&section, self.architectures, self.kind);
            self.tuning.apply(&section, &mut lane, self.rate, self.problems);
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
}

fn lane(section: &Section<'_>, architectures: &[ArchitectureEntry], kind: Option<DataKind>) -> Lane {
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
    let Some(entry) = entry else {
        declared::accept(section, architectures.iter().flat_map(|entry| &entry.keys));
        return Lane::new(name, "", Settings::default());
    };
    if let Some(kind) = kind.filter(|&kind| kind != entry.data) {
        section.note("architecture", unfit(entry, architectures, kind));
    }
    let settings = declared::settings(section, entry.name, &entry.keys);
    if let Some(Err((key, message))) = settings.as_ref().map(entry.check) {
        section.note(key, message);
    }
    Lane::new(name, entry.name, settings.unwrap_or_default())
}

/// Says that an architecture takes other examples than those of the data set, and which one takes them.
fn unfit(entry: &ArchitectureEntry, architectures: &[ArchitectureEntry], kind: DataKind) -> String {
    let fitting: Vec<&str> =
        architectures.iter().filter(|other| other.data == kind).map(|other| other.name).collect();
    let (takes, given, name) = (entry.data.name(), kind.name(), entry.name);
    let found = format!("found `{name}`, which takes {takes}");
    if fitting.is_empty() {
        return format!(
            "expected an architecture for {given}, the examples of the data set, which this build lacks, {found}; \
             choose a data set of {takes}"
        );
    }
    format!(
        "expected an architecture for {given}, the examples of the data set: {}, {found}",
        either(&fitting)
    )
}

/// Whether a name is safe as a file name on any system, and in any terminal.
fn is_name(name: &str) -> bool {
    name.len() <= NAME_LENGTH
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
