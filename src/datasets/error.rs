//! Errors of data sets. Every message says what was expected, what was found and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::printable::printable;

/// Why a data set cannot be used.
#[derive(Debug, Error)]
pub enum DatasetError {
    /// No data set of this name is registered.
    #[error("expected the name of a data set, found \"{}\"; the data sets are {known}", printable(name))]
    UnknownName {
        /// The name that was asked for.
        name: String,
        /// The registered names.
        known: String,
    },
    /// A data set that is read from files was given no folder.
    #[error("expected the folder of {name}, found none; set data.path to it")]
    NoFolder {
        /// The data set's name.
        name: &'static str,
    },
    /// A data set that is read from one file was given none.
    #[error("expected the file of {name}, found none; set data.path to it")]
    NoFile {
        /// The data set's name.
        name: &'static str,
    },
    /// Keys of a data set that are valid by themselves don't fit together, or not to its file.
    #[error("expected {expected}, found {found}; {remedy}")]
    Key {
        /// The key to blame, without `data.`.
        key: &'static str,
        /// What it should have been.
        expected: String,
        /// What was found.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// A file or folder is missing, unreadable, or not what it should be.
    #[error(transparent)]
    File(#[from] Box<FileError>),
    /// A data set has too few examples for even one batch.
    #[error(
        "expected a batch of at most the {examples} examples of the training split, found {batch}; \
         lower training.batch to {examples} or less, or give the training split more examples"
    )]
    BatchTooLarge {
        /// Examples per batch.
        batch: usize,
        /// Examples of the training split.
        examples: usize,
    },
}

/// What is wrong with a file or folder.
#[derive(Debug)]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What it should have been.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        write!(f, "{}: expected {}, found {}; {}", printable(&path), self.expected, self.found, self.remedy)
    }
}

impl std::error::Error for FileError {}

impl DatasetError {
    /// The key of an experiment that it is about.
    pub fn about(&self) -> String {
        match self {
            DatasetError::UnknownName { .. } => "data.name".to_owned(),
            DatasetError::NoFolder { .. } | DatasetError::NoFile { .. } | DatasetError::File(_) => {
                "data.path".to_owned()
            }
            DatasetError::Key { key, .. } => format!("data.{key}"),
            DatasetError::BatchTooLarge { .. } => "training.batch".to_owned(),
        }
    }

    /// Keys that don't fit together.
    pub(super) fn key(
        key: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> DatasetError {
        DatasetError::Key { key, expected: expected.into(), found: found.into(), remedy: remedy.into() }
    }

    /// A file or folder that is not what it should be.
    pub(super) fn file(
        path: &Path,
        expected: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> DatasetError {
        let (path, expected, found, remedy) = (path.to_owned(), expected.into(), found.into(), remedy.into());
        DatasetError::File(Box::new(FileError { path, expected, found, remedy }))
    }
}
