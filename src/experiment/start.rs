//! What a lane starts from, and at which rates its parameters are trained: fine-tuning.

use serde::{Deserialize, Serialize};

/// A checkpoint that a lane starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// A file in safetensors' format, or a run; in what a run keeps of its experiment always a file.
    pub checkpoint: String,
    /// The lane of the run; if missing, the one of the same name, or else the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    /// The step of the run's checkpoint; if missing, the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// SHA-256 of the file, in hex; if missing, any file is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What becomes of the last layer.
    #[serde(default)]
    pub head: Head,
    /// What becomes of tensors that the checkpoint lacks.
    #[serde(default)]
    pub missing: Missing,
}

impl Start {
    /// How the name of a file of a checkpoint ends; anything else names a run.
    pub const SUFFIX: &str = ".safetensors";

    /// Whether it names a file rather than a run.
    pub fn is_file(&self) -> bool {
        self.checkpoint.ends_with(Start::SUFFIX)
    }
}

/// What becomes of the head, the last linear layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Head {
    /// It is that of the checkpoint.
    #[default]
    Keep,
    /// It keeps its initial weights, for other classes.
    New,
}

/// What becomes of tensors that a checkpoint lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// The lane is refused.
    #[default]
    Refuse,
    /// They keep their initial values: a deeper network starts from a shallower one.
    Initial,
}

/// Parameters that are trained at another rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The pattern for their names, see [`super::matches_parameter`].
    pub parameters: String,
    /// What their learning rate is multiplied by, above 0.
    pub rate: f64,
    /// Their weight decay; if missing, that of the optimiser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

impl Group {
    /// Whether it matches a parameter of this name.
    pub fn has(&self, parameter: &str) -> bool {
        super::matches_parameter(&self.parameters, parameter)
    }
}
