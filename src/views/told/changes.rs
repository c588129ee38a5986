//! What has changed in lanes since it was last told: their states, evaluations, findings, and now and then how far they are.

use super::{finding, value};
use crate::app::{App, Lane};
use crate::metric::{Metric, known};
use crate::printable::{grouped, printable, short};
use crate::units::Step;
use crate::views::lanes;

/// How many times a lane's steps are told over the whole run.
const TOLD_STEPS: u64 = 20;

/// What was told last.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    lanes: Vec<Told>,
}

/// What was told last of a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    state: &'static str,
    findings: usize,
    evaluated: Option<Step>,
    /// The twentieth of its steps.
    part: u64,
}

impl Changes {
    /// Tells nothing of what is there already.
    pub fn since(app: &App) -> Changes {
        Changes { lanes: app.lanes().iter().map(told_of).collect() }
    }

    /// A line for each change since the last call.
    pub fn lines(&mut self, app: &App) -> Vec<String> {
        let mut lines = Vec::new();
        self.lanes.resize(app.lanes().len(), Told::default());
        for (lane, last) in app.lanes().iter().zip(&mut self.lanes) {
            let (name, now) = (lanes::name(app, lane), told_of(lane));
            if now.state != last.state {
                lines.push(format!("{name}: {}", super::state(lane)));
            } else if now.part != last.part {
                lines.extend(progress(&name, lane));
            }
            if now.evaluated != last.evaluated {
                lines.extend(evaluation(&name, lane));
            }
            let found = lane.health().findings();
            lines.extend(found.iter().skip(last.findings).map(|found| finding(app, found)));
            *last = now;
        }
        lines.into_iter().map(|line| printable(&line)).collect()
    }
}

fn told_of(lane: &Lane) -> Told {
    let every = (lane.planned_steps().unwrap_or(0) / TOLD_STEPS).max(1);
    Told {
        state: lane.state().name(),
        findings: lane.health().findings().len(),
        evaluated: lane.scalar(known::TEST_ERROR).last().map(|row| row.span.last_step),
        part: lane.last_step().0 / every,
    }
}

fn progress(name: &str, lane: &Lane) -> Option<String> {
    let of = lane.planned_steps().map(|steps| format!(" of {}", grouped(steps))).unwrap_or_default();
    let loss = last(lane, known::LOSS)?;
    let error =
        last(lane, known::ERROR).map(|error| format!(", {} of this batch wrong", value(known::ERROR, error)));
    let step = grouped(lane.last_step().0);
    Some(format!("{name}: step {step}{of}, loss {}{}", short(loss.into()), error.unwrap_or_default()))
}

fn evaluation(name: &str, lane: &Lane) -> Option<String> {
    let test = last(lane, known::TEST_ERROR)?;
    let step = lane.scalar(known::TEST_ERROR).last()?.span.last_step;
    let train =
        last(lane, known::TRAIN_ERROR).map(|train| format!("train {}, ", value(known::TRAIN_ERROR, train)));
    let test = value(known::TEST_ERROR, test);
    Some(format!("{name}: errors at step {}: {}test {test}", grouped(step.0), train.unwrap_or_default()))
}

fn last(lane: &Lane, metric: Metric) -> Option<f32> {
    lane.scalar(metric).last()?.last(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::LaneLabel;
    use crate::app::specimen::Specimen;
    use crate::units::LaneIdx;

    #[test]
    fn a_run_is_told_in_a_line_for_each_change_and_nothing_twice() {
        let events = Specimen { diverges_at: Some(120), ..Specimen::new("plain", 8, "none") }.events();
        let mut app = App::new(vec![LaneLabel { run: "r".to_owned(), lane: "plain".to_owned() }]);
        let mut changes = Changes::since(&app);
        let mut told = Vec::new();
        for event in &events {
            app.apply(LaneIdx(0), event);
            told.extend(changes.lines(&app));
            assert!(changes.lines(&app).is_empty(), "nothing has changed since");
        }
        let count = |words: &str| told.iter().filter(|line| line.contains(words)).count();
        assert_eq!(count("running"), 1, "{told:#?}");
        assert_eq!(count("diverged, step"), 1, "{told:#?}");
        assert_eq!(
            count("errors at step"),
            3,
            "evaluated before the first step, at 50 and at 100: {told:#?}"
        );
        assert_eq!(count("critical: non finite in plain"), 1, "{told:#?}");
        // A twentieth of 300 steps is 15.
        assert_eq!(count("plain: step 105 of 300, loss "), 1, "{told:#?}");
        assert!(told.iter().all(|line| line.chars().all(|c| !c.is_control())));
        assert!(Changes::since(&app).lines(&app).is_empty());
    }
}
