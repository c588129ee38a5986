//! The course of one lane from its first event to its last.

use super::checkpoint::Written;
use super::evaluation::{Pass, passes};
use super::schedule::learning_rate;
use super::{Batches, Control, Resumed, Sink, Task, checkpoint};
use crate::datasets::Batch;
use crate::event::{
    At, CheckpointWritten, EvaluationFinished, FORMAT_VERSION, HistogramsTaken, LaneFinished, LaneResumed,
    LaneStarted, LayerHistograms, Mode, Moment, NonFiniteFound, Outcome, RunEvent, Split, StepFinished,
    StepTime,
};
use crate::experiment::{Experiment, Recording};
use crate::model::{Network, StepResult, Wanted};
use crate::topology::Topology;
use crate::units::{LayerIdx, Step};

/// A lane on its way.
pub(super) struct Course<'a> {
    network: &'a mut dyn Network,
    batches: &'a mut dyn Batches,
    task: &'a Task<'a>,
    sink: &'a mut dyn Sink,
    /// The buffer of evaluations.
    evaluated: Batch,
    /// The layers whose statistics are recorded; none for all.
    recorded: Option<Vec<LayerIdx>>,
    /// The updates made.
    step: Step,
}

impl<'a> Course<'a> {
    /// Goes all the way.
    pub(super) fn run(
        network: &'a mut dyn Network,
        batches: &'a mut dyn Batches,
        task: &'a Task<'a>,
        sink: &'a mut dyn Sink,
    ) -> Outcome {
        let step = task.resumed.as_ref().map_or(Step(0), |resumed| resumed.step);
        let evaluated = Batch::default();
        let recorded = recorded_layers(&task.experiment.statistics, network.topology());
        let mut course = Course { network, batches, task, sink, evaluated, recorded, step };
        let outcome = course.all_steps().err().unwrap_or(Outcome::Completed);
        let finished = LaneFinished { step: course.step, outcome: outcome.clone(), time: course.now() };
        course.sink.accept(RunEvent::LaneFinished(finished));
        outcome
    }

    /// Makes all steps, or says why not.
    fn all_steps(&mut self) -> Result<(), Outcome> {
        let training = &self.task.experiment.training;
        match &self.task.resumed {
            None => {
                self.begin();
                self.evaluate(&self.due_passes(&[]))?;
            }
            Some(resumed) => self.resume(resumed)?,
        }
        while self.step.0 < training.steps {
            self.obey()?;
            self.make_step()?;
            self.evaluate(&self.due_passes(&[]))?;
            self.write_due_checkpoint();
        }
        Ok(())
    }

    /// Goes on where an earlier part of the run was cut off. A checkpoint that was ordered in the middle of an
    /// evaluation leaves passes to be made, and then the checkpoint that comes after them.
    fn resume(&mut self, resumed: &Resumed) -> Result<(), Outcome> {
        let Resumed { step, checkpoint, changes, evaluated } = resumed.clone();
        self.sink.accept(RunEvent::LaneResumed(LaneResumed { step, checkpoint, changes, time: self.now() }));
        let missing = self.due_passes(&evaluated);
        if !missing.is_empty() {
            self.evaluate(&missing)?;
            self.write_due_checkpoint();
        }
        Ok(())
    }

    /// The passes that are due after the present step, of which some were made already.
    fn due_passes(&self, made: &[(Split, Mode)]) -> Vec<(Split, Mode)> {
        let Task { experiment: Experiment { training, .. }, dataset, .. } = self.task;
        let is_last = self.step.0 >= training.steps;
        if !is_due(training.evaluate_every, self.step) && !is_last {
            return Vec::new();
        }
        let is_missing = |&(split, mode): &(Split, Mode)| {
            !made.contains(&(split, mode)) && !Pass::new(dataset, training, split, mode).is_empty()
        };
        passes(self.step).iter().copied().filter(is_missing).collect()
    }

    /// Writes a checkpoint where one is due after the present step.
    fn write_due_checkpoint(&mut self) {
        let training = &self.task.experiment.training;
        let is_last = self.step.0 >= training.steps;
        if self.step > Step(0) && (is_last || is_due(training.checkpoint_every, self.step)) {
            self.write_checkpoint();
        }
    }

    fn begin(&mut self) {
        let Task { lane, experiment, dataset, order, initial_weights, .. } = self.task;
        let started = LaneStarted {
            version: FORMAT_VERSION,
            lane: (*lane).to_owned(),
            experiment: (*experiment).clone(),
            topology: self.network.topology().clone(),
            train_images: dataset.train.len(),
            test_images: dataset.test.len(),
            initial_weights: initial_weights.clone(),
            batch_order: order.hash(experiment.training.steps),
            data_set: Some(dataset.hash().to_owned()),
            recorded: self.recorded.clone(),
            time: self.now(),
        };
        self.sink.accept(RunEvent::LaneStarted(Box::new(started)));
    }

    fn make_step(&mut self) -> Result<(), Outcome> {
        let Task { experiment, clock, .. } = self.task;
        let begun_ms = clock();
        let step = Step(self.step.0 + 1);
        let rate = learning_rate(&experiment.training, step);
        let recording = &experiment.statistics;
        let wanted = Wanted {
            scalars: is_recorded(recording.every, step),
            histograms: is_recorded(recording.histograms_every, step),
        };
        let batch = self.batches.next(step);
        let result = self.network.train_step(batch, rate, wanted);
        let error = result.wrong as f32 / batch.labels.len().max(1) as f32;
        self.step = step;
        self.tell_step(result, error, rate, begun_ms)
    }

