//! The thread of one lane: builds its network there, since networks don't move between threads, and trains.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::Setup;
use super::ahead::Ahead;
use super::resumption::Resumption;
use super::tap::Tap;
use crate::datasets::{Batch, BatchOrder};
use crate::event::{At, LaneFinished, Outcome, RunEvent};
use crate::model::{Network, shared_weights_hash};
use crate::text::printable;
use crate::trainer::{Drawn, Sink, Task, read_checkpoint, train};
use crate::units::{LaneIdx, Step};

/// Trains a lane to its end. Whatever happens in it, its last event says how it ended.
pub(super) fn run(setup: &Arc<Setup>, lane: LaneIdx, order: BatchOrder, mut tap: Tap) -> Outcome {
    let trained = catch_unwind(AssertUnwindSafe(|| build_and_train(setup, lane, order, &mut tap)));
    let failed = match trained {
        Ok(Ok(outcome)) => {
            tap.close();
            return outcome;
        }
        Ok(Err(reason)) => reason,
        Err(panic) => format!("the lane's thread panicked: {}", message(&*panic)),
    };
    let outcome = Outcome::Failed { reason: printable(&failed) };
    let time = At { at_ms: (setup.clock)() };
    tap.accept(RunEvent::LaneFinished(LaneFinished { step: tap.step, outcome: outcome.clone(), time }));
    tap.close();
    outcome
}

fn build_and_train(
    setup: &Setup,
    lane: LaneIdx,
    order: BatchOrder,
    tap: &mut Tap,
) -> Result<Outcome, String> {
    let described = &setup.experiment.lanes[lane.0];
    let network = (setup.build)(described, &setup.experiment, &setup.dataset, setup.threads_of(lane));
    let mut network = network.map_err(|e| e.to_string())?;
    let done = match setup.resumed.get(lane.0) {
        Some(Resumption { checkpoint: Some(file), .. }) => restore(&mut *network, file)?,
        _ => Step(0),
    };
    let task = Task {
        lane: &described.name,
        experiment: &setup.experiment,
        dataset: &setup.dataset,
        order: &order,
        initial_weights: shared_weights_hash(&network.state()),
        done,
        folder: setup.folder.path(),
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
        Ok(train(&mut *network, &mut batches, &task, tap))
    })
}

/// Takes a checkpoint's weights and optimiser back and says of which step they are.
fn restore(network: &mut dyn Network, file: &Path) -> Result<Step, String> {
    let checkpoint = read_checkpoint(file).map_err(|e| e.to_string())?;
    let loaded = network.load_state(&checkpoint.state);
    let loaded = loaded.and_then(|()| network.load_optimizer_state(&checkpoint.optimizer));
    loaded.map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(checkpoint.step)
}

/// What a panic was called with.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
