//! Reports a run without the dashboard as its events come: in plain lines with time stamps and no escape codes, or by a
//! progress bar per lane on a terminal. Training goes on even if the output is not read.

use std::io::Write;

use jiff::Timestamp;

use crate::app::App;
use crate::app::health::Finding;
use crate::event::{
    LaneResumed, LaneStarted, Mode, NonFiniteFound, Outcome, Pass, RecordsLost, RunEvent, Split, Value,
    Values, evaluated,
};
use crate::metric::Metric;
use crate::printable::{duration, percent, printable, short};
use crate::trainer;
use crate::units::{LaneIdx, Step};
use bars::Bars;
use lines::Lines;

mod bars;
mod lines;
mod outlet;
mod sweep;
mod watch;

pub use outlet::standard_output;
pub use sweep::SweepReporter;
pub use watch::{Ending, Stopper, watch};

/// The health rule that finds what [`crate::event::Kind::NonFiniteFound`] reports.
const NON_FINITE_RULE: &str = "non_finite";

/// Reports a run's events to the user.
pub struct Reporter {
    /// The folded state, for the findings of the health rules.
    app: App,
    /// The number of findings of each lane already reported.
    told: Vec<usize>,
    face: Face,
}

enum Face {
    Lines(Lines),
    Bars(Bars),
}

impl Reporter {
    /// Reports events after this state in lines; `started` is the time from which the events' times count. Reporting
    /// never blocks on `out`; dropping the reporter waits for the last lines as long as they are being read.
    pub fn lines(app: App, started: Timestamp, out: Box<dyn Write + Send>) -> Reporter {
        let face = Face::Lines(Lines::new(names(&app), started, out));
        Reporter::new(app, face)
    }

    /// Reports events after this state by progress bars on standard output's terminal.
    pub fn bars(app: App) -> Reporter {
        let face = Face::Bars(Bars::new(&names(&app), app.lanes()));
        Reporter::new(app, face)
    }

    fn new(app: App, face: Face) -> Reporter {
        let told = app.lanes().iter().map(|lane| lane.health().findings().len()).collect();
        Reporter { app, told, face }
    }

    /// The folded state.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The folded state, from which another reporter can continue.
    pub fn into_app(self) -> App {
        self.app
    }

    /// Reports an event, whose record begins at this byte of the lane's log, if that is known.
    pub fn event(&mut self, lane: LaneIdx, event: &RunEvent, offset: Option<u64>) {
        self.app.apply_at(lane, event, offset);
        match &mut self.face {
            Face::Lines(lines) => lines.event(lane, event, self.app.lane(lane)),
            Face::Bars(bars) => bars.event(lane, event, self.app.lane(lane)),
        }
        let Some(told) = self.told.get_mut(lane.0) else { return };
        let Some(findings) = self.app.lane(lane).map(|lane| lane.health().findings()) else { return };
        // Non-finite values have an event of their own.
        for finding in findings.iter().skip(*told).filter(|finding| finding.rule != NON_FINITE_RULE) {
            let text = finding_text(finding);
            match &mut self.face {
                Face::Lines(lines) => lines.say(event.time.at_ms, lane, &text),
                Face::Bars(bars) => bars.say(lane, &text),
            }
        }
        *told = findings.len();
    }

    /// Reports something other than an event: a warning, an order that was taken.
    pub fn say(&mut self, lane: Option<LaneIdx>, text: &str) {
        match &mut self.face {
            Face::Lines(lines) => lines.say_now(lane, text),
            Face::Bars(bars) => match lane {
                Some(lane) => bars.say(lane, text),
                None => bars.say_plainly(text),
            },
        }
    }
}

/// The lanes' names, safe to show.
fn names(app: &App) -> Vec<String> {
    app.lanes().iter().map(|lane| printable(&lane.label().lane)).collect()
}

fn started_text(started: &LaneStarted) -> String {
    let layers = started.structure.layers.len();
    let parameters = started.structure.parameters().map(|count| format!(", {count} parameters"));
    let images = started.provenance.as_ref().map(|provenance| {
        format!(", {} training and {} test examples", provenance.train_images, provenance.test_images)
    });
    let steps = started.steps.map(|steps| format!(", {steps} steps"));
    let more = [parameters, images, steps].map(Option::unwrap_or_default).concat();
    format!("started: {layers} layers{more}")
}

/// The results of evaluations, one line each.
fn evaluation_texts(step: Step, values: &Values) -> Vec<String> {
    let passes = [
        (Split::Train, Mode::Eval, "train", ""),
        (Split::Train, Mode::Batch, "train", " (batch statistics)"),
        (Split::Test, Mode::Eval, "test", ""),
        (Split::Test, Mode::Batch, "test", " (batch statistics)"),
    ];
    let text = |(split, mode, name, how)| {
        let [loss, error] = evaluated(split, mode).map(|metric| values.number(metric));
        let (error, loss) = (percent(error?), short(loss?.into()));
        Some(format!("step {step}: {name} error {error}, loss {loss}{how}"))
    };
    passes.into_iter().filter_map(text).collect()
}

/// What a probe measured: how long it took, and its single numbers.
fn probe_text(event: &RunEvent, values: &Values) -> Option<String> {
    let took = duration(event.time.probe_ms?);
    let name = trainer::probe_of(values).map(|name| format!(" {name}")).unwrap_or_default();
    let number = |(metric, value): (Metric, &Value)| match value {
        Value::Number(number) => Some(format!(", {metric} {}", short((*number).into()))),
        Value::Numbers(_) | Value::Histograms(_) => None,
    };
    let numbers: String = values.iter().filter_map(number).collect();
    Some(format!("step {}: probe{name} took {took}{numbers}", event.step))
}

fn non_finite_text(step: Step, found: &NonFiniteFound, started: Option<&LaneStarted>) -> String {
    let pass = match found.pass {
        Pass::Forward => "forward",
        Pass::Backward => "backward",
        Pass::Update => "update",
    };
    let name = found.layer.map(|layer| {
        let known = started.and_then(|started| started.structure.layer(layer));
        known.map_or_else(|| format!("layer {layer}"), |layer| layer.name.clone())
    });
    format!("step {step}: first NaN or infinity, {pass}, in {}", name.as_deref().unwrap_or("the loss"))
}

/// What was ordered or noted, in words.
fn order_text(event: &RunEvent) -> Option<String> {
    let taken = event.as_taken()?;
    Some(format!("step {}: {}", taken.step, taken.order))
}

fn resumed_text(step: Step, resumed: &LaneResumed) -> String {
    let from = resumed.checkpoint.as_ref().map_or("its initial weights".to_owned(), Clone::clone);
    let changes: String = resumed.changes.iter().map(|change| format!("; {change}")).collect();
    format!("resumed at step {step} from {from}{changes}")
}

fn lost_text(last: Step, lost: &RecordsLost) -> String {
    let RecordsLost { records, first } = lost;
    format!("{records} records of steps {first} to {last} could not be written and are lost")
}

fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Completed => "finished".to_owned(),
        Outcome::Stopped => "stopped".to_owned(),
        Outcome::Diverged => "diverged: its loss or weights are no longer finite".to_owned(),
        Outcome::Failed { reason } => format!("failed: {}", printable(reason)),
    }
}

/// A finding in a line.
pub fn finding_text(finding: &Finding) -> String {
    let Finding { severity, rule, message, step, .. } = finding;
    format!("step {step}: {}: {rule}: {}", severity.name(), message)
}
