//! How far a sweep has come, and the time that is left.

use std::time::Instant;

use crate::app::{App, Lane};
use crate::printable::duration;
use crate::units::LaneIdx;

/// The lanes that a sweep trains, with what they cost.
#[derive(Debug)]
pub(super) struct Progress {
    lanes: Vec<Part>,
    begin: Instant,
}

/// The work of a lane.
#[derive(Debug)]
struct Part {
    lane: LaneIdx,
    /// What a step costs, in any unit that all lanes share.
    cost: f64,
    /// The planned steps.
    steps: u64,
    /// Those that an earlier process made.
    before: u64,
}

impl Progress {
    /// Of these lanes: of each, what a step costs, and the planned steps. The time counts from now.
    pub(super) fn new(lanes: impl IntoIterator<Item = (LaneIdx, (f64, u64))>) -> Progress {
        let part = |(lane, (cost, steps))| Part { lane, cost, steps, before: 0 };
        Progress { lanes: lanes.into_iter().map(part).collect(), begin: Instant::now() }
    }

    /// Notes that a lane goes on from where it stands.
    pub(super) fn goes_on(&mut self, lane: &Lane) {
        if let Some(part) = self.lanes.iter_mut().find(|part| part.lane == lane.idx()) {
            part.before = lane.last_step().0;
        }
    }

    /// The share of the work that is done, 0 to 1.
    pub(super) fn share(&self, app: &App) -> f64 {
        let [done, _, all] = self.costs(app);
        if all > 0.0 { (done / all).min(1.0) } else { 1.0 }
    }

    /// The same in words, with the time that is left at the current pace.
    pub(super) fn text(&self, app: &App) -> String {
        let [done, here, all] = self.costs(app);
        let ms = self.begin.elapsed().as_secs_f64() * 1e3;
        let left = if here > 0.0 && done < all {
            format!(", {} left", duration(ms / here * (all - done)))
        } else {
            String::new()
        };
        format!("{:.0}%{left}", self.share(app) * 100.0)
    }

    /// The cost of the steps made, of those made by this process, and of all.
    fn costs(&self, app: &App) -> [f64; 3] {
        let mut costs = [0.0; 3];
        for Part { lane, cost, steps, before } in &self.lanes {
            let Some(lane) = app.lane(*lane) else { continue };
            let done = if lane.state().is_over() { *steps } else { lane.last_step().0.min(*steps) };
            let steps = [done, done.saturating_sub(*before), *steps];
            costs.iter_mut().zip(steps).for_each(|(sum, steps)| *sum += cost * steps as f64);
        }
        costs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen::{self, Specimen};

    #[test]
    fn the_work_is_counted_in_what_steps_cost() {
        let half = Specimen { breaks_off_at: Some(150), ..Specimen::new("plain", 8, "none") };
        let mut app = specimen::app_of(&[half, Specimen::new("residual", 8, "identity")]);
        let mut progress = Progress::new([(LaneIdx(0), (3.0, 300)), (LaneIdx(1), (1.0, 300))]);
        // 3 * 150 + 1 * 300 of 4 * 300.
        let share = progress.share(&app);
        assert!((share - 0.625).abs() < 0.01, "{share}");
        assert!(progress.text(&app).starts_with("6") && progress.text(&app).ends_with(" left"));
        // What an earlier process made says nothing of the pace.
        app.lanes().iter().for_each(|lane| progress.goes_on(lane));
        let [_, here, _] = progress.costs(&app);
        assert!(here < 3.0, "{here}");
        // A lane that ended early has nothing left to do.
        app.source_ended(LaneIdx(0));
        assert_eq!(progress.share(&app), 1.0);
        assert_eq!(progress.text(&app), "100%");
    }
}
