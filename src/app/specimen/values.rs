//! Synthetic values: statistics of plain and residual networks as they look in practice, from closed formulas of step
//! and depth with a hash for noise.

use super::{BATCH, Specimen};
use crate::event::*;
use crate::metric::{Metric, Shape, known};
use crate::structure::Structure;
use crate::units::Step;

/// The synthetic metrics of layers and blocks.
const MADE: &[Metric] = &[
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
];

/// All synthetic metrics of a lane.
pub(super) fn metrics() -> Vec<Metric> {
    let of = |shape| known::ALL.iter().filter(move |metric| metric.shape() == shape);
    of(Shape::Scalar).chain(MADE).chain(of(Shape::Histograms)).copied().collect()
}

/// A step's scalars and every layer's statistics.
pub(super) fn step(specimen: &Specimen, structure: &Structure, step: u64) -> RunEvent {
    let loss = loss(specimen, step) * (1.0 + 0.10 * noise(specimen, &[step, 1]));
    let column = |metric: Metric| {
        let len = if metric.is_of_layers() { structure.layers.len() } else { structure.blocks.len() };
        (0..len).map(|at| value(specimen, structure, metric, step, at) as f32).collect::<Vec<f32>>()
    };
    let has_blocks = specimen.shortcut != "none";
    let recorded = MADE.iter().copied().filter(|metric| has_blocks || metric.is_of_layers());
    let values = Values::default()
        .with(known::LOSS, loss as f32)
        .with(known::ERROR, in_batch(error_of(loss), BATCH))
        .with(known::LEARNING_RATE, learning_rate(specimen, step) as f32)
        .and(recorded.map(|metric| (metric, column(metric))).collect());
    let time = Time {
        at_ms: specimen.at_ms(step),
        step_ms: Some(specimen.step_ms()),
        statistics_ms: Some(specimen.step_ms() * 0.012),
        ..Time::default()
    };
    RunEvent { step: Step(step), time, kind: Kind::Measured(values) }
}

/// An evaluation: running statistics lag behind at first, and test images are harder.
pub(super) fn evaluation(specimen: &Specimen, step: u64, split: Split, mode: Mode) -> RunEvent {
    let lag = if mode == Mode::Eval { 0.5 * (-(step as f64) / 30.0).exp() } else { 0.0 };
    let harder = if split == Split::Test { 0.12 + 0.25 * progress(specimen, step) } else { 0.0 };
    let loss = loss(specimen, step) + lag + harder;
    let [of_loss, of_error] = evaluated(split, mode);
    let values = Values::default().with(of_loss, loss as f32).with(of_error, in_batch(error_of(loss), 1_000));
    let time = Time::at(specimen.at_ms(step) + 1.0);
    RunEvent { step: Step(step), time, kind: Kind::Measured(values) }
}

