//! The training loop of one lane: steps, schedule, evaluations, checkpoints, told as events to a [`Sink`].
//! Knows neither files of the log nor threads nor the screen, and reads no clock but the one it is given.

use std::collections::VecDeque;
use std::path::Path;

use crate::datasets::{BatchOrder, Dataset};
#[cfg(doc)]
use crate::event::Kind;
use crate::event::{Mode, Outcome, RunEvent, Split};
use crate::experiment::Experiment;
use crate::metric::Metric;
use crate::model::Network;
use crate::order::{Order, Taken};
use crate::units::Step;

mod batches;
mod checkpoint;
mod evaluation;
mod course;
mod schedule;

pub use batches::{Batches, Drawn};
pub use checkpoint::{Checkpoint, CheckpointError, read_checkpoint, read_resumable};
pub use schedule::{Rates, learning_rate};

/// Where a lane's events go, and where its orders come from.
pub trait Sink {
    /// Takes an event.
    fn accept(&mut self, event: RunEvent);

    /// The next order to be carried out in this place, after so many updates; never blocks for long. Each order is
    /// given once, but for a pause, which is wanted until it ends, and a stop.
    fn poll(&mut self, step: Step, place: Place) -> Option<Order>;

    /// Blocks while paused, until there is something else to do: [`Order::Resume`] and [`Order::Step`] end the pause.
    fn wait(&mut self, step: Step, place: Place) -> Order;

    /// Takes a problem that training survives: what could not be done, and why.
    fn warn(&mut self, problem: String);
}

/// Where in its course a lane asks for orders. Learning rates and notes are given out between steps only, so that their
/// records stand in the same place when the steps are made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// After all that belongs to a step: its evaluation and its checkpoint.
    BetweenSteps,
    /// Between two batches of an evaluation.
    WithinEvaluation,
    /// After the last step: only what can still be written down is given out.
    AtEnd,
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
    /// The byte of the lane's log from which on nothing counts.
    pub from: Option<u64>,
    /// The passes of this step's evaluation that were made.
    pub evaluated: Vec<(Split, Mode)>,
    /// What is another than when the lane was started, in words.
    pub changes: Vec<String>,
    /// The metrics that its log declares.
    pub declared: Vec<Metric>,
    /// The orders that were carried out on the way to this state.
    pub taken: Vec<Taken>,
    /// The orders that were carried out after it, and are to be obeyed again at their steps.
    pub again: VecDeque<Taken>,
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
