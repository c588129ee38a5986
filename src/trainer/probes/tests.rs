//! What probes measure of small networks, against other ways to compute it.

use super::displacement::{Direction, moved};
use super::*;
use crate::datasets::{NO_LABEL, load};
use crate::event::Value;
use crate::experiment::{Data, Lane, Optimizer, Recording, Schedule, Setting, Training, When};
use crate::metric::probed;
use crate::model::{NamedTensor, Stream, TensorData, Wanted, build};
use crate::statistics::alignment;
use crate::trainer::Batches;

/// A network that nothing else is done with.
struct Alone(Box<dyn Network>);

impl Interruptible for Alone {
    fn network(&mut self) -> &mut dyn Network {
        &mut *self.0
    }

    fn between_batches(&mut self) -> Result<(), Outcome> {
        Ok(())
    }
}

/// A lane on a data set, after some steps.
struct Bench {
    lane: Alone,
    experiment: Experiment,
    dataset: Dataset,
    order: BatchOrder,
    step: Step,
}

impl Bench {
    fn new(data: &str, architecture: &str, settings: &[(&str, Setting)], steps: u64) -> Bench {
        let set = |settings: Settings, (key, value): &(&str, Setting)| settings.with(key, value.clone());
        let lane = Lane::new("lane", architecture, settings.iter().fold(Settings::default(), set));
        let mut data = Data { train_images: Some(96), test_images: Some(48), ..Data::named(data) };
        let entry = crate::datasets::available().into_iter().find(|entry| entry.name == data.name).unwrap();
        data.settings.complete(&entry.keys);
        let optimizer = Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 0.0 };
        let training = Training {
            steps: 100,
            batch: 16,
            evaluate_every: 0,
            evaluate_images: 64,
            checkpoint_every: 0,
            optimizer,
            schedule: Schedule::Constant { warmup: 0 },
        };
        let experiment = Experiment {
            question: String::new(),
            seed: 4,
            data,
            training,
            statistics: Recording { every: 0, histograms_every: 0, layers: Vec::new() },
            probes: Default::default(),
            lanes: vec![lane],
        };
        let dataset = load(&experiment.data, experiment.seed).unwrap();
        let (lane, optimizer) = (&experiment.lanes[0], &experiment.training.optimizer);
        let network = build(lane, dataset.shape, dataset.classes.len(), 4, optimizer, 1).unwrap();
        let order = BatchOrder::new(dataset.train.len(), 16, 4).unwrap();
        let mut bench = Bench { lane: Alone(network), experiment, dataset, order, step: Step(steps) };
        let mut batches = Drawn::new(&bench.experiment, &bench.dataset, bench.order.clone());
        for step in 1..=steps {
            bench.lane.0.train_step(batches.next(Step(step)), 0.05, Wanted::default());
        }
        bench
    }

    /// What a probe measures with some of its keys set.
    fn run(&mut self, name: &str, keys: &[(&str, Setting)]) -> Values {
        let entry = ALL.iter().find(|entry| entry.name == name).unwrap();
        let set = |settings: Settings, (key, value): &(&str, Setting)| settings.with(key, value.clone());
        let mut settings = keys.iter().fold(Settings::default(), set);
        settings.complete(&(entry.keys)());
        let probe = Probe { at: When::End, settings };
        let (before, step) = (self.lane.0.state(), self.step);
        let task = Task {
            lane: "lane",
            experiment: &self.experiment,
            dataset: &self.dataset,
            order: &self.order,
            initial_weights: String::new(),
            resumed: None,
            folder: std::path::Path::new(""),
            clock: &|| 0.0,
        };
        let mut subject = Subject::new(&mut self.lane, &task, step, &probe);
        let values = (entry.run)(&mut subject).unwrap();
        assert!(self.lane.0.state() == before, "{name} leaves a trace");
        let metrics: Vec<Metric> = values.iter().map(|(metric, _)| metric).collect();
        assert_eq!(metrics.len(), (entry.metrics)(&probe.settings).len());
        assert!((entry.metrics)(&probe.settings).iter().all(|metric| metrics.contains(metric)));
        values
    }

    /// The first training examples as one batch.
    fn batch(&self, split: Split, examples: usize) -> Batch {
        let mut batch = Batch::default();
        let of = if split == Split::Train { &self.dataset.train } else { &self.dataset.test };
        self.dataset.evaluation_batch(of, 0..examples, &mut batch);
        batch
    }
}

