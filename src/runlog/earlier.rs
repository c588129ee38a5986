//! Translates events of formats 1 and 2, which knew one kind of network and its statistics, to the current events.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::event::{
    Histogram, Kind, LaneStarted, MetricsDeclared, Mode, Provenance, RunEvent, Split, Time, Value, Values,
    evaluated, wire,
};
use crate::experiment::Experiment;
use crate::metric::{Metric, known};
use crate::structure::Structure;
use crate::units::{LayerIdx, Step};
use topology::Topology;

mod topology;

/// The latest of these formats.
pub(super) const LAST_VERSION: u32 = 2;

/// The kinds of events that are no longer written.
pub(super) const KINDS: &[&str] = &["step_finished", "histograms_taken", "evaluation_finished"];

/// The metrics of these formats.
const METRICS: &[Metric] = &[
    known::LOSS,
    known::ERROR,
    known::LEARNING_RATE,
    known::TRAIN_LOSS,
    known::TRAIN_ERROR,
    known::TRAIN_BATCH_LOSS,
    known::TRAIN_BATCH_ERROR,
    known::TEST_LOSS,
    known::TEST_ERROR,
    known::TEST_BATCH_LOSS,
    known::TEST_BATCH_ERROR,
    known::ACTIVATION_MEAN,
    known::ACTIVATION_STD,
    known::ACTIVATION_RMS,
    known::ACTIVATION_MIN,
    known::ACTIVATION_MAX,
    known::ZERO_RATE,
    known::DEAD_UNITS,
    known::ACTIVATION_NON_FINITE,
    known::RESPONSE_STD,
    known::OUTPUT_GRADIENT_NORM,
    known::OUTPUT_GRADIENT_MEAN,
    known::OUTPUT_GRADIENT_STD,
    known::WEIGHT_GRADIENT_NORM,
    known::WEIGHT_GRADIENT_MEAN,
    known::WEIGHT_GRADIENT_STD,
    known::WEIGHT_GRADIENT_NON_FINITE,
    known::WEIGHT_NORM,
    known::UPDATE_RATIO,
    known::BRANCH_RATIO,
    known::BRANCH_COSINE,
    known::ACTIVATIONS,
    known::WEIGHT_GRADIENTS,
    known::WEIGHTS,
];

/// `lane_started`.
#[derive(Deserialize)]
pub(super) struct Started {
    version: u32,
    lane: String,
    experiment: Experiment,
    topology: Topology,
    train_images: usize,
    test_images: usize,
    initial_weights: String,
    batch_order: String,
    #[serde(default)]
    data_set: Option<String>,
    #[serde(default)]
    recorded: Option<Vec<LayerIdx>>,
    time: Time,
}

impl From<Started> for RunEvent {
    fn from(old: Started) -> RunEvent {
        let structure = Structure::from(&old.topology);
        let started = LaneStarted {
            version: old.version,
            lane: old.lane,
            structure,
            recorded: old.recorded,
            declared: MetricsDeclared { metrics: METRICS.to_vec(), axes: Vec::new() },
            steps: Some(old.experiment.training.steps),
            activation_bytes: None,
            provenance: Some(Provenance {
                experiment: old.experiment,
                input: old.topology.input.into(),
                classes: old.topology.classes,
                train_images: old.train_images,
                test_images: old.test_images,
                initial_weights: old.initial_weights,
                batch_order: old.batch_order,
                data_set: old.data_set,
            }),
        };
        RunEvent { step: Step(0), time: old.time, kind: Kind::LaneStarted(Box::new(started)) }
    }
}

/// `histograms_taken`.
#[derive(Deserialize)]
pub(super) struct HistogramsTaken {
    step: Step,
    layers: Vec<LayerHistograms>,
    time: Time,
}

#[derive(Deserialize)]
struct LayerHistograms {
    activations: Histogram,
    weight_gradients: Histogram,
    weights: Histogram,
}

impl From<HistogramsTaken> for RunEvent {
    fn from(old: HistogramsTaken) -> RunEvent {
        let (mut activations, mut gradients, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for layer in old.layers {
            activations.push(layer.activations);
            gradients.push(layer.weight_gradients);
            weights.push(layer.weights);
        }
        let values = [
            (known::ACTIVATIONS, activations),
            (known::WEIGHT_GRADIENTS, gradients),
            (known::WEIGHTS, weights),
        ];
        let values = values.into_iter().map(|(metric, all)| (metric, Value::Histograms(all)));
        RunEvent { step: old.step, time: old.time, kind: Kind::Measured(values.collect()) }
    }
}

/// `evaluation_finished`.
#[derive(Deserialize)]
pub(super) struct EvaluationFinished {
    step: Step,
    split: Split,
    mode: Mode,
    #[serde(rename = "images")]
    _images: IgnoredAny,
    #[serde(with = "wire::float")]
    loss: f32,
    #[serde(with = "wire::float")]
    error: f32,
    time: Time,
}

impl From<EvaluationFinished> for RunEvent {
    fn from(old: EvaluationFinished) -> RunEvent {
        let [loss, error] = evaluated(old.split, old.mode);
        let values = Values::default().with(loss, old.loss).with(error, old.error);
        RunEvent { step: old.step, time: old.time, kind: Kind::Measured(values) }
    }
}
