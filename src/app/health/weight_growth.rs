//! Rule: weights that grow without bound. Behind a batch norm their scale changes nothing but the effective learning rate,
//! which falls with the square of their norm (van Laarhoven 2017); elsewhere growth saturates what follows, and doubling
//! again and again ends in infinity.

use serde::{Deserialize, Serialize};

use super::{FOLLOWED, Rule, RuleEntry, Severity, Symptom, Verdict, layer_name, measured};
use crate::app::facts::LaneFacts;
use crate::event::RunEvent;
use crate::metric::known;
use crate::printable::short;
use crate::units::Step;

/// Bad from this many times the norm at the start. Engineering judgement.
const BAD_FACTOR: f32 = 10.0;
/// Good below this many times.
const GOOD_FACTOR: f32 = 7.0;
/// The records after which it is looked whether a norm has doubled.
const PERIOD: u32 = 50;
/// Bad if it has in this many periods in a row.
const DOUBLINGS: u32 = 3;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "weight_growth",
    bad: "a layer's weight norm is 10 times that at the start, or doubled in three periods of 50 records in a row",
    source: "van Laarhoven 2017",
    meaning: "Behind a norm the layer learns ever more slowly, because updates become small against the weights; without \
              one its outputs grow with them. Weight decay bounds weights, and a smaller learning rate slows them down.",
    needs: &[&[known::WEIGHT_NORM]],
    network: None,
    opens_after: 5,
    closes_after: 10,
    build: || Box::new(WeightGrowth { layers: Vec::new(), since: Step(0), records: 0, steps: 0 }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WeightGrowth {
    /// At most [`FOLLOWED`] layers.
    layers: Vec<Growth>,
    /// Where the running period began.
    since: Step,
    /// The records in it.
    records: u32,
    /// The steps of the last period.
    steps: u64,
}

/// The growth of a layer's weights.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Growth {
    /// The norm at the start; 0 if it started at zero, and is compared with nothing.
    first: f32,
    /// The norm at the start of the period; 0 where it is not known yet.
    then: f32,
    /// The last periods in which it doubled.
    doublings: u32,
}

impl Growth {
    fn factor(self, norm: f32) -> f32 {
        if self.first > 0.0 { norm / self.first } else { 1.0 }
    }
}

impl Rule for WeightGrowth {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let norms = measured(event)?.numbers(known::WEIGHT_NORM)?;
        let norms = &norms[..norms.len().min(FOLLOWED)];
        if norms.iter().any(|norm| !norm.is_finite()) {
            // Non-finite values belong to another rule.
            return None;
        }
        if self.layers.len() != norms.len() {
            self.layers =
                norms.iter().map(|norm| Growth { first: *norm, then: *norm, doublings: 0 }).collect();
            (self.since, self.records) = (event.step, 0);
        }
        self.records += 1;
        if self.records > PERIOD {
            for (layer, norm) in self.layers.iter_mut().zip(norms) {
                let doubled = layer.then > 0.0 && *norm >= 2.0 * layer.then;
                layer.doublings = if doubled { layer.doublings.saturating_add(1) } else { 0 };
                layer.then = *norm;
            }
            self.steps = event.step.0.saturating_sub(self.since.0);
            (self.since, self.records) = (event.step, 1);
        }
        let factor = |at: &usize| self.layers[*at].factor(norms[*at]);
        let largest = (0..norms.len()).max_by(|a, b| factor(a).total_cmp(&factor(b)))?;
        let doubling = (0..norms.len()).max_by_key(|at| self.layers[*at].doublings)?;
        let (at, message) = if factor(&largest) >= BAD_FACTOR {
            (largest, format!("has grown to {} times its start", short(factor(&largest).into())))
        } else if self.layers[doubling].doublings >= DOUBLINGS {
            let doublings = self.layers[doubling].doublings;
            (doubling, format!("has doubled every {} steps, {doublings} times in a row", self.steps))
        } else {
            let good = factor(&largest) < GOOD_FACTOR && self.layers[doubling].doublings <= 1;
            return Some(if good { Verdict::Good } else { Verdict::Unclear });
        };
        let layer = lane.recorded_layer(at);
        let norm = short(norms[at].into());
        let message = format!("the weight norm of {} {message}, and is {norm}", layer_name(lane, layer));
        Some(Verdict::Bad(Symptom { layer: Some(layer), severity: Severity::Warning, message }))
    }
}
