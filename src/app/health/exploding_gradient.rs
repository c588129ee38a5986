//! Rule: a gradient norm that is suddenly far larger than before, or absurdly large.

use serde::{Deserialize, Serialize};

use super::{Rule, RuleEntry, Severity, Symptom, Verdict, layer_name, measured};
use crate::app::facts::LaneFacts;
use crate::app::smoothing::Ema;
use crate::event::RunEvent;
use crate::metric::known;
use crate::printable::short;

/// Bad from this many times the norm's own running geometric mean.
const BAD_RATIO: f64 = 10.0;
/// Good below this many times.
const GOOD_RATIO: f64 = 3.0;
/// Bad from this norm in any case, from the first record on: a lane may diverge within the warm-up. Networks with batch
/// norm stay far below it, except in the first steps of deep plain ones.
const BAD_NORM: f64 = 1e4;
/// Decay per record of the running mean: about the last 50 count.
const DECAY: f64 = 0.98;
/// Records before the ratio is judged: the first steps of a deep network are naturally erratic.
const WARM_UP: u32 = 20;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "exploding_gradient",
    bad: "the gradient norm is 10 times its usual one, or above 1e4",
    source: "",
    meaning: "Single updates of this size throw the weights far off, and the loss jumps. A smaller learning \
              rate, a warm-up or clipped gradients help; so do shortcuts.",
    needs: &[&[known::WEIGHT_GRADIENT_NORM]],
    network: None,
    opens_after: 2,
    closes_after: 10,
    build: || Box::new(ExplodingGradient { usual: Ema::new(DECAY), first: None, seen: 0 }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ExplodingGradient {
    /// The running mean of the logarithm of the norm over all layers.
    usual: Ema,
    /// The first norm: a deep plain network begins with a large gradient, and soon evens out.
    first: Option<f64>,
    seen: u32,
}

impl Rule for ExplodingGradient {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let norms = measured(event)?.numbers(known::WEIGHT_GRADIENT_NORM)?;
        let norm = norms.iter().map(|norm| f64::from(*norm).powi(2)).sum::<f64>().sqrt();
        if !norm.is_finite() || norm <= 0.0 {
            // Non-finite values belong to another rule.
            return None;
        }
        let usual = self.usual.value().unwrap_or(norm.ln()).exp();
        self.usual.push(norm.ln());
        self.seen = self.seen.saturating_add(1);
        let first = *self.first.get_or_insert(norm);
        if self.seen <= WARM_UP && (norm < BAD_NORM || norm <= first) {
            return None;
        }
        let ratio = norm / usual;
        if ratio < BAD_RATIO && norm < BAD_NORM {
            return Some(if ratio < GOOD_RATIO { Verdict::Good } else { Verdict::Unclear });
        }
        let worst = (0..norms.len()).max_by(|a, b| norms[*a].total_cmp(&norms[*b]))?;
        let worst = lane.recorded_layer(worst);
        let message = format!(
            "gradient norm {}, {} times the usual; largest in {}",
            short(norm),
            short(ratio),
            layer_name(lane, worst)
        );
        Some(Verdict::Bad(Symptom { layer: Some(worst), severity: Severity::Warning, message }))
    }
}
