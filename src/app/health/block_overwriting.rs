//! Rule: a block whose branch drowns what came before it. Identity mappings help because the signal of every block reaches
//! all later ones (He et al. 2016, section 2); behind such a block it does not.

use serde::{Deserialize, Serialize};

use super::{
    FOLLOWED, NEEDS_SHORTCUTS, Rule, RuleEntry, Severity, Symptom, Verdict, block_name, layer_of, measured,
};
use crate::app::facts::LaneFacts;
use crate::app::smoothing::EmaOfEach;
use crate::event::RunEvent;
use crate::metric::known;
use crate::printable::short;
use crate::structure::shortcut::PROJECTION;
use crate::units::BlockIdx;

/// Bad where rms(F) / rms(h) is above this. Engineering judgement: at 1 branch and shortcut count the same, at 10 the
/// shortcut is a hundredth of the mean square.
const BAD_ABOVE: f64 = 10.0;
/// Good below this.
const GOOD_BELOW: f64 = 5.0;
/// Decay per record of a block's running mean.
const DECAY: f64 = 0.9;
/// Records before anything is judged.
const WARM_UP: u32 = 20;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "block_overwriting",
    bad: "rms(F) is 10 times rms(h); not for a projection at the start of a stage",
    source: "He et al. 2016, section 2",
    meaning: "Behind this block hardly anything is left of what the blocks before it computed, and gradients reach them \
              mostly through its branch, as in a plain network. A norm in front of the branch, a smaller start of its last \
              layer, or weight decay keep branch and shortcut in balance.",
    needs: &[&[known::BRANCH_RATIO]],
    network: NEEDS_SHORTCUTS,
    opens_after: 20,
    closes_after: 20,
    build: || Box::new(BlockOverwriting { ratios: EmaOfEach::new(DECAY), seen: 0 }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct BlockOverwriting {
    /// The running mean of each block's ratio, of the steps that did not drop its branch.
    ratios: EmaOfEach,
    seen: u32,
}

impl Rule for BlockOverwriting {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let ratios = measured(event)?.numbers(known::BRANCH_RATIO)?;
        self.ratios.push(&ratios[..ratios.len().min(FOLLOWED)]);
        self.seen = self.seen.saturating_add(1);
        if self.seen <= WARM_UP {
            return None;
        }
        let judged = self.ratios.values().filter(|(block, _)| !begins_stage_anew(lane, *block));
        let (block, most) = judged.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        if most <= BAD_ABOVE {
            return Some(if most < GOOD_BELOW { Verdict::Good } else { Verdict::Unclear });
        }
        let block = BlockIdx(block);
        let message = format!(
            "the branch of {} drowns its shortcut: rms(F) / rms(h) is {}",
            block_name(lane, block),
            short(most)
        );
        let layer = layer_of(lane, block);
        Some(Verdict::Bad(Symptom { layer, severity: Severity::Warning, message }))
    }
}

/// Whether a block is the first of its stage and has a projection: a trained shortcut may be as small as it likes.
fn begins_stage_anew(lane: &LaneFacts, at: usize) -> bool {
    let Some(blocks) = lane.structure().map(|structure| &structure.blocks) else { return false };
    let Some(block) = blocks.get(at).filter(|block| block.shortcut.as_deref() == Some(PROJECTION)) else {
        return false;
    };
    at.checked_sub(1).and_then(|before| blocks.get(before)).is_none_or(|before| before.stage != block.stage)
}
