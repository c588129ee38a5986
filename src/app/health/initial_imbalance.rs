//! Rule: layers that differ by orders of magnitude in what the first step does to them. In a plain network with ReLU and
//! batch norm, weight gradients grow by 1.211 per layer toward the input (Yang et al. 2019, theorem 8): 46 times over 20
//! layers, 4.6e4 times over 56. They even out within the first steps, unless the first step is too large.

use serde::{Deserialize, Serialize};

use super::{Rule, RuleEntry, Severity, Symptom, Verdict, layer_name, measured};
use crate::app::facts::LaneFacts;
use crate::event::{RunEvent, Values};
use crate::experiment::Optimizer;
use crate::metric::known;
use crate::printable::short;
use crate::units::Step;

/// Bad if the largest is at least this many times the smallest. Engineering judgement: the bounds of
/// [`super::update_ratio`] are 3e3 apart, so that no learning rate is right for both.
const BAD_FACTOR: f64 = 1e4;
/// Good below this many times.
const GOOD_FACTOR: f64 = 1e3;
/// The last step that is a start; what is first recorded later says nothing about it.
const LAST_START: Step = Step(10);

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "initial_imbalance",
    bad: "at the first step, weight gradients of layers (with Adam, update ratios) differ by 1e4",
    source: "Yang et al. 2019, theorem 8",
    meaning: "The first updates are far too large at one end of the network or far too small at the other. A warm-up gets \
              over it if the layers even out by themselves; another initialisation, a norm or shortcuts avoid it.",
    needs: &[&[known::WEIGHT_GRADIENT_NORM, known::UPDATE_RATIO]],
    network: None,
    opens_after: 1,
    closes_after: 5,
    build: || Box::new(InitialImbalance { seen: false }),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct InitialImbalance {
    /// Whether the start was judged.
    seen: bool,
}

impl Rule for InitialImbalance {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        let (sizes, what) = sizes(lane, measured(event)?)?;
        // Layers that start at zero have no gradient, or no ratio; frozen ones are not updated.
        let is_frozen = |at: &usize| lane.is_frozen(lane.recorded_layer(*at));
        let usable = |at: &usize| sizes[*at].is_finite() && sizes[*at] > 0.0 && !is_frozen(at);
        let of = |at: &usize| f64::from(sizes[*at]);
        let largest = (0..sizes.len()).filter(usable).max_by(|a, b| of(a).total_cmp(&of(b)))?;
        let smallest = (0..sizes.len()).filter(usable).min_by(|a, b| of(a).total_cmp(&of(b)))?;
        let factor = of(&largest) / of(&smallest);
        let is_start = !self.seen && event.step <= LAST_START;
        self.seen = true;
        if !is_start || factor < BAD_FACTOR {
            return Some(if factor < GOOD_FACTOR { Verdict::Good } else { Verdict::Unclear });
        }
        let [largest, smallest] = [largest, smallest].map(|at| lane.recorded_layer(at));
        let depth = |layer| lane.structure().map_or(0, |structure| structure.depth_of(layer));
        let layers = depth(largest).abs_diff(depth(smallest)).max(1);
        let message = format!(
            "{what} of {} are {} times those of {}: {} times per layer",
            layer_name(lane, largest),
            short(factor),
            layer_name(lane, smallest),
            short(factor.powf(1.0 / layers as f64))
        );
        Some(Verdict::Bad(Symptom { layer: Some(largest), severity: Severity::Note, message }))
    }
}

/// What the first step does to each layer, and its name: Adam makes updates that do not depend on the size of
/// gradients.
fn sizes<'a>(lane: &LaneFacts, values: &'a Values) -> Option<(&'a [f32], &'static str)> {
    let gradients = values.numbers(known::WEIGHT_GRADIENT_NORM).map(|norms| (norms, "weight gradients"));
    let updates = values.numbers(known::UPDATE_RATIO).map(|ratios| (ratios, "updates over weights"));
    let optimizer = lane.experiment().map(|experiment| &experiment.training.optimizer);
    match optimizer {
        Some(Optimizer::Sgd { .. }) | None => gradients.or(updates),
        Some(Optimizer::Adam { .. } | Optimizer::AdamW { .. }) => updates.or(gradients),
    }
}
