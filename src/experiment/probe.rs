//! What is measured of the lanes besides training, and when.

use serde::{Deserialize, Serialize};

use super::Settings;

/// A probe of an experiment, the table `[probe.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// When it measures.
    pub at: When,
    /// The keys that the probe declares.
    #[serde(flatten)]
    pub settings: Settings,
}

/// When a probe measures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// After the last step.
    #[default]
    End,
    /// At every evaluation.
    Evaluations,
    /// After each of these updates, ascending; 0 is before the first one.
    #[serde(untagged)]
    Steps(Vec<u64>),
}

impl When {
    /// The words of a file for all but steps.
    pub const WORDS: [(&'static str, When); 2] = [("end", When::End), ("evaluations", When::Evaluations)];
}
