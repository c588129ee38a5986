//! How fast a lane goes, from the times that its events carry. Reads no clock.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::series::{Bucket, Series};
use super::smoothing::Ema;
use crate::event::StepTime;
use crate::experiment::Experiment;
use crate::units::Step;

/// The decay per step of the averages: about the last 30 steps count.
const DECAY: f64 = 0.97;
/// The least steps that a pace is told from.
const STEPS: u64 = 64;
/// The most interruptions that are remembered; older ones were long before the steps that count.
const INTERRUPTIONS: usize = 64;

/// What a lane's time went into.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    last_at_ms: Option<f64>,
    interval_ms: Ema,
    /// The steps so far of those that the next share is told from, and the sums of those before.
    counted: Sums,
    whole: Option<Sums>,
    paused_at_ms: Option<f64>,
    /// Milliseconds after a step in which nothing was trained.
    idle: VecDeque<(Step, f64)>,
}

/// The times of steps, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    steps: u64,
    step_ms: f64,
    statistics_ms: f64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            last_at_ms: None,
            interval_ms: Ema::new(DECAY),
            counted: Sums::default(),
            whole: None,
            paused_at_ms: None,
            idle: VecDeque::new(),
        }
    }
}

impl Pace {
    /// Takes the times of a step.
    pub(super) fn step(&mut self, time: &StepTime, experiment: Option<&Experiment>) {
        if let Some(last) = self.last_at_ms
            && time.at_ms > last
        {
            self.interval_ms.push(time.at_ms - last);
        } else if self.last_at_ms.is_none() {
            self.interval_ms.push(time.step_ms);
        }
        self.last_at_ms = Some(time.at_ms);
        let rounds = experiment.map(|experiment| &experiment.statistics);
        if self.counted.steps >= whole_rounds(rounds.map_or(1, |s| s.every.max(s.histograms_every))) {
            self.whole = Some(std::mem::take(&mut self.counted));
        }
        self.counted.steps += 1;
        self.counted.step_ms += time.step_ms;
        self.counted.statistics_ms += time.statistics_ms;
    }

    /// The lane begins at a moment.
    pub(super) fn start(&mut self, at_ms: f64) {
        self.last_at_ms = Some(at_ms);
    }

    /// Nothing is trained from a moment on.
    pub(super) fn pause(&mut self, at_ms: f64) {
        self.paused_at_ms = Some(at_ms);
    }

    /// Training goes on after a pause behind a step.
    pub(super) fn go_on(&mut self, step: Step, at_ms: f64) {
        if let Some(paused) = self.paused_at_ms.take() {
            self.rest(step, at_ms - paused);
        }
        self.last_at_ms = Some(at_ms);
    }

    /// Training goes on behind a step that it was thrown back to; what it did from `since_ms` on is lost.
    pub(super) fn go_on_from(&mut self, step: Step, since_ms: f64, at_ms: f64) {
        self.idle.retain(|(after, _)| *after < step);
        self.paused_at_ms = Some(since_ms);
        self.go_on(step, at_ms);
    }

    fn rest(&mut self, step: Step, ms: f64) {
        if self.idle.len() == INTERRUPTIONS {
            self.idle.pop_front();
        }
        self.idle.push_back((step, ms.max(0.0)));
    }

    /// Milliseconds from step to step, evaluations included, over about the last 30 steps.
    pub fn interval_ms(&self) -> Option<f64> {
        self.interval_ms.value().filter(|ms| *ms > 0.0)
    }

    /// Milliseconds that a step takes with all that lies between steps but pauses and interruptions, over the last
    /// steps that hold whole rounds of evaluations and checkpoints. `steps` is any curve with a point a step.
    pub(super) fn wall_ms(&self, steps: &Series, started_at_ms: f64, experiment: &Experiment) -> Option<f64> {
        let training = &experiment.training;
        let window = whole_rounds(training.evaluate_every.max(training.checkpoint_every));
        let end = steps.last()?;
        let from = Step(end.last_step.0.saturating_sub(window));
        let earlier = steps.buckets().partition_point(|bucket| bucket.last_step <= from);
        let begin = |bucket: &Bucket| (bucket.last_step, bucket.at_ms);
        let (step, at_ms) = steps.buckets()[..earlier].last().map_or((Step(0), started_at_ms), begin);
        let within = |(after, _): &&(Step, f64)| (step..end.last_step).contains(after);
        let idle: f64 = self.idle.iter().filter(within).map(|(_, ms)| ms).sum();
        let ms = (end.at_ms - at_ms - idle) / end.last_step.0.saturating_sub(step.0) as f64;
        (ms.is_finite() && ms > 0.0).then_some(ms)
    }

    /// The share of the steps' time that statistics outside the operations take, 0 to 1, over steps that hold whole
    /// rounds of recording.
    pub fn statistics_share(&self) -> Option<f64> {
        let sums = self.whole.unwrap_or(self.counted);
        (sums.step_ms > 0.0).then(|| sums.statistics_ms / sums.step_ms).filter(|share| share.is_finite())
    }
}

