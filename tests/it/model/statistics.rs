//! Every statistic of every layer and block against a naive computation in f64 over a network built by hand; and the
//! effects of a NaN or infinity.

use skiplane::datasets::Batch;
use skiplane::event::{Histogram, Pass};
use skiplane::experiment::Optimizer;
use skiplane::metric::{Metric, known};
use skiplane::model::{NamedTensor, Network, NonFinite, StepResult, TensorData, Wanted};
use skiplane::units::LayerIdx;

use super::naive::{self, Naive, NaiveLayer};
use super::{RGB16, floats, network, noise, sgd};

const ALL: Wanted = Wanted { scalars: true, histograms: true };

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64
}

fn std(values: &[f32]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

fn rms(values: &[f32]) -> f64 {
    norm(values) / (values.len() as f64).sqrt()
}

fn of_layer(statistic: Metric, layer: &NaiveLayer, updated: &[f32]) -> f64 {
    let NaiveLayer { output, response, output_gradient: dy, weight_gradient: dw, weights, channels } = layer;
    let largest = |numbers: &[f32]| numbers.iter().fold(0.0, |most: f32, x| most.max(x.abs())).into();
    let extreme = |of: fn(f32, f32) -> f32| f64::from(output.iter().copied().reduce(of).unwrap());
    match statistic.name() {
        "activation_mean" => mean(output),
        "activation_std" => std(output),
        "activation_rms" => rms(output),
        "activation_min" => extreme(f32::min),
        "activation_max" => extreme(f32::max),
        "zero_rate" => output.iter().filter(|&&x| x == 0.0).count() as f64 / output.len() as f64,
        "dead_units" => {
            let dead = |c: &usize| output.iter().skip(*c).step_by(*channels).all(|&x| x == 0.0);
            (0..*channels).filter(dead).count() as f64 / *channels as f64
        }
        "activation_non_finite" | "weight_gradient_non_finite" => 0.0,
        "response_std" => std(response),
        "output_gradient_norm" => norm(dy),
        "output_gradient_mean" => mean(dy),
        "output_gradient_std" => std(dy),
        "weight_gradient_norm" => norm(dw),
        "weight_gradient_mean" => mean(dw),
        "weight_gradient_std" => std(dw),
        "weight_norm" => norm(weights),
        "weight_max" => largest(weights),
        "weight_gradient_max" => largest(dw),
        "update_ratio" => {
            let change: Vec<f32> = updated.iter().zip(weights).map(|(new, old)| new - old).collect();
            norm(&change) / norm(weights)
        }
        other => panic!("{other} is of no layer, or has no value to compare with"),
    }
}

/// The scale relative to which rounding of a statistic is judged: means can cancel, others cannot.
fn scale(statistic: Metric, layer: &NaiveLayer, value: f64) -> f64 {
    match statistic.name() {
        "activation_mean" => rms(&layer.output),
        "output_gradient_mean" => rms(&layer.output_gradient),
        "weight_gradient_mean" => rms(&layer.weight_gradient),
        "zero_rate" | "dead_units" => 1.0,
        _ => value.abs(),
    }
}

fn column(step: &StepResult, statistic: Metric) -> &[f32] {
    step.statistics.numbers(statistic).unwrap_or_else(|| panic!("no {statistic}"))
}

fn assert_close(what: &str, ours: f32, naive: f64, scale: f64) {
    let error = (f64::from(ours) - naive).abs();
    assert!(error <= 1e-4 * scale, "{what}: {ours} is not {naive}");
}

#[test]
fn every_statistic_is_that_of_a_naive_computation() {
    for shortcut in ["none", "identity", "projection"] {
        let mut network = network(8, 4, shortcut, &sgd(0.9, 1e-4));
        let batch = noise(5, RGB16, 10);
        // A first step, so that scales, shifts and momentum differ from their initial values.
        network.train_step(&batch, 0.05, Wanted::default());
        let naive = naive::step(&*network, &batch, shortcut);
        let step = network.train_step(&batch, 0.05, ALL);

        assert_close("loss", step.loss, naive.loss, naive.loss);
        assert_layers(shortcut, &*network, &step, &naive);
        assert_branches(shortcut, &step, &naive);
        assert_blocks(shortcut, &step, &naive);
        let of = |metric, layer: usize| &step.histograms.histograms(metric).unwrap()[layer];
        for (at, layer) in naive.layers.iter().enumerate() {
            assert_histogram(of(known::ACTIVATIONS, at), &layer.output);
            assert_histogram(of(known::WEIGHT_GRADIENTS, at), &layer.weight_gradient);
            assert_histogram(of(known::WEIGHTS, at), &layer.weights);
        }
        assert!(step.statistics_ms > 0.0 && step.non_finite.is_none());
    }
}

fn assert_layers(shortcut: &'static str, network: &dyn Network, step: &StepResult, naive: &Naive) {
    let state = network.state();
    let of_layers = network.metrics().into_iter().filter(|metric| metric.is_of_layers());
    for statistic in of_layers {
        let ours = column(step, statistic);
        assert_eq!(ours.len(), network.description().structure.layers.len());
        for ((layer, naive), &ours) in
            network.description().structure.layers.iter().zip(&naive.layers).zip(ours)
        {
            let updated = state.iter().find(|t| t.name == format!("{}.weight", layer.name)).unwrap();
            let value = of_layer(statistic, naive, &turned(updated));
            let what = format!("{shortcut:?} {} {statistic}", layer.name);
            assert_close(&what, ours, value, scale(statistic, naive, value));
        }
    }
}

/// A weight tensor in the layout of the naive layers.
fn turned(tensor: &NamedTensor) -> Vec<f32> {
    let values = floats(tensor);
    let [outputs, inputs, height, width] = tensor.shape[..] else { return values.to_vec() };
    let area = height * width;
    let at = |i: usize| values[(i % outputs * inputs + i / outputs % inputs) * area + i / (outputs * inputs)];
    (0..values.len()).map(at).collect()
}

fn assert_branches(shortcut: &'static str, step: &StepResult, naive: &Naive) {
    if shortcut == "none" {
        for metric in [known::BRANCH_RATIO, known::BRANCH_COSINE, known::STREAM_GROWTH, known::BLOCK_SHARE] {
            assert!(step.statistics.numbers(metric).is_none(), "{metric}");
        }
        return;
    }
    assert_eq!(column(step, known::BRANCH_RATIO).len(), 3);
    let last = rms(&naive.blocks.last().unwrap().0);
    for (block, (branch, h)) in naive.branches.iter().enumerate() {
        let what = format!("{shortcut:?} block {block}");
        let dot: f64 = branch.iter().zip(h).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        let ratio = rms(branch) / rms(h);
        assert_close(&what, column(step, known::BRANCH_RATIO)[block], ratio, ratio);
        assert_close(&what, column(step, known::BRANCH_COSINE)[block], dot / (norm(branch) * norm(h)), 1.0);
        let growth = rms(&naive.blocks[block].0) / rms(h);
        assert_close(&what, column(step, known::STREAM_GROWTH)[block], growth, growth);
        let share = rms(branch) / last;
        assert_close(&what, column(step, known::BLOCK_SHARE)[block], share, share);
    }
}

fn assert_blocks(shortcut: &'static str, step: &StepResult, naive: &Naive) {
    let [stream, gradients] =
        [known::STREAM_RMS, known::STREAM_GRADIENT_NORM].map(|metric| column(step, metric));
    assert_eq!((stream.len(), gradients.len(), naive.blocks.len()), (3, 3, 3));
    for (block, (output, gradient)) in naive.blocks.iter().enumerate() {
        let what = format!("{shortcut:?} block {block}");
        assert_close(&what, stream[block], rms(output), rms(output));
        assert_close(&what, gradients[block], norm(gradient), norm(gradient));
    }
}

/// Asserts that all values are counted, and in the right bin but for a few at the edges of bins.
fn assert_histogram(ours: &Histogram, values: &[f32]) {
    let mut expected = [0_i64; Histogram::BINS];
    for &x in values {
        let exponent = f64::from(x.abs()).log2().floor().min(7.0);
        let bin = match exponent {
            e if e < -24.0 => 32,
            e if x > 0.0 => (33.0 + e + 24.0) as usize,
            e => (31.0 - (e + 24.0)) as usize,
        };
        expected[bin] += 1;
    }
    let bins = ours.bins();
    assert_eq!(bins.iter().map(|&n| n as usize).sum::<usize>(), values.len());
    let moved: i64 =
        bins.iter().zip(expected).map(|(&ours, expected)| (i64::from(ours) - expected).abs()).sum();
    assert!(moved as f64 <= 2.0 + 1e-3 * values.len() as f64, "{moved} of {} in other bins", values.len());
}

/// Replaces one value of a tensor of a network's state.
fn spoil(network: &mut dyn Network, name: &str, value: f32) {
    let mut state = network.state();
    let tensor = state.iter_mut().find(|tensor| tensor.name == name).unwrap();
    let TensorData::F32(values) = &mut tensor.data else { panic!("{name} holds no floats") };
    values[0] = value;
    network.load_state(&state).unwrap();
}

/// The state with a number in place of the invalid value, so that states can be compared.
fn without_the_spoilt(network: &dyn Network, value: f32) -> Vec<NamedTensor> {
    let mut state = network.state();
    for tensor in &mut state {
        let TensorData::F32(values) = &mut tensor.data else { continue };
        values.iter_mut().filter(|x| x.to_bits() == value.to_bits()).for_each(|x| *x = 0.5);
    }
    state
}

fn found(step: &StepResult) -> Option<(Option<LayerIdx>, Pass)> {
    step.non_finite.map(|NonFinite { layer, pass }| (layer, pass))
}

#[test]
fn the_first_layer_of_the_forward_pass_that_is_not_finite_is_named_and_the_weights_stay() {
    let layers =
        [("conv1", 0), ("layer1.0.conv1", 1), ("layer2.0.conv2", 4), ("layer2.0.downsample.0", 5), ("fc", 9)];
    for (layer, index) in layers {
        for value in [f32::NAN, f32::INFINITY] {
            for wanted in [Wanted::default(), ALL] {
                let mut network = network(8, 4, "projection", &sgd(0.9, 1e-4));
                spoil(&mut *network, &format!("{layer}.weight"), value);
                let before = (network.optimizer_state(), without_the_spoilt(&*network, value));
                let step = network.train_step(&noise(4, RGB16, 10), 0.05, wanted);
                assert_eq!(found(&step), Some((Some(LayerIdx(index)), Pass::Forward)), "{layer} {value}");
                assert_eq!((network.optimizer_state(), without_the_spoilt(&*network, value)), before);
                if wanted.scalars {
                    let counts = column(&step, known::ACTIVATION_NON_FINITE);
                    assert!(counts[index] > 0.0);
                    let before: f32 = counts[..index].iter().sum();
                    // The projection is computed before the branch that it is added to.
                    assert!(before == 0.0 || layer.contains("downsample"), "{layer}: {counts:?}");
                }
            }
        }
    }
}

#[test]
fn a_loss_that_overflows_over_finite_logits_is_of_no_layer() {
    let mut network = network(8, 4, "none", &sgd(0.9, 1e-4));
    spoil(&mut *network, "fc.bias", 3e38);
    let step = network.train_step(&noise(4, RGB16, 10), 0.05, ALL);
    assert!(!step.loss.is_finite());
    assert_eq!(found(&step), Some((None, Pass::Forward)));
}

#[test]
fn an_update_that_breaks_the_weights_is_named() {
    let mut network = network(8, 4, "none", &sgd(0.0, 0.0));
    let step = network.train_step(&noise(4, RGB16, 10), f64::from(f32::MAX) * 1e3, Wanted::default());
    assert_eq!(found(&step), Some((Some(LayerIdx(0)), Pass::Update)));
}

#[test]
fn a_gradient_that_overflows_is_named_in_the_order_of_the_backward_pass() {
    let mut network = network(8, 4, "none", &sgd(0.9, 0.0));
    // A huge gradient comes down to a convolution with tiny outputs, which batch norm has scaled up.
    spoil(&mut *network, "fc.weight", 1e38);
    let mut state = network.state();
    let tiny = state.iter_mut().find(|tensor| tensor.name == "layer3.0.conv2.weight").unwrap();
    let TensorData::F32(values) = &mut tiny.data else { panic!("weights are floats") };
    values.iter_mut().for_each(|w| *w *= 1e-6);
    network.load_state(&state).unwrap();

    let step = network.train_step(&noise(4, RGB16, 10), 0.05, ALL);
    assert!(step.loss.is_finite());
    assert!(column(&step, known::ACTIVATION_NON_FINITE).iter().all(|&n| n == 0.0));
    assert_eq!(found(&step), Some((Some(LayerIdx(6)), Pass::Backward)));
    assert!(column(&step, known::WEIGHT_GRADIENT_NON_FINITE)[6] > 0.0);
    assert_eq!(network.state()[0], state[0], "no update was made");
}

/// One update of one weight tensor by formulas of the PyTorch documentation, in f64.
fn by_formula(
    optimizer: &Optimizer,
    gradient: &[f64],
    memory: &mut [Vec<f64>; 2],
    weights: &mut [f64],
    step: i32,
) {
    for (i, w) in weights.iter_mut().enumerate() {
        match *optimizer {
            Optimizer::Sgd { learning_rate, momentum, weight_decay } => {
                let g = gradient[i] + weight_decay * *w;
                memory[0][i] = momentum * memory[0][i] + g;
                *w -= learning_rate * memory[0][i];
            }
            Optimizer::Adam { learning_rate, betas, epsilon, weight_decay }
            | Optimizer::AdamW { learning_rate, betas, epsilon, weight_decay } => {
                let decoupled = matches!(optimizer, Optimizer::AdamW { .. });
                let g = if decoupled { gradient[i] } else { gradient[i] + weight_decay * *w };
                if decoupled {
                    *w -= learning_rate * weight_decay * *w;
                }
                memory[0][i] = betas[0] * memory[0][i] + (1.0 - betas[0]) * g;
                memory[1][i] = betas[1] * memory[1][i] + (1.0 - betas[1]) * g * g;
                let first = memory[0][i] / (1.0 - betas[0].powi(step));
                let second = memory[1][i] / (1.0 - betas[1].powi(step));
                *w -= learning_rate * first / (second.sqrt() + epsilon);
            }
        }
    }
}

#[test]
fn optimisers_follow_pytorchs_formulas() {
    let betas = [0.9, 0.99];
    for optimizer in [
        Optimizer::Sgd { learning_rate: 0.05, momentum: 0.0, weight_decay: 0.1 },
        Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 0.1 },
        Optimizer::Adam { learning_rate: 0.01, betas, epsilon: 1e-8, weight_decay: 0.1 },
        Optimizer::AdamW { learning_rate: 0.01, betas, epsilon: 1e-8, weight_decay: 0.1 },
    ] {
        let mut network = network(8, 4, "identity", &optimizer);
        let batch: Batch = noise(4, RGB16, 10);
        let mut expected: Vec<f64> = Vec::new();
        let mut memory = [Vec::new(), Vec::new()];
        for step in 1..=3 {
            // The first layer's gradient, from the network in its current state.
            let layer = naive::step(&*network, &batch, "identity").layers.swap_remove(0);
            if expected.is_empty() {
                expected = layer.weights.iter().map(|&w| f64::from(w)).collect();
                memory = [vec![0.0; expected.len()], vec![0.0; expected.len()]];
            }
            let gradient: Vec<f64> = layer.weight_gradient.iter().map(|&g| f64::from(g)).collect();
            by_formula(&optimizer, &gradient, &mut memory, &mut expected, step);
            network.train_step(&batch, optimizer.learning_rate(), Wanted::default());
        }
        let state = network.state();
        let ours = turned(&state[0]);
        let error: f64 =
            ours.iter().zip(&expected).map(|(&a, b)| (f64::from(a) - b).powi(2)).sum::<f64>().sqrt();
        let moved: f64 = norm(&ours);
        assert!(error < 1e-4 * moved, "{optimizer:?}: {error:e} of {moved:e}");
    }
}
