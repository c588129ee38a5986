//! What networks measure of their blocks and layers beside what all do: declared where it is measured and nowhere else, and
//! right where it is known in closed form.

use super::*;
use crate::event::Values;
use crate::metric::{Metric, Points, known};
use crate::model::{NamedTensor, TensorData};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::spectrum::effective_rank;

const ALL: Wanted = Wanted { scalars: true, histograms: true };

/// A residual network of eight layers.
pub(super) fn resnet(settings: &[(&str, Setting)]) -> (Lane, InputShape) {
    let image = ImageShape { channels: 1, height: 16, width: 16 }.into();
    let always = [("depth", 8_usize.into()), ("width", 4_usize.into())];
    (lane("resnet", &[&always, settings].concat()), image)
}

/// A transformer of two layers and two heads on 20 tokens.
fn transformer(residual: &str) -> (Lane, InputShape) {
    let is_it = |(lane, _): &(Lane, InputShape)| lane.settings.word("residual") == Some(residual);
    lanes().into_iter().find(is_it).unwrap()
}

/// Lanes of every kind.
pub(super) fn kinds() -> Vec<(Lane, InputShape)> {
    let of = |key: &'static str, value: &str| (key, Setting::from(value));
    let no_norm = |shortcut: &str, init: &str, order: &str| {
        resnet(&[of("shortcut", shortcut), of("norm", "none"), of("init", init), of("order", order)])
    };
    let mut all = lanes();
    for shortcut in [
        "none",
        "identity",
        "projection",
        "convolution",
        "scaled",
        "exclusive-gate",
        "shortcut-gate",
        "dropout",
    ] {
        all.push(resnet(&[of("shortcut", shortcut)]));
    }
    for order in ["bn-after", "relu-before", "relu-only", "pre"] {
        all.push(resnet(&[of("shortcut", "identity"), of("order", order)]));
    }
    all.push(no_norm("identity", "fixup", "post"));
    all.push(no_norm("identity", "skipinit", "pre"));
    all.push(no_norm("projection", "rezero", "post"));
    all.push(no_norm("none", "dirac", "post"));
    all
}

fn step(network: &mut Trained, input: InputShape) -> Values {
    network.train_step(&batch(input, 19), 0.01, ALL).statistics
}

/// The values of a metric in a first step.
fn first((lane, input): (Lane, InputShape), metric: Metric) -> Vec<f32> {
    let values = step(&mut network(&lane, input, 0, 1), input);
    values.numbers(metric).unwrap_or_else(|| panic!("{metric} of {lane:?}")).to_vec()
}

/// A first step of a network whose tensors with such a name are filled with a number.
fn filled(lane: &Lane, input: InputShape, is_filled: impl Fn(&str) -> bool, number: f32) -> Values {
    let mut network = network(lane, input, 0, 1);
    let mut state = network.state();
    let mut count = 0;
    for NamedTensor { data, .. } in state.iter_mut().filter(|tensor| is_filled(&tensor.name)) {
        if let TensorData::F32(numbers) = data {
            numbers.fill(number);
            count += 1;
        }
    }
    assert!(count > 0, "a tensor of that name");
    network.load_state(&state).unwrap();
    step(&mut network, input)
}

fn assert_all(numbers: &[f32], expected: f32, tolerance: f32) {
    assert!(!numbers.is_empty());
    assert!(numbers.iter().all(|x| (x - expected).abs() <= tolerance), "{numbers:?}, expected {expected}");
}

