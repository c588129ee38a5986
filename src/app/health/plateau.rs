//! Rule: a training loss that no longer falls although there is much left to learn.

use serde::{Deserialize, Serialize};

use super::{Rule, RuleEntry, Severity, Symptom, Verdict, measured};
use crate::app::facts::LaneFacts;
use crate::app::smoothing::Ema;
use crate::event::RunEvent;
use crate::metric::known;
use crate::printable::{percent, short};
use crate::units::Step;

/// A loss is better than the best so far if it is lower by this share of it.
const BETTER_BY: f64 = 0.01;
/// Bad after this share of the planned steps without a better loss.
const SHARE_OF_PLANNED: f64 = 0.15;
/// But only after at least this many steps.
const LEAST_STEPS: u64 = 50;
/// Only where at least this share of the training images is still wrong.
const LEAST_ERROR: f64 = 0.05;
/// Decay per step of the averages.
const DECAY: f64 = 0.95;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "plateau",
    bad: "the loss has not fallen by 1 % for 15 % of the steps",
    source: "",
    meaning: "The network has stopped learning before it has learned its training data. In a deep plain \
              network this is the degradation that shortcuts cure; otherwise the learning rate may be too high or \
              too low.",
    needs: &[&[known::LOSS], &[known::ERROR]],
    network: None,
    opens_after: 1,
    closes_after: 10,
    build: || Box::new(Plateau { loss: Ema::new(DECAY), error: Ema::new(DECAY), best: None }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Plateau {
    loss: Ema,
    error: Ema,
    best: Option<(Step, f64)>,
}

impl Rule for Plateau {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let values = measured(event)?;
        let loss = self.loss.push(values.number(known::LOSS)?.into());
        let error = self.error.push(values.number(known::ERROR)?.into());
        if !loss.is_finite() {
            return None;
        }
        let (best_step, best) = *self.best.get_or_insert((event.step, loss));
        if loss < best * (1.0 - BETTER_BY) {
            self.best = Some((event.step, loss));
            return Some(Verdict::Good);
        }
        let planned = lane.planned_steps().unwrap_or(0) as f64;
        let patience = ((planned * SHARE_OF_PLANNED) as u64).max(LEAST_STEPS);
        let waited = event.step.0.saturating_sub(best_step.0);
        if waited < patience || error < LEAST_ERROR {
            return Some(Verdict::Unclear);
        }
        let message = format!(
            "loss {} has not fallen by 1% for {waited} steps; {} of training examples are wrong",
            short(loss),
            percent(error as f32)
        );
        Some(Verdict::Bad(Symptom { layer: None, severity: Severity::Warning, message }))
    }
}