/// Histograms of every layer: bell shapes of the layers' standard deviations.
pub(super) fn histograms(specimen: &Specimen, structure: &Structure, step: u64) -> RunEvent {
    let of_layers = |histogram: &dyn Fn(usize) -> Histogram| {
        Value::Histograms((0..structure.layers.len()).map(histogram).collect())
    };
    let of = |metric, at| value(specimen, structure, metric, step, at);
    let weights = |at: usize| structure.layers[at].parameters.unwrap_or(1) as f64;
    let activations = of_layers(&|at| {
        let images = (structure.layers[at].output.iter().product::<usize>() * BATCH) as f64;
        bell(of(known::ACTIVATION_STD, at), images, true)
    });
    let gradients = of_layers(&|at| bell(of(known::WEIGHT_GRADIENT_STD, at), weights(at), false));
    let of_weights =
        of_layers(&|at| bell(of(known::WEIGHT_NORM, at) / weights(at).sqrt(), weights(at), false));
    let values = [
        (known::ACTIVATIONS, activations),
        (known::WEIGHT_GRADIENTS, gradients),
        (known::WEIGHTS, of_weights),
    ];
    let time = Time::at(specimen.at_ms(step));
    RunEvent { step: Step(step), time, kind: Kind::Measured(values.into_iter().collect()) }
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
        "none" => ((specimen.depth as f64 - 8.0) / 48.0).clamp(0.0, 1.0),
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
fn value(specimen: &Specimen, structure: &Structure, statistic: Metric, step: u64, at: usize) -> f64 {
    let p = progress(specimen, step);
    let plain = specimen.shortcut == "none";
    let depth = structure.layers.get(at).map_or(1.0, |layer| layer.depth.unwrap_or(1) as f64);
    let from_head = structure.layers.last().map_or(1.0, |layer| layer.depth.unwrap_or(1) as f64) - depth;
    // Noise depends on the metric's place, so that adding one keeps the noise of the others.
    let place = MADE.iter().position(|made| *made == statistic).unwrap_or(MADE.len()) as u64;
    let wobble = |spread: f64| (spread * noise(specimen, &[step, at as u64, place])).exp();
    // Decades per layer toward the input: a factor of 1.21 at initialisation for a plain network with batch norm (Yang
    // et al. 2019), soon less.
    let slope = if plain { 0.083 * (-(step as f64) / 12.0).exp() + 0.012 } else { 0.006 };
    let gradient = 0.4 * 10f64.powf(slope * from_head) * (1.0 - 0.6 * p * (1.0 - trouble(specimen)));
    let std = if plain { 0.58 } else { 0.6 + 0.25 * ((depth - 1.0) % 6.0).sqrt() };
    let parameters = structure.layers.get(at).map_or(1.0, |layer| layer.parameters.unwrap_or(1) as f64);
    match statistic.name() {
        "activation_mean" => 0.4 * wobble(0.05),
        "activation_std" => std * wobble(0.05),
        "activation_rms" => 1.2 * std * wobble(0.05),
        "activation_min" => 0.0,
        "activation_max" => 6.0 * std * wobble(0.2),
        "zero_rate" => (0.5 * wobble(0.06)).min(1.0),
        "dead_units" => {
            let dead = trouble(specimen) * p * 3.0 + 0.4 * noise(specimen, &[at as u64, 9]);
            (dead.clamp(0.0, 7.0).floor()) / 8.0
        }
        "response_std" => (if plain { 1.0 } else { 0.75 - 0.3 * p }) * wobble(0.06),
        "output_gradient_norm" => 0.02 * gradient * wobble(0.12),
        "output_gradient_mean" => 1e-6 * noise(specimen, &[step, at as u64, 7]),
        "output_gradient_std" => 2e-5 * gradient * wobble(0.12),
        "weight_gradient_norm" => gradient * wobble(0.18),
        "weight_gradient_mean" => 1e-4 * noise(specimen, &[step, at as u64, 8]),
        "weight_gradient_std" => gradient / parameters.sqrt() * wobble(0.12),
        "weight_norm" => parameters.sqrt() * (0.12 + 0.02 * p),
        "update_ratio" => {
            learning_rate(specimen, step) * gradient / (parameters.sqrt() * 0.12) * wobble(0.15)
        }
        "branch_ratio" => (0.9 / (1.0 + 0.15 * at as f64) + 0.2 * p) * wobble(0.04),
        "branch_cosine" => -0.25 * p + 0.05 * noise(specimen, &[step, at as u64, 6]),
        // Counts of non-finite values.
        _ => 0.0,
    }
}

/// Noise of about mean 0 and standard deviation 1, from a hash of what it is for.
fn noise(specimen: &Specimen, what: &[u64]) -> f64 {
    let shortcut = ["none", "identity", "projection"].iter().position(|known| *known == specimen.shortcut);
    let mut state = specimen.seed ^ ((specimen.depth as u64) << 32) ^ shortcut.unwrap_or(0) as u64;
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
