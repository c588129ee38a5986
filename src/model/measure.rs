//! The statistics of a step: what the operations have recorded, and what is measured of the weights and their gradients
//! around the update.

use std::cmp::Reverse;

use crate::event::{Histogram, Pass, Value, Values};
use crate::metric::{Metric, known};
use crate::model::builder::{Named, Role};
use crate::model::{Description, NonFinite, Wanted};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::update::{Change, sums, unchanged};
use crate::nn::ops::{BlockRecord, LayerRecord, Record};
use crate::nn::thread_pool::ThreadPool;
use crate::statistics::{Moments, Products, Sums, histogram};
use crate::structure::{Layer, Structure, shortcut};
use crate::units::LayerIdx;

/// Measurements of a layer's weights in a step.
#[derive(Clone, Debug, Default)]
struct LayerWeights {
    gradient: Sums,
    /// The number of NaN or infinite values in the gradient.
    non_finite: u64,
    /// Whether a gradient of any parameter of the layer, including bias and batch norm, is not finite.
    broken_gradient: bool,
    /// Whether a parameter of the layer is not finite after the update.
    broken_update: bool,
    norm: f32,
    update_ratio: f32,
    /// The largest absolute weight before the update, and the largest absolute gradient.
    largest: [f32; 2],
    histograms: Option<(Histogram, Histogram)>,
}

/// Measurements of the weights of every layer in a step.
#[derive(Clone, Debug)]
pub(super) struct Weights(Vec<LayerWeights>);

impl Weights {
    /// Measures gradients and weights before the update.
    pub(super) fn before(
        set: InstructionSet,
        structure: &Structure,
        parameters: &[&Named],
        gradients: &[Vec<f32>],
        wanted: Wanted,
        workers: &ThreadPool,
    ) -> Weights {
        let mut layers = vec![LayerWeights::default(); structure.layers.len()];
        let mut all_sums = vec![Sums::default(); gradients.len()];
        let mut jobs: Vec<_> = gradients.iter().zip(&mut all_sums).collect();
        // The largest first, so that threads have about as much to do.
        jobs.sort_by_key(|(gradient, _)| Reverse(gradient.len()));
        workers.run(jobs, |(gradient, to)| *to = sums(set, gradient));
        let measured = gradients.iter().zip(all_sums);
        for (Named { layer, role, parameter, .. }, (gradient, sums)) in parameters.iter().zip(measured) {
            let layer = &mut layers[layer.0];
            layer.broken_gradient |= !sums.sum.is_finite();
            if *role == Role::Weight {
                layer.gradient = sums;
                if !sums.sum.is_finite() {
                    layer.non_finite = Moments::of(gradient).non_finite;
                }
                layer.histograms =
                    wanted.histograms.then(|| (histogram(gradient), histogram(&parameter.values())));
            }
        }
        Weights(layers)
    }

    /// Adds the changes of each parameter by the update; without an update, because a gradient is not finite, the weights
    /// are measured as they are.
    pub(super) fn after(&mut self, set: InstructionSet, parameters: &[&Named], changes: Option<&[Change]>) {
        for (index, Named { layer, role, parameter, .. }) in parameters.iter().enumerate() {
            let layer = &mut self.0[layer.0];
            let change =
                changes.map_or_else(|| unchanged(set, &parameter.values(), None), |changes| changes[index]);
            layer.broken_update |= !change.is_finite;
            if *role == Role::Weight {
                layer.norm = change.before.sqrt() as f32;
                layer.update_ratio = (change.change / change.before).sqrt() as f32;
                layer.largest = change.largest;
            }
        }
    }

    /// The first layer whose parameters the update has made infinite or NaN.
    pub(super) fn first_non_finite_after(&self) -> Option<NonFinite> {
        let layer = self.0.iter().position(|layer| layer.broken_update)?;
        Some(NonFinite { layer: Some(LayerIdx(layer)), pass: Pass::Update })
    }
}

/// Where a NaN or infinity occurred first: in the forward pass, else in the loss, else in the backward pass.
pub(super) fn first_non_finite(record: &Record, loss: f32, weights: &Weights) -> Option<NonFinite> {
    let forward = |layer: &&LayerIdx| record.layers[layer.0].broken_forward;
    let backward =
        |layer: &&LayerIdx| record.layers[layer.0].broken_backward || weights.0[layer.0].broken_gradient;
    if let Some(&layer) = record.order.iter().find(forward) {
        return Some(NonFinite { layer: Some(layer), pass: Pass::Forward });
    }
    if !loss.is_finite() {
        return Some(NonFinite { layer: None, pass: Pass::Forward });
    }
    let &layer = record.order.iter().rev().find(backward)?;
    Some(NonFinite { layer: Some(layer), pass: Pass::Backward })
}

