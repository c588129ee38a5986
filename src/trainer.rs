//! The training loop of one lane: steps, schedule, evaluations, checkpoints, told as events to a [`Sink`].
//! Knows neither files of the log nor threads nor the screen, and reads no clock but the one it is given.

use std::path::Path;

use crate::datasets::{BatchOrder, Dataset};
#[cfg(doc)]
use crate::event::Kind;
use crate::event::{Mode, Outcome, RunEvent, Split};
use crate::experiment::Experiment;
use crate::metric::Metric;
use crate::model::Network;
use crate::units::Step;

mod batches;
mod checkpoint;
mod evaluation;
mod course;
mod schedule;

pub use batches::{Batches, Drawn};
pub use checkpoint::{Checkpoint, CheckpointError, read_checkpoint, read_resumable};
pub use schedule::learning_rate;

/// Where a lane's events go, and where its orders come from.
pub trait Sink {
    /// Takes an event.
    fn accept(&mut self, event: RunEvent);

    /// Says what is wanted now; never blocks for long. Asked between two steps and between two batches of an
    /// evaluation. Each order is given once.
    fn poll(&mut self) -> Control;

    /// Blocks while paused, until something else than [`Control::Pause`] is wanted.
    fn wait(&mut self) -> Control;

    /// Takes a problem that training survives: what could not be done, and why.
    fn warn(&mut self, problem: String);
}

/// What a lane is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Wait until told otherwise.
    Pause,
    /// Write a checkpoint, then go on as before.
    Checkpoint,
    /// End the lane with a checkpoint.
    Stop,
}

/// What a lane is to be trained on and how, beside its network.
pub struct Task<'a> {
    /// The lane's name.
    pub lane: &'a str,
    /// The experiment.
    pub experiment: &'a Experiment,
    /// The images.
    pub dataset: &'a Dataset,
    /// The order in which they are drawn, the same for every lane.
    pub order: &'a BatchOrder,
    /// The hash of the network's initial weights.
    pub initial_weights: String,
    /// Where an earlier part of the same run left the lane; none where it begins.
    pub resumed: Option<Resumed>,
    /// The run's folder; checkpoints go into `checkpoints` in it.
    pub folder: &'a Path,
    /// Milliseconds since the run started.
    pub clock: &'a dyn Fn() -> f64,
}

/// A state that a lane goes on from; its network is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// The updates made.
    pub step: Step,
    /// The checkpoint that it was taken from, as its record names it; none where these are the initial weights.
    pub checkpoint: Option<String>,
    /// The passes of this step's evaluation that were made.
    pub evaluated: Vec<(Split, Mode)>,
    /// What is another than when the lane was started, in words.
    pub changes: Vec<String>,
    /// The metrics that its log declares.
    pub declared: Vec<Metric>,
}

/// Trains a network to the end, to divergence or until told to stop; `batches` gives the batch of each step
/// from the one after those made. The first event is [`Kind::LaneStarted`], or [`Kind::LaneResumed`] where the
/// lane goes on, the last one [`Kind::LaneFinished`] with the outcome that is returned.
pub fn train(
    network: &mut dyn Network,
    batches: &mut dyn Batches,
    task: &Task<'_>,
    sink: &mut dyn Sink,
) -> Outcome {
    course::Course::run(network, batches, task, sink)
}