fn mlp(depth: usize, shortcut: &str, steps: u64) -> Bench {
    let settings = [("depth", depth.into()), ("width", 16_usize.into()), ("shortcut", shortcut.into())];
    Bench::new("spirals", "mlp", &settings, steps)
}

fn floats(tensor: &NamedTensor) -> &[f32] {
    match &tensor.data {
        TensorData::F32(values) => values,
        TensorData::I64(_) => panic!("{} is of whole numbers", tensor.name),
    }
}

#[test]
fn every_probe_has_a_name_of_its_own_and_only_metrics_of_its_own() {
    let mut names: Vec<&str> = ALL.iter().map(|entry| entry.name).collect();
    let all = |entry: &Entry| {
        let mut settings = Settings::default().with("plane", true.into()).with("lanes", true.into());
        settings.complete(&(entry.keys)());
        (entry.metrics)(&settings)
    };
    let mut metrics: Vec<&str> = ALL.iter().flat_map(all).map(Metric::name).collect();
    assert_eq!(metrics.len(), probed::ALL.len(), "every metric of a probe belongs to one");
    for of in [&mut names, &mut metrics] {
        let count = of.len();
        of.sort_unstable();
        of.dedup();
        assert_eq!(of.len(), count);
    }
    assert!(names.iter().all(|name| !name.is_empty()));
}

#[test]
fn the_lens_on_the_last_block_is_the_network_and_on_the_first_a_shallower_one() {
    let mut bench = mlp(3, "identity", 30);
    let values = bench.run("lens", &[("examples", 48_usize.into())]);
    let (losses, errors) =
        (values.numbers(probed::LENS_LOSS).unwrap(), values.numbers(probed::LENS_ERROR).unwrap());
    let batch = bench.batch(Split::Test, 48);
    let whole = bench.lane.0.evaluate(&batch, Mode::Eval);
    assert!((f64::from(losses[2]) - whole.loss_sum / 48.0).abs() < 1e-5, "{losses:?}");
    assert_eq!(errors[2], whole.wrong as f32 / 48.0);
    // The head on the first block's output, by hand: batch norm, ReLU, and a linear layer.
    let stream = bench.lane.0.streams(&batch, Mode::Eval).swap_remove(0);
    let state = bench.lane.0.state();
    let of = |name: &str| floats(state.iter().find(|tensor| tensor.name == name).unwrap()).to_vec();
    let [gamma, beta, mean, variance] =
        ["weight", "bias", "running_mean", "running_var"].map(|part| of(&format!("bn.{part}")));
    let (weights, bias) = (of("head.weight"), of("head.bias"));
    let mut wrong = 0;
    for (row, label) in stream.features.chunks_exact(16).zip(&batch.labels) {
        let x: Vec<f32> = (0..16)
            .map(|k| (gamma[k] * (row[k] - mean[k]) / (variance[k] + 1e-5).sqrt() + beta[k]).max(0.0))
            .collect();
        let logits: Vec<f32> = weights
            .chunks_exact(16)
            .zip(&bias)
            .map(|(weights, bias)| weights.iter().zip(&x).map(|(w, x)| w * x).sum::<f32>() + bias)
            .collect();
        wrong += usize::from(lens::largest(&logits) != usize::from(*label));
    }
    assert_eq!(errors[0], wrong as f32 / 48.0);
    let depth = values.number(probed::PREDICTION_DEPTH).unwrap();
    assert!((1.0..=3.0).contains(&depth), "{depth}");
}