/// The measurements of a layer in a step.
struct Seen<'a> {
    record: &'a LayerRecord,
    weights: &'a LayerWeights,
    layer: &'a Layer,
}

/// The measurements of a block in a step.
struct SeenBlock<'a> {
    record: &'a BlockRecord,
    /// The root mean square of the last block's output.
    last_rms: f32,
}

/// Computes a metric of a layer from its measurements.
type OfLayer = fn(&Seen<'_>) -> f32;
/// Computes a metric of a block.
type OfBlock = fn(&SeenBlock<'_>) -> f32;

/// The metrics of a layer and how each is computed, in the order in which they are logged.
const OF_LAYERS: &[(Metric, OfLayer)] = &[
    (known::ACTIVATION_MEAN, |seen| seen.record.output.mean()),
    (known::ACTIVATION_STD, |seen| seen.record.output.std()),
    (known::ACTIVATION_RMS, |seen| seen.record.output.rms()),
    (known::ACTIVATION_MIN, |seen| seen.record.output.min),
    (known::ACTIVATION_MAX, |seen| seen.record.output.max),
    (known::ZERO_RATE, |seen| seen.record.output.zero_rate()),
    (known::DEAD_UNITS, |seen| seen.record.dead_units as f32 / seen.layer.units() as f32),
    (known::ACTIVATION_NON_FINITE, |seen| seen.record.output.non_finite as f32),
    (known::RESPONSE_STD, |seen| seen.record.response.std()),
    (known::OUTPUT_GRADIENT_NORM, |seen| seen.record.output_gradient.norm()),
    (known::OUTPUT_GRADIENT_MEAN, |seen| seen.record.output_gradient.mean()),
    (known::OUTPUT_GRADIENT_STD, |seen| seen.record.output_gradient.std()),
    (known::WEIGHT_GRADIENT_NORM, |seen| seen.weights.gradient.norm()),
    (known::WEIGHT_GRADIENT_MEAN, |seen| seen.weights.gradient.mean()),
    (known::WEIGHT_GRADIENT_STD, |seen| seen.weights.gradient.std()),
    (known::WEIGHT_GRADIENT_NON_FINITE, |seen| seen.weights.non_finite as f32),
    (known::WEIGHT_NORM, |seen| seen.weights.norm),
    (known::UPDATE_RATIO, |seen| seen.weights.update_ratio),
    (known::WEIGHT_MAX, |seen| seen.weights.largest[0]),
    (known::WEIGHT_GRADIENT_MAX, |seen| seen.weights.largest[1]),
];

/// The metrics of a block that has a shortcut; NaN in a step that dropped its branch.
const OF_SHORTCUTS: &[(Metric, OfBlock)] = &[
    (known::BRANCH_RATIO, |seen| seen.record.terms.map_or(f32::NAN, |terms| terms.ratio())),
    (ANGLE, |seen| seen.record.terms.map_or(f32::NAN, |terms| terms.cosine())),
    (known::STREAM_GROWTH, |seen| seen.record.output.rms() / rms_of_term(seen, |terms| terms.second)),
    (known::BLOCK_SHARE, |seen| rms_of_term(seen, |terms| terms.first) / seen.last_rms),
];

/// The metric that needs an addition: there is no angle between channels that are put side by side.
const ANGLE: Metric = known::BRANCH_COSINE;

/// The metrics of any block.
const OF_BLOCKS: &[(Metric, OfBlock)] = &[
    (known::STREAM_RMS, |seen| seen.record.output.rms()),
    (known::STREAM_GRADIENT_NORM, |seen| seen.record.output_gradient.norm()),
];

/// The metrics of a block that only some networks have; NaN in blocks without, and in a step that dropped the branch.
const OF_SOME: &[(Metric, OfBlock)] = &[
    (known::GATE, |seen| seen.record.gate.unwrap_or(f32::NAN)),
    (known::EMBEDDING_GATE, |seen| seen.record.embedding_gate.unwrap_or(f32::NAN)),
    (known::MIXING_ROW_SUM, |seen| seen.record.mixing.map_or(f32::NAN, |[rows, _]| rows)),
    (known::MIXING_COLUMN_SUM, |seen| seen.record.mixing.map_or(f32::NAN, |[_, columns]| columns)),
    (known::TOKEN_COSINE, |seen| seen.record.token_cosine.unwrap_or(f32::NAN)),
];

/// The root mean square of a term of the sum, which has as many numbers as the output.
fn rms_of_term(seen: &SeenBlock<'_>, squares: fn(&Products) -> f64) -> f32 {
    let count = seen.record.output.count as f64;
    seen.record.terms.as_ref().map_or(f32::NAN, |terms| (squares(terms) / count).sqrt() as f32)
}

/// The metrics of a network's blocks that have a number for each.
fn of_blocks(description: &Description) -> impl Iterator<Item = &(Metric, OfBlock)> {
    let blocks = &description.structure.blocks;
    let kinds = || blocks.iter().filter_map(|block| block.shortcut.as_deref());
    let (any, any_sum) = (kinds().next().is_some(), kinds().any(|kind| kind != shortcut::CONCATENATION));
    let of_shortcuts = OF_SHORTCUTS.iter().filter(move |(metric, _)| any && (any_sum || *metric != ANGLE));
    let of_some = OF_SOME.iter().filter(|(metric, _)| description.measured.contains(metric));
    of_shortcuts.chain(OF_BLOCKS.iter().filter(|_| !blocks.is_empty())).chain(of_some)
}

/// The metrics of a network's steps.
pub fn metrics(description: &Description) -> Vec<Metric> {
    let of_layers = OF_LAYERS.iter().map(|(metric, _)| *metric);
    let of_blocks = of_blocks(description).map(|(metric, _)| *metric);
    let of_heads = (description.heads > 0).then_some(known::ATTENTION_ENTROPY);
    of_layers.chain(of_blocks).chain(of_heads).collect()
}

/// The values of [`metrics`].
pub(super) fn values(record: &Record, weights: &Weights, description: &Description) -> Values {
    let seen: Vec<Seen<'_>> = record
        .layers
        .iter()
        .zip(&weights.0)
        .zip(&description.structure.layers)
        .map(|((record, weights), layer)| Seen { record, weights, layer })
        .collect();
    let mut values = Values::default();
    for (metric, of) in OF_LAYERS {
        values.push_new(*metric, Value::Numbers(seen.iter().map(of).collect()));
    }
    let last_rms = record.blocks.last().map_or(f32::NAN, |block| block.output.rms());
    let seen: Vec<SeenBlock<'_>> =
        record.blocks.iter().map(|record| SeenBlock { record, last_rms }).collect();
    for (metric, of) in of_blocks(description) {
        values.push_new(*metric, Value::Numbers(seen.iter().map(of).collect()));
    }
    if description.heads > 0 {
        let of_head = |block: &BlockRecord, head| block.entropies.get(head).copied().unwrap_or(f32::NAN);
        let of_block = |block| (0..description.heads).map(move |head| of_head(block, head));
        let entropies = record.blocks.iter().flat_map(of_block).collect();
        values.push_new(known::ATTENTION_ENTROPY, Value::Numbers(entropies));
    }
    values
}

/// The values of [`WITH_HISTOGRAMS`]; NaN in layers whose output is not observed.
pub(super) fn with_histograms(record: &Record) -> Values {
    let rank = |layer: &LayerRecord| layer.effective_rank.unwrap_or(f32::NAN);
    let ranks = record.layers.iter().map(rank).collect();
    [(known::EFFECTIVE_RANK, Value::Numbers(ranks))].into_iter().collect()
}

/// The histograms of every layer, moved out of the measurements: the values of [`HISTOGRAMS`].
pub(super) fn histograms(record: &mut Record, weights: &mut Weights) -> Values {
    let activations = record.layers.iter_mut().map(|layer| std::mem::take(&mut layer.histogram)).collect();
    let both = weights.0.iter_mut().map(|layer| layer.histograms.take().unwrap_or_default());
    let (gradients, weights) = both.unzip();
    let all = [activations, gradients, weights].map(Value::Histograms);
    HISTOGRAMS.iter().copied().zip(all).collect()
}

/// The metrics whose values are histograms of every layer.
pub const HISTOGRAMS: [Metric; 3] = [known::ACTIVATIONS, known::WEIGHT_GRADIENTS, known::WEIGHTS];

/// The metrics of layers that are as rare as histograms.
pub const WITH_HISTOGRAMS: [Metric; 1] = [known::EFFECTIVE_RANK];
