//! Rule: a block whose branch adds next to nothing, while the branches of others do. Such a block is the identity: deleting
//! it changes nothing (Veit et al. 2016), and the network is less deep than it looks.

use serde::{Deserialize, Serialize};

use super::{
    FOLLOWED, NEEDS_SHORTCUTS, Rule, RuleEntry, Severity, Symptom, Verdict, block_name, layer_of, measured,
};
use crate::app::facts::LaneFacts;
use crate::app::smoothing::EmaOfEach;
use crate::event::RunEvent;
use crate::metric::known;
use crate::printable::short;
use crate::units::BlockIdx;

/// Bad where rms(F) / rms(h) is below this. Engineering judgement: trained branches have 0.1 to 1, and one of 1e-3 changes
/// the stream by a millionth of its mean square.
const BAD_BELOW: f64 = 1e-3;
/// Good above this.
const GOOD_ABOVE: f64 = 3e-3;
/// Only if the median block has at least this: blocks may all start at zero, as with a zero gamma or gain.
const OTHERS: f64 = 1e-2;
/// Decay per record of a block's running mean.
const DECAY: f64 = 0.9;
/// Records before anything is judged.
const WARM_UP: u32 = 20;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "block_unused",
    bad: "rms(F) is a thousandth of rms(h) in a block, and a hundredth or more in the median block",
    source: "Veit et al. 2016",
    meaning: "This block passes its input on unchanged, so its weights and its time are wasted. That is harmless, and \
              normal for some steps after a start at zero; if it stays, fewer blocks would do as well, or the branch gets \
              no gradient.",
    needs: &[&[known::BRANCH_RATIO]],
    network: NEEDS_SHORTCUTS,
    opens_after: 30,
    closes_after: 20,
    build: || Box::new(BlockUnused { ratios: EmaOfEach::new(DECAY), seen: 0 }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct BlockUnused {
    /// The running mean of each block's ratio, of the steps that did not drop its branch.
    ratios: EmaOfEach,
    seen: u32,
}

impl Rule for BlockUnused {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let ratios = measured(event)?.numbers(known::BRANCH_RATIO)?;
        self.ratios.push(&ratios[..ratios.len().min(FOLLOWED)]);
        self.seen = self.seen.saturating_add(1);
        if self.seen <= WARM_UP {
            return None;
        }
        let mut order: Vec<(usize, f64)> = self.ratios.values().collect();
        order.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        let ((block, least), (_, median)) = (*order.first()?, order[order.len() / 2]);
        if least >= BAD_BELOW || median < OTHERS {
            return Some(if least > GOOD_ABOVE { Verdict::Good } else { Verdict::Unclear });
        }
        let unused = order.iter().filter(|(_, ratio)| *ratio < BAD_BELOW).count();
        let block = BlockIdx(block);
        let message = format!(
            "{unused} of {} branches add next to nothing: rms(F) / rms(h) is {} in {}, {} in the median block",
            order.len(),
            short(least),
            block_name(lane, block),
            short(median)
        );
        let layer = layer_of(lane, block);
        Some(Verdict::Bad(Symptom { layer, severity: Severity::Note, message }))
    }
}
