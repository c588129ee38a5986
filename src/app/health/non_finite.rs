//! Rule: a NaN or infinity in loss, activations or gradients.

use serde::{Deserialize, Serialize};

use super::{Rule, RuleEntry, Severity, Symptom, Verdict, layer_name};
use crate::app::facts::LaneFacts;
use crate::event::{Kind, NonFiniteFound, Pass, RunEvent, Values};
use crate::metric::{Metric, known};

pub(super) static ENTRY: RuleEntry = RuleEntry {
    name: "non_finite",
    bad: "anything is NaN or infinite",
    source: "",
    meaning: "From here on the weights carry no information: the lane is lost. The layer named is the first \
              in which it occurred. A smaller learning rate or a warm-up usually prevents it.",
    needs: &[&TELLING],
    network: None,
    opens_after: 1,
    closes_after: 10,
    build: || Box::new(NonFinite),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct NonFinite;

impl Rule for NonFinite {
    fn judge(&mut self, lane: &LaneFacts, event: &RunEvent) -> Option<Verdict> {
        match &event.kind {
            Kind::NonFiniteFound(found) => Some(Verdict::Bad(found_symptom(lane, found))),
            Kind::Measured(values) if TELLING.iter().any(|metric| values.get(*metric).is_some()) => {
                Some(match step_symptom(lane, values) {
                    Some(symptom) => Verdict::Bad(symptom),
                    None => Verdict::Good,
                })
            }
            _ => None,
        }
    }
}

fn found_symptom(lane: &LaneFacts, found: &NonFiniteFound) -> Symptom {
    let pass = match found.pass {
        Pass::Forward => "forward pass",
        Pass::Backward => "backward pass",
        Pass::Update => "update",
    };
    let place = found.layer.map_or_else(|| "the loss".to_owned(), |layer| layer_name(lane, layer));
    let message = format!("first NaN or infinity in the {pass}, in {place}");
    Symptom { layer: found.layer, severity: Severity::Critical, message }
}

/// The metrics that show whether something is not finite.
const TELLING: [Metric; 3] = [known::LOSS, known::ACTIVATION_NON_FINITE, known::WEIGHT_GRADIENT_NON_FINITE];

fn step_symptom(lane: &LaneFacts, values: &Values) -> Option<Symptom> {
    let first = |metric| {
        let counts = values.numbers(metric)?;
        counts.iter().position(|count| *count != 0.0).map(|at| lane.recorded_layer(at))
    };
    let (layer, what) = if let Some(layer) = first(known::ACTIVATION_NON_FINITE) {
        (Some(layer), format!("NaN or infinity in the output of {}", layer_name(lane, layer)))
    } else if let Some(layer) = first(known::WEIGHT_GRADIENT_NON_FINITE) {
        (Some(layer), format!("NaN or infinity in the weight gradient of {}", layer_name(lane, layer)))
    } else {
        let loss = values.number(known::LOSS).filter(|loss| !loss.is_finite())?;
        (None, format!("the loss is {loss}"))
    };
    Some(Symptom { layer, severity: Severity::Critical, message: what })
}
