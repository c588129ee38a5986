//! Everything that can happen in a lane, as one closed enum: the type that the trainer emits, the log stores
//! and the state folds. Serialised, an event is one object with one key, its kind. Whatever depends on the
//! clock or the machine's speed stands in a field `time`, so that logs without it are equal where runs are.

use serde::{Deserialize, Serialize};

use crate::experiment::Experiment;
use crate::topology::Topology;
use crate::units::{LayerIdx, Step};

mod columns;
mod histogram;
pub mod wire;

pub use columns::Columns;
pub use histogram::{Histogram, LayerHistograms};

/// The major version of the log format; a reader refuses a newer one.
pub const FORMAT_VERSION: u32 = 2;

/// Something that happened in a lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEvent {
    /// The lane's network exists; always the first event.
    LaneStarted(Box<LaneStarted>),
    /// An update was made.
    StepFinished(StepFinished),
    /// Histograms of a step were taken; follows its [`RunEvent::StepFinished`].
    HistogramsTaken(HistogramsTaken),
    /// A pass over a fixed set of images without an update.
    EvaluationFinished(EvaluationFinished),
    /// Weights were written.
    CheckpointWritten(CheckpointWritten),
    /// The first NaN or infinity of the lane showed.
    NonFiniteFound(NonFiniteFound),
    /// Training paused, on a command.
    Paused(Moment),
    /// Training goes on after a pause.
    Resumed(Moment),
    /// The lane goes on from an earlier state, in another process than before.
    LaneResumed(LaneResumed),
    /// Records could not be kept.
    RecordsLost(RecordsLost),
    /// How the lane ended; followed by nothing, unless it is resumed. A log without it is of a lane that runs or
    /// crashed.
    LaneFinished(LaneFinished),
}

impl RunEvent {
    /// The kinds by their names in the log.
    pub const KINDS: &'static [&'static str] = &[
        "lane_started",
        "step_finished",
        "histograms_taken",
        "evaluation_finished",
        "checkpoint_written",
        "non_finite_found",
        "paused",
        "resumed",
        "lane_resumed",
        "records_lost",
        "lane_finished",
    ];

    /// The updates made when it happened.
    pub fn step(&self) -> Step {
        match self {
            RunEvent::LaneStarted(_) => Step(0),
            RunEvent::StepFinished(e) => e.step,
            RunEvent::HistogramsTaken(e) => e.step,
            RunEvent::EvaluationFinished(e) => e.step,
            RunEvent::CheckpointWritten(e) => e.step,
            RunEvent::NonFiniteFound(e) => e.step,
            RunEvent::Paused(e) | RunEvent::Resumed(e) => e.step,
            RunEvent::LaneResumed(e) => e.step,
            RunEvent::RecordsLost(e) => e.last,
            RunEvent::LaneFinished(e) => e.step,
        }
    }

    /// Milliseconds since the run started.
    pub fn at_ms(&self) -> f64 {
        match self {
            RunEvent::LaneStarted(e) => e.time.at_ms,
            RunEvent::StepFinished(e) => e.time.at_ms,
            RunEvent::HistogramsTaken(e) => e.time.at_ms,
            RunEvent::EvaluationFinished(e) => e.time.at_ms,
            RunEvent::CheckpointWritten(e) => e.time.at_ms,
            RunEvent::NonFiniteFound(e) => e.time.at_ms,
            RunEvent::Paused(e) | RunEvent::Resumed(e) => e.time.at_ms,
            RunEvent::LaneResumed(e) => e.time.at_ms,
            RunEvent::RecordsLost(e) => e.time.at_ms,
            RunEvent::LaneFinished(e) => e.time.at_ms,
        }
    }
}

/// When something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct At {
    /// Milliseconds since the run started.
    pub at_ms: f64,
}

/// When a step ended and how long its parts took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepTime {
    /// Milliseconds since the run started.
    pub at_ms: f64,
    /// Milliseconds of the whole step: batch, forward, backward, update, statistics.
    pub step_ms: f64,
    /// Milliseconds of it that went to statistics outside the operations themselves.
    pub statistics_ms: f64,
}

