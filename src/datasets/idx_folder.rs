//! Finds the four files of an IDX data set in a folder, by all the names they are known by: `train-images-idx3-ubyte`,
//! `t10k-labels.idx1-ubyte.gz`, `emnist-letters-test-images-idx3-ubyte`, `train-images.gz` and so on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::idx_format::Kind;
use super::{DatasetError, files};

/// Where the files are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) train_images: PathBuf,
    pub(super) train_labels: PathBuf,
    pub(super) test_images: PathBuf,
    pub(super) test_labels: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileRole {
    is_train: bool,
    kind: Kind,
}

const FILES: [(FileRole, &str); 4] = [
    (FileRole { is_train: true, kind: Kind::Images }, "train-images-idx3-ubyte"),
    (FileRole { is_train: true, kind: Kind::Labels }, "train-labels-idx1-ubyte"),
    (FileRole { is_train: false, kind: Kind::Images }, "t10k-images-idx3-ubyte"),
    (FileRole { is_train: false, kind: Kind::Labels }, "t10k-labels-idx1-ubyte"),
];

/// Finds the files in a folder, or in its sub-folder `raw` or `gzip`.
pub(super) fn find(folder: &Path) -> Result<Files, DatasetError> {
    let is_data_set = |names: &[String]| names.iter().any(|name| recognise(name).is_some());
    let Some((folder, names)) = files::first_folder_that(folder, &["raw", "gzip"], is_data_set)? else {
        return Err(DatasetError::file(
            folder,
            "files named like train-images-idx3-ubyte, packed with gzip or not",
            "none",
            "set data.path to the folder of the four files of MNIST or a data set like it",
        ));
    };
    // Names are sorted, so that of a raw and a compressed version of one file the raw one is found first.
    let mut sets: BTreeMap<String, Vec<(FileRole, PathBuf)>> = BTreeMap::new();
    for name in &names {
        if let Some((set, role)) = recognise(name) {
            sets.entry(set).or_default().push((role, folder.join(name)));
        }
    }
    if sets.len() > 1 {
        let found = sets.keys().map(|set| if set.is_empty() { "one without a prefix" } else { set });
        let found = found.map(crate::printable::printable).collect::<Vec<_>>().join(", ");
        let remedy = "put each into a folder of its own";
        return Err(DatasetError::file(&folder, "the files of one data set", found, remedy));
    }
    let found: Vec<(FileRole, PathBuf)> = sets.into_values().flatten().collect();
    let path = |role: FileRole, known_as: &str| match found.iter().find(|(other, _)| *other == role) {
        Some((_, path)) => Ok(path.clone()),
        None => Err(missing(&folder, role, known_as, &found)),
    };
    let [train_images, train_labels, test_images, test_labels] = FILES.map(|(role, name)| path(role, name));
    Ok(Files {
        train_images: train_images?,
        train_labels: train_labels?,
        test_images: test_images?,
        test_labels: test_labels?,
    })
}

fn missing(folder: &Path, role: FileRole, known_as: &str, found: &[(FileRole, PathBuf)]) -> DatasetError {
    let partner = found.iter().find(|(other, _)| other.is_train == role.is_train);
    let remedy = format!("put it there as {known_as}, packed with gzip or not");
    match partner {
        Some((partner, path)) => {
            let [have, lack] = [partner.kind, role.kind].map(|kind| match kind {
                Kind::Images => "images",
                Kind::Labels => "labels",
            });
            DatasetError::file(path, format!("a file of {lack} beside it"), format!("only {have}"), remedy)
        }
        None => DatasetError::file(folder, format!("a file like {known_as}"), "none", remedy),
    }
}

/// What a file's name says: the data set's prefix, empty for MNIST itself, and the role of the file.
fn recognise(name: &str) -> Option<(String, FileRole)> {
    let name = name.to_ascii_lowercase();
    let stem = name.strip_suffix(".gz").unwrap_or(&name).replace(['.', '_'], "-");
    let stem = stem.strip_suffix("-ubyte").unwrap_or(&stem);
    let (stem, dimensions) = match stem.rsplit_once("-idx") {
        Some((stem, dimensions)) => (stem, Some(dimensions)),
        None => (stem, None),
    };
    let (stem, kind) = match (stem.strip_suffix("-images"), stem.strip_suffix("-labels")) {
        (Some(stem), _) => (stem, Kind::Images),
        (_, Some(stem)) => (stem, Kind::Labels),
        _ => return None,
    };
    let fits = match kind {
        Kind::Images => dimensions.is_none_or(|d| d == "3"),
        Kind::Labels => dimensions.is_none_or(|d| d == "1"),
    };
    let (set, is_train) = ["train", "t10k", "test"].iter().find_map(|split| {
        let set = stem.strip_suffix(split)?;
        (set.is_empty() || set.ends_with('-')).then(|| (set.trim_end_matches('-'), *split == "train"))
    })?;
    fits.then(|| (set.to_owned(), FileRole { is_train, kind }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_usual_names_are_recognised() {
        let role = |is_train, kind| FileRole { is_train, kind };
        for (name, set, expected) in [
            ("train-images-idx3-ubyte", "", role(true, Kind::Images)),
            ("train-images-idx3-ubyte.gz", "", role(true, Kind::Images)),
            ("train-images.idx3-ubyte", "", role(true, Kind::Images)),
            ("train-labels.idx1-ubyte", "", role(true, Kind::Labels)),
            ("t10k-labels-idx1-ubyte", "", role(false, Kind::Labels)),
            ("t10k-images.gz", "", role(false, Kind::Images)),
            ("test_labels", "", role(false, Kind::Labels)),
            ("emnist-letters-test-images-idx3-ubyte", "emnist-letters", role(false, Kind::Images)),
            ("emnist-byclass-train-labels-idx1-ubyte.gz", "emnist-byclass", role(true, Kind::Labels)),
        ] {
            assert_eq!(recognise(name), Some((set.to_owned(), expected)), "{name}");
        }
        for name in [
            "train-images.png",
            "train-images-idx1-ubyte",
            "images",
            "README.md",
            "xtrain-images",
            ".gz",
            "",
            "emnist-letters-mapping.txt",
        ] {
            assert_eq!(recognise(name), None, "{name}");
        }
    }

    fn folder_of(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        folder
    }

    #[test]
    fn a_raw_file_goes_before_its_packed_version() {
        let folder = folder_of(&[
            "train-images-idx3-ubyte.gz",
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte.gz",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        ]);
        let files = find(folder.path()).unwrap();
        assert_eq!(files.train_images, folder.path().join("train-images-idx3-ubyte"));
        assert_eq!(files.train_labels, folder.path().join("train-labels-idx1-ubyte.gz"));
    }

    #[test]
    fn what_is_missing_or_too_much_is_told() {
        let told = |names: &[&str], expected: &str| {
            let message = find(folder_of(names).path()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        told(&["notes.txt"], "expected files named like train-images-idx3-ubyte");
        told(
            &["train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
            "train-images-idx3-ubyte: expected a file of labels beside it, found only images; put it there as train-labels",
        );
        told(
            &["train-images-idx3-ubyte", "train-labels-idx1-ubyte"],
            "expected a file like t10k-images-idx3-ubyte, found none",
        );
        told(
            &["emnist-letters-train-images-idx3-ubyte", "emnist-digits-train-images-idx3-ubyte"],
            "expected the files of one data set, found emnist-digits, emnist-letters; put each into a folder",
        );
    }
}
