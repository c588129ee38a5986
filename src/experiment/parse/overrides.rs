//! Applies `--set KEY=VALUE` to the tree of a file. A key is the dotted path of the file; `lane.plain.depth` and
//! `lane.0.depth` set it for one lane, `lane.*.depth` for every lane, and `lane.plain.start.head` that of a table in it.

use super::node::{Node, Table, Value, parse_override};
use super::problem::{Origin, Problems, either, nearest};

/// Applies all overrides in their order, so that a later one wins.
pub(super) fn apply(root: &mut Table, overrides: &[(String, String)], problems: &Problems) {
    for (index, (key, value)) in overrides.iter().enumerate() {
        let outcome = parse_override(index, value)
            .map_err(|message| format!("expected a TOML value or a bare word: {message}"))
            .and_then(|node| set(root, key, node));
        if let Err(message) = outcome {
            problems.add(Origin::Override(index), "", message);
        }
    }
}

pub(super) fn set(root: &mut Table, key: &str, node: Node) -> Result<(), String> {
    if key.split('.').any(|part| part.trim().is_empty()) {
        return Err(format!("expected a dotted key such as `training.steps`, found `{key}`"));
    }
    // A lane's name may contain dots, its keys do not, except those of its table `start`.
    if let Some((which, below)) = key.strip_prefix("lane.").and_then(|rest| rest.rsplit_once('.')) {
        let (which, table) = match which.strip_suffix(".start").filter(|_| lanes(root, which).is_err()) {
            Some(lane) => (lane, "start."),
            None => (which, ""),
        };
        for lane in lanes(root, which)? {
            insert(lane, &format!("{table}{below}"), node.clone())?;
        }
        return Ok(());
    }
    insert(root, key, node)
}

/// Sets a dotted key in a table; tables on the way are made where they are missing.
fn insert(mut table: &mut Table, key: &str, node: Node) -> Result<(), String> {
    let (parents, last) = key.rsplit_once('.').map_or((None, key), |(parents, last)| (Some(parents), last));
    for part in parents.into_iter().flat_map(|parents| parents.split('.')) {
        let empty = || Node { value: Value::Table(Table::new()), origin: node.origin };
        match &mut table.entry(part.to_owned()).or_insert_with(empty).value {
            Value::Table(below) => table = below,
            _ => return Err(format!("expected a table at `{part}`, found a value; it has no keys to set")),
        }
    }
    table.insert(last.to_owned(), node);
    Ok(())
}

/// The tables of the lanes that `which` names.
fn lanes<'a>(root: &'a mut Table, which: &str) -> Result<Vec<&'a mut Table>, String> {
    let Some(Node { value: Value::Array(lanes), .. }) = root.get_mut("lane") else {
        return Err("expected a lane of the file, found none".to_owned());
    };
    let mut names = Vec::new();
    let mut found = Vec::new();
    for (index, lane) in lanes.iter_mut().enumerate() {
        let Value::Table(table) = &mut lane.value else { continue };
        let name = match table.get("name") {
            Some(Node { value: Value::Text(name), .. }) => name.clone(),
            _ => index.to_string(),
        };
        if which == "*" || which == name || which == index.to_string() {
            found.push(table);
        }
        names.push(name);
    }
    if found.is_empty() {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let near =
            nearest(which, &names).map(|near| format!("; the nearest is `{near}`")).unwrap_or_default();
        return Err(format!("expected the lane {}, found `{which}`{near}", either(&names)));
    }
    Ok(found)
}