/// At least [`STEPS`] steps of which the same part falls to what is done every so many.
fn whole_rounds(every: u64) -> u64 {
    let every = every.max(1);
    STEPS.div_ceil(every) * every
}

#[cfg(test)]
mod tests {
    use crate::app::specimen::Specimen;
    use crate::app::{Lane, LaneLabel};
    use crate::event::*;
    use crate::experiment::Shortcut;
    use crate::units::{LaneIdx, Step};

    /// A lane that evaluates every 100 steps, for 3 s, and takes histograms every 40.
    fn started() -> Lane {
        let events = Specimen { steps: 1000, ..Specimen::new("plain", 8, Shortcut::None) }.events();
        let RunEvent::LaneStarted(mut first) = events.into_iter().next().unwrap() else { panic!() };
        first.experiment.training.evaluate_every = 100;
        first.experiment.training.checkpoint_every = 50;
        first.experiment.statistics.every = 1;
        first.experiment.statistics.histograms_every = 40;
        first.time = At { at_ms: 500.0 };
        let mut lane = Lane::new(LaneIdx(0), LaneLabel { run: "run".into(), lane: "plain".into() });
        lane.apply(&RunEvent::LaneStarted(first), None);
        lane
    }

    /// Makes steps of 50 ms that come every 80 ms, and evaluations; gives the time afterwards.
    fn make(lane: &mut Lane, steps: std::ops::RangeInclusive<u64>, mut at_ms: f64) -> f64 {
        for step in steps {
            at_ms += 80.0;
            let statistics_ms = if step % 40 == 0 { 10.0 } else { 1.0 };
            let time = StepTime { at_ms, step_ms: 50.0, statistics_ms };
            let (loss, error, statistics) = (1.0, 0.5, Columns::default());
            let step = Step(step);
            let step = StepFinished { step, loss, error, learning_rate: 0.1, statistics, time };
            let number = step.step;
            lane.apply(&RunEvent::StepFinished(step), None);
            if number.0.is_multiple_of(100) {
                at_ms += 3000.0;
                let (images, time) = (100, At { at_ms });
                let (split, mode) = (Split::Test, Mode::Eval);
                let made = EvaluationFinished { step: number, split, mode, images, loss, error, time };
                lane.apply(&RunEvent::EvaluationFinished(made), None);
            }
        }
        at_ms
    }

    fn assert_left(lane: &Lane, expected: f64) {
        let left = lane.remaining_ms().unwrap();
        assert!((left - expected).abs() < 1e-6 * expected, "{left} instead of {expected}");
    }

    #[test]
    fn what_is_left_counts_waiting_and_evaluations_at_any_place_between_them() {
        let mut lane = started();
        let mut at_ms = make(&mut lane, 1..=10, 500.0);
        assert_left(&lane, 990.0 * 80.0);
        for step in 11..=350 {
            at_ms = make(&mut lane, step..=step, at_ms);
            if step > 100 {
                assert_left(&lane, (1000 - step) as f64 * (80.0 + 30.0));
            }
        }
    }

    #[test]
    fn what_is_left_knows_nothing_of_pauses_and_interruptions() {
        let mut lane = started();
        let mut at_ms = make(&mut lane, 1..=250, 500.0);
        let moment = |at_ms| Moment { step: Step(250), time: At { at_ms } };
        lane.apply(&RunEvent::Paused(moment(at_ms)), None);
        at_ms += 3.6e6;
        lane.apply(&RunEvent::Resumed(moment(at_ms)), None);
        at_ms = make(&mut lane, 251..=260, at_ms);
        assert_left(&lane, 740.0 * 110.0);
        at_ms += 8.64e7;
        let time = At { at_ms };
        let checkpoint = Some("plain-250.safetensors".to_owned());
        let again = LaneResumed { step: Step(250), checkpoint, changes: Vec::new(), time };
        lane.apply(&RunEvent::LaneResumed(again), None);
        assert_left(&lane, 750.0 * 110.0);
        make(&mut lane, 251..=280, at_ms);
        assert_left(&lane, 720.0 * 110.0);
    }

    #[test]
    fn the_share_of_statistics_is_of_all_steps_of_whole_rounds() {
        let mut lane = started();
        let mut at_ms = make(&mut lane, 1..=80, 500.0);
        // Two of 80 steps take histograms, wherever the rounds stand.
        let expected = (78.0 * 1.0 + 2.0 * 10.0) / (80.0 * 50.0);
        for step in 81..=300 {
            at_ms = make(&mut lane, step..=step, at_ms);
            let share = lane.pace().statistics_share().unwrap();
            assert!((share - expected).abs() < 1e-12, "step {step}: {share} instead of {expected}");
        }
    }
}
