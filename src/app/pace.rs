//! How fast a lane trains, from the times in its events. Reads no clock.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::smoothing::Ema;
use crate::event::Time;
use crate::experiment::Experiment;
use crate::history::{History, Row};
use crate::units::Step;

/// The decay per step of the averages: about the last 30 steps count.
const DECAY: f64 = 0.97;
/// The fewest steps that a pace is computed from.
const STEPS: u64 = 64;
/// The most interruptions that are remembered; older ones lie before the steps that count.
const INTERRUPTIONS: usize = 64;

/// How a lane spent its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    started_ms: f64,
    last_at_ms: Option<f64>,
    interval_ms: Ema,
    /// The sums for the current window of steps so far, and those for the last complete window.
    counted: Sums,
    whole: Option<Sums>,
    paused_at_ms: Option<f64>,
    /// Steps after which training was interrupted, and for how many milliseconds.
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
            started_ms: 0.0,
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
    /// Adds the times of a step.
    pub(super) fn step(&mut self, time: &Time, experiment: Option<&Experiment>) {
        if let Some(last) = self.last_at_ms
            && time.at_ms > last
        {
            self.interval_ms.push(time.at_ms - last);
        } else if self.last_at_ms.is_none() {
            self.interval_ms.push(time.step_ms.unwrap_or(f64::NAN));
        }
        self.last_at_ms = Some(time.at_ms);
        let rounds = experiment.map(|experiment| &experiment.statistics);
        if self.counted.steps >= whole_rounds(rounds.map_or(1, |s| s.every.max(s.histograms_every))) {
            self.whole = Some(std::mem::take(&mut self.counted));
        }
        self.counted.steps += 1;
        self.counted.step_ms += time.step_ms.unwrap_or(0.0);
        self.counted.statistics_ms += time.statistics_ms.unwrap_or(0.0);
    }

    /// Records when the lane begins, in milliseconds since the run started.
    pub(super) fn start(&mut self, at_ms: f64) {
        (self.started_ms, self.last_at_ms) = (at_ms, Some(at_ms));
    }

    /// When the lane began, in milliseconds since the run started.
    pub(super) fn started_ms(&self) -> f64 {
        self.started_ms
    }

    /// Records that training is paused.
    pub(super) fn pause(&mut self, at_ms: f64) {
        self.paused_at_ms = Some(at_ms);
    }

    /// Records that training goes on after a step, ending a pause.
    pub(super) fn go_on(&mut self, step: Step, at_ms: f64) {
        if let Some(paused) = self.paused_at_ms.take() {
            self.rest(step, at_ms - paused);
        }
        self.last_at_ms = Some(at_ms);
    }

    /// Records that training goes on from an earlier step; the time from `since_ms` on was lost.
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

    /// Milliseconds per step, including all work between steps but not pauses and interruptions, over the last steps
    /// that span whole rounds of evaluations and checkpoints. `steps` has one row per step.
    pub(super) fn wall_ms(&self, steps: &History, experiment: Option<&Experiment>) -> Option<f64> {
        let training = experiment.map(|experiment| &experiment.training);
        let every = training.map_or(1, |training| training.evaluate_every.max(training.checkpoint_every));
        let window = whole_rounds(every);
        let end = steps.last()?.span;
        let from = Step(end.last_step.0.saturating_sub(window));
        let earlier = steps.rows().rev().map(|row: Row<'_>| row.span).find(|span| span.last_step <= from);
        let (step, at_ms) = earlier.map_or((Step(0), self.started_ms), |span| (span.last_step, span.at_ms));
        let within = |(after, _): &&(Step, f64)| (step..end.last_step).contains(after);
        let idle: f64 = self.idle.iter().filter(within).map(|(_, ms)| ms).sum();
        let ms = (end.at_ms - at_ms - idle) / end.last_step.0.saturating_sub(step.0) as f64;
        (ms.is_finite() && ms > 0.0).then_some(ms)
    }

    /// The mean of the milliseconds that a step takes, statistics included, over whole rounds of recording.
    pub fn step_ms(&self) -> Option<f64> {
        let sums = self.whole.unwrap_or(self.counted);
        (sums.step_ms > 0.0).then(|| sums.step_ms / sums.steps as f64)
    }

    /// The share of the steps' time spent on statistics outside the operations, 0 to 1, over whole rounds of recording.
    pub fn statistics_share(&self) -> Option<f64> {
        let sums = self.whole.unwrap_or(self.counted);
        (sums.step_ms > 0.0).then(|| sums.statistics_ms / sums.step_ms).filter(|share| share.is_finite())
    }
}