#[test]
fn a_network_measures_what_it_declares_and_declares_what_it_measures() {
    for (lane, input) in kinds() {
        let mut network = network(&lane, input, 0, 1);
        let (metrics, axes) = (network.metrics(), network.description().axes());
        let structure = network.description().structure.clone();
        // A branch that starts at zero has no angle before the first update, and none before the second with Fixup, whose
        // head starts at zero, too.
        let [values, second, third] = [(); 3].map(|()| step(&mut network, input));
        let found: Vec<Metric> = values.iter().map(|(metric, _)| metric).collect();
        let expected: Vec<Metric> = metrics.iter().copied().chain(crate::model::WITH_HISTOGRAMS).collect();
        assert_eq!(found, expected, "{lane:?}");
        for metric in expected {
            let length = |axis: &&str| match *axis {
                "layer" => structure.layers.len(),
                "block" => structure.blocks.len(),
                other => axes.iter().find(|axis| axis.name == other).unwrap().points.len(),
            };
            let numbers = values.numbers(metric).unwrap();
            assert_eq!(numbers.len(), metric.axes().iter().map(length).product::<usize>(), "{metric}");
            let mut all =
                [&values, &second, &third].into_iter().flat_map(|step| step.numbers(metric).unwrap());
            assert!(all.any(|x| x.is_finite()), "{lane:?} declares {metric} and never measures it");
        }
        let blocks = network.blocks(&batch(input, 19));
        let any = |is_measured: fn(&crate::nn::ops::BlockRecord) -> bool| blocks.iter().any(is_measured);
        for (metric, is_measured) in [
            (known::GATE, any(|block| block.gate.is_some())),
            (known::EMBEDDING_GATE, any(|block| block.embedding_gate.is_some())),
            (known::MIXING_ROW_SUM, any(|block| block.mixing.is_some())),
            (known::MIXING_COLUMN_SUM, any(|block| block.mixing.is_some())),
            (known::TOKEN_COSINE, any(|block| block.token_cosine.is_some())),
            (known::ATTENTION_ENTROPY, any(|block| !block.entropies.is_empty())),
            (known::BRANCH_RATIO, any(|block| block.terms.is_some())),
        ] {
            assert_eq!(metrics.contains(&metric), is_measured, "{metric} of {lane:?}");
        }
    }
}

#[test]
fn channels_side_by_side_have_no_angle() {
    let (lane, input) = lanes().swap_remove(0);
    let metrics = network(&lane, input, 0, 1).metrics();
    assert!(metrics.contains(&known::BRANCH_RATIO) && !metrics.contains(&known::BRANCH_COSINE));
}

#[test]
fn attention_that_prefers_nothing_has_the_entropy_of_its_tokens() {
    let (lane, input) = transformer("pre");
    let network = network(&lane, input, 0, 1);
    assert_eq!(network.description().axes()[0].points, Points::Numbers(vec![1.0, 2.0]));
    let values = filled(&lane, input, |name| name.ends_with("attn.qkv.weight"), 0.0);
    let entropies = values.numbers(known::ATTENTION_ENTROPY).unwrap();
    // Token i of 20 attends to i tokens; every second block is feed-forward.
    let expected = (1..=20).map(|tokens| f64::from(tokens).ln()).sum::<f64>() / 20.0;
    for block in entropies.chunks_exact(4) {
        assert_all(&block[..2], expected as f32, 1e-6);
        assert!(block[2..].iter().all(|x| x.is_nan()));
    }
    assert_eq!(entropies.len(), 8);
}

#[test]
fn equal_tokens_have_a_cosine_of_one() {
    for residual in ["none", "pre", "post", "hyper-dynamic", "mhc"] {
        let (lane, input) = transformer(residual);
        let values = filled(&lane, input, |name| name.contains("_embedding"), 0.3);
        assert_all(values.numbers(known::TOKEN_COSINE).unwrap(), 1.0, 1e-5);
        let usual = first((lane, input), known::TOKEN_COSINE);
        assert!(usual.iter().all(|cosine| cosine.abs() < 0.9), "{residual}: {usual:?}");
    }
}

#[test]
fn trained_factors_are_those_of_the_step_before_its_update() {
    let of = |key: &'static str, value: &str| (key, Setting::from(value));
    let identity = [of("shortcut", "identity"), of("norm", "none")];
    let kind =
        |init: &str, order: &str| resnet(&[&identity[..], &[of("init", init), of("order", order)]].concat());
    for ((lane, input), start) in [
        (transformer("rezero"), 0.0),
        (transformer("scalars"), 1.0),
        (kind("skipinit", "pre"), 0.0),
        (kind("rezero", "post"), 0.0),
        (kind("fixup", "post"), 1.0),
    ] {
        let mut network = network(&lane, input, 0, 1);
        let gates = |values: Values| values.numbers(known::GATE).unwrap().to_vec();
        assert_all(&gates(step(&mut network, input)), start, 0.0);
        let is_gate = |name: &str| {
            let last = name.rsplit('.').next().unwrap_or_default();
            ["resweight", "resid_lambdas", "scale", "skipinit", "alpha"].contains(&last)
        };
        let state = network.state();
        let trained = state.iter().filter(|tensor| is_gate(&tensor.name));
        let trained = trained.flat_map(|tensor| match &tensor.data {
            TensorData::F32(numbers) => numbers.clone(),
            TensorData::I64(_) => Vec::new(),
        });
        let trained: Vec<f32> = trained.collect();
        assert!(!trained.is_empty() && trained.iter().any(|x| *x != start), "{lane:?}: {trained:?}");
        // Both blocks of a layer of a transformer have its number.
        let blocks = network.description().structure.blocks.len();
        let each = blocks / trained.len();
        let expected: Vec<f32> = trained.iter().flat_map(|x| vec![*x; each]).collect();
        assert_eq!(gates(step(&mut network, input)), expected, "{lane:?}");
    }
    assert_all(&first(transformer("scalars"), known::EMBEDDING_GATE), 0.1, 0.0);
}

