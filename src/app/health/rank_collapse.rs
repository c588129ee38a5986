//! Rule: deep layers whose outputs are nearly the same for every example, or for every token. Attention without shortcuts
//! makes tokens equal doubly exponentially with depth (Dong et al. 2021); plain networks without a norm do the same to
//! examples. What has become equal cannot be told apart any more.

use serde::{Deserialize, Serialize};

use super::{Rule, RuleEntry, Severity, Symptom, Verdict, block_name, layer_name, layer_of, measured};
use crate::app::facts::LaneFacts;
use crate::event::RunEvent;
use crate::metric::known;
use crate::printable::{percent, short};
use crate::structure::kind::HEAD;
use crate::units::{BlockIdx, LayerIdx};

/// Bad below this effective rank over the number of units. Engineering judgement.
const BAD_SHARE: f32 = 0.02;
/// Bad below this effective rank, however few units there are: one direction with a little noise.
const BAD_RANK: f32 = 1.2;
/// Only in layers of at least this many units.
const LEAST_UNITS: usize = 4;
/// Bad above this cosine between tokens. Engineering judgement.
const BAD_COSINE: f32 = 0.99;
/// Good this many times farther from either bound.
const GOOD_FACTOR: f32 = 2.0;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "rank_collapse",
    bad: "in the deeper half of the network, the effective rank is below 2 % of the units or is 1.2, or the \
          cosine between tokens above 0.99",
    source: "Dong et al. 2021",
    meaning: "Deep layers can hardly tell one input from another, so what follows has little to learn from, and its \
              gradients carry little. Shortcuts prevent it, and so do norms and narrower or fewer layers.",
    needs: &[&[known::EFFECTIVE_RANK, known::TOKEN_COSINE]],
    network: None,
    opens_after: 3,
    closes_after: 3,
    build: || Box::new(RankCollapse { ranks: None, cosines: None }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RankCollapse {
    /// The worst layer when ranks were last measured: its value, and how it is judged.
    ranks: Option<(LayerIdx, f32, Grade)>,
    /// The worst block when tokens were last compared.
    cosines: Option<(BlockIdx, f32, Grade)>,
}

/// How bad a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Grade {
    Good,
    Unclear,
    Bad,
}

impl Rule for RankCollapse {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let values = measured(event)?;
        let (ranks, cosines) = (values.numbers(known::EFFECTIVE_RANK), values.numbers(known::TOKEN_COSINE));
        if ranks.is_none() && cosines.is_none() {
            return None;
        }
        if let Some(ranks) = ranks {
            self.ranks = worst_rank(lane, ranks);
        }
        if let Some(cosines) = cosines {
            self.cosines = worst_cosine(cosines);
        }
        let of_ranks = self.ranks.map(|(.., grade)| grade);
        let (message, layer) = match (self.ranks, self.cosines) {
            (Some((layer, share, Grade::Bad)), _) => {
                let name = layer_name(lane, layer);
                let message = match units(lane, layer) {
                    Some(units) => format!(
                        "the outputs of {name} have an effective rank of {} in {units} dimensions",
                        short(f64::from(share) * units as f64)
                    ),
                    None => format!("the outputs of {name} have an effective rank of {}", percent(share)),
                };
                (message, Some(layer))
            }
            (_, Some((block, cosine, Grade::Bad))) => {
                let message = format!(
                    "tokens are nearly equal behind {}: their mean cosine is {}",
                    block_name(lane, block),
                    short(cosine.into())
                );
                (message, layer_of(lane, block))
            }
            _ => {
                let worst = of_ranks.max(self.cosines.map(|(.., grade)| grade))?;
                return Some(if worst == Grade::Good { Verdict::Good } else { Verdict::Unclear });
            }
        };
        Some(Verdict::Bad(Symptom { layer, severity: Severity::Warning, message }))
    }
}

/// The dimensions of a layer's output, if they are known.
fn units(lane: &LaneFacts, layer: LayerIdx) -> Option<usize> {
    lane.structure()?.layer(layer)?.output.first().copied()
}

/// The worst of the deeper half of the layers, without the head.
fn worst_rank(lane: &LaneFacts, shares: &[f32]) -> Option<(LayerIdx, f32, Grade)> {
    let layers = &lane.structure()?.layers;
    let places = (0..shares.len()).map(|at| (lane.recorded_layer(at), shares[at]));
    let deep = places.filter(|(layer, share)| {
        let is_head = layers.get(layer.0).is_some_and(|layer| layer.kind == HEAD);
        layer.0 >= layers.len() / 2 && !is_head && share.is_finite()
    });
    let classes = lane.started()?.provenance.as_ref().map(|provenance| provenance.classes);
    let graded = deep.map(|(layer, share)| (layer, share, grade(share, units(lane, layer), classes)));
    graded.max_by(|(_, a, worse), (_, b, than)| worse.cmp(than).then(b.total_cmp(a)))
}

/// A share of units alone says little: one of few units is at least one, and a trained classifier ends with one dimension
/// less than it has classes (Papyan et al. 2020).
fn grade(share: f32, units: Option<usize>, classes: Option<usize>) -> Grade {
    let is_bad = |share: f32| {
        let Some(units) = units else { return share < BAD_SHARE };
        let rank = share * units as f32;
        let is_of_classes = classes.is_some_and(|classes| rank >= (classes as f32 - 1.0) / 2.0);
        share < BAD_SHARE && !is_of_classes || units >= LEAST_UNITS && rank < BAD_RANK
    };
    match (is_bad(share), is_bad(share / GOOD_FACTOR)) {
        (true, _) => Grade::Bad,
        (false, true) => Grade::Unclear,
        (false, false) => Grade::Good,
    }
}

/// The worst of the deeper half of the blocks.
fn worst_cosine(cosines: &[f32]) -> Option<(BlockIdx, f32, Grade)> {
    let deep = (cosines.len() / 2..cosines.len()).filter(|at| cosines[*at].is_finite());
    let worst = deep.max_by(|a, b| cosines[*a].total_cmp(&cosines[*b]))?;
    let grade = match 1.0 - cosines[worst] {
        apart if apart < 1.0 - BAD_COSINE => Grade::Bad,
        apart if apart < (1.0 - BAD_COSINE) * GOOD_FACTOR => Grade::Unclear,
        _ => Grade::Good,
    };
    Some((BlockIdx(worst), cosines[worst], grade))
}

#[cfg(test)]
mod tests {
    use super::{Grade, grade};

    #[test]
    fn a_rank_is_judged_by_what_it_could_be() {
        // Share, units, classes, grade.
        let cases = [
            (0.019, Some(4096), None, Grade::Bad),
            (0.03, Some(4096), None, Grade::Unclear),
            (0.05, Some(4096), None, Grade::Good),
            (0.019, None, Some(10), Grade::Bad),
            // 10 classes leave 9 of 512 dimensions; 2 of them are too few.
            (9.0 / 512.0, Some(512), Some(10), Grade::Good),
            (2.0 / 512.0, Some(512), Some(10), Grade::Bad),
            // Far above the share, but a single direction.
            (1.1 / 16.0, Some(16), Some(10), Grade::Bad),
            (2.0 / 16.0, Some(16), Some(10), Grade::Unclear),
            (4.0 / 16.0, Some(16), Some(10), Grade::Good),
            (1.0, Some(1), None, Grade::Good),
        ];
        for (share, units, classes, expected) in cases {
            assert_eq!(grade(share, units, classes), expected, "{share} of {units:?} for {classes:?}");
        }
    }
}
