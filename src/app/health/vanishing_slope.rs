//! Rule: gradients that shrink or grow exponentially with depth.

use serde::{Deserialize, Serialize};

use super::{Rule, RuleEntry, Severity, Symptom, Verdict, measured};
use crate::app::facts::LaneFacts;
use crate::app::smoothing::Ema;
use crate::event::RunEvent;
use crate::metric::known;
use crate::statistics::slope_in_decades;
use crate::structure::Structure;
use crate::structure::kind::CONVOLUTION;
use crate::units::LayerIdx;

/// Bad if the norm shrinks by more than this many decades per layer toward the input.
const BAD_SHRINKING: f64 = 0.05;
/// Bad if it grows by more. In a plain network with ReLU and batch norm it normally grows by a factor of 1.211 per
/// layer, 0.083 decades, at initialisation (Yang et al. 2019, theorem 8).
const BAD_GROWING: f64 = 0.12;
/// Good within this share of either bound.
const GOOD_SHARE: f64 = 0.8;
/// Bad only if the ends are at least this many decades apart: in shallow networks any slope is harmless.
const BAD_DECADES: f64 = 2.0;
/// The fewest layers that a slope is fitted to.
const FEWEST_LAYERS: usize = 8;
/// Decay per record of the slope's running mean.
const DECAY: f64 = 0.9;
/// Records before anything is judged: gradients of a plain network even out within its first steps.
const WARM_UP: u32 = 20;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "vanishing_slope",
    bad: "weight gradients shrink by 0.05 decades per layer toward the input, or grow by 0.12, 2 decades in all",
    source: "Yang et al. 2019, theorem 8",
    meaning: "One learning rate cannot serve both ends of the network: where gradients are small, layers \
              hardly learn. Batch norm and shortcuts level the slope.",
    needs: &[&[known::WEIGHT_GRADIENT_NORM]],
    network: Some(("eight convolutions or more", has_convolutions)),
    opens_after: 5,
    closes_after: 10,
    build: || Box::new(VanishingSlope { slope: Ema::new(DECAY), seen: 0 }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct VanishingSlope {
    slope: Ema,
    seen: u32,
}

impl Rule for VanishingSlope {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let norms = measured(event)?.numbers(known::WEIGHT_GRADIENT_NORM)?;
        let convolutions = of_convolutions(lane, norms)?;
        if convolutions.iter().filter(|(_, norm)| norm.is_some()).count() < FEWEST_LAYERS {
            return None;
        }
        // From the first recorded layer to the last; unrecorded ones between them are NaN.
        let first = convolutions.iter().position(|(_, norm)| norm.is_some())?;
        let last = convolutions.iter().rposition(|(_, norm)| norm.is_some())?;
        let norms = convolutions[first..=last].iter().map(|(_, norm)| norm.unwrap_or(f32::NAN));
        let norms: Vec<f32> = norms.collect();
        let slope = self.slope.push(slope_in_decades(&norms)?);
        self.seen = self.seen.saturating_add(1);
        if self.seen <= WARM_UP {
            return None;
        }
        let decades = slope.abs() * (norms.len() - 1) as f64;
        let bound = if slope > 0.0 { BAD_SHRINKING } else { BAD_GROWING };
        if slope.abs() < bound || decades < BAD_DECADES {
            let good = slope.abs() < bound * GOOD_SHARE || decades < BAD_DECADES * GOOD_SHARE;
            return Some(if good { Verdict::Good } else { Verdict::Unclear });
        }
        let changes = if slope > 0.0 { "shrink" } else { "grow" };
        let message = format!(
            "weight gradients {changes} by {:.3} decades per layer toward the input, {decades:.1} in all",
            slope.abs()
        );
        let layer = Some(convolutions[first].0);
        Some(Verdict::Bad(Symptom { layer, severity: Severity::Warning, message }))
    }
}

/// Whether a slope can be fitted to a network at all.
fn has_convolutions(structure: &Structure) -> bool {
    structure.layers.iter().filter(|layer| layer.kind == CONVOLUTION).count() >= FEWEST_LAYERS
}

/// The norms of the recorded 3x3 convolutions inside blocks, one per depth; stem, head and projections have other
/// shapes.
fn of_convolutions(lane: &LaneFacts, norms: &[f32]) -> Option<Vec<(LayerIdx, Option<f32>)>> {
    let layers = (0..).map(LayerIdx).zip(&lane.structure()?.layers);
    let convolutions = layers.filter(|(_, layer)| layer.kind == CONVOLUTION);
    let norm = |layer| norms.get(lane.place_of(layer)?).copied();
    Some(convolutions.map(|(layer, _)| (layer, norm(layer))).collect())
}
