//! The training loop of one lane: steps, schedule, evaluations, checkpoints, told as events to a [`Sink`].
//! Knows neither files of the log nor threads nor the screen, and reads no clock but the one it is given.

use std::path::Path;

use crate::datasets::{BatchOrder, Dataset};
use crate::event::{Outcome, RunEvent};
use crate::experiment::Experiment;
use crate::model::Network;
use crate::units::Step;

mod batches;
mod checkpoint;
mod evaluation;
mod course;
mod schedule;

pub use batches::{Batches, Drawn};
pub use checkpoint::{Checkpoint, CheckpointError, read_checkpoint};
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
    /// The steps that the network has made already, in an earlier part of the same run; then its log goes on
    /// and has its beginning.
    pub done: Step,
    /// The run's folder; checkpoints go into `checkpoints` in it.
    pub folder: &'a Path,
    /// Milliseconds since the run started.
    pub clock: &'a dyn Fn() -> f64,
}

/// Trains a network to the end, to divergence or until told to stop; `batches` gives the batch of each step
/// from the one after [`Task::done`]. The first event is
/// [`RunEvent::LaneStarted`], the last one [`RunEvent::LaneFinished`] with the outcome that is returned.
pub fn train(
    network: &mut dyn Network,
    batches: &mut dyn Batches,
    task: &Task<'_>,
    sink: &mut dyn Sink,
) -> Outcome {
    course::Course::run(network, batches, task, sink)
}
