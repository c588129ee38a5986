//! The table `[data]`: checks that this build has the data set, and that the keys fit what it is read from and what its
//! examples are.

use std::path::PathBuf;

use super::declared;
use super::node::Value;
use super::problem::either;
use super::section::Section;
use crate::experiment::{Data, DataKind, DatasetEntry, Path};

/// Reads the table.
pub(super) fn data_set(section: &Section<'_>, datasets: &[DatasetEntry]) -> Data {
    let names: Vec<&str> = datasets.iter().map(|entry| entry.name).collect();
    let entry = section.choice("name", &names).and_then(|found| datasets.get(found));
    let path = path(section, entry);
    let [train_images, test_images] =
        [("train_images", 2), ("test_images", 1)].map(|(key, least)| section.optional_size(key, least));
    let [crop, flip, transpose] =
        ["crop", "flip", "transpose"].map(|key| section.flag(key) && is_for_images(section, key, entry));
    let settings = match entry {
        Some(entry) => {
            check_path(section, entry, datasets);
            declared::settings(section, entry.name, &entry.keys)
        }
        None => {
            declared::accept(section, datasets.iter().flat_map(|entry| &entry.keys));
            None
        }
    };
    let settings = settings.unwrap_or_default();
    let name = entry.map(|entry| entry.name).unwrap_or_default().to_owned();
    Data { name, path, train_images, test_images, crop, flip, transpose, settings }
}

fn path(section: &Section<'_>, entry: Option<&DatasetEntry>) -> Option<PathBuf> {
    let expected = match entry.map(|entry| entry.path) {
        Some(Path::File) => "the path of a file in quotes",
        _ => "the path of a folder in quotes",
    };
    section.node("path").and_then(|node| match &node.value {
        Value::Text(path) if !path.is_empty() && !path.contains('\0') => Some(PathBuf::from(path)),
        _ => {
            section.wrong("path", node, expected);
            None
        }
    })
}

/// Checks that there is a path exactly if the data set is read from one.
fn check_path(section: &Section<'_>, entry: &DatasetEntry, datasets: &[DatasetEntry]) {
    let (name, is_given) = (entry.name, section.node("path").is_some());
    match entry.path {
        Path::Folder if !is_given => section.missing("path", &format!("the folder that holds `{name}`")),
        Path::File if !is_given => section.missing("path", &format!("the file that holds `{name}`")),
        Path::None if is_given => {
            let others: Vec<&str> =
                datasets.iter().filter(|other| other.path != Path::None).map(|other| other.name).collect();
            let others =
                if others.is_empty() { String::new() } else { format!("; it is for {}", either(&others)) };
            section.note("path", format!("expected no path for `{name}`, which reads no files{others}"));
        }
        _ => {}
    }
}

/// Whether a key that is set has a meaning for the data set; it is reported if it has none. What is `false` may stand in
/// any file, as it does in a resolved one.
fn is_for_images(section: &Section<'_>, key: &str, entry: Option<&DatasetEntry>) -> bool {
    let Some(entry) = entry.filter(|entry| entry.kind != DataKind::Images) else { return true };
    let (name, kind) = (entry.name, entry.kind.name());
    let message = format!(
        "expected no `{key}` for `{name}`, whose examples are {kind}, found `true`; it is for images, remove it"
    );
    section.note(key, message);
    false
}
