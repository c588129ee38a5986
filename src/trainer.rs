//! The training loop of one lane: steps, schedule, evaluations, checkpoints, emitted as events to a [`Sink`]. Knows
//! neither log files nor threads nor the screen, and reads only the clock it is given.

use std::collections::VecDeque;
use std::path::Path;

use crate::datasets::{BatchOrder, Dataset};
#[cfg(doc)]
use crate::event::Kind;
use crate::event::{Outcome, RunEvent};
use crate::experiment::Experiment;
use crate::metric::Metric;
use crate::model::Network;
use crate::order::{Order, Taken};
use crate::units::Step;

mod batches;
mod checkpoint;
mod evaluation;
mod probes;
mod course;
mod schedule;
mod start;

pub use self::probes::{available as probes, probe_of};
pub use batches::{Batches, Drawn};
pub use checkpoint::{Checkpoint, CheckpointError, read_checkpoint, read_resumable};
pub use schedule::{Rates, learning_rate};
pub use start::{StartError, StartFile, start_from};

/// Where a lane's events go, and where its orders come from.
pub trait Sink {
    /// Takes an event.
    fn accept(&mut self, event: RunEvent);

    /// The next order to carry out at this place, after this many updates; never blocks for long. Each order is
    /// returned once, except a pause, which is returned until it ends, and a stop.
    fn poll(&mut self, step: Step, place: Place) -> Option<Order>;

    /// Blocks while paused, until there is something else to do: [`Order::Resume`] and [`Order::Step`] end the pause.
    fn wait(&mut self, step: Step, place: Place) -> Order;

    /// Takes a problem despite which training goes on: what could not be done, and why.
    fn warn(&mut self, problem: String);
}

/// The place in training at which a lane polls for orders. Learning rates, notes and probes are returned between steps
/// only, so that their records have the same place when the steps are repeated; a lane that is to end logs the first two
/// wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// After a step with its evaluation and checkpoint.
    BetweenSteps,
    /// Between two batches of an evaluation, or of a probe.
    WithinEvaluation,
    /// After the last step: only orders that can still be logged are returned.
    AtEnd,
}

/// What a lane needs for training, besides its network.
pub struct Task<'a> {
    /// The lane's name.
    pub lane: &'a str,
    /// The experiment.
    pub experiment: &'a Experiment,
    /// The data set.
    pub dataset: &'a Dataset,
    /// The order in which they are drawn, the same for every lane.
    pub order: &'a BatchOrder,
    /// The hash of the network's initial weights.
    pub initial_weights: String,
    /// Where an earlier part of the same run left the lane; none at the beginning.
    pub resumed: Option<Resumed>,
    /// The run's folder, with the folder `checkpoints`.
    pub folder: &'a Path,
    /// Milliseconds since the run started.
    pub clock: &'a dyn Fn() -> f64,
}

/// The state from which a lane is resumed; the network has already been loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// The updates made.
    pub step: Step,
    /// The checkpoint it was read from, as its record names it; none for the initial weights.
    pub checkpoint: Option<String>,
    /// The byte of the lane's log from which on nothing counts.
    pub from: Option<u64>,
    /// What was already measured after this step, by its evaluation and by probes.
    pub measured: Vec<Metric>,
    /// What has changed since the lane was started, in words.
    pub changes: Vec<String>,
    /// The metrics that its log declares.
    pub declared: Vec<Metric>,
    /// The orders that were carried out before this state.
    pub taken: Vec<Taken>,
    /// The orders that were carried out after it, to be repeated at their steps.
    pub again: VecDeque<Taken>,
}

/// Trains a network to the end, to divergence or until stopped; `batches` supplies the batch of each step after those
/// already made. The first event is [`Kind::LaneStarted`], or [`Kind::LaneResumed`] for a resumed lane, the last one
/// [`Kind::LaneFinished`] with the outcome that is returned.
pub fn train(
    network: &mut dyn Network,
    batches: &mut dyn Batches,
    task: &Task<'_>,
    sink: &mut dyn Sink,
) -> Outcome {
    course::Course::run(network, batches, task, sink)
}
