//! Rule: a loss that jumps far above its recent level. Large models are known for it (Chowdhery et al. 2022, section 5.1);
//! one that does not come back is the subject of [`super::diverging_loss`]. The level is the median of the last losses
//! and their spread the median absolute deviation, which the jump itself does not move (Hampel 1974).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Rule, RuleEntry, Severity, Symptom, Verdict, measured};
use crate::app::facts::LaneFacts;
use crate::event::RunEvent;
use crate::metric::known;
use crate::printable::short;

/// The losses that the level is taken from.
const RECENT: usize = 50;
/// Losses before anything is judged.
const WARM_UP: usize = 20;
/// Bad from this many standard deviations above the level. Engineering judgement: losses of small batches have long
/// tails.
const BAD_DEVIATIONS: f64 = 10.0;
/// Good below this many.
const GOOD_DEVIATIONS: f64 = 4.0;
/// The median absolute deviation of a normal distribution times this is its standard deviation.
const NORMAL: f64 = 1.4826;
/// Bad only if the jump is at least this share of the first loss: near zero a single hard example is many deviations.
/// Engineering judgement.
const LEAST_SHARE: f64 = 0.1;

/// Where the level is this many times the first loss, the lane diverges.
const DIVERGED_TIMES: f64 = 2.0;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "loss_spike",
    bad: "for two steps the loss is 10 standard deviations above the median of the last 50, and by a tenth of \
          the first loss",
    source: "Chowdhery et al. 2022, section 5.1; Hampel 1974",
    meaning: "An update threw the weights off for some steps. A spike that is over costs only those steps; several \
              show that the learning rate is near its limit. A longer warm-up, clipped gradients or a smaller learning \
              rate prevent them.",
    needs: &[&[known::LOSS]],
    network: None,
    opens_after: 2,
    closes_after: 5,
    build: || Box::new(LossSpike { first: None, recent: VecDeque::new() }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct LossSpike {
    /// The first finite loss.
    first: Option<f32>,
    /// The last losses, at most [`RECENT`].
    recent: VecDeque<f32>,
}

impl Rule for LossSpike {
    fn judge(&mut self, _: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let loss = measured(event)?.number(known::LOSS)?;
        if !loss.is_finite() {
            // Non-finite values belong to another rule.
            return None;
        }
        let first = f64::from(*self.first.get_or_insert(loss));
        let known = self.recent.len();
        let level = median(self.recent.iter().map(|loss| f64::from(*loss)));
        let jump = f64::from(loss) - level;
        let is_usual = jump < 0.5 * LEAST_SHARE * first.abs();
        // Most losses are usual, whatever the spread.
        let deviation = |of: &f32| (f64::from(*of) - level).abs();
        let spread = if is_usual { 0.0 } else { NORMAL * median(self.recent.iter().map(deviation)) };
        if known == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(loss);
        if known < WARM_UP {
            return None;
        }
        if first > 0.0 && level > DIVERGED_TIMES * first {
            // What rises from here is no spike.
            return Some(Verdict::Unclear);
        }
        if jump < BAD_DEVIATIONS * spread || jump < LEAST_SHARE * first.abs() || jump <= 0.0 {
            let good = is_usual || jump < GOOD_DEVIATIONS * spread;
            return Some(if good { Verdict::Good } else { Verdict::Unclear });
        }
        let message = format!(
            "loss {} jumped above its recent level of {}, by {} times its usual spread",
            short(loss.into()),
            short(level),
            short(jump / spread)
        );
        Some(Verdict::Bad(Symptom { layer: None, severity: Severity::Note, message }))
    }
}

/// The median; 0 for nothing.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = values.collect();
    let middle = all.len() / 2;
    if all.is_empty() { 0.0 } else { *all.select_nth_unstable_by(middle, f64::total_cmp).1 }
}