#[test]
fn a_gate_is_as_open_as_its_bias_says() {
    for shortcut in ["exclusive-gate", "shortcut-gate"] {
        for bias in [-6.0_f64, 1.5] {
            let (lane, input) =
                resnet(&[("shortcut", shortcut.into()), ("gate_bias", Setting::Number(bias))]);
            let values = filled(&lane, input, |name| name.ends_with("gate.weight"), 0.0);
            let open = (1.0 + (-bias).exp()).recip() as f32;
            assert_all(values.numbers(known::GATE).unwrap(), open, 1e-6);
        }
    }
}

#[test]
fn doubly_stochastic_matrices_amplify_nothing() {
    let (lane, input) = transformer("mhc");
    let mut network = network(&lane, input, 0, 1);
    for _ in 0..5 {
        let values = step(&mut network, input);
        for metric in [known::MIXING_ROW_SUM, known::MIXING_COLUMN_SUM] {
            assert_all(values.numbers(metric).unwrap(), 1.0, 1e-6);
        }
    }
    for residual in ["hyper-static", "hyper-dynamic"] {
        assert_all(&first(transformer(residual), known::MIXING_ROW_SUM), 1.0, 0.0);
    }
}

#[test]
fn static_matrices_are_multiplied_in_their_order() {
    let (lane, input) = transformer("hyper-static");
    let mut network = network(&lane, input, 0, 1);
    for _ in 0..30 {
        network.train_step(&batch(input, 19), 0.5, Wanted::default());
    }
    let n = 4;
    let mut product: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect();
    let mut expected = [Vec::new(), Vec::new()];
    for NamedTensor { data, .. } in network.state().iter().filter(|t| t.name.ends_with("static_alpha")) {
        let TensorData::F32(alpha) = data else { panic!("numbers") };
        // From each stream to the branch, and to each stream.
        let matrix = |to: usize, from: usize| f64::from(alpha[from * (n + 1) + to + 1]);
        let at = |to, from| (0..n).map(|k| matrix(to, k) * product[k * n + from]).sum();
        product = (0..n * n).map(|place| at(place / n, place % n)).collect();
        let largest = |number: &dyn Fn(usize, usize) -> f64| {
            let sums = (0..n).map(|line| (0..n).map(|other| number(line, other).abs()).sum::<f64>());
            sums.fold(0.0, f64::max) as f32
        };
        expected[0].push(largest(&|row, column| product[row * n + column]));
        expected[1].push(largest(&|column, row| product[row * n + column]));
    }
    let values = step(&mut network, input);
    for (metric, expected) in [known::MIXING_ROW_SUM, known::MIXING_COLUMN_SUM].into_iter().zip(expected) {
        let found = values.numbers(metric).unwrap();
        assert!(expected.iter().any(|sum| (sum - 1.0).abs() > 1e-3), "it has moved: {expected:?}");
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5 * expected, "{metric}: {found}, expected {expected}");
        }
    }
}

#[test]
fn the_rank_of_the_head_is_that_of_the_logits() {
    for (lane, input) in [transformer("pre"), resnet(&[("shortcut", "identity".into())])] {
        let mut network = network(&lane, input, 0, 1);
        let logits = network.training_logits(&batch(input, 19));
        let expected = effective_rank(InstructionSet::detect(), &logits, CLASSES);
        let ranks = step(&mut network, input).numbers(known::EFFECTIVE_RANK).unwrap().to_vec();
        assert_eq!(ranks.last(), Some(&expected), "{lane:?}");
        let structure = &network.description().structure;
        for (layer, rank) in structure.layers.iter().zip(&ranks) {
            let least = 1.0 / layer.units() as f32;
            let is_observed = layer.kind != crate::structure::kind::POSITIONS;
            assert!(!is_observed || (least..=1.0).contains(rank), "{}: {rank}", layer.name);
        }
    }
}
