//! What this build can train and measure: the data sets, architectures and probes with the keys they declare. The parser
//! reads these entries and knows neither data sets nor networks.

use super::{Key, Settings};

/// What this build can train. The floors above pass it to the parser, which need not know them.
#[derive(Clone, Debug, Default)]
pub struct Available {
    /// The registered data sets.
    pub datasets: Vec<DatasetEntry>,
    /// The registered architectures.
    pub architectures: Vec<ArchitectureEntry>,
    /// The registered probes.
    pub probes: Vec<ProbeEntry>,
}

impl Available {
    /// The entry of a data set.
    pub fn data_set(&self, name: &str) -> Option<&DatasetEntry> {
        self.datasets.iter().find(|entry| entry.name == name)
    }

    /// The entry of an architecture.
    pub fn architecture(&self, name: &str) -> Option<&ArchitectureEntry> {
        self.architectures.iter().find(|entry| entry.name == name)
    }

    /// The entry of a probe.
    pub fn probe(&self, name: &str) -> Option<&ProbeEntry> {
        self.probes.iter().find(|entry| entry.name == name)
    }
}

/// What the parser needs to know about a data set.
#[derive(Clone, Debug)]
pub struct DatasetEntry {
    /// Its name in a file.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// What its examples are.
    pub kind: DataKind,
    /// What it is read from.
    pub path: Path,
    /// The keys of `[data]` that only it has.
    pub keys: Vec<Key>,
}

/// What the examples of a data set are, and what an architecture takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// Images.
    Images,
    /// Vectors of numbers.
    Vectors,
    /// Sequences of tokens.
    Sequences,
}

impl DataKind {
    /// Its name in a message, in the plural.
    pub fn name(self) -> &'static str {
        match self {
            DataKind::Images => "images",
            DataKind::Vectors => "vectors",
            DataKind::Sequences => "sequences",
        }
    }
}

/// What the `path` of a data set names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Nothing: it is generated, and `path` is an error.
    None,
    /// The folder that holds its files; required.
    Folder,
    /// The one file that holds it; required.
    File,
}

/// What the parser needs to know about an architecture.
#[derive(Clone, Debug)]
pub struct ArchitectureEntry {
    /// Its name in a file.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// The examples it takes.
    pub data: DataKind,
    /// The keys of its lanes.
    pub keys: Vec<Key>,
    /// Checks what one key alone does not show; only called if each is valid by itself.
    pub check: CheckSettings,
}

/// What the parser needs to know about a probe.
#[derive(Clone, Debug)]
pub struct ProbeEntry {
    /// Its name in a file.
    pub name: &'static str,
    /// One line on what it measures.
    pub summary: &'static str,
    /// The keys of its table.
    pub keys: Vec<Key>,
    /// Checks what one key alone does not show; only called if each is valid by itself.
    pub check: CheckSettings,
}

/// Checks rules between keys.
///
/// # Errors
/// The key to blame, and the message: what was expected, what was found and what to do.
pub type CheckSettings = fn(&Settings) -> Result<(), (&'static str, String)>;
