//! Reads `[sweep]`: the keys that vary, and the experiments that follow, one for each combination of their values.
//! Beside it may stand the claim that they are to decide.

use super::node::{Node, Table, Value};
use super::overrides::set;
use super::problem::{Origin, Problems};
use super::section::Section;
use super::{Checked, ExperimentError, checked, claim, node, overrides, source_of};
use crate::experiment::{Available, Claim};

/// The tables of a file that make it a sweep.
pub(super) const KEYS: [&str; 2] = ["sweep", "claim"];
/// The most experiments of a sweep.
const MOST_POINTS: usize = 10_000;

/// An experiment whose keys take several values.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The keys that vary, in the order of the file.
    pub keys: Vec<String>,
    /// Every combination of their values that is not excluded; the last key varies fastest.
    pub points: Vec<Point>,
    /// What they are to decide.
    pub claim: Option<Claim>,
}

/// One experiment of a sweep.
#[derive(Clone, Debug)]
pub struct Point {
    /// The value of each key, as a file spells it, but words without quotes.
    pub values: Vec<String>,
    /// The experiment.
    pub checked: Checked,
}

/// Keys that vary together: each step sets all of them.
struct Axis {
    origin: Origin,
    keys: Vec<String>,
    /// A value of each key.
    steps: Vec<Vec<Node>>,
}

/// Whether a text has a `[sweep]` or a `[claim]`; false where it is not TOML.
pub fn is_sweep(text: &str) -> bool {
    node::parse_file(text).is_ok_and(|root| KEYS.iter().any(|key| root.contains_key(*key)))
}

/// Parses the text of a sweep: an experiment with a table `[sweep]` that lists values of keys, given by their paths as
/// for an override. `[[sweep.together]]` lists values of several keys that vary side by side, `[[sweep.without]]` values
/// of several keys that do not occur together. A file that has only a `[claim]` is a sweep of one experiment.
///
/// # Errors
/// With every problem of the sweep and of its experiments, its place and the nearest valid choice.
pub fn expand(
    text: &str,
    source: &str,
    available: &Available,
    overrides: &[(String, String)],
) -> Result<Sweep, ExperimentError> {
    let source = source_of(source, overrides);
    let mut root = node::parse_file(text).map_err(|problem| source.error(vec![problem]))?;
    let problems = Problems::default();
    overrides::apply(&mut root, overrides, &problems);
    let [varied, claimed] = KEYS.map(|key| root.remove(key));
    let claim = claimed.and_then(|node| match &node.value {
        Value::Table(table) => {
            let section = Section::new("claim".to_owned(), table, node.origin, &problems);
            let claim = claim::claim(&section, &source, &problems);
            section.finish();
            Some(claim)
        }
        _ => {
            problems.add(node.origin, "claim", format!("expected a table, found {}", node.describe()));
            None
        }
    });
    let table = match varied {
        Some(Node { value: Value::Table(table), .. }) => table,
        None if claim.is_some() => Table::new(),
        found => {
            let origin = found.as_ref().map_or(Origin::File, |node| node.origin);
            let found = found.map_or("no such table".to_owned(), |node| node.describe());
            let message = format!("expected a table of keys with lists of values, found {found}");
            problems.add(origin, "sweep", message);
            Table::new()
        }
    };
    let axes = axes(&table, &problems);
    let without = exclusions(&table, &axes, &problems);
    let count = axes.iter().try_fold(1_usize, |count, axis| count.checked_mul(axis.steps.len()));
    let count = count.filter(|count| *count <= MOST_POINTS);
    if count.is_none() {
        let message =
            format!("expected at most {MOST_POINTS} combinations, found more; vary fewer keys or values");
        problems.add(Origin::File, "sweep", message);
    }
    let mut problems = problems.into_vec();
    if !problems.is_empty() {
        return Err(source.error(problems));
    }
    let mut points = Vec::new();
    for at in 0..count.unwrap_or(0) {
        let chosen = combination(&axes, at);
        if without.iter().any(|excluded| excluded.holds(&chosen)) {
            continue;
        }
        let of_point = Problems::default();
        let mut root = root.clone();
        for (key, node) in &chosen {
            if let Err(message) = set(&mut root, key, (*node).clone()) {
                of_point.add(node.origin, key, message);
            }
        }
        match checked(&root, &source, available, of_point) {
            Ok(checked) => {
                let values = chosen.iter().map(|(_, node)| node.spelled()).collect();
                points.push(Point { values, checked });
            }
            // Most experiments of a sweep have the same problems.
            Err(found) => {
                let is_new = |problem: &_| !problems.contains(problem);
                let new: Vec<_> = found.into_iter().filter(is_new).collect();
                problems.extend(new);
            }
        }
    }
    if !problems.is_empty() {
        return Err(source.error(problems));
    }
    let keys = axes.into_iter().flat_map(|axis| axis.keys).collect();
    Ok(Sweep { keys, points, claim })
}

