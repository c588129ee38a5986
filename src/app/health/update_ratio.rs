//! Rule: updates that are too large or too small for the weights they change.

use serde::{Deserialize, Serialize};

use super::{Rule, RuleEntry, Severity, Symptom, Verdict, layer_name, measured};
use crate::app::facts::LaneFacts;
use crate::app::smoothing::Ema;
use crate::event::RunEvent;
use crate::metric::known;
use crate::printable::short;

/// Bad above this: weights change erratically. About 1e-3 is healthy.
const BAD_ABOVE: f64 = 3e-2;
/// Bad below this at the learning rate before any schedule: weights hardly change. A schedule is meant to lower the
/// rate, and the updates with it.
const BAD_BELOW: f64 = 1e-5;
/// Good if inside the bounds by this factor.
const GOOD_FACTOR: f64 = 1.5;
/// Decay per record of the running geometric mean.
const DECAY: f64 = 0.9;
/// Records before anything is judged: the first updates are naturally large.
const WARM_UP: u32 = 20;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "update_ratio",
    bad: "the median layer's update ratio is above 3e-2, or below 1e-5 before any schedule",
    source: "",
    meaning: "The change of the weights in one step over the weights themselves should be about 1e-3. Much \
              more, and learning overwrites itself; much less, and nothing is learned. The learning rate is \
              the first thing to change.",
    needs: &[&[known::UPDATE_RATIO], &[known::LEARNING_RATE]],
    network: None,
    opens_after: 10,
    closes_after: 10,
    build: || Box::new(UpdateRatio { of_rate: Ema::new(DECAY), seen: 0 }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct UpdateRatio {
    /// The running mean of the logarithm of the median layer's ratio over the learning rate, which updates are
    /// proportional to.
    of_rate: Ema,
    seen: u32,
}

impl Rule for UpdateRatio {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let values = measured(event)?;
        let ratios = values.numbers(known::UPDATE_RATIO)?;
        let mut order: Vec<usize> = (0..ratios.len()).filter(|at| ratios[*at] > 0.0).collect();
        order.retain(|at| ratios[*at].is_finite());
        order.sort_by(|a, b| ratios[*a].total_cmp(&ratios[*b]));
        let median = f64::from(ratios[*order.get(order.len() / 2)?]);
        let rate = f64::from(values.number(known::LEARNING_RATE)?);
        if rate <= 0.0 {
            // At a learning rate of zero there is nothing to judge.
            return None;
        }
        let of_rate = self.of_rate.push((median / rate).ln()).exp();
        self.seen = self.seen.saturating_add(1);
        if self.seen <= WARM_UP {
            return None;
        }
        let now = of_rate * rate;
        let base = lane.experiment().map_or(rate, |experiment| experiment.training.optimizer.learning_rate());
        let unscheduled = of_rate * base;
        let (worst, what) = if now > BAD_ABOVE {
            (*order.last()?, "weights change too much (learning rate high?)")
        } else if unscheduled < BAD_BELOW {
            (*order.first()?, "weights barely change (learning rate low?)")
        } else {
            let good = now < BAD_ABOVE / GOOD_FACTOR && unscheduled > BAD_BELOW * GOOD_FACTOR;
            return Some(if good { Verdict::Good } else { Verdict::Unclear });
        };
        let message = format!(
            "{what}: update over weight is {} in the median layer, {} in {}",
            short(now),
            short(ratios[worst].into()),
            layer_name(lane, lane.recorded_layer(worst))
        );
        let layer = Some(lane.recorded_layer(worst));
        Some(Verdict::Bad(Symptom { layer, severity: Severity::Warning, message }))
    }
}
