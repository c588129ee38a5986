//! Reports a sweep: its runs as they start and end, and one progress bar for all of them with the time that is left. In
//! plain lines where there is no terminal.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::outlet::{Outlet, standard_output};
use super::{finding_text, lines};
use crate::app::health::{Finding, Severity};
use crate::app::{App, Lane};
use crate::event::{Kind, RunEvent};
use crate::metric::known;
use crate::printable::{duration, percent, printable};
use crate::units::LaneIdx;

/// The bar; `wide_bar` takes the remaining width.
const TEMPLATE: &str = "{wide_bar} {msg}";
/// How finely the bar moves.
const LENGTH: u64 = 10_000;

/// Reports a sweep to the user.
pub struct SweepReporter {
    jobs: Vec<JobProgress>,
    ended: usize,
    begin: Instant,
    face: Face,
}

enum Face {
    Lines(Outlet),
    Bar(ProgressBar),
}

/// The steps of a run.
struct JobProgress {
    lanes: Vec<LaneProgress>,
    is_over: bool,
}

/// The steps of a lane.
struct LaneProgress {
    /// What a step costs, in any unit that all lanes share.
    cost: f64,
    /// The planned steps.
    steps: u64,
    /// The steps made, and those of them that an earlier process made.
    done: u64,
    before: u64,
}

impl SweepReporter {
    /// Reports the runs that are trained; of each lane is given what a step costs, and how many there are.
    pub fn new(costs: Vec<Vec<(f64, u64)>>, on_terminal: bool) -> SweepReporter {
        let lane = |(cost, steps)| LaneProgress { cost, steps, done: 0, before: 0 };
        let job = |lanes: Vec<(f64, u64)>| JobProgress {
            lanes: lanes.into_iter().map(lane).collect(),
            is_over: false,
        };
        let face = if on_terminal {
            let style =
                ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::with_draw_target(Some(LENGTH), ProgressDrawTarget::stdout());
            Face::Bar(bar.with_style(style))
        } else {
            let note =
                |dropped: u64| format!("{dropped} older lines were dropped, because the output was not read");
            Face::Lines(Outlet::new(standard_output(), note))
        };
        SweepReporter { jobs: costs.into_iter().map(job).collect(), ended: 0, begin: Instant::now(), face }
    }

    /// Says something about the sweep.
    pub fn say(&mut self, text: &str) {
        match &self.face {
            Face::Lines(out) => out.tell(lines::line(Timestamp::now(), "", 0, text)),
            Face::Bar(bar) => bar.println(printable(text)),
        }
    }

    /// Reports that a run begins, or goes on.
    pub fn started(&mut self, id: &str, about: &str) {
        self.say(&format!("run {id}: {about}"));
    }

    /// Notes an event of a run, and reports it if it is critical. `app` has it folded in.
    pub fn event(&mut self, job: usize, lane: LaneIdx, event: &RunEvent, app: &App) {
        let Some(progress) = self.jobs.get_mut(job).and_then(|job| job.lanes.get_mut(lane.0)) else { return };
        match &event.kind {
            Kind::Measured(values) if values.number(known::LOSS).is_some() => progress.done = event.step.0,
            Kind::LaneResumed(_) => (progress.done, progress.before) = (event.step.0, event.step.0),
            _ => {}
        }
        let found = app.lane(lane).and_then(|lane| lane.health().findings().last());
        let is_new =
            |finding: &&Finding| finding.step == event.step && finding.severity == Severity::Critical;
        if let (Some(finding), Kind::NonFiniteFound(_)) = (found.filter(is_new), &event.kind) {
            let label = app.lane(lane).map(|lane| lane.label());
            let (run, lane) = label.map(|label| (label.run.clone(), label.lane.clone())).unwrap_or_default();
            self.say(&format!("run {run}: lane {lane}: {}", finding_text(finding)));
        }
    }

    /// Reports a warning about a run.
    pub fn warn(&mut self, id: &str, problem: &str) {
        self.say(&format!("warning: run {id}: {problem}"));
    }

    /// Reports that a run could not be trained to its end.
    pub fn failed(&mut self, job: usize, problem: &str) {
        self.close(job);
        self.say(&format!("error: {problem}"));
    }

    /// Reports how a run ended.
    pub fn ended(&mut self, job: usize, id: &str, app: &App) {
        self.close(job);
        let lane = |lane: &Lane| {
            let [train, test] = [known::TRAIN_ERROR, known::TEST_ERROR].map(|metric| {
                let value = lane.scalar(metric).last().and_then(|row| row.last(0));
                value.map_or("unknown".to_owned(), percent)
            });
            format!("{} {}, training error {train}, test error {test}", lane.name(), lane.state().name())
        };
        let lanes: Vec<String> = app.lanes().iter().map(lane).collect();
        let left = self.text();
        self.say(&format!("run {id} ended: {}; {left}", lanes.join("; ")));
    }

    fn close(&mut self, job: usize) {
        self.ended += 1;
        if let Some(job) = self.jobs.get_mut(job) {
            job.is_over = true;
        }
    }

    /// Draws the bar anew.
    pub fn tick(&mut self) {
        let [done, _, all] = self.costs();
        let text = self.text();
        if let Face::Bar(bar) = &self.face {
            bar.set_position((done / all.max(f64::MIN_POSITIVE) * LENGTH as f64) as u64);
            bar.set_message(text);
        }
    }

    /// The cost of the steps made, of those made by this process, and of all.
    fn costs(&self) -> [f64; 3] {
        let mut costs = [0.0; 3];
        for JobProgress { lanes, is_over } in &self.jobs {
            for LaneProgress { cost, steps, done, before } in lanes {
                let done = if *is_over { *steps } else { *done };
                let steps = [done, done.saturating_sub(*before), *steps];
                costs.iter_mut().zip(steps).for_each(|(sum, steps)| *sum += cost * steps as f64);
            }
        }
        costs
    }

    /// How many runs have ended, and the time that is left.
    fn text(&self) -> String {
        let [done, here, all] = self.costs();
        let share = if all > 0.0 { done / all } else { 1.0 };
        let ms = self.begin.elapsed().as_secs_f64() * 1e3;
        let left = if here > 0.0 && done < all {
            format!(", {} left", duration(ms / here * (all - done)))
        } else {
            String::new()
        };
        format!("{} of {} runs, {:.0}%{left}", self.ended, self.jobs.len(), share * 100.0)
    }
}
