//! The made-up numbers: what the statistics of plain and residual networks look like in practice, as closed
//! formulas of step and depth with a hash for noise.

use super::{BATCH, Specimen};
use crate::event::*;
use crate::experiment::Shortcut;
use crate::statistic::{Statistic, Subject};
use crate::topology::Topology;
use crate::units::Step;

/// A step's scalars and every layer's statistics.
pub(super) fn step(specimen: &Specimen, topology: &Topology, step: u64) -> StepFinished {
    let loss = loss(specimen, step) * (1.0 + 0.10 * noise(specimen, &[step, 1]));
    let column = |statistic: Statistic| {
        let len = match statistic.subject() {
            Subject::Layer => topology.layers.len(),
            Subject::Block => topology.blocks.len(),
        };
        (0..len).map(|at| value(specimen, topology, statistic, step, at) as f32).collect()
    };
    let has_blocks = specimen.shortcut != Shortcut::None;
    let recorded = Statistic::ALL.iter().copied().filter(|s| has_blocks || s.subject() == Subject::Layer);
    StepFinished {
        step: Step(step),
        loss: loss as f32,
        error: in_batch(error_of(loss), BATCH),
        learning_rate: learning_rate(specimen, step),
        statistics: recorded.map(|statistic| (statistic, column(statistic))).collect(),
        time: StepTime {
            at_ms: specimen.at_ms(step),
            step_ms: specimen.step_ms(),
            statistics_ms: specimen.step_ms() * 0.012,
        },
    }
}

/// An evaluation: running statistics lag early on, test images are harder.
pub(super) fn evaluation(specimen: &Specimen, step: u64, split: Split, mode: Mode) -> EvaluationFinished {
    let lag = if mode == Mode::Eval { 0.5 * (-(step as f64) / 30.0).exp() } else { 0.0 };
    let harder = if split == Split::Test { 0.12 + 0.25 * progress(specimen, step) } else { 0.0 };
    let loss = loss(specimen, step) + lag + harder;
    EvaluationFinished {
        step: Step(step),
        split,
        mode,
        images: 1_000,
        loss: loss as f32,
        error: in_batch(error_of(loss), 1_000),
        time: At { at_ms: specimen.at_ms(step) + 1.0 },
    }
}

/// Histograms of every layer: bell shapes of the layers' standard deviations.
pub(super) fn histograms(specimen: &Specimen, topology: &Topology, step: u64) -> HistogramsTaken {
    let layers = (0..topology.layers.len()).map(|at| {
        let of = |statistic| value(specimen, topology, statistic, step, at);
        let images = (topology.layers[at].output.len() * BATCH) as f64;
        let weights = topology.layers[at].parameters as f64;
        LayerHistograms {
            activations: bell(of(Statistic::ActivationStd), images, true),
            weight_gradients: bell(of(Statistic::WeightGradientStd), weights, false),
            weights: bell(of(Statistic::WeightNorm) / weights.sqrt(), weights, false),
        }
    });
    let time = At { at_ms: specimen.at_ms(step) };
    HistogramsTaken { step: Step(step), layers: layers.collect(), time }
}

/// The counts of a normal distribution of standard deviation `std`, negative ones as zeros where rectified.
fn bell(std: f64, count: f64, rectified: bool) -> Histogram {
    let mut bins = [0u32; Histogram::BINS];
    for exponent in Histogram::LEAST_EXPONENT..=Histogram::GREATEST_EXPONENT {
        let middle = 1.5 * 2f64.powi(exponent);
        let density = (-0.5 * (middle / std).powi(2)).exp() / (std * 2.5066);
        let share = (count * density * 2f64.powi(exponent)) as u32;
        let place = (exponent - Histogram::LEAST_EXPONENT) as usize;
        bins[33 + place] = share;
        if rectified {
            bins[Histogram::ZERO_BIN] += share;
        } else {
            bins[31 - place] = share;
        }
    }
    Histogram::from_bins(&bins, 0)
}

fn progress(specimen: &Specimen, step: u64) -> f64 {
    step as f64 / specimen.steps.max(1) as f64
}

/// How much depth hurts: 0 for any residual network and for shallow plain ones, 1 for plain-56.
fn trouble(specimen: &Specimen) -> f64 {
    match specimen.shortcut {
        Shortcut::None => ((specimen.depth as f64 - 8.0) / 48.0).clamp(0.0, 1.0),
        _ => 0.0,
    }
}

