//! The thread of one lane: builds its network there, since networks don't move between threads, and trains.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use super::Setup;
use super::ahead::Ahead;
use super::lane_sink::LaneSink;
use crate::datasets::{Batch, BatchOrder};
use crate::event::{Kind, LaneFinished, Outcome, Rewind, RunEvent, Time};
use crate::model::Network;
use crate::printable::printable;
use crate::reading::Saved;
use crate::runlog::RunFolder;
use crate::trainer::{Drawn, Resumed, Sink, Task, read_resumable, start_from, train};
use crate::units::{LaneIdx, Step};

/// Trains a lane to its end. In any case, even after a panic, its last event says how it ended.
pub(super) fn run(setup: &Arc<Setup>, lane: LaneIdx, order: BatchOrder, mut sink: LaneSink) -> Outcome {
    let trained = catch_unwind(AssertUnwindSafe(|| build_and_train(setup, lane, order, &mut sink)));
    let failed = match trained {
        Ok(Ok(outcome)) => {
            sink.close();
            return outcome;
        }
        Ok(Err(reason)) => reason,
        Err(panic) => format!("the lane's thread panicked: {}", message(&*panic)),
    };
    let outcome = Outcome::Failed { reason: printable(&failed) };
    let kind = Kind::LaneFinished(LaneFinished { outcome: outcome.clone() });
    sink.accept(RunEvent { step: sink.step, time: Time::at((setup.clock)()), kind });
    sink.close();
    outcome
}

fn build_and_train(
    setup: &Setup,
    lane: LaneIdx,
    order: BatchOrder,
    sink: &mut LaneSink,
) -> Result<Outcome, String> {
    let described = &setup.experiment.lanes[lane.0];
    let (mut network, resumed) = build_or_restore(setup, lane, sink)?;
    let done = resumed.as_ref().map_or(Step(0), |resumed| resumed.step);
    let task = Task {
        lane: &described.name,
        experiment: &setup.experiment,
        dataset: &setup.dataset,
        order: &order,
        initial_weights: network.shared_weights_hash(),
        resumed,
        folder: setup.folder.reach(),
        clock: &*setup.clock,
    };
    let steps = done.0 + 1..=setup.experiment.training.steps;
    let mut drawn = Drawn::new(&setup.experiment, &setup.dataset, order.clone());
    thread::scope(|scope| {
        let fill = move |step: Step, batch: &mut Batch| drawn.fill(step, batch);
        let batches = Ahead::start(scope, format!("batches-{}", described.name), steps, fill);
        let mut batches = batches.map_err(|error| {
            format!("expected a thread for batches, found {error}; start fewer lanes, or raise the limit")
        })?;
        Ok(train(&mut *network, &mut batches, &task, sink))
    })
}

/// The lane's network: restored from the last usable checkpoint, or else as it starts.
fn build_or_restore(
    setup: &Setup,
    lane: LaneIdx,
    sink: &mut LaneSink,
) -> Result<(Box<dyn Network>, Option<Resumed>), String> {
    let described = &setup.experiment.lanes[lane.0];
    let build = || {
        let threads = setup.threads_of(lane);
        (setup.build)(described, &setup.experiment, &setup.dataset, threads).map_err(|e| e.to_string())
    };
    let begin = || {
        let mut network = build()?;
        let (shape, classes) = (setup.dataset.shape, setup.dataset.classes.len());
        start_from(&mut *network, described, shape, classes).map_err(|e| e.to_string())?;
        Ok::<_, String>(network)
    };
    let Some(resumption) = setup.resumed.get(lane.0).filter(|lane| lane.started.is_some()) else {
        return Ok((begin()?, None));
    };
    let declared = resumption.position.as_ref().map(|position| position.declared().metrics().to_vec());
    let declared = declared.unwrap_or_default();
    let resumed = |step, checkpoint, measured, rewind: Rewind| {
        let (taken, again) = resumption.orders.at(rewind);
        let (from, changes, declared) = (rewind.from, setup.changes.clone(), declared.clone());
        Some(Resumed { step, checkpoint, from, measured, changes, declared, taken, again })
    };
    for saved in resumption.checkpoints.iter().rev() {
        let mut network = build()?;
        let step = saved.step;
        match restore(&mut *network, setup, &described.name, saved) {
            Ok(()) => {
                if saved.checksums.is_none() {
                    sink.warn(format!(
                        "the checkpoint of step {step} is unverified: an earlier version wrote it, without checksums"
                    ));
                }
                let (checkpoint, measured) = (Some(saved.file.clone()), saved.measured.clone());
                return Ok((network, resumed(step, checkpoint, measured, saved.rewind())));
            }
            Err(problem) => sink.warn(format!("skipping the checkpoint of step {step}: {problem}")),
        }
    }
    Ok((begin()?, resumed(Step(0), None, Vec::new(), resumption.to_beginning())))
}

/// Restores the weights and the optimiser's state from a checkpoint.
fn restore(network: &mut dyn Network, setup: &Setup, lane: &str, saved: &Saved) -> Result<(), String> {
    let outside = || format!("expected a file in {}, found `{}`", RunFolder::CHECKPOINTS, saved.file);
    let path = setup.folder.checkpoint(&saved.file).ok_or_else(outside)?;
    let checkpoint = read_resumable(&path, lane, saved.step, saved.checksums).map_err(|e| e.to_string())?;
    let loaded = network.load_state(&checkpoint.state);
    let loaded = loaded.and_then(|()| network.load_optimizer_state(&checkpoint.optimizer));
    loaded.map_err(|e| format!("{}: {e}", path.display()))
}

/// The message of a panic.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
