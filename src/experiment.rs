//! A checked experiment as plain data: what is trained on what, how, and what is recorded. [`parse()`] makes it from a
//! file; from there on every value is valid and every default filled in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod available;
mod claim;
mod keys;
mod parse;
mod pattern;
mod probe;
mod settings;
mod start;

pub use available::{ArchitectureEntry, Available, CheckSettings, DataKind, DatasetEntry, Path, ProbeEntry};
pub use claim::{Claim, RuleText};
pub use keys::{Absence, Allowed, Key, Setting, Settings, Unless};
pub use parse::{Checked, ExperimentError, Places, Point, Sweep, check, expand, is_sweep, parse};
pub use pattern::{matches, matches_parameter};
pub use probe::{Probe, When};
pub use settings::Change;
pub use start::{Group, Head, Missing, Start};

/// A checked experiment. Serialises to the file with every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// The question that the experiment asks.
    pub question: String,
    /// The seed of initial weights, batch order and generated data.
    pub seed: u64,
    /// The data set.
    pub data: Data,
    /// How the lanes are trained.
    pub training: Training,
    /// What is recorded.
    pub statistics: Recording,
    /// What is measured besides, by the names of the probes; for all lanes.
    #[serde(default, rename = "probe", skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<String, Probe>,
    /// The networks, at least one, with different names.
    #[serde(rename = "lane")]
    pub lanes: Vec<Lane>,
}

impl Experiment {
    /// The text of a file that holds this experiment.
    ///
    /// # Errors
    /// Where something cannot be TOML: a path that is not Unicode, a seed beyond 63 bits. [`parse()`] returns neither.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// The same experiment with the defaults filled in of keys that its data set, its architectures and its probes
    /// declare and that it lacks: those declared since it was checked.
    pub fn completed(mut self, available: &Available) -> Experiment {
        if let Some(entry) = available.data_set(&self.data.name) {
            self.data.settings.complete(&entry.keys);
        }
        for (name, Probe { settings, .. }) in &mut self.probes {
            if let Some(entry) = available.probe(name) {
                settings.complete(&entry.keys);
            }
        }
        for Lane { architecture, settings, .. } in &mut self.lanes {
            if let Some(entry) = available.architecture(architecture) {
                settings.complete(&entry.keys);
            }
        }
        self
    }
}

/// The data set and how its examples are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// A name of the data set registry, such as `glyphs`.
    pub name: String,
    /// The folder or the file of a data set that is not generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The number of training examples of a generated data set, images or others, or the limit for one read from files.
    /// Fewer are the first of more, so that this is a budget of labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_images: Option<usize>,
    /// The same for test examples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_images: Option<usize>,
    /// Pads by four pixels and crops at random (He et al. 2015, section 4.2).
    pub crop: bool,
    /// Mirrors each image with probability 1/2.
    pub flip: bool,
    /// Swaps rows and columns, for EMNIST, which is stored transposed.
    pub transpose: bool,
    /// The keys that the data set declares.
    #[serde(flatten)]
    pub settings: Settings,
}

impl Data {
    /// A data set with nothing but a name.
    pub fn named(name: &str) -> Data {
        Data {
            name: name.to_owned(),
            path: None,
            train_images: None,
            test_images: None,
            crop: false,
            flip: false,
            transpose: false,
            settings: Settings::default(),
        }
    }
}

/// How the lanes are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Updates in all, at least 1.
    pub steps: u64,
    /// Examples per step, at least 2.
    pub batch: usize,
    /// Steps between two evaluations; 0 evaluates at the end only.
    pub evaluate_every: u64,
    /// The most training examples that an evaluation uses, images or others.
    pub evaluate_images: usize,
    /// Steps between two checkpoints; 0 writes none but the last.
    pub checkpoint_every: u64,
    /// The update rule.
    pub optimizer: Optimizer,
    /// How the learning rate changes.
    pub schedule: Schedule,
}

/// The update rule, with its base learning rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Optimizer {
    /// Stochastic gradient descent with momentum; weight decay is added to the gradient.
    Sgd {
        /// Base learning rate.
        learning_rate: f64,
        /// Momentum, 0 to below 1.
        momentum: f64,
        /// L2 weight decay.
        weight_decay: f64,
    },
    /// Adam; weight decay is added to the gradient.
    Adam {
        /// Base learning rate.
        learning_rate: f64,
        /// Decay of the first and the second moment.
        betas: [f64; 2],
        /// Added to the denominator.
        epsilon: f64,
        /// L2 weight decay.
        weight_decay: f64,
    },
    /// Adam with decoupled weight decay.
    AdamW {
        /// Base learning rate.
        learning_rate: f64,
        /// Decay of the first and the second moment.
        betas: [f64; 2],
        /// Added to the denominator.
        epsilon: f64,
        /// Decoupled weight decay.
        weight_decay: f64,
    },
}

impl Optimizer {
    /// The base learning rate, which the schedule scales.
    pub fn learning_rate(&self) -> f64 {
        match *self {
            Optimizer::Sgd { learning_rate, .. }
            | Optimizer::Adam { learning_rate, .. }
            | Optimizer::AdamW { learning_rate, .. } => learning_rate,
        }
    }

    /// The same rule with another weight decay.
    pub fn with_weight_decay(&self, decay: f64) -> Optimizer {
        let mut rule = self.clone();
        let (Optimizer::Sgd { weight_decay, .. }
        | Optimizer::Adam { weight_decay, .. }
        | Optimizer::AdamW { weight_decay, .. }) = &mut rule;
        *weight_decay = decay;
        rule
    }
}

/// How the learning rate changes with the step. Each may begin with a linear warm-up over `warmup` steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Schedule {
    /// Constant.
    Constant {
        /// Steps of linear warm-up from 0.
        warmup: u64,
    },
    /// Multiplied by `factor` after each of the steps `at`.
    Steps {
        /// Steps, ascending.
        at: Vec<u64>,
        /// The factor.
        factor: f64,
        /// Steps of linear warm-up from 0.
        warmup: u64,
    },
    /// Falls along half a cosine period to `minimum` times the base rate at the last step.
    Cosine {
        /// The last learning rate as a share of the base one.
        minimum: f64,
        /// Steps of linear warm-up from 0.
        warmup: u64,
    },
}

/// What is recorded of each lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Steps between two records of every layer's statistics, at least 1; 0 records none.
    pub every: u64,
    /// Steps between two records of histograms; 0 records none.
    pub histograms_every: u64,
    /// Patterns for the names of the layers that both are recorded for, see [`Recording::records`]; empty for all
    /// layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
}

/// One network of the experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// Its name: letters, digits, `-`, `_` and `.`; used in file names.
    pub name: String,
    /// A name of the architecture registry.
    pub architecture: String,
    /// What it starts from; none for weights drawn from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// Patterns for the parameters that get no updates, see [`matches_parameter`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<String>,
    /// The parameters that are trained at another rate; the first group that matches a parameter counts.
    #[serde(default, rename = "group", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// The keys that the architecture declares, such as `depth`.
    #[serde(flatten)]
    pub settings: Settings,
}

impl Lane {
    /// A lane that starts from weights drawn from the seed, and trains all of them alike.
    pub fn new(name: impl Into<String>, architecture: impl Into<String>, settings: Settings) -> Lane {
        let (name, architecture) = (name.into(), architecture.into());
        Lane { name, architecture, start: None, frozen: Vec::new(), groups: Vec::new(), settings }
    }

    /// Whether a parameter of this name gets no updates.
    pub fn freezes(&self, parameter: &str) -> bool {
        self.frozen.iter().any(|pattern| matches_parameter(pattern, parameter))
    }
}
