//! Rule: a layer whose weights do not change while those of others do, although it is meant to be trained.

use serde::{Deserialize, Serialize};

use super::{FOLLOWED, Rule, RuleEntry, Severity, Symptom, Verdict, layer_name, measured};
use crate::app::facts::LaneFacts;
use crate::event::RunEvent;
use crate::metric::known;
use crate::printable::short;

/// Still below this update over weight, at the learning rate before any schedule: f32 rounds such updates away.
const STILL_BELOW: f64 = 1e-7;
/// Moving above this many times that.
const MOVING_FACTOR: f64 = 2.0;
/// Only while the median layer has at least this. Engineering judgement: a hundred times more.
const OTHERS: f64 = 1e-5;
/// Bad after this many records without movement; single ones are normal where branches are dropped.
const RECORDS: u32 = 50;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "frozen_layer",
    bad: "the update ratio of a layer that the experiment does not freeze is below 1e-7 for 50 records, or its \
          gradient is zero, while the median layer moves",
    source: "",
    meaning: "The layer keeps the weights it has, although the experiment does not freeze it. It gets no gradient: \
              what follows it is dead, dropped or multiplied by zero, or its gradients are too small for f32.",
    needs: &[&[known::UPDATE_RATIO], &[known::LEARNING_RATE]],
    network: None,
    opens_after: 1,
    closes_after: 5,
    build: || Box::new(FrozenLayer { still: Vec::new() }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct FrozenLayer {
    /// The records for which each layer has been still, of at most [`FOLLOWED`] layers.
    still: Vec<u32>,
}

impl Rule for FrozenLayer {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let values = measured(event)?;
        let ratios = values.numbers(known::UPDATE_RATIO)?;
        let rate = f64::from(values.number(known::LEARNING_RATE)?);
        if rate <= 0.0 {
            // Then nothing is meant to move.
            return None;
        }
        let base = lane.experiment().map_or(rate, |experiment| experiment.training.optimizer.learning_rate());
        let unscheduled = |ratio: f32| f64::from(ratio) * base / rate;
        let is_trained = |at: usize| !lane.is_frozen(lane.recorded_layer(at));
        let trained = ratios.iter().enumerate().filter(|(at, _)| is_trained(*at)).map(|(_, ratio)| *ratio);
        let mut order: Vec<f32> = trained.filter(|ratio| ratio.is_finite()).collect();
        order.sort_by(f32::total_cmp);
        let median = unscheduled(*order.get(order.len() / 2)?);
        if median < OTHERS {
            return Some(Verdict::Unclear);
        }
        // Weight decay changes weights that have no gradient.
        let gradients = values.numbers(known::WEIGHT_GRADIENT_NORM).unwrap_or_default();
        self.still.resize(ratios.len().min(FOLLOWED), 0);
        for (at, still) in self.still.iter_mut().enumerate() {
            let ratio = unscheduled(ratios[at]);
            if !is_trained(at) {
                continue;
            }
            if ratio < STILL_BELOW || gradients.get(at) == Some(&0.0) {
                *still = still.saturating_add(1);
            } else if ratio > STILL_BELOW * MOVING_FACTOR {
                *still = 0;
            }
        }
        let worst = (0..self.still.len()).max_by_key(|at| (self.still[*at], std::cmp::Reverse(*at)))?;
        if self.still[worst] < RECORDS {
            return Some(if self.still[worst] == 0 { Verdict::Good } else { Verdict::Unclear });
        }
        let frozen = self.still.iter().filter(|still| **still >= RECORDS).count();
        let layer = lane.recorded_layer(worst);
        let message = format!(
            "{frozen} of {} layers do not learn: update over weight is {} in {}, {} in the median layer",
            ratios.len(),
            short(ratios[worst].into()),
            layer_name(lane, layer),
            short(f64::from(order[order.len() / 2]))
        );
        Some(Verdict::Bad(Symptom { layer: Some(layer), severity: Severity::Warning, message }))
    }
}
