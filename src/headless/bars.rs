//! A progress bar per lane, for a terminal that is not taken over. Occasional events scroll past above the bars.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    evaluation_texts, lost_text, non_finite_text, order_text, outcome_text, probe_text, resumed_text,
    started_text,
};
use crate::app::Lane;
use crate::event::{Kind, RunEvent};
use crate::metric::known;
use crate::printable::{percent, printable, short};
use crate::units::LaneIdx;

/// The bar of a lane; `wide_bar` takes the remaining width.
const TEMPLATE: &str = "{prefix} {wide_bar} {pos}/{len} {msg}";

/// Reports events by progress bars.
pub(super) struct Bars {
    all: MultiProgress,
    bars: Vec<ProgressBar>,
    names: Vec<String>,
    tested: Vec<String>,
}

impl Bars {
    pub(super) fn new(names: &[String], lanes: &[Lane]) -> Bars {
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let bar = |(name, lane): (&String, &Lane)| {
            let bar = ProgressBar::new(lane.planned_steps().unwrap_or(0)).with_style(style.clone());
            let bar = all.add(bar.with_prefix(format!("{name:<width$}")));
            bar.set_position(lane.last_step().0);
            if lane.state().is_over() {
                bar.abandon_with_message(lane.state().name());
            }
            bar
        };
        let bars = names.iter().zip(lanes).map(bar).collect();
        Bars { bars, names: names.to_vec(), tested: vec![String::new(); names.len()], all }
    }

    /// Reports an event; `state` is the lane with the event folded in.
    pub(super) fn event(&mut self, lane: LaneIdx, event: &RunEvent, state: Option<&Lane>) {
        let (Some(bar), Some(tested)) = (self.bars.get(lane.0), self.tested.get_mut(lane.0)) else { return };
        match &event.kind {
            Kind::LaneStarted(started) => {
                bar.set_length(started.steps.unwrap_or(0));
                self.say(lane, &started_text(started));
            }
            Kind::Measured(values) => {
                if let Some(error) = values.number(known::TEST_ERROR) {
                    *tested = format!(", test {}", percent(error));
                }
                if let Some(loss) = values.number(known::LOSS) {
                    bar.set_position(event.step.0);
                    let left = state.and_then(|lane| lane.remaining_ms());
                    let left = left.map(|ms| format!(", {:.0} s left", ms / 1e3)).unwrap_or_default();
                    bar.set_message(format!("loss {}{tested}{left}", short(loss.into())));
                }
                let texts = evaluation_texts(event.step, values).into_iter().chain(probe_text(event, values));
                texts.for_each(|text| self.say(lane, &text));
            }
            Kind::CheckpointWritten(checkpoint) => {
                self.say(lane, &format!("step {}: wrote {}", event.step, checkpoint.file));
            }
            Kind::NonFiniteFound(found) => {
                self.say(lane, &non_finite_text(event.step, found, state.and_then(|lane| lane.started())));
            }
            Kind::LaneFinished(end) => {
                bar.abandon_with_message(format!("{}{tested}", outcome_text(&end.outcome)));
            }
            Kind::OrderTaken(_) | Kind::NoteTaken(_) => {
                order_text(event).iter().for_each(|text| self.say(lane, text));
            }
            Kind::LaneResumed(resumed) => self.say(lane, &resumed_text(event.step, resumed)),
            Kind::RecordsLost(lost) => self.say(lane, &lost_text(event.step, lost)),
            Kind::Paused => bar.set_message("paused"),
            Kind::Resumed | Kind::MetricsDeclared(_) => {}
        }
    }

    /// Prints a line about a lane above the bars.
    pub(super) fn say(&self, lane: LaneIdx, text: &str) {
        let name = self.names.get(lane.0).map(String::as_str).unwrap_or_default();
        self.say_plainly(&format!("{name}: {text}"));
    }

    /// Prints a line above the bars.
    pub(super) fn say_plainly(&self, text: &str) {
        // Training goes on without a terminal.
        let _ = self.all.println(printable(text));
    }
}
