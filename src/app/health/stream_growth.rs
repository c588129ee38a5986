//! Rule: a residual stream, or the signal of a plain network, that grows exponentially with depth. Without a norm every
//! block of He's initialisation adds as much variance as it finds, so that the mean square doubles with each block (Hanin
//! and Rolnick 2018; Zhang et al. 2019, section 2). With pre-activation and batch norm it grows only linearly, and with a
//! norm behind the addition not at all.

use serde::{Deserialize, Serialize};

use super::{Rule, RuleEntry, Severity, Symptom, Verdict, block_name, layer_of, measured};
use crate::app::facts::LaneFacts;
use crate::app::smoothing::Ema;
use crate::event::RunEvent;
use crate::metric::known;
use crate::printable::short;
use crate::units::BlockIdx;

/// Bad if the root mean square grows by this factor from the first block to the largest one. Engineering judgement: 2.0
/// per block reach it after 20 blocks, linear growth after a million.
const BAD_FACTOR: f64 = 1e3;
/// Bad if the mean square grows by this factor from block to block, in the median of at least [`MANY_BLOCKS`] blocks: nearly
/// doubling.
const BAD_PER_BLOCK: f64 = 1.8;
/// Good below these shares of the bounds' logarithms.
const GOOD_SHARE: f64 = 0.8;
/// The blocks over which growth per block is judged: the linear growth of the first few blocks looks the same.
const MANY_BLOCKS: usize = 8;
/// Decay per record of the running means.
const DECAY: f64 = 0.9;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "stream_growth",
    bad: "stream_rms grows 1,000 times over all blocks, or its square 1.8 times per block in the median of 8 or more",
    source: "Hanin and Rolnick 2018; Zhang et al. 2019, section 2",
    meaning: "The last blocks drown the first ones, and gradients grow the same way toward the input: one learning rate \
              serves neither end. A norm, branches that start at zero (Fixup, SkipInit, ReZero) or a factor of \
              1 / sqrt(depth) keep the stream level.",
    needs: &[&[known::STREAM_RMS]],
    network: Some(("two blocks or more", |structure| structure.blocks.len() > 1)),
    opens_after: 2,
    closes_after: 10,
    build: || Box::new(StreamGrowth { factor: Ema::new(DECAY), each: Ema::new(DECAY) }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StreamGrowth {
    /// The running mean of the logarithm of the factor from the first block to the largest.
    factor: Ema,
    /// The running mean of the logarithm of the median factor from block to block, of the mean square.
    each: Ema,
}

impl Rule for StreamGrowth {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let stream = measured(event)?.numbers(known::STREAM_RMS)?;
        let usable = |at: &usize| stream[*at].is_finite() && stream[*at] > 0.0;
        let blocks: Vec<usize> = (0..stream.len()).filter(usable).collect();
        let first = *blocks.first()?;
        let largest = blocks.iter().copied().max_by(|a, b| stream[*a].total_cmp(&stream[*b]))?;
        let factor = self.factor.push(f64::from(stream[largest] / stream[first]).ln());
        let mut each: Vec<f32> = blocks.windows(2).map(|pair| stream[pair[1]] / stream[pair[0]]).collect();
        each.sort_by(f32::total_cmp);
        let each = self.each.push(2.0 * f64::from(*each.get(each.len() / 2)?).ln());
        let (bad_factor, bad_each) = (BAD_FACTOR.ln(), BAD_PER_BLOCK.ln());
        let is_long = blocks.len() >= MANY_BLOCKS;
        if factor < bad_factor && (each < bad_each || !is_long) {
            let good = factor < bad_factor * GOOD_SHARE && (each < bad_each * GOOD_SHARE || !is_long);
            return Some(if good { Verdict::Good } else { Verdict::Unclear });
        }
        let message = format!(
            "the root mean square of the stream grows {} times from {} to {}, its mean square {} times per block",
            short(factor.exp()),
            block_name(lane, BlockIdx(first)),
            block_name(lane, BlockIdx(largest)),
            short(each.exp())
        );
        let layer = layer_of(lane, BlockIdx(largest));
        Some(Verdict::Bad(Symptom { layer, severity: Severity::Warning, message }))
    }
}
