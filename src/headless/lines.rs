//! Events as plain lines: a time stamp in UTC, the lane, what happened. For logs, pipes and other programs.

use std::io::Write;

use jiff::{SignedDuration, Timestamp};

use super::{
    Listener, evaluation_text, lost_text, non_finite_text, outcome_text, resumed_text, started_text,
};
use crate::app::Lane;
use crate::event::{LaneStarted, RunEvent, StepFinished};
use crate::text::{percent, printable, short};
use crate::units::LaneIdx;

/// A lane's steps are told so many times over the whole run.
const TOLD_STEPS: u64 = 20;

/// Tells events by lines.
pub(super) struct Lines {
    names: Vec<String>,
    width: usize,
    started: Timestamp,
    out: Listener,
}

impl Lines {
    pub(super) fn new(names: Vec<String>, started: Timestamp, out: Box<dyn Write>) -> Lines {
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        Lines { names, width, started, out: Listener(Some(out)) }
    }

    /// Tells of an event; `state` is the lane with the event folded in.
    pub(super) fn event(&mut self, lane: LaneIdx, event: &RunEvent, state: Option<&Lane>) {
        let started = state.and_then(Lane::started);
        let text = match event {
            RunEvent::LaneStarted(started) => started_text(started),
            RunEvent::StepFinished(step) => match step_text(step, started) {
                Some(text) => text,
                None => return,
            },
            RunEvent::HistogramsTaken(_) => return,
            RunEvent::EvaluationFinished(evaluation) => evaluation_text(evaluation),
            RunEvent::CheckpointWritten(checkpoint) => {
                format!("step {}: wrote {}", checkpoint.step, checkpoint.file)
            }
            RunEvent::NonFiniteFound(found) => non_finite_text(found, started),
            RunEvent::Paused(moment) => format!("step {}: paused", moment.step),
            RunEvent::Resumed(moment) => format!("step {}: goes on", moment.step),
            RunEvent::LaneResumed(resumed) => resumed_text(resumed),
            RunEvent::RecordsLost(lost) => lost_text(lost),
            RunEvent::LaneFinished(end) => format!("step {}: {}", end.step, outcome_text(&end.outcome)),
        };
        self.say(event.at_ms(), lane, &text);
    }

    /// A line of a lane at a moment of the run.
    pub(super) fn say(&mut self, at_ms: f64, lane: LaneIdx, text: &str) {
        let since = SignedDuration::try_from_secs_f64(at_ms / 1e3).unwrap_or_default();
        let at = self.started.checked_add(since).unwrap_or(self.started);
        self.tell(at, Some(lane), text);
    }

    /// A line at this moment.
    pub(super) fn say_now(&mut self, lane: Option<LaneIdx>, text: &str) {
        self.tell(Timestamp::now(), lane, text);
    }

    fn tell(&mut self, at: Timestamp, lane: Option<LaneIdx>, text: &str) {
        let name = lane.and_then(|lane| self.names.get(lane.0)).map(String::as_str).unwrap_or_default();
        let stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ");
        self.out.tell(&format!("{stamp} {name:<width$} {}", printable(text), width = self.width));
    }
}

/// The text of a step that is told: the first, the last, and about every twentieth of the run.
fn step_text(step: &StepFinished, started: Option<&LaneStarted>) -> Option<String> {
    let steps = started.map_or(0, |started| started.experiment.training.steps);
    let every = (steps / TOLD_STEPS).max(1);
    let number = step.step.0;
    if number != 1 && number != steps && !number.is_multiple_of(every) {
        return None;
    }
    let StepFinished { loss, error, learning_rate, time, .. } = step;
    Some(format!(
        "step {number}/{steps}: loss {}, error {}, learning rate {}, {:.0} ms a step",
        short(f64::from(*loss)),
        percent(*error),
        short(*learning_rate),
        time.step_ms
    ))
}