    /// Tells all events of a step; ends the lane where something was not finite.
    fn tell_step(
        &mut self,
        result: StepResult,
        error: f32,
        learning_rate: f64,
        begun_ms: f64,
    ) -> Result<(), Outcome> {
        let (step, time) = (self.step, self.now());
        let (statistics, histograms) = match &self.recorded {
            None => (result.statistics, result.histograms),
            Some(layers) => (
                result.statistics.narrowed(layers),
                result.histograms.map(|histograms| chosen(histograms, layers)),
            ),
        };
        self.sink.accept(RunEvent::StepFinished(StepFinished {
            step,
            loss: result.loss,
            error,
            learning_rate,
            statistics,
            time: StepTime {
                at_ms: time.at_ms,
                step_ms: time.at_ms - begun_ms,
                statistics_ms: result.statistics_ms,
            },
        }));
        if let Some(layers) = histograms {
            self.sink.accept(RunEvent::HistogramsTaken(HistogramsTaken { step, layers, time }));
        }
        match result.non_finite {
            None => Ok(()),
            Some(found) => {
                let (layer, pass) = (found.layer, found.pass);
                self.sink.accept(RunEvent::NonFiniteFound(NonFiniteFound { step, layer, pass, time }));
                Err(Outcome::Diverged)
            }
        }
    }

    fn evaluate(&mut self, passes: &[(Split, Mode)]) -> Result<(), Outcome> {
        passes.iter().try_for_each(|&(split, mode)| self.evaluate_split(split, mode))
    }

    fn evaluate_split(&mut self, split: Split, mode: Mode) -> Result<(), Outcome> {
        let Task { experiment, dataset, .. } = self.task;
        let mut pass = Pass::new(dataset, &experiment.training, split, mode);
        while pass.advance(self.network, &mut self.evaluated) {
            self.obey()?;
        }
        if let Some((images, loss, error)) = pass.result() {
            let (step, time) = (self.step, self.now());
            let finished = EvaluationFinished { step, split, mode, images, loss, error, time };
            self.sink.accept(RunEvent::EvaluationFinished(finished));
        }
        Ok(())
    }

    /// Does what is wanted, as long as something is.
    fn obey(&mut self) -> Result<(), Outcome> {
        loop {
            match self.sink.poll() {
                Control::Continue => return Ok(()),
                Control::Pause => self.pause()?,
                Control::Checkpoint => self.write_checkpoint(),
                Control::Stop => return self.stop(),
            }
        }
    }

    fn pause(&mut self) -> Result<(), Outcome> {
        let (step, time) = (self.step, self.now());
        self.sink.accept(RunEvent::Paused(Moment { step, time }));
        loop {
            match self.sink.wait() {
                Control::Continue => break,
                Control::Pause => {}
                Control::Checkpoint => self.write_checkpoint(),
                Control::Stop => return self.stop(),
            }
        }
        let time = self.now();
        self.sink.accept(RunEvent::Resumed(Moment { step, time }));
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Outcome> {
        self.write_checkpoint();
        Err(Outcome::Stopped)
    }

    fn write_checkpoint(&mut self) {
        let Task { lane, folder, .. } = self.task;
        match checkpoint::write(folder, lane, self.step, self.network) {
            Ok(Written { file, checksums, unsynced }) => {
                if let Some(error) = unsynced {
                    let problem =
                        format!("the checkpoint of step {} may not be on the disk: {error}", self.step);
                    self.sink.warn(problem);
                }
                let (step, checksums, time) = (self.step, Some(checksums), self.now());
                let written = CheckpointWritten { step, file, checksums, time };
                self.sink.accept(RunEvent::CheckpointWritten(written));
            }
            Err(error) => self.sink.warn(format!("no checkpoint of step {}: {error}", self.step)),
        }
    }

    fn now(&self) -> At {
        At { at_ms: (self.task.clock)() }
    }
}

/// The layers of a network whose statistics are recorded; none where all are.
fn recorded_layers(recording: &Recording, topology: &Topology) -> Option<Vec<LayerIdx>> {
    let layers = topology.layers.iter().enumerate();
    let recorded = layers.filter(|(_, layer)| recording.records(&layer.name)).map(|(at, _)| LayerIdx(at));
    (!recording.layers.is_empty()).then(|| recorded.collect())
}

/// The histograms of these layers.
fn chosen(mut histograms: Vec<LayerHistograms>, layers: &[LayerIdx]) -> Vec<LayerHistograms> {
    layers.iter().filter_map(|layer| histograms.get_mut(layer.0).map(std::mem::take)).collect()
}

/// Whether something that happens every so many steps, or never for 0, happens after a step.
fn is_due(every: u64, step: Step) -> bool {
    every > 0 && step.0.is_multiple_of(every)
}

/// Whether something is recorded of a step: of the first too, since it shows the initial weights.
fn is_recorded(every: u64, step: Step) -> bool {
    is_due(every, step) || (every > 0 && step == Step(1))
}