/// The least multiple of `every` that is at least [`STEPS`], so that periodic work is counted in proportion.
fn whole_rounds(every: u64) -> u64 {
    let every = every.max(1);
    STEPS.div_ceil(every) * every
}

#[cfg(test)]
mod tests {
    use crate::app::specimen::Specimen;
    use crate::app::{Lane, LaneLabel};
    use crate::event::*;
    use crate::metric::known;
    use crate::units::{LaneIdx, Step};

    /// A lane that evaluates every 100 steps, for 3 s, and takes histograms every 40.
    fn started() -> Lane {
        let events = Specimen { steps: 1000, ..Specimen::new("plain", 8, "none") }.events();
        let mut first = events.into_iter().next().unwrap();
        let Kind::LaneStarted(started) = &mut first.kind else { panic!() };
        let experiment = &mut started.provenance.as_mut().unwrap().experiment;
        experiment.training.evaluate_every = 100;
        experiment.training.checkpoint_every = 50;
        experiment.statistics.every = 1;
        experiment.statistics.histograms_every = 40;
        first.time = Time::at(500.0);
        let mut lane = Lane::new(LaneIdx(0), LaneLabel { run: "run".into(), lane: "plain".into() });
        lane.apply(&first, None);
        lane
    }

    /// Makes steps of 50 ms that come every 80 ms, and evaluations; returns the time afterwards.
    fn make(lane: &mut Lane, steps: std::ops::RangeInclusive<u64>, mut at_ms: f64) -> f64 {
        for step in steps {
            at_ms += 80.0;
            let statistics_ms = if step % 40 == 0 { 10.0 } else { 1.0 };
            let time =
                Time { at_ms, step_ms: Some(50.0), statistics_ms: Some(statistics_ms), ..Time::default() };
            let measured = |metric| Kind::Measured(Values::default().with(metric, 0.5));
            lane.apply(&RunEvent { step: Step(step), time, kind: measured(known::LOSS) }, None);
            if step.is_multiple_of(100) {
                at_ms += 3000.0;
                lane.apply(&RunEvent::new(Step(step), at_ms, measured(known::TEST_ERROR)), None);
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
        lane.apply(&RunEvent::new(Step(250), at_ms, Kind::Paused), None);
        at_ms += 3.6e6;
        lane.apply(&RunEvent::new(Step(250), at_ms, Kind::Resumed), None);
        at_ms = make(&mut lane, 251..=260, at_ms);
        assert_left(&lane, 740.0 * 110.0);
        at_ms += 8.64e7;
        let checkpoint = Some("plain-250.safetensors".to_owned());
        let again = Kind::LaneResumed(LaneResumed { checkpoint, ..LaneResumed::default() });
        lane.apply(&RunEvent::new(Step(250), at_ms, again), None);
        assert_left(&lane, 750.0 * 110.0);
        make(&mut lane, 251..=280, at_ms);
        assert_left(&lane, 720.0 * 110.0);
    }

    #[test]
    fn the_share_of_statistics_is_of_all_steps_of_whole_rounds() {
        let mut lane = started();
        let mut at_ms = make(&mut lane, 1..=80, 500.0);
        // Two of 80 steps record histograms, wherever the rounds begin.
        let expected = (78.0 * 1.0 + 2.0 * 10.0) / (80.0 * 50.0);
        for step in 81..=300 {
            at_ms = make(&mut lane, step..=step, at_ms);
            let share = lane.pace().statistics_share().unwrap();
            assert!((share - expected).abs() < 1e-12, "step {step}: {share} instead of {expected}");
        }
    }
}
