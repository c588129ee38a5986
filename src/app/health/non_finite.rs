//! A NaN or infinity in loss, activations or gradients.

use serde::{Deserialize, Serialize};

use super::{Rule, RuleEntry, Severity, Symptom, Verdict, layer_name};
use crate::app::lane::Lane;
use crate::app::matrix::is_absent;
use crate::event::{NonFiniteFound, Pass, RunEvent, StepFinished};
use crate::statistic::Statistic;
use crate::units::LayerIdx;

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "non_finite",
    meaning: "From here on the weights carry no information: the lane is lost. The layer named is the first \
              where it showed. A smaller learning rate or a warm-up usually prevents it.",
    opens_after: 1,
    closes_after: 10,
    build: || Box::new(NonFinite),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct NonFinite;

impl Rule for NonFinite {
    fn judge(&mut self, lane: &Lane, event: &RunEvent) -> Option<Verdict> {
        match event {
            RunEvent::NonFiniteFound(found) => Some(Verdict::Bad(found_symptom(lane, found))),
            RunEvent::StepFinished(step) => Some(match step_symptom(lane, step) {
                Some(symptom) => Verdict::Bad(symptom),
                None => Verdict::Good,
            }),
            _ => None,
        }
    }
}

fn found_symptom(lane: &Lane, found: &NonFiniteFound) -> Symptom {
    let pass = match found.pass {
        Pass::Forward => "forward pass",
        Pass::Backward => "backward pass",
        Pass::Update => "update",
    };
    let place = found.layer.map_or_else(|| "the loss".to_owned(), |layer| layer_name(lane, layer));
    let message = format!("first NaN or infinity in the {pass}, in {place}");
    Symptom { layer: found.layer, severity: Severity::Critical, message }
}

fn step_symptom(lane: &Lane, step: &StepFinished) -> Option<Symptom> {
    let first = |statistic| {
        let column = step.statistics.get(statistic)?;
        column.iter().position(|count| *count != 0.0 && !is_absent(*count)).map(LayerIdx)
    };
    let (layer, what) = if let Some(layer) = first(Statistic::ActivationNonFinite) {
        (Some(layer), format!("NaN or infinity in the output of {}", layer_name(lane, layer)))
    } else if let Some(layer) = first(Statistic::WeightGradientNonFinite) {
        (Some(layer), format!("NaN or infinity in the weight gradient of {}", layer_name(lane, layer)))
    } else if !step.loss.is_finite() {
        (None, format!("the loss is {}", step.loss))
    } else {
        return None;
    };
    Some(Symptom { layer, severity: Severity::Critical, message: what })
}