#[test]
fn lesions_are_evaluations_without_a_block() {
    let mut bench = mlp(3, "identity", 30);
    let values = bench.run("lesion", &[("examples", 48_usize.into()), ("split", "train".into())]);
    let batch = bench.batch(Split::Train, 48);
    let mean = |found: Evaluation| [(found.loss_sum / 48.0) as f32, found.wrong as f32 / 48.0];
    let intact = mean(bench.lane.0.evaluate(&batch, Mode::Eval));
    assert!((values.number(probed::INTACT_LOSS).unwrap() - intact[0]).abs() < 1e-6);
    assert_eq!(values.number(probed::INTACT_ERROR), Some(intact[1]));
    // Without its last linear layer a block adds nothing.
    let state = bench.lane.0.state();
    for block in 0..3 {
        let mut zero = state.clone();
        let name = format!("blocks.{block}.fc2.weight");
        let tensor = zero.iter_mut().find(|tensor| tensor.name == name).unwrap();
        tensor.data = TensorData::F32(vec![0.0; floats(tensor).len()]);
        bench.lane.0.load_state(&zero).unwrap();
        let [loss, error] = mean(bench.lane.0.evaluate(&batch, Mode::Eval));
        assert!((values.numbers(probed::LESION_LOSS).unwrap()[block] - loss).abs() < 1e-5);
        assert_eq!(values.numbers(probed::LESION_ERROR).unwrap()[block], error);
    }
    let swapped = values.numbers(probed::SWAP_ERROR).unwrap();
    assert!(swapped[..2].iter().all(|error| error.is_finite()) && swapped[2].is_nan(), "{swapped:?}");
}

