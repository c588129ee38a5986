//! Everything that can happen in a lane, as one closed enum in one envelope: the type that the trainer emits, the log
//! stores and the state folds. Serialised, an event is an object with one key, its kind; its value has the step, the
//! fields of the kind, and the time. Everything that depends on the clock or the machine's speed is in `time`, so
//! that logs of equal runs are equal without it.

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use crate::experiment::Experiment;
use crate::metric::{Axis, Metric};
use crate::order::{Note, Order, Taken};
use crate::structure::Structure;
use crate::units::{InputShape, LayerIdx, Step};

mod declared;
mod evaluation;
mod histogram;
mod rewind;
mod values;
pub mod wire;

pub use declared::Declared;
pub use evaluation::{Mode, Split, evaluated};
pub use histogram::Histogram;
pub use rewind::Rewind;
pub use values::{MISSING, Value, Values, is_missing};

/// The major version of the log format; a reader refuses a newer one.
pub const FORMAT_VERSION: u32 = 3;

/// Something that happened in a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEvent {
    /// The updates made when it happened.
    pub step: Step,
    /// When, and how long it took.
    pub time: Time,
    /// What.
    pub kind: Kind,
}

impl RunEvent {
    /// An event after a step, at a time in milliseconds since the run started.
    pub fn new(step: Step, at_ms: f64, kind: Kind) -> RunEvent {
        RunEvent { step, time: Time::at(at_ms), kind }
    }

    /// Which of the earlier events still count, if the lane goes back with this one.
    pub fn rewind(&self) -> Option<Rewind> {
        match &self.kind {
            Kind::LaneResumed(resumed) => Some(Rewind { step: self.step, from: resumed.from }),
            _ => None,
        }
    }

    /// The order or note that was taken, if it is one; a note is cut to the length that is shown.
    pub fn as_taken(&self) -> Option<Taken> {
        let step = self.step;
        match &self.kind {
            Kind::OrderTaken(taken) => Some(Taken { step, order: taken.order.clone() }),
            Kind::NoteTaken(note) => Some(Taken { step, order: Order::Note(Note::cut(&note.text)?) }),
            _ => None,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// The lane exists; always the first event.
    LaneStarted(Box<LaneStarted>),
    /// New metrics or axes were declared.
    MetricsDeclared(MetricsDeclared),
    /// Metrics were measured at the step.
    Measured(Values),
    /// Weights were written.
    CheckpointWritten(CheckpointWritten),
    /// The first NaN or infinity of the lane occurred.
    NonFiniteFound(NonFiniteFound),
    /// Training paused, on an order.
    Paused,
    /// Training continues after a pause.
    Resumed,
    /// An order was carried out that affects the lane from here on.
    OrderTaken(OrderTaken),
    /// A note was made at this step.
    NoteTaken(NoteTaken),
    /// The lane was resumed from an earlier state, by another process; the step is that of the state.
    LaneResumed(LaneResumed),
    /// Records were lost; the step is that of the last of them.
    RecordsLost(RecordsLost),
    /// The lane ended; nothing follows, unless it is resumed. A log without it belongs to a lane that is running or
    /// crashed.
    LaneFinished(LaneFinished),
}

impl Kind {
    /// The kinds by their names in the log.
    pub const NAMES: &'static [&'static str] = &[
        "lane_started",
        "metrics_declared",
        "measured",
        "checkpoint_written",
        "non_finite_found",
        "paused",
        "resumed",
        "order_taken",
        "note_taken",
        "lane_resumed",
        "records_lost",
        "lane_finished",
    ];

    /// Its name in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::LaneStarted(_) => "lane_started",
            Kind::MetricsDeclared(_) => "metrics_declared",
            Kind::Measured(_) => "measured",
            Kind::CheckpointWritten(_) => "checkpoint_written",
            Kind::NonFiniteFound(_) => "non_finite_found",
            Kind::Paused => "paused",
            Kind::Resumed => "resumed",
            Kind::OrderTaken(_) => "order_taken",
            Kind::NoteTaken(_) => "note_taken",
            Kind::LaneResumed(_) => "lane_resumed",
            Kind::RecordsLost(_) => "records_lost",
            Kind::LaneFinished(_) => "lane_finished",
        }
    }
}

/// When something happened and, for a step, how long its parts took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// Milliseconds since the run started.
    #[serde(default)]
    pub at_ms: f64,
    /// Milliseconds of the whole step: batch, forward, backward, update, statistics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_ms: Option<f64>,
    /// Milliseconds of the step that were spent on statistics outside the operations themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics_ms: Option<f64>,
    /// Milliseconds that a probe took, which are part of no step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_ms: Option<f64>,
}

impl Time {
    /// A moment.
    pub fn at(at_ms: f64) -> Time {
        Time { at_ms, ..Time::default() }
    }
}

/// A lane started: everything known of it before the first step. Other programs may omit everything but its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LaneStarted {
    /// [`FORMAT_VERSION`] of the writer.
    pub version: u32,
    /// The lane's name.
    pub lane: String,
    /// Its layers and blocks.
    #[serde(flatten)]
    pub structure: Structure,
    /// The layers whose metrics are recorded, ascending: a metric over layers has a value for each of these. None if
    /// all layers are recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Vec<LayerIdx>>,
    /// What is measured.
    #[serde(flatten)]
    pub declared: MetricsDeclared,
    /// The planned updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// The bytes of activations that a training step keeps for its backward pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation_bytes: Option<u64>,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

