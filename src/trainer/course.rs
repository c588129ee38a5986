//! The course of one lane from its first event to its last.

use std::collections::VecDeque;

use super::checkpoint::Written;
use super::evaluation::{Pass, passes};
use super::probes::{self, Chosen, Interruptible, Subject};
use super::schedule::Rates;
use super::{Batches, Place, Resumed, Sink, Task, checkpoint};
use crate::datasets::Batch;
use crate::event::{
    CheckpointWritten, FORMAT_VERSION, Kind, LaneFinished, LaneResumed, LaneStarted, MetricsDeclared, Mode,
    NonFiniteFound, NoteTaken, OrderTaken, Outcome, Provenance, RunEvent, Split, Time, Values, evaluated,
};
use crate::experiment::{Experiment, Recording, When};
use crate::metric::{Metric, known};
use crate::model::{Description, HISTOGRAMS, Network, StepResult, WITH_HISTOGRAMS, Wanted};
use crate::order::{Order, ProbeName, Taken};
use crate::structure::Structure;
use crate::units::{LayerIdx, Step};

/// A lane in training.
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
    /// The learning rates of the steps to come.
    rates: Rates,
    /// What was measured after the current step, by evaluations and probes.
    measured: Vec<Metric>,
    /// Milliseconds of pauses.
    waited_ms: f64,
    /// Orders that an earlier part of the run carried out at steps still to come.
    again: VecDeque<Taken>,
}

impl<'a> Course<'a> {
    /// Trains to the end.
    pub(super) fn run(
        network: &'a mut dyn Network,
        batches: &'a mut dyn Batches,
        task: &'a Task<'a>,
        sink: &'a mut dyn Sink,
    ) -> Outcome {
        let resumed = task.resumed.clone().unwrap_or_default();
        let step = resumed.step;
        let rates = Rates::after(&task.experiment.training, &resumed.taken);
        let evaluated = Batch::default();
        let recorded = recorded_layers(&task.experiment.statistics, &network.description().structure);
        let mut course = Course {
            network,
            batches,
            task,
            sink,
            evaluated,
            recorded,
            step,
            rates,
            measured: resumed.measured,
            waited_ms: 0.0,
            again: resumed.again,
        };
        let outcome = course.all_steps().err().unwrap_or(Outcome::Completed);
        // Pending rates and notes are logged, however it ended; nothing can end the lane again.
        let _ = course.obey(Place::AtEnd);
        course.tell(Kind::LaneFinished(LaneFinished { outcome: outcome.clone() }));
        outcome
    }

    /// Makes all steps, unless the lane ends earlier.
    fn all_steps(&mut self) -> Result<(), Outcome> {
        let training = &self.task.experiment.training;
        match &self.task.resumed {
            None => {
                self.begin();
                self.write_start();
                self.measure()?;
            }
            Some(resumed) => self.resume(resumed)?,
        }
        while self.step.0 < training.steps {
            self.obey(Place::BetweenSteps)?;
            self.make_step()?;
            self.measure()?;
            self.write_due_checkpoint();
        }
        Ok(())
    }

    /// Resumes where an earlier part of the run was interrupted. After a checkpoint that was ordered in the middle of
    /// an evaluation or a probe, what remains of them and the checkpoint that follows are still due.
    fn resume(&mut self, resumed: &Resumed) -> Result<(), Outcome> {
        let Resumed { step, checkpoint, from, changes, declared, .. } = resumed.clone();
        debug_assert_eq!(step, self.step);
        let is_from_start = checkpoint.is_none();
        self.tell(Kind::LaneResumed(LaneResumed { checkpoint, changes, from }));
        let undeclared = self.metrics().into_iter().filter(|metric| !declared.contains(metric));
        let metrics: Vec<Metric> = undeclared.collect();
        if !metrics.is_empty() {
            self.tell(Kind::MetricsDeclared(self.declared(metrics, probes::chosen(self.task.experiment))));
        }
        if is_from_start {
            self.write_start();
        }
        let (passes, probes) = (self.due_passes(), self.due_probes());
        if !passes.is_empty() || !probes.is_empty() {
            self.evaluate(&passes)?;
            self.probe(&probes)?;
            self.write_due_checkpoint();
        }
        Ok(())
    }

    /// Measures what is due after the current step.
    fn measure(&mut self) -> Result<(), Outcome> {
        self.evaluate(&self.due_passes())?;
        self.probe(&self.due_probes())
    }

    /// Whether there is an evaluation after the current step.
    fn is_evaluated(&self) -> bool {
        let training = &self.task.experiment.training;
        is_due(training.evaluate_every, self.step) || self.step.0 >= training.steps
    }

