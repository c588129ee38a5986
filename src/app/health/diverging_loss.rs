//! Rule: a loss far above where the lane began, so that it no longer learns, finite or not.

use serde::{Deserialize, Serialize};

use super::{Rule, RuleEntry, Severity, Symptom, Verdict, measured};
use crate::app::facts::LaneFacts;
use crate::event::RunEvent;
use crate::metric::known;
use crate::printable::short;

/// Bad from this many times the loss at the start, or that of guessing where it is greater.
const BAD_TIMES: f64 = 10.0;
/// Good below this many times.
const GOOD_TIMES: f64 = 2.0;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "diverging_loss",
    bad: "the loss is 10 times the first one, or that of guessing",
    source: "",
    meaning: "The network does far worse than guessing, and its weights are thrown off: the lane has diverged, even \
              if its numbers are still finite, and cannot be compared with others. A smaller learning rate or a \
              warm-up usually prevents it.",
    needs: &[&[known::LOSS]],
    network: None,
    opens_after: 3,
    closes_after: 10,
    build: || Box::new(DivergingLoss { start: None }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct DivergingLoss {
    /// The first finite loss.
    start: Option<f32>,
}

impl Rule for DivergingLoss {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let loss = measured(event)?.number(known::LOSS)?;
        if !loss.is_finite() {
            // Non-finite values belong to another rule.
            return None;
        }
        let start = f64::from(*self.start.get_or_insert(loss));
        // Guessing among n classes has a loss of ln n.
        let classes = lane.started()?.provenance.as_ref().map_or(1, |provenance| provenance.classes);
        let guessing = (classes as f64).ln();
        if start <= 0.0 && guessing <= 0.0 {
            // An unknown loss has no usual range.
            return None;
        }
        let (usual, of) =
            if start > guessing { (start, "the first") } else { (guessing, "that of guessing") };
        let (loss, times) = (f64::from(loss), f64::from(loss) / usual);
        if times < BAD_TIMES {
            return Some(if times < GOOD_TIMES { Verdict::Good } else { Verdict::Unclear });
        }
        let message = format!("loss {} is {} times {of}, {}", short(loss), short(times), short(usual));
        Some(Verdict::Bad(Symptom { layer: None, severity: Severity::Critical, message }))
    }
}