impl LaneStarted {
    /// The lane's experiment, if it has one.
    pub fn experiment(&self) -> Option<&Experiment> {
        self.provenance.as_ref().map(|provenance| &provenance.experiment)
    }

    /// The number of layers that are recorded.
    pub fn recorded_layers(&self) -> usize {
        self.recorded.as_ref().map_or(self.structure.layers.len(), Vec::len)
    }
}

/// Where a lane comes from: what must be the same for it to be the same lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The whole experiment as resolved.
    pub experiment: Experiment,
    /// The form and size of an example.
    pub input: InputShape,
    /// The number of classes.
    pub classes: usize,
    /// The number of training examples.
    pub train_images: usize,
    /// The number of test examples.
    pub test_images: usize,
    /// SHA-256, in hex, of the initial weights that a plain and an option-A network of the same shape share.
    pub initial_weights: String,
    /// SHA-256, in hex, of the order in which examples are drawn.
    pub batch_order: String,
    /// SHA-256, in hex, of the data set; none in logs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_set: Option<String>,
}

/// Metrics and axes that a lane declares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricsDeclared {
    /// What is measured.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// Their axes other than layers and blocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub axes: Vec<Axis>,
}

/// Weights were written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointWritten {
    /// The network's file, relative to the run's folder; the optimiser's is beside it.
    pub file: String,
    /// The checksums of both files; none in logs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksums: Option<Checksums>,
}

/// The CRC-32 (IEEE 802.3) of each file of a checkpoint, which detects any flipped bit.
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

/// The first NaN or infinity of a lane; the step in which it arose counts from 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NonFiniteFound {
    /// The first layer in which it occurred, in the order of the pass; none if only the loss is not finite.
    pub layer: Option<LayerIdx>,
    /// The pass in which it arose.
    pub pass: Pass,
}

/// An order was carried out: a change of the learning rate, a number of steps before the next pause, or a stop.
/// Pauses and notes have events of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderTaken {
    /// What was ordered.
    pub order: Order,
}

/// A text at a step, by a person or another program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoteTaken {
    /// The text as given; it may contain control characters, and be longer than notes that are accepted here.
    pub text: String,
}

/// A lane was resumed from an earlier state. Everything in its log between the record of that state's checkpoint and
/// this record is superseded: it is repeated. See [`RunEvent::rewind`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LaneResumed {
    /// The checkpoint's file, as in its own record; none if the lane restarts from its initial weights, and everything
    /// after [`LaneStarted`] is superseded.
    pub checkpoint: Option<String>,
    /// What has changed since the lane was started, in words, if the user asked to resume it anyway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// The byte from which on the log is superseded, as found by the reader of the log; not in the record, since bytes
    /// differ between runs.
    #[serde(skip)]
    pub from: Option<u64>,
}

/// Records are missing from the log because of a full disk or another failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordsLost {
    /// Their number.
    pub records: u64,
    /// The step of the first.
    pub first: Step,
}

/// How a lane ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All steps were made.
    Completed,
    /// An order stopped it.
    Stopped,
    /// Its loss or weights were no longer finite.
    Diverged,
    /// It failed.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A lane ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneFinished {
    /// How it ended.
    pub outcome: Outcome,
}

impl Serialize for RunEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_map(Some(1))?;
        event.serialize_entry(self.kind.name(), &Body(self))?;
        event.end()
    }
}

/// The value of an event's kind when serialised.
struct Body<'a>(&'a RunEvent);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RunEvent { step, time, kind } = self.0;
        match kind {
            Kind::LaneStarted(e) => Flat { step, of: e, time }.serialize(serializer),
            Kind::MetricsDeclared(e) => Flat { step, of: e, time }.serialize(serializer),
            Kind::Measured(values) => Measured { step, values, time }.serialize(serializer),
            Kind::CheckpointWritten(e) => Flat { step, of: e, time }.serialize(serializer),
            Kind::NonFiniteFound(e) => Flat { step, of: e, time }.serialize(serializer),
            Kind::Paused | Kind::Resumed => Flat { step, of: &(), time }.serialize(serializer),
            Kind::OrderTaken(e) => Flat { step, of: e, time }.serialize(serializer),
            Kind::NoteTaken(e) => Flat { step, of: e, time }.serialize(serializer),
            Kind::LaneResumed(e) => Flat { step, of: e, time }.serialize(serializer),
            Kind::RecordsLost(e) => Flat { step, of: e, time }.serialize(serializer),
            Kind::LaneFinished(e) => Flat { step, of: e, time }.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
struct Flat<'a, T: Serialize> {
    step: &'a Step,
    #[serde(flatten)]
    of: &'a T,
    time: &'a Time,
}

#[derive(Serialize)]
struct Measured<'a> {
    step: &'a Step,
    values: &'a Values,
    time: &'a Time,
}