#[test]
fn the_surface_is_exactly_the_loss_in_its_middle_and_that_of_moved_weights_beside_it() {
    let mut bench = mlp(2, "identity", 20);
    let keys = [
        ("examples", 64_usize.into()),
        ("points", 5_usize.into()),
        ("radius", 0.5.into()),
        ("plane", true.into()),
    ];
    let values = bench.run("surface", &keys);
    let (plane, line) =
        (values.numbers(probed::SURFACE_LOSS).unwrap(), values.numbers(probed::SURFACE_LINE).unwrap());
    assert_eq!((plane.len(), line), (25, &plane[10..15]));
    let mut pass = crate::trainer::evaluation::Pass::new(
        &bench.dataset,
        &bench.experiment.training,
        Split::Train,
        Mode::Eval,
    );
    while pass.advance(&mut *bench.lane.0, &mut Batch::default()) {}
    assert_eq!(Some(line[2]), pass.result().map(|(loss, _)| loss), "the train loss of an evaluation");
    // Alone, the line is the same.
    let alone = bench.run("surface", &keys[..3]);
    assert_eq!(alone.numbers(probed::SURFACE_LINE), Some(line));
    assert_eq!(alone.get(probed::SURFACE_LOSS), None);
    // One end of the line, with weights moved by hand: the direction from its stream, filter by filter.
    let mut state = bench.lane.0.state();
    for tensor in state.iter_mut().filter(|tensor| tensor.shape.len() == 2) {
        let (width, mut values) = (tensor.shape[1], floats(tensor).to_vec());
        let mut stream = crate::random::stream(4, &format!("probe/surface/alpha/{}", tensor.name), 0);
        for row in values.chunks_exact_mut(width) {
            let drawn: Vec<f64> = (0..width).map(|_| crate::random::normal(&mut stream)).collect();
            let length = |numbers: &[f64]| numbers.iter().map(|x| x * x).sum::<f64>().sqrt();
            let own = length(&row.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
            let factor = 0.5 * own / length(&drawn);
            row.iter_mut().zip(&drawn).for_each(|(x, by)| *x += (factor * by) as f32);
        }
        tensor.data = TensorData::F32(values);
    }
    bench.lane.0.load_state(&state).unwrap();
    let found = bench.lane.0.evaluate(&bench.batch(Split::Train, 64), Mode::Eval).loss_sum / 64.0;
    assert!((found - f64::from(line[4])).abs() < 1e-4 * found, "{found}, {line:?}");
    assert!((line[4] - line[2]).abs() > 1e-2, "{line:?}");
}

#[test]
fn the_noise_scale_is_that_of_the_gradients_of_half_batches() {
    let mut bench = mlp(2, "identity", 10);
    let values = bench.run("gradient_noise", &[("batches", 3_usize.into())]);
    let mut batches = Drawn::new(&bench.experiment, &bench.dataset, bench.order.clone());
    let (mut covariance, mut square, mut cosine) = (0.0, 0.0, 0.0);
    let structure = bench.lane.0.description().structure.clone();
    let mut of_layers = vec![0.0; structure.layers.len()];
    for step in 11..=13 {
        let batch = batches.next(Step(step)).clone();
        let width = batch.inputs.len() / 16;
        let half = |at: usize| {
            let numbers = batch.inputs.numbers().unwrap();
            let inputs = crate::datasets::Inputs::Numbers(numbers[at * 8 * width..][..8 * width].to_vec());
            Batch { inputs, labels: batch.labels[at * 8..][..8].to_vec() }
        };
        let [a, b] = [0, 1].map(|at| bench.lane.0.gradients(&half(at)).tensors);
        let product = |a: &[NamedTensor], b: &[NamedTensor]| {
            let of = |(a, b): (&NamedTensor, &NamedTensor)| {
                floats(a).iter().zip(floats(b)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
            };
            a.iter().zip(b).map(of).sum::<f64>()
        };
        let mean = |numbers: [f64; 2]| (numbers[0] + numbers[1]) / 2.0;
        let small = mean([product(&a, &a), product(&b, &b)]);
        let big = (product(&a, &a) + product(&b, &b) + 2.0 * product(&a, &b)) / 4.0;
        square += (16.0 * big - 8.0 * small) / 8.0;
        covariance += (small - big) / (1.0 / 8.0 - 1.0 / 16.0);
        cosine += product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt() / 3.0;
        for (to, layer) in of_layers.iter_mut().zip(&structure.layers) {
            let name = format!("{}.weight", layer.name);
            let [a, b] = [&a, &b]
                .map(|all| all.iter().filter(|tensor| tensor.name == name).cloned().collect::<Vec<_>>());
            *to += product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt() / 3.0;
        }
    }
    let close = |a: f32, b: f64| (f64::from(a) - b).abs() < 1e-4 * b.abs().max(0.1);
    assert!(close(values.number(probed::HALF_BATCH_COSINE).unwrap(), cosine), "{cosine}: {values:?}");
    let scale = values.number(probed::GRADIENT_NOISE_SCALE).unwrap();
    assert!(
        if square > 0.0 { close(scale, covariance / square) } else { scale.is_nan() },
        "{scale}, {square}"
    );
    let found = values.numbers(probed::LAYER_HALF_BATCH_COSINE).unwrap();
    assert!(found.iter().zip(of_layers).all(|(a, b)| close(*a, b)), "{found:?}");
}

/// All second derivatives by differences of gradients along each parameter.
#[test]
fn the_largest_eigenvalue_is_that_of_the_whole_hessian() {
    let mut bench = mlp(1, "none", 30);
    let values = bench.run("hessian", &[("examples", 32_usize.into()), ("iterations", 60_usize.into())]);
    let found = f64::from(values.number(probed::HESSIAN_EIGENVALUE).unwrap());
    let residual = values.number(probed::HESSIAN_RESIDUAL).unwrap();
    let state = bench.lane.0.state();
    let mut batches = [Batch::default(), Batch::default()];
    for (at, batch) in batches.iter_mut().enumerate() {
        bench.dataset.evaluation_batch(&bench.dataset.train, 16 * at..16 * (at + 1), batch);
    }
    let mut gradient = |state: &[NamedTensor]| {
        bench.lane.0.load_state(state).unwrap();
        let both = batches.each_ref().map(|batch| {
            let tensors = bench.lane.0.gradients(batch).tensors;
            let numbers = tensors.iter().flat_map(|tensor| floats(tensor).to_vec());
            numbers.map(f64::from).collect::<Vec<f64>>()
        });
        both[0].iter().zip(&both[1]).map(|(a, b)| (a + b) / 2.0).collect::<Vec<f64>>()
    };
    let names =
        ["layers.0.linear.weight", "layers.0.bn.weight", "layers.0.bn.bias", "head.weight", "head.bias"];
    let mut matrix: Vec<Vec<f64>> = Vec::new();
    for name in names {
        let place = state.iter().position(|tensor| tensor.name == name).unwrap();
        for at in 0..floats(&state[place]).len() {
            let mut direction = Direction(vec![None; state.len()]);
            let numbers = (0..floats(&state[place]).len()).map(|k| f64::from(u8::from(k == at)));
            direction.0[place] = Some(numbers.collect());
            let [ahead, behind] = [2e-3, -2e-3].map(|by| gradient(&moved(&state, &[(by, &direction)])));
            matrix.push(ahead.iter().zip(behind).map(|(a, b)| (a - b) / 4e-3).collect());
        }
    }
    let side = matrix.len();
    assert!(side > 100 && matrix.iter().all(|row| row.len() == side), "{side} parameters");
    // Power iteration with a shift, so that the largest eigenvalue has the largest magnitude.
    let bound = matrix.iter().map(|row| row.iter().map(|x| x.abs()).sum::<f64>()).fold(0.0, f64::max);
    let (mut v, mut value) = (vec![1.0; side], 0.0);
    for _ in 0..5_000 {
        let of_row = |at: usize| {
            let sum: f64 = (0..side).map(|k| (matrix[at][k] + matrix[k][at]) / 2.0 * v[k]).sum();
            sum + bound * v[at]
        };
        let image: Vec<f64> = (0..side).map(of_row).collect();
        let norm = image.iter().map(|x| x * x).sum::<f64>().sqrt();
        value = norm - bound;
        v = image.iter().map(|x| x / norm).collect();
    }
    assert!((found / value - 1.0).abs() < 0.03, "{found} with residual {residual}, {value}");
    assert!(residual < 0.1, "{residual}");
}

/// In expectation the variance of a channel grows by 1 - 1 / pi with each pre-activation block whose branch has one linear
/// layer; here a branch has two, of which the second reads numbers of mean square 1 / 2 at He's variance: 1.
#[test]
fn signals_grow_with_depth_as_theory_says() {
    let settings = [("depth", 8_usize.into()), ("width", 512_usize.into()), ("shortcut", "identity".into())];
    let mut bench = Bench::new("mnist1d", "mlp", &settings, 0);
    let values = bench.run("signal", &[("examples", 96_usize.into())]);
    let (squares, variances) = (
        values.numbers(probed::CHANNEL_SQUARE_MEAN).unwrap(),
        values.numbers(probed::CHANNEL_VARIANCE).unwrap(),
    );
    let growth = 1.0 - std::f32::consts::FRAC_1_PI;
    let slope = |numbers: &[f32]| (numbers[7] - numbers[1]) / 6.0;
    assert!((slope(variances) / growth - 1.0).abs() < 0.25, "{variances:?}");
    assert!((slope(squares) / std::f32::consts::FRAC_1_PI - 1.0).abs() < 0.3, "{squares:?}");
}

#[test]
fn classes_are_told_better_behind_trained_blocks_and_a_block_is_like_itself() {
    let mut bench = mlp(4, "identity", 90);
    let probe = bench.run("linear", &[("examples", 96_usize.into())]);
    let errors = probe.numbers(probed::PROBE_ERROR).unwrap();
    assert!(errors.len() == 4 && errors.iter().all(|error| (0.0..0.67).contains(error)), "{errors:?}");
    let alike = bench.run("cka", &[("examples", 48_usize.into())]);
    let alike = alike.numbers(probed::CKA).unwrap();
    for (at, row) in alike.chunks_exact(4).enumerate() {
        assert!((row[at] - 1.0).abs() < 1e-4 && row.iter().all(|x| (0.0..1.0001).contains(x)), "{alike:?}");
        assert!(row.iter().zip(alike[at..].iter().step_by(4)).all(|(a, b)| a == b), "symmetric");
    }
    // In a residual network neighbours are more alike than the ends.
    assert!(alike[1] > alike[3], "{alike:?}");
}

/// Two lanes that never met, by the products of their features.
#[test]
fn blocks_of_two_lanes_are_compared_by_what_each_recorded() {
    let keys = [("examples", 40_usize.into()), ("lanes", true.into())];
    let grams = |bench: &mut Bench| bench.run("cka", &keys).numbers(probed::GRAM).unwrap().to_vec();
    let mut lanes = [mlp(4, "identity", 30), mlp(2, "none", 10)];
    let of_lanes = lanes.each_mut().map(grams);
    let pairs = 40 * 41 / 2;
    assert_eq!(of_lanes.each_ref().map(Vec::len), [4 * pairs, 2 * pairs]);
    let streams = lanes.each_mut().map(|lane| {
        let batch = lane.batch(Split::Test, 40);
        let centred = |stream: Stream| {
            let of = features::OfBlock { width: stream.channels, numbers: stream.features };
            (of.centred(), of.width)
        };
        lane.lane.0.streams(&batch, Mode::Eval).into_iter().map(centred).collect::<Vec<_>>()
    });
    let square = |(a, of_a): &(Vec<f64>, usize), (b, of_b): &(Vec<f64>, usize)| {
        let product = |i: usize, j: usize| {
            a[i..].iter().step_by(*of_a).zip(b[j..].iter().step_by(*of_b)).map(|(a, b)| a * b).sum::<f64>()
        };
        (0..*of_a).flat_map(|i| (0..*of_b).map(move |j| product(i, j).powi(2))).sum::<f64>()
    };
    let mut least: f64 = 1.0;
    for (a, of_a) in of_lanes[0].chunks_exact(pairs).zip(&streams[0]) {
        assert!((alignment(a, a) - 1.0).abs() < 1e-5);
        for (b, of_b) in of_lanes[1].chunks_exact(pairs).zip(&streams[1]) {
            let expected = square(of_a, of_b) / (square(of_a, of_a) * square(of_b, of_b)).sqrt();
            let found = alignment(a, b);
            assert!((found - expected).abs() < 1e-4, "{found}, expected {expected}");
            least = least.min(expected);
        }
    }
    assert!(least < 0.95, "{least}: the lanes differ");
}

/// The singular values of the matrix of these columns, by rotations of each two until they are orthogonal (Golub and Van Loan
/// 2013, section 8.6.3), which needs no products of the matrix.
fn singular_values_by_rotations(columns: &mut [Vec<f64>]) -> Vec<f64> {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for _ in 0..30 {
        for second in 1..columns.len() {
            let (before, from) = columns.split_at_mut(second);
            let b = &mut from[0];
            for a in before {
                let difference = product(a, a) - product(b, b);
                let (sine, cosine) = (0.5 * (2.0 * product(a, b)).atan2(difference)).sin_cos();
                for (a, b) in a.iter_mut().zip(b.iter_mut()) {
                    (*a, *b) = (cosine * *a + sine * *b, cosine * *b - sine * *a);
                }
            }
        }
    }
    columns.iter().map(|column| product(column, column).sqrt()).collect()
}

#[test]
fn the_rank_of_blocks_is_that_of_their_singular_values() {
    for (shortcut, examples) in [("identity", 40_usize), ("none", 40), ("identity", 9)] {
        let mut bench = mlp(3, shortcut, 20);
        let found = bench.run("rank", &[("examples", examples.into())]);
        let found = found.numbers(probed::BLOCK_RANK).unwrap().to_vec();
        let batch = bench.batch(Split::Test, examples);
        let streams = bench.lane.0.streams(&batch, Mode::Eval);
        assert_eq!(found.len(), streams.len());
        for (found, stream) in found.iter().zip(streams) {
            let width = stream.channels;
            let column = |at: usize| {
                let column = stream.features[at..].iter().step_by(width).map(|x| f64::from(*x));
                let mean = column.clone().sum::<f64>() / examples as f64;
                column.map(|x| x - mean).collect::<Vec<f64>>()
            };
            let values = singular_values_by_rotations(&mut (0..width).map(column).collect::<Vec<_>>());
            let sum: f64 = values.iter().sum();
            let shares = values.iter().map(|value| value / sum).filter(|share| *share > 0.0);
            let expected = shares.map(|share| -share * share.ln()).sum::<f64>().exp();
            assert!((f64::from(*found) - expected).abs() < 1e-3, "{shortcut}: {found}, expected {expected}");
            assert!(expected > 1.2 && expected < width.min(examples - 1) as f64, "{expected}");
        }
    }
}

/// Sequences have a label for some of their tokens only.
#[test]
fn only_labelled_tokens_are_rows() {
    let settings = [("depth", 2_usize.into()), ("width", 32_usize.into()), ("residual", "pre".into())];
    let mut bench = Bench::new("recall", "transformer", &settings, 2);
    let batch = bench.batch(Split::Test, 16);
    let labels: Vec<u16> = batch.labels.iter().copied().filter(|label| *label != NO_LABEL).collect();
    let task = Task {
        lane: "lane",
        experiment: &bench.experiment,
        dataset: &bench.dataset,
        order: &bench.order,
        initial_weights: String::new(),
        resumed: None,
        folder: std::path::Path::new(""),
        clock: &|| 0.0,
    };
    let probe = Probe::default();
    let mut subject = Subject::new(&mut bench.lane, &task, bench.step, &probe);
    let rows = labels.len() - 3;
    let found = features::Features::of(&mut subject, Split::Test, rows).unwrap();
    assert_eq!(found.labels, labels[..rows]);
    let stream = &bench.lane.0.streams(&batch, Mode::Eval)[3];
    let tokens = batch.labels.iter().enumerate().filter(|(_, label)| **label != NO_LABEL).map(|(at, _)| at);
    for (row, token) in found.blocks[3].numbers.chunks_exact(32).zip(tokens) {
        assert_eq!(row, &stream.features[token * 32..][..32]);
    }
    for (name, metric) in [("linear", probed::PROBE_ERROR), ("lens", probed::LENS_ERROR)] {
        let values = bench.run(name, &[("examples", 32_usize.into())]);
        let Some(Value::Numbers(errors)) = values.get(metric) else { panic!("{name}") };
        assert!(errors.iter().all(|error| (0.0..=1.0).contains(error)), "{name}: {errors:?}");
    }
}

#[test]
fn pictures_are_of_the_worst_examples_and_numbers_of_all() {
    let settings = [("depth", 8_usize.into()), ("width", 4_usize.into()), ("shortcut", "identity".into())];
    let mut bench = Bench::new("glyphs", "resnet", &settings, 10);
    let keys = [("examples", 60_usize.into()), ("mistakes", 5_usize.into())];
    let values = bench.run("pictures", &keys);
    let of = |metric| values.numbers(metric).unwrap();
    let [labels, said, losses] =
        [probed::EXAMPLE_LABEL, probed::EXAMPLE_PREDICTION, probed::EXAMPLE_LOSS].map(of);
    // There are only 48 test examples.
    assert!([labels, said, losses].iter().all(|all| all.len() == 60 && all[48..].iter().all(|x| x.is_nan())));
    let batch = bench.batch(Split::Test, 48);
    assert!(labels[..48].iter().zip(&batch.labels).all(|(a, b)| *a == f32::from(*b)));
    let whole = bench.lane.0.evaluate(&batch, Mode::Eval);
    let sum: f64 = losses[..48].iter().map(|loss| f64::from(*loss)).sum();
    assert!((sum - whole.loss_sum).abs() < 1e-4, "{sum} {}", whole.loss_sum);
    assert_eq!((0..48).filter(|at| labels[*at] != said[*at]).count(), whole.wrong);
    let worst = of(probed::MISTAKE_EXAMPLE);
    let greatest = worst.iter().map(|at| losses[*at as usize - 1]).collect::<Vec<f32>>();
    assert!(greatest.windows(2).all(|pair| pair[0] >= pair[1]), "{greatest:?}");
    let beyond = (0..48).filter(|at| losses[*at] > greatest[4]).count();
    assert!(beyond < 5, "{beyond} are worse than the last");
    let pixels = |example: usize| bench.dataset.test.pixels()[256 * example..][..256].iter();
    for (picture, at) in of(probed::MISTAKE_PICTURES).chunks_exact(256).zip(worst) {
        assert!(picture.iter().zip(pixels(*at as usize - 1)).all(|(a, b)| *a == f32::from(*b) / 255.0));
    }
    assert!(of(probed::MAPPED_PICTURE).iter().zip(pixels(0)).all(|(a, b)| *a == f32::from(*b) / 255.0));
}

/// Where a branch starts at zero, the first block gives what the first convolution and ReLU make of an image.
#[test]
fn feature_maps_are_what_the_filters_beside_them_make_of_the_picture() {
    let settings = [
        ("depth", 8_usize.into()),
        ("width", 4_usize.into()),
        ("shortcut", "identity".into()),
        ("norm", "none".into()),
        ("init", "rezero".into()),
        ("order", "post".into()),
    ];
    let mut bench = Bench::new("glyphs", "resnet", &settings, 0);
    let values = bench.run("pictures", &[("filters", 5_usize.into()), ("maps", 5_usize.into())]);
    let (maps, filters) =
        (values.numbers(probed::FEATURE_MAPS).unwrap(), values.numbers(probed::FILTERS).unwrap());
    let batch = bench.batch(Split::Test, 1);
    let image = batch.inputs.numbers().unwrap();
    let pixel = |row: i64, column: i64| {
        let is_in = (0..16).contains(&row) && (0..16).contains(&column);
        if is_in { image[(16 * row + column) as usize] } else { 0.0 }
    };
    for channel in 0..4 {
        let filter = &filters[9 * channel..][..9];
        for (at, found) in maps[256 * channel..][..256].iter().enumerate() {
            let (row, column) = (at as i64 / 16, at as i64 % 16);
            let sum: f32 =
                (0..9).map(|k| filter[k as usize] * pixel(row + k / 3 - 1, column + k % 3 - 1)).sum();
            assert!(
                (sum.max(0.0) - found).abs() < 1e-4,
                "channel {channel}, {row}, {column}: {sum}, {found}"
            );
        }
    }
    assert!(filters[36..].iter().chain(&maps[1024..]).all(|x| x.is_nan()), "there are four channels");
}

#[test]
fn a_network_of_vectors_has_no_pictures_but_the_numbers_of_examples() {
    let mut bench = mlp(3, "identity", 5);
    let values = bench.run("pictures", &[("examples", 20_usize.into())]);
    assert!(values.numbers(probed::EXAMPLE_LOSS).unwrap().iter().all(|loss| loss.is_finite()));
    for metric in [probed::MISTAKE_PICTURES, probed::MAPPED_PICTURE, probed::FEATURE_MAPS, probed::FILTERS] {
        assert!(values.numbers(metric).unwrap().iter().all(|x| x.is_nan()), "{metric}");
    }
}
