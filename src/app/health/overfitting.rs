//! Rule: a test loss that rises while the training loss falls.

use serde::{Deserialize, Serialize};

use super::{Rule, RuleEntry, Severity, Symptom, Verdict, measured};
use crate::app::facts::LaneFacts;
use crate::event::RunEvent;
use crate::metric::known;
use crate::printable::{percent, short};

/// Bad where the test loss is above its best by this share.
const BAD_RISE: f32 = 0.10;
/// Good below this share.
const GOOD_RISE: f32 = 0.05;
/// Only where the training loss, in the same mode, is below the test loss by this share.
const GAP: f32 = 0.20;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "overfitting",
    bad: "the test loss is 10 % above its best while the training loss falls",
    source: "",
    meaning: "The network keeps learning its training data, but gets worse on others. More or augmented data, \
              more weight decay or an earlier stop help.",
    needs: &[&[known::TEST_LOSS], &[known::TRAIN_LOSS]],
    network: None,
    opens_after: 2,
    closes_after: 2,
    build: || Box::new(Overfitting { best: None }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Overfitting {
    /// The lowest test loss so far, with the training loss then.
    best: Option<(f32, f32)>,
}

impl Rule for Overfitting {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let loss = measured(event)?.number(known::TEST_LOSS)?;
        let train = lane.scalar(known::TRAIN_LOSS).last()?.last(0)?;
        if !loss.is_finite() || !train.is_finite() {
            return None;
        }
        let (best, train_then) = *self.best.get_or_insert((loss, train));
        if loss <= best {
            self.best = Some((loss, train));
            return Some(Verdict::Good);
        }
        let rise = loss / best - 1.0;
        if rise < BAD_RISE || train > train_then || train > loss * (1.0 - GAP) {
            return Some(if rise < GOOD_RISE { Verdict::Good } else { Verdict::Unclear });
        }
        let message = format!(
            "test loss {} is {} above its best while the training loss fell to {}",
            short(loss.into()),
            percent(rise),
            short(train.into())
        );
        Some(Verdict::Bad(Symptom { layer: None, severity: Severity::Note, message }))
    }
}