/// A lane began: all that is known of it before the first step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneStarted {
    /// [`FORMAT_VERSION`] of the writer.
    pub version: u32,
    /// The lane's name in the experiment.
    pub lane: String,
    /// The whole experiment as resolved.
    pub experiment: Experiment,
    /// The lane's network.
    pub topology: Topology,
    /// Training images.
    pub train_images: usize,
    /// Test images.
    pub test_images: usize,
    /// SHA-256, in hex, of the initial weights that a plain and an option-A network of one shape share.
    pub initial_weights: String,
    /// SHA-256, in hex, of the order in which images are drawn.
    pub batch_order: String,
    /// SHA-256, in hex, of the data set; none in logs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_set: Option<String>,
    /// The layers whose statistics and histograms are recorded, ascending: columns of layers and lists of histograms have
    /// a value for each of these. None where it is every layer. Blocks are always recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Vec<LayerIdx>>,
    /// When.
    pub time: At,
}

/// An update was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepFinished {
    /// The updates made, this one included.
    pub step: Step,
    /// Mean cross-entropy of the batch before the update, in nats.
    #[serde(with = "wire::float")]
    pub loss: f32,
    /// Share of the batch classified wrongly before the update, with batch statistics, 0 to 1.
    #[serde(with = "wire::float")]
    pub error: f32,
    /// The learning rate of the update.
    pub learning_rate: f64,
    /// Every layer's and block's statistics; empty where this step records none.
    #[serde(default, skip_serializing_if = "Columns::is_empty")]
    pub statistics: Columns,
    /// When, and how long.
    pub time: StepTime,
}

/// Histograms of every layer at a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistogramsTaken {
    /// The step they are of.
    pub step: Step,
    /// One entry a layer, in the order of the topology.
    pub layers: Vec<LayerHistograms>,
    /// When.
    pub time: At,
}

/// The part of the data an evaluation looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The first images of the training split, without augmentation.
    Train,
    /// The test split.
    Test,
}

/// What batch norm normalised by during an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Running statistics, as at inference.
    Eval,
    /// Statistics of the batch itself, as while training.
    Batch,
}

/// A pass over a fixed set of images without an update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationFinished {
    /// The updates made before it.
    pub step: Step,
    /// The images looked at.
    pub split: Split,
    /// How batch norm normalised.
    pub mode: Mode,
    /// How many images.
    pub images: usize,
    /// Mean cross-entropy, in nats.
    #[serde(with = "wire::float")]
    pub loss: f32,
    /// Share classified wrongly, 0 to 1.
    #[serde(with = "wire::float")]
    pub error: f32,
    /// When.
    pub time: At,
}

/// Weights were written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointWritten {
    /// The updates made before it.
    pub step: Step,
    /// The network's file, relative to the run's folder; the optimiser's lies beside it.
    pub file: String,
    /// The checksums of both files; none in logs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksums: Option<Checksums>,
    /// When.
    pub time: At,
}

/// The CRC-32 (IEEE 802.3) of each file of a checkpoint, which no flipped bit leaves as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksums {
    /// Of the network's file.
    #[serde(with = "wire::hex")]
    pub network: u32,
    /// Of the optimiser's file.
    #[serde(with = "wire::hex")]
    pub optimizer: u32,
}

/// The part of a step in which a value arose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// Computing outputs and loss.
    Forward,
    /// Computing gradients.
    Backward,
    /// Changing the weights.
    Update,
}

/// The first NaN or infinity of a lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NonFiniteFound {
    /// The step in which it arose, counting from 1.
    pub step: Step,
    /// The first layer it showed in, in the order of the pass; none where only the loss is not finite.
    pub layer: Option<LayerIdx>,
    /// The pass it arose in.
    pub pass: Pass,
    /// When.
    pub time: At,
}

/// A moment between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// The updates made.
    pub step: Step,
    /// When.
    pub time: At,
}

/// A lane goes on from an earlier state. What its log holds between the record of that state's checkpoint and this one
/// is superseded: it is made again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneResumed {
    /// The updates made in that state.
    pub step: Step,
    /// The checkpoint's file, as its own record names it; none where the lane begins again from its initial weights,
    /// and everything after [`LaneStarted`] is superseded.
    pub checkpoint: Option<String>,
    /// What was another than when the lane was started, in words: the user asked for it to go on all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// When.
    pub time: At,
}

/// Records that a full disk or another failure kept out of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordsLost {
    /// How many.
    pub records: u64,
    /// The step of the first.
    pub first: Step,
    /// The step of the last.
    pub last: Step,
    /// When the first record after them was written.
    pub time: At,
}

/// How a lane ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All steps were made.
    Completed,
    /// A command stopped it.
    Stopped,
    /// Its loss or weights were no longer finite.
    Diverged,
    /// It could not go on.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A lane ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneFinished {
    /// The updates made.
    pub step: Step,
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub time: At,
}