fn loss(specimen: &Specimen, step: u64) -> f64 {
    let trouble = trouble(specimen);
    let p = progress(specimen, step);
    let floor = 0.22 + 1.75 * trouble;
    let decay = (-(4.5 - 2.0 * trouble) * p).exp();
    let drops = if p > 0.5 { 0.12 * (1.0 - trouble) * (1.0 - (-(p - 0.5) * 25.0).exp()) } else { 0.0 };
    floor + (2.35 - floor) * decay - drops
}

fn error_of(loss: f64) -> f64 {
    (0.9 * (loss / 2.3).powf(1.15)).clamp(0.0, 0.93)
}

fn in_batch(share: f64, images: usize) -> f32 {
    ((share * images as f64).round() / images as f64) as f32
}

fn learning_rate(specimen: &Specimen, step: u64) -> f64 {
    let drops = u64::from(step > specimen.steps / 2) + u64::from(step > specimen.steps * 3 / 4);
    0.05 * 0.1f64.powi(drops as i32)
}

/// A layer's or block's statistic.
fn value(specimen: &Specimen, topology: &Topology, statistic: Statistic, step: u64, at: usize) -> f64 {
    let p = progress(specimen, step);
    let plain = specimen.shortcut == Shortcut::None;
    let depth = topology.layers.get(at).map_or(1.0, |layer| layer.depth as f64);
    let from_head = topology.layers.last().map_or(1.0, |layer| layer.depth as f64) - depth;
    let wobble = |spread: f64| (spread * noise(specimen, &[step, at as u64, statistic as u64])).exp();
    // Decades a layer toward the input: 1.21 a layer at initialisation for a plain network with batch
    // norm (Yang et al. 2019), soon less.
    let slope = if plain { 0.083 * (-(step as f64) / 12.0).exp() + 0.012 } else { 0.006 };
    let gradient = 0.4 * 10f64.powf(slope * from_head) * (1.0 - 0.6 * p * (1.0 - trouble(specimen)));
    let std = if plain { 0.58 } else { 0.6 + 0.25 * ((depth - 1.0) % 6.0).sqrt() };
    let parameters = topology.layers.get(at).map_or(1.0, |layer| layer.parameters as f64);
    match statistic {
        Statistic::ActivationMean => 0.4 * wobble(0.05),
        Statistic::ActivationStd => std * wobble(0.05),
        Statistic::ActivationRms => 1.2 * std * wobble(0.05),
        Statistic::ActivationMin => 0.0,
        Statistic::ActivationMax => 6.0 * std * wobble(0.2),
        Statistic::ZeroRate => (0.5 * wobble(0.06)).min(1.0),
        Statistic::DeadUnits => {
            let dead = trouble(specimen) * p * 3.0 + 0.4 * noise(specimen, &[at as u64, 9]);
            (dead.clamp(0.0, 7.0).floor()) / 8.0
        }
        Statistic::ResponseStd => (if plain { 1.0 } else { 0.75 - 0.3 * p }) * wobble(0.06),
        Statistic::OutputGradientNorm => 0.02 * gradient * wobble(0.12),
        Statistic::OutputGradientMean => 1e-6 * noise(specimen, &[step, at as u64, 7]),
        Statistic::OutputGradientStd => 2e-5 * gradient * wobble(0.12),
        Statistic::WeightGradientNorm => gradient * wobble(0.18),
        Statistic::WeightGradientMean => 1e-4 * noise(specimen, &[step, at as u64, 8]),
        Statistic::WeightGradientStd => gradient / parameters.sqrt() * wobble(0.12),
        Statistic::WeightNorm => parameters.sqrt() * (0.12 + 0.02 * p),
        Statistic::UpdateRatio => {
            learning_rate(specimen, step) * gradient / (parameters.sqrt() * 0.12) * wobble(0.15)
        }
        Statistic::BranchRatio => (0.9 / (1.0 + 0.15 * at as f64) + 0.2 * p) * wobble(0.04),
        Statistic::BranchCosine => -0.25 * p + 0.05 * noise(specimen, &[step, at as u64, 6]),
        Statistic::ActivationNonFinite | Statistic::WeightGradientNonFinite => 0.0,
    }
}

/// Noise of mean 0 and standard deviation 1, near enough, from a hash of what it is for.
fn noise(specimen: &Specimen, what: &[u64]) -> f64 {
    let mut state = specimen.seed ^ ((specimen.depth as u64) << 32) ^ specimen.shortcut as u64;
    for part in what {
        state = mix(state ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
    let sum: f64 = (0..4u64).map(|n| (mix(state ^ n) >> 11) as f64 / (1u64 << 53) as f64).sum();
    // The sum of four uniform numbers has mean 2 and variance 1/3.
    (sum - 2.0) * 3f64.sqrt()
}

/// The finaliser of splitmix64.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