/// The keys that vary, in the order of the file.
fn axes(table: &Table, problems: &Problems) -> Vec<Axis> {
    let mut axes = Vec::new();
    let alone = table.iter().filter(|(key, _)| !["together", "without"].contains(&key.as_str()));
    for (key, node) in alone.flat_map(|(key, node)| paths(key, node)) {
        let steps = values(&key, node, problems).iter().map(|value| vec![value.clone()]).collect();
        axes.push(Axis { origin: node.origin, keys: vec![key], steps });
    }
    for (origin, together) in tables(table, "together", problems) {
        let keys: Vec<(String, &Node)> = together.iter().flat_map(|(key, node)| paths(key, node)).collect();
        let lists: Vec<&[Node]> = keys.iter().map(|(key, node)| values(key, node, problems)).collect();
        let length = lists.first().map_or(0, |list| list.len());
        if let Some(((key, node), list)) = keys.iter().zip(&lists).find(|(_, list)| list.len() != length) {
            let message =
                format!("expected as many values as of `{}`, {length}, found {}", keys[0].0, list.len());
            problems.add(node.origin, key, message);
            continue;
        }
        let step = |at: usize| lists.iter().map(|list| list[at].clone()).collect();
        let steps = (0..length).map(step).collect();
        axes.push(Axis { origin, keys: keys.into_iter().map(|(key, _)| key).collect(), steps });
    }
    axes.sort_by_key(|axis| axis.origin.order());
    let mut known: Vec<&str> = Vec::new();
    for Axis { origin, keys, .. } in &axes {
        for key in keys {
            if known.contains(&key.as_str()) {
                problems.add(*origin, key, "expected each key once, found it twice in the sweep".to_owned());
            }
            known.push(key);
        }
    }
    axes
}

/// The tables of `[[sweep.NAME]]`.
fn tables<'a>(table: &'a Table, name: &str, problems: &Problems) -> Vec<(Origin, &'a Table)> {
    let Some(node) = table.get(name) else { return Vec::new() };
    let items =
        if let Value::Array(items) = &node.value { items.as_slice() } else { std::slice::from_ref(node) };
    let table = |item: &'a Node| match &item.value {
        Value::Table(table) if !table.is_empty() => Some((item.origin, table)),
        _ => {
            let message = format!("expected tables `[[sweep.{name}]]` of keys, found {}", item.describe());
            problems.add(item.origin, &format!("sweep.{name}"), message);
            None
        }
    };
    items.iter().filter_map(table).collect()
}

/// The dotted paths below a key, and what they have. A table is part of a path, since `training.batch` may be written
/// without quotes.
fn paths<'a>(key: &str, node: &'a Node) -> Vec<(String, &'a Node)> {
    match &node.value {
        Value::Table(table) => {
            let below = table.iter().flat_map(|(below, node)| paths(&format!("{key}.{below}"), node));
            below.collect()
        }
        _ => vec![(key.to_owned(), node)],
    }
}

/// The values that a key takes: at least one, each once.
fn values<'a>(key: &str, node: &'a Node, problems: &Problems) -> &'a [Node] {
    let Value::Array(items) = &node.value else {
        problems.add(node.origin, key, format!("expected an array of values, found {}", node.describe()));
        return &[];
    };
    if items.is_empty() {
        problems.add(node.origin, key, "expected an array of at least one value, found none".to_owned());
    }
    for (at, item) in items.iter().enumerate() {
        if items[..at].iter().any(|before| before.spelled() == item.spelled()) {
            problems.add(
                item.origin,
                key,
                format!("expected each value once, found {} twice", item.describe()),
            );
        }
    }
    items
}

/// Values that do not occur together.
struct Exclusion(Vec<(String, String)>);

impl Exclusion {
    fn holds(&self, chosen: &[(&str, &Node)]) -> bool {
        let has = |(key, value): &(String, String)| {
            chosen.iter().any(|(chosen, node)| chosen == key && node.spelled() == *value)
        };
        self.0.iter().all(has)
    }
}

fn exclusions(table: &Table, axes: &[Axis], problems: &Problems) -> Vec<Exclusion> {
    let excluded = |(_, table): (Origin, &Table)| {
        let pairs: Vec<(String, &Node)> = table.iter().flat_map(|(key, node)| paths(key, node)).collect();
        for (key, node) in &pairs {
            let of_key = axes.iter().find_map(|axis| Some((axis, axis.keys.iter().position(|k| k == key)?)));
            let Some((axis, at)) = of_key else {
                let keys: Vec<&str> = axes.iter().flat_map(|axis| &axis.keys).map(String::as_str).collect();
                let message = format!("expected a key that varies ({}), found `{key}`", keys.join(", "));
                problems.add(node.origin, "sweep.without", message);
                continue;
            };
            let values: Vec<String> = axis.steps.iter().map(|step| step[at].spelled()).collect();
            if !values.contains(&node.spelled()) {
                let (listed, found) = (values.join(", "), node.describe());
                problems.add(
                    node.origin,
                    key,
                    format!("expected one of its values ({listed}), found {found}"),
                );
            }
        }
        Exclusion(pairs.into_iter().map(|(key, node)| (key, node.spelled())).collect())
    };
    tables(table, "without", problems).into_iter().map(excluded).collect()
}

/// The keys and values of a combination; the last axis varies fastest.
fn combination(axes: &[Axis], at: usize) -> Vec<(&str, &Node)> {
    let mut rest = at;
    let mut chosen: Vec<(&str, &Node)> = Vec::new();
    for axis in axes.iter().rev() {
        let step = &axis.steps[rest % axis.steps.len()];
        rest /= axis.steps.len();
        chosen.splice(0..0, axis.keys.iter().map(String::as_str).zip(step));
    }
    chosen
}