    /// The passes due after the current step, without those that were already made.
    fn due_passes(&self) -> Vec<(Split, Mode)> {
        let Task { experiment: Experiment { training, .. }, dataset, .. } = self.task;
        if !self.is_evaluated() {
            return Vec::new();
        }
        let is_missing = |&(split, mode): &(Split, Mode)| {
            !self.has_measured(&evaluated(split, mode))
                && !Pass::new(dataset, training, split, mode).is_empty()
        };
        passes(self.step).iter().copied().filter(is_missing).collect()
    }

    /// The probes due after the current step, without those that were already run.
    fn due_probes(&self) -> Vec<Chosen<'a>> {
        let is_due = |probe: &Chosen<'_>| match &probe.settings.at {
            When::End => self.step.0 >= self.task.experiment.training.steps,
            When::Evaluations => self.is_evaluated(),
            When::Steps(steps) => steps.contains(&self.step.0),
        };
        let is_missing = |probe: &Chosen<'_>| !self.has_measured(&probe.metrics());
        probes::chosen(self.task.experiment).filter(is_due).filter(is_missing).collect()
    }

    /// Whether all of this was measured after the current step.
    fn has_measured(&self, metrics: &[Metric]) -> bool {
        metrics.iter().all(|metric| self.measured.contains(metric))
    }

    /// Writes a checkpoint if one is due after the current step.
    fn write_due_checkpoint(&mut self) {
        let training = &self.task.experiment.training;
        let is_last = self.step.0 >= training.steps;
        if self.step > Step(0) && (is_last || is_due(training.checkpoint_every, self.step)) {
            self.write_checkpoint();
        }
    }

    /// Writes a checkpoint of what the lane starts from, if that is a checkpoint, too: from here on it is not needed.
    fn write_start(&mut self) {
        let Task { lane, experiment, .. } = self.task;
        if experiment.lanes.iter().any(|own| own.name == *lane && own.start.is_some()) {
            self.write_checkpoint();
        }
    }

    fn begin(&mut self) {
        let Task { lane, experiment, dataset, order, initial_weights, .. } = self.task;
        let Description { input, classes, structure, .. } = self.network.description().clone();
        let provenance = Provenance {
            experiment: (*experiment).clone(),
            input,
            classes,
            train_images: dataset.train.len(),
            test_images: dataset.test.len(),
            initial_weights: initial_weights.clone(),
            batch_order: order.hash(experiment.training.steps),
            data_set: Some(dataset.hash().to_owned()),
        };
        let started = LaneStarted {
            version: FORMAT_VERSION,
            lane: (*lane).to_owned(),
            structure,
            recorded: self.recorded.clone(),
            declared: self.declared(self.metrics(), probes::chosen(experiment)),
            steps: Some(experiment.training.steps),
            activation_bytes: Some(self.network.activation_bytes(experiment.training.batch)),
            provenance: Some(provenance),
        };
        self.tell(Kind::LaneStarted(Box::new(started)));
    }

    /// What the lane measures, in the order of a step's values.
    fn metrics(&self) -> Vec<Metric> {
        let Task { experiment: Experiment { training, statistics, .. }, dataset, .. } = self.task;
        let mut metrics = vec![known::LOSS, known::ERROR, known::LEARNING_RATE];
        if statistics.every > 0 {
            metrics.extend(self.network.metrics());
        }
        if statistics.histograms_every > 0 {
            metrics.extend(WITH_HISTOGRAMS);
            metrics.extend(HISTOGRAMS);
        }
        let made = |&&(split, mode): &&(Split, Mode)| !Pass::new(dataset, training, split, mode).is_empty();
        let passes = passes(Step(1)).iter().filter(made);
        metrics.extend(passes.flat_map(|&(split, mode)| evaluated(split, mode)));
        metrics.extend(probes::chosen(self.task.experiment).flat_map(|probe| probe.metrics()));
        metrics
    }

    /// Metrics with the axes that they go over, among them those of probes.
    fn declared<'p>(
        &self,
        metrics: Vec<Metric>,
        probes: impl Iterator<Item = Chosen<'p>>,
    ) -> MetricsDeclared {
        let description = self.network.description();
        let mut axes = description.axes();
        for axis in probes.flat_map(|probe| probe.axes(description)) {
            if !axes.contains(&axis) {
                axes.push(axis);
            }
        }
        axes.retain(|axis| metrics.iter().any(|metric| metric.axes().contains(&axis.name.as_str())));
        MetricsDeclared { metrics, axes }
    }

    fn make_step(&mut self) -> Result<(), Outcome> {
        let Task { experiment, clock, .. } = self.task;
        let begun_ms = clock();
        let step = Step(self.step.0 + 1);
        let rate = self.rates.of(&experiment.training, step);
        let recording = &experiment.statistics;
        let wanted = Wanted {
            scalars: is_recorded(recording.every, step),
            histograms: is_recorded(recording.histograms_every, step),
        };
        let result = self.network.train_step(self.batches.next(step), rate, wanted);
        let error = result.wrong as f32 / result.labelled.max(1) as f32;
        self.step = step;
        self.measured.clear();
        self.tell_step(result, error, rate, begun_ms)
    }

    /// Emits all events of a step; ends the lane if something was not finite.
    fn tell_step(
        &mut self,
        result: StepResult,
        error: f32,
        learning_rate: f64,
        begun_ms: f64,
    ) -> Result<(), Outcome> {
        let (step, now) = (self.step, self.now());
        let (statistics, histograms) = match &self.recorded {
            None => (result.statistics, result.histograms),
            Some(layers) => (result.statistics.narrowed(layers), result.histograms.narrowed(layers)),
        };
        let values = Values::default()
            .with(known::LOSS, result.loss)
            .with(known::ERROR, error)
            .with(known::LEARNING_RATE, learning_rate as f32)
            .and(statistics);
        let time =
            Time { step_ms: Some(now.at_ms - begun_ms), statistics_ms: Some(result.statistics_ms), ..now };
        self.sink.accept(RunEvent { step, time, kind: Kind::Measured(values) });
        if !histograms.is_empty() {
            self.sink.accept(RunEvent { step, time: now, kind: Kind::Measured(histograms) });
        }
        match result.non_finite {
            None => Ok(()),
            Some(found) => {
                let (layer, pass) = (found.layer, found.pass);
                let kind = Kind::NonFiniteFound(NonFiniteFound { layer, pass });
                self.sink.accept(RunEvent { step, time: now, kind });
                Err(Outcome::Diverged)
            }
        }
    }

    /// Emits an event at the current step and time.
    fn tell(&mut self, kind: Kind) {
        let (step, time) = (self.step, self.now());
        self.sink.accept(RunEvent { step, time, kind });
    }

    fn evaluate(&mut self, passes: &[(Split, Mode)]) -> Result<(), Outcome> {
        passes.iter().try_for_each(|&(split, mode)| self.evaluate_split(split, mode))
    }

    fn evaluate_split(&mut self, split: Split, mode: Mode) -> Result<(), Outcome> {
        let Task { experiment, dataset, .. } = self.task;
        let mut pass = Pass::new(dataset, &experiment.training, split, mode);
        while pass.advance(self.network, &mut self.evaluated) {
            self.obey(Place::WithinEvaluation)?;
        }
        if let Some((loss, error)) = pass.result() {
            let [of_loss, of_error] = evaluated(split, mode);
            self.tell_measured(Values::default().with(of_loss, loss).with(of_error, error), self.now());
        }
        Ok(())
    }

    /// Emits what was measured after the current step.
    fn tell_measured(&mut self, values: Values, time: Time) {
        self.measured.extend(values.iter().map(|(metric, _)| metric));
        self.sink.accept(RunEvent { step: self.step, time, kind: Kind::Measured(values) });
    }

    /// Runs probes.
    fn probe(&mut self, probes: &[Chosen<'_>]) -> Result<(), Outcome> {
        for probe in probes {
            let (values, probe_ms) = self.values_of(probe)?;
            self.tell_measured(values, Time { probe_ms: Some(probe_ms), ..self.now() });
        }
        Ok(())
    }

    /// What a probe measures, and the milliseconds that it took, without pauses.
    fn values_of(&mut self, probe: &Chosen<'_>) -> Result<(Values, f64), Outcome> {
        let (begun_ms, waited_ms) = (self.now().at_ms, self.waited_ms);
        let (task, step) = (self.task, self.step);
        let values = probe.run(Subject::new(self, task, step, &probe.settings))?;
        let values = match &self.recorded {
            None => values,
            Some(layers) => values.narrowed(layers),
        };
        Ok((values, self.now().at_ms - begun_ms - (self.waited_ms - waited_ms)))
    }

    /// Runs a probe that was ordered, unless this step's records have what it measures. The record of the order comes
    /// after the measurement, so that a lane resumed from a checkpoint within it, or stopped within it, has no trace of
    /// the order before. Records that are made again have the same declarations, so each order declares what the lane
    /// did not when it started.
    fn probe_as_ordered(&mut self, name: ProbeName, place: Place) -> Result<(), Outcome> {
        let experiment = self.task.experiment;
        let probe = match probes::named(experiment, name.as_str()) {
            Some(probe) if place == Place::BetweenSteps => probe,
            found => {
                let reason = if found.is_some() { "the lane ends" } else { "there is no such probe" };
                self.sink.warn(format!("probe {name} was not carried out: {reason}"));
                return Ok(());
            }
        };
        let is_declared = experiment.probes.contains_key(name.as_str());
        let order = Kind::OrderTaken(OrderTaken { order: Order::Probe(name) });
        let metrics = probe.metrics();
        if self.has_measured(&metrics) {
            self.tell(order);
            return Ok(());
        }
        let (values, probe_ms) = self.values_of(&probe)?;
        self.tell(order);
        if !is_declared {
            self.tell(Kind::MetricsDeclared(self.declared(metrics, std::iter::once(probe))));
        }
        self.tell_measured(values, Time { probe_ms: Some(probe_ms), ..self.now() });
        Ok(())
    }

    /// Carries out orders until none is pending.
    fn obey(&mut self, place: Place) -> Result<(), Outcome> {
        if place != Place::WithinEvaluation {
            self.obey_again(place)?;
        }
        while let Some(order) = self.sink.poll(self.step, place) {
            match order {
                Order::Pause => self.pause(place)?,
                order => self.carry_out(order, place)?,
            }
        }
        Ok(())
    }

    /// Repeats the orders that an earlier part of the run carried out at this step, before any new ones.
    fn obey_again(&mut self, place: Place) -> Result<(), Outcome> {
        while let Some(taken) = self.again.pop_front_if(|taken| taken.step <= self.step) {
            self.carry_out(taken.order, place)?;
        }
        Ok(())
    }

    /// Waits until a pause ends.
    fn pause(&mut self, place: Place) -> Result<(), Outcome> {
        self.tell(Kind::Paused);
        let begun_ms = self.now().at_ms;
        let ended = self.wait(place);
        self.waited_ms += self.now().at_ms - begun_ms;
        ended?;
        self.tell(Kind::Resumed);
        Ok(())
    }

    /// Carries out orders until one of them ends a pause.
    fn wait(&mut self, place: Place) -> Result<(), Outcome> {
        loop {
            match self.sink.wait(self.step, place) {
                Order::Resume => return Ok(()),
                order @ Order::Step(_) => return self.carry_out(order, place),
                order => self.carry_out(order, place)?,
            }
        }
    }

    /// Carries out an order and logs it.
    fn carry_out(&mut self, order: Order, place: Place) -> Result<(), Outcome> {
        match &order {
            Order::Pause | Order::Resume => {}
            Order::Checkpoint => self.write_checkpoint(),
            Order::Stop | Order::StopLane => {
                // The record of the order comes after that of the checkpoint, so that a lane resumed from there has no
                // trace of a stop.
                self.write_checkpoint();
                self.tell(Kind::OrderTaken(OrderTaken { order }));
                return Err(Outcome::Stopped);
            }
            Order::Step(_) => self.tell(Kind::OrderTaken(OrderTaken { order })),
            Order::LearningRate(change) => {
                let (training, next) = (&self.task.experiment.training, Step(self.step.0 + 1));
                match self.rates.change(training, next, *change) {
                    Ok(()) => self.tell(Kind::OrderTaken(OrderTaken { order })),
                    Err(reason) => self.sink.warn(format!("{order} was not carried out: {reason}")),
                }
            }
            Order::Note(note) => {
                self.tell(Kind::NoteTaken(NoteTaken { text: note.text().to_owned() }));
            }
            Order::Probe(name) => self.probe_as_ordered(name.clone(), place)?,
        }
        Ok(())
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
                self.tell(Kind::CheckpointWritten(CheckpointWritten { file, checksums: Some(checksums) }));
            }
            Err(error) => self.sink.warn(format!("no checkpoint of step {}: {error}", self.step)),
        }
    }

    fn now(&self) -> Time {
        Time::at((self.task.clock)())
    }
}

impl Interruptible for Course<'_> {
    fn network(&mut self) -> &mut dyn Network {
        self.network
    }

    fn between_batches(&mut self) -> Result<(), Outcome> {
        self.obey(Place::WithinEvaluation)
    }
}

/// The layers of a network whose statistics are recorded; none if all are.
fn recorded_layers(recording: &Recording, structure: &Structure) -> Option<Vec<LayerIdx>> {
    let layers = structure.layers.iter().enumerate();
    let recorded = layers.filter(|(_, layer)| recording.records(&layer.name)).map(|(at, _)| LayerIdx(at));
    (!recording.layers.is_empty()).then(|| recorded.collect())
}

/// Whether something that happens every `every` steps, or never for 0, happens after a step.
fn is_due(every: u64, step: Step) -> bool {
    every > 0 && step.0.is_multiple_of(every)
}

/// Whether something is recorded at a step: always at the first, since it shows the initial weights.
fn is_recorded(every: u64, step: Step) -> bool {
    is_due(every, step) || (every > 0 && step == Step(1))
}
