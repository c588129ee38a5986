//! Reports events as plain lines: a time stamp in UTC, the lane, what happened. For logs, pipes and other programs.

use std::io::Write;

use jiff::{SignedDuration, Timestamp};

use super::outlet::Outlet;
use super::{
    evaluation_texts, lost_text, non_finite_text, order_text, outcome_text, probe_text, resumed_text,
    started_text,
};
use crate::app::Lane;
use crate::event::{Kind, LaneStarted, RunEvent, Values};
use crate::metric::known;
use crate::printable::{grouped, percent, printable, short};
use crate::units::LaneIdx;

/// How many of a lane's steps are reported over the whole run.
const TOLD_STEPS: u64 = 20;

/// Reports events in lines.
pub(super) struct Lines {
    names: Vec<String>,
    width: usize,
    started: Timestamp,
    out: Outlet,
}

impl Lines {
    pub(super) fn new(names: Vec<String>, started: Timestamp, out: Box<dyn Write + Send>) -> Lines {
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let note = move |dropped: u64| {
            let lines = if dropped == 1 { "line was" } else { "lines were" };
            let text = format!("{} older {lines} dropped, because the output was not read", grouped(dropped));
            line(Timestamp::now(), "", width, &text)
        };
        Lines { names, width, started, out: Outlet::new(out, note) }
    }

    /// Reports an event; `state` is the lane with the event folded in.
    pub(super) fn event(&mut self, lane: LaneIdx, event: &RunEvent, state: Option<&Lane>) {
        let (step, started) = (event.step, state.and_then(|lane| lane.started()));
        let texts = match &event.kind {
            Kind::LaneStarted(started) => vec![started_text(started)],
            Kind::Measured(values) => {
                let mut texts: Vec<String> = step_text(event, values, started).into_iter().collect();
                texts.extend(evaluation_texts(step, values));
                texts.extend(probe_text(event, values));
                texts
            }
            Kind::MetricsDeclared(_) => Vec::new(),
            Kind::CheckpointWritten(checkpoint) => vec![format!("step {step}: wrote {}", checkpoint.file)],
            Kind::NonFiniteFound(found) => vec![non_finite_text(step, found, started)],
            Kind::Paused => vec![format!("step {step}: paused")],
            Kind::Resumed => vec![format!("step {step}: resumed")],
            Kind::OrderTaken(_) | Kind::NoteTaken(_) => order_text(event).into_iter().collect(),
            Kind::LaneResumed(resumed) => vec![resumed_text(step, resumed)],
            Kind::RecordsLost(lost) => vec![lost_text(step, lost)],
            Kind::LaneFinished(end) => vec![format!("step {step}: {}", outcome_text(&end.outcome))],
        };
        texts.iter().for_each(|text| self.say(event.time.at_ms, lane, text));
    }

    /// Prints a line about a lane at a time of the run.
    pub(super) fn say(&mut self, at_ms: f64, lane: LaneIdx, text: &str) {
        let since = SignedDuration::try_from_secs_f64(at_ms / 1e3).unwrap_or_default();
        let at = self.started.checked_add(since).unwrap_or(self.started);
        self.tell(at, Some(lane), text);
    }

    /// Prints a line with the current time.
    pub(super) fn say_now(&mut self, lane: Option<LaneIdx>, text: &str) {
        self.tell(Timestamp::now(), lane, text);
    }

    fn tell(&mut self, at: Timestamp, lane: Option<LaneIdx>, text: &str) {
        let name = lane.and_then(|lane| self.names.get(lane.0)).map(String::as_str).unwrap_or_default();
        self.out.tell(line(at, name, self.width, text));
    }
}

/// A line: the time, the lane's name padded to a width, and what happened.
pub(super) fn line(at: Timestamp, name: &str, width: usize, text: &str) -> String {
    let stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("{stamp} {name:<width$} {}", printable(text))
}

/// The text of a reported step: the first, the last, and about every twentieth of the run.
fn step_text(event: &RunEvent, values: &Values, started: Option<&LaneStarted>) -> Option<String> {
    let steps = started.and_then(|started| started.steps).unwrap_or(0);
    let every = (steps / TOLD_STEPS).max(1);
    let number = event.step.0;
    if number != 1 && number != steps && !number.is_multiple_of(every) {
        return None;
    }
    let [loss, error, rate] =
        [known::LOSS, known::ERROR, known::LEARNING_RATE].map(|metric| values.number(metric));
    Some(format!(
        "step {number}/{steps}: loss {}, error {}, learning rate {}, {:.0} ms per step",
        short(loss?.into()),
        percent(error?),
        short(rate?.into()),
        event.time.step_ms?
    ))
}
