//! Rule: channels that are zero for every image of a batch.

use serde::{Deserialize, Serialize};

use super::{Rule, RuleEntry, Severity, Symptom, Verdict, layer_name, measured};
use crate::app::facts::LaneFacts;
use crate::event::RunEvent;
use crate::metric::known;
use crate::printable::percent;

/// Bad where this share of all layers' channels is dead, on average over layers.
const BAD_MEAN: f32 = 0.10;
/// Bad where this share of one layer's channels is dead.
const BAD_LAYER: f32 = 0.50;
/// Good within this share of both bounds.
const GOOD_SHARE: f32 = 0.7;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "dead_units",
    bad: "10 % of all channels are dead, or half of a layer's",
    source: "",
    meaning: "A dead channel passes no gradient, so it rarely recovers: the network is narrower than it looks. \
              After ReLU, about half of all outputs are normally zero; that is not counted here.",
    needs: &[&[known::DEAD_UNITS]],
    network: None,
    opens_after: 20,
    closes_after: 20,
    build: || Box::new(DeadUnits),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct DeadUnits;

impl Rule for DeadUnits {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let shares = measured(event)?.numbers(known::DEAD_UNITS)?;
        let worst = (0..shares.len()).max_by(|a, b| shares[*a].total_cmp(&shares[*b]))?;
        let mean = shares.iter().sum::<f32>() / shares.len() as f32;
        let (largest, worst) = (shares[worst], lane.recorded_layer(worst));
        if !mean.is_finite() {
            return None;
        }
        if mean < BAD_MEAN && largest < BAD_LAYER {
            let good = mean < BAD_MEAN * GOOD_SHARE && largest < BAD_LAYER * GOOD_SHARE;
            return Some(if good { Verdict::Good } else { Verdict::Unclear });
        }
        let message = format!(
            "{} of all channels are dead; most in {}, {}",
            percent(mean),
            layer_name(lane, worst),
            percent(largest)
        );
        let layer = Some(worst);
        Some(Verdict::Bad(Symptom { layer, severity: Severity::Warning, message }))
    }
}
