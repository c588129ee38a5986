//! The statistics of a step: what the operations have recorded, and what is read off the weights and their
//! gradients around the update.

use dfdx::tensor::{Cpu, CpuError, Gradients};

use crate::event::{Columns, Histogram, LayerHistograms, Pass};
use crate::model::parameter::{AnyParameter, Role};
use crate::model::{NonFinite, Wanted};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::update::{Change, sums};
use crate::nn::ops::Record;
use crate::statistic::Statistic;
use crate::statistics::{Moments, Products, Sums, histogram};
use crate::topology::Topology;
use crate::units::LayerIdx;

/// What a step does to a layer's weights.
#[derive(Clone, Debug, Default)]
struct LayerWeights {
    gradient: Sums,
    /// Numbers of the gradient that are NaN or infinite.
    non_finite: u64,
    /// Whether a gradient of any parameter of the layer, bias and batch norm included, is not finite.
    broken_gradient: bool,
    /// Whether a parameter of the layer is not finite after the update.
    broken_update: bool,
    norm: f32,
    update_ratio: f32,
    histograms: Option<(Histogram, Histogram)>,
}

/// What a step does to the weights of every layer.
#[derive(Clone, Debug)]
pub(super) struct Weights(Vec<LayerWeights>);

impl Weights {
    /// Measures gradients and weights before the update.
    pub(super) fn before(
        set: InstructionSet,
        topology: &Topology,
        parameters: &[&mut dyn AnyParameter],
        gradients: &mut Gradients<f32, Cpu>,
        wanted: Wanted,
    ) -> Result<Weights, CpuError> {
        let mut layers = vec![LayerWeights::default(); topology.layers.len()];
        for parameter in parameters {
            let layer = &mut layers[parameter.layer().0];
            let gradient = parameter.gradient(gradients)?;
            let sums = sums(set, gradient);
            layer.broken_gradient |= !sums.sum.is_finite();
            if parameter.role() == Role::Weight {
                layer.gradient = sums;
                if !sums.sum.is_finite() {
                    layer.non_finite = Moments::of(gradient).non_finite;
                }
                layer.histograms =
                    wanted.histograms.then(|| (histogram(gradient), histogram(parameter.values())));
            }
        }
        Ok(Weights(layers))
    }

    /// Takes what the update has done to each parameter; without one, the weights are measured as they are.
    pub(super) fn after(
        &mut self,
        set: InstructionSet,
        parameters: &[&mut dyn AnyParameter],
        changes: Option<&[Change]>,
    ) {
        for (index, parameter) in parameters.iter().enumerate() {
            let layer = &mut self.0[parameter.layer().0];
            let change = changes.map_or_else(
                || Change { before: sums(set, parameter.values()).squares, change: 0.0, is_finite: true },
                |changes| changes[index],
            );
            layer.broken_update |= !change.is_finite;
            if parameter.role() == Role::Weight {
                layer.norm = change.before.sqrt() as f32;
                layer.update_ratio = (change.change / change.before).sqrt() as f32;
            }
        }
    }

    /// The first layer whose parameters the update has made infinite or NaN.
    pub(super) fn first_non_finite_after(&self) -> Option<NonFinite> {
        let layer = self.0.iter().position(|layer| layer.broken_update)?;
        Some(NonFinite { layer: Some(LayerIdx(layer)), pass: Pass::Update })
    }
}

/// Where a NaN or infinity showed first: in forward, else in the loss, else in backward.
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

/// The statistics as columns, in the order of [`Statistic::ALL`]; those of blocks only where blocks have
/// shortcuts.
pub(super) fn columns(record: &Record, weights: &Weights, topology: &Topology) -> Columns {
    let residual = record.branches.iter().any(Option::is_some);
    Statistic::ALL
        .iter()
        .filter(|statistic| {
            residual || !matches!(statistic, Statistic::BranchRatio | Statistic::BranchCosine)
        })
        .map(|&statistic| (statistic, column(statistic, record, weights, topology)))
        .collect()
}

fn column(statistic: Statistic, record: &Record, weights: &Weights, topology: &Topology) -> Vec<f32> {
    let output =
        |value: fn(&Moments) -> f32| record.layers.iter().map(|layer| value(&layer.output)).collect();
    let gradient =
        |value: fn(&Sums) -> f32| record.layers.iter().map(|layer| value(&layer.output_gradient)).collect();
    let weight = |value: fn(&LayerWeights) -> f32| weights.0.iter().map(value).collect();
    let branch = |value: fn(&Products) -> f32| {
        record.branches.iter().map(|branch| branch.as_ref().map_or(f32::NAN, value)).collect()
    };
    match statistic {
        Statistic::ActivationMean => output(Moments::mean),
        Statistic::ActivationStd => output(Moments::std),
        Statistic::ActivationRms => output(Moments::rms),
        Statistic::ActivationMin => output(|moments| moments.min),
        Statistic::ActivationMax => output(|moments| moments.max),
        Statistic::ZeroRate => output(Moments::zero_rate),
        Statistic::ActivationNonFinite => output(|moments| moments.non_finite as f32),
        Statistic::DeadUnits => {
            let units = topology.layers.iter().map(|layer| layer.output.channels as f32);
            record.layers.iter().zip(units).map(|(layer, units)| layer.dead_units as f32 / units).collect()
        }
        Statistic::ResponseStd => record.layers.iter().map(|layer| layer.response.std()).collect(),
        Statistic::OutputGradientNorm => gradient(Sums::norm),
        Statistic::OutputGradientMean => gradient(Sums::mean),
        Statistic::OutputGradientStd => gradient(Sums::std),
        Statistic::WeightGradientNorm => weight(|layer| layer.gradient.norm()),
        Statistic::WeightGradientMean => weight(|layer| layer.gradient.mean()),
        Statistic::WeightGradientStd => weight(|layer| layer.gradient.std()),
        Statistic::WeightGradientNonFinite => weight(|layer| layer.non_finite as f32),
        Statistic::WeightNorm => weight(|layer| layer.norm),
        Statistic::UpdateRatio => weight(|layer| layer.update_ratio),
        Statistic::BranchRatio => branch(Products::ratio),
        Statistic::BranchCosine => branch(Products::cosine),
    }
}

/// The histograms of every layer, taken out of what was measured.
pub(super) fn histograms(record: &mut Record, weights: &mut Weights) -> Vec<LayerHistograms> {
    record
        .layers
        .iter_mut()
        .zip(&mut weights.0)
        .map(|(layer, weights)| {
            let (weight_gradients, weights) = weights.histograms.take().unwrap_or_default();
            LayerHistograms { activations: std::mem::take(&mut layer.histogram), weight_gradients, weights }
        })
        .collect()
}
