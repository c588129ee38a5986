//! What theory says of networks before they are trained: how gradients and activations change from layer to layer with
//! weights from He's distribution. Inputs are independent normal numbers.

use super::architectures::build;
use super::trained::Trained;
use super::{Network, TensorData, Wanted};
use crate::datasets::{self, Batch, Inputs};
use crate::event::Values;
use crate::experiment::{Data, Lane, Optimizer, Setting, Settings};
use crate::metric::{Metric, known};
use crate::random;
use crate::statistics::slope_in_decades;
use crate::structure::{Structure, kind};
use crate::units::{ImageShape, InputShape};

/// Updates nothing at a learning rate of zero.
const SGD: Optimizer = Optimizer::Sgd { learning_rate: 0.0, momentum: 0.0, weight_decay: 0.0 };

/// A network after the first step, which changed none of its weights.
struct First {
    network: Trained,
    statistics: Values,
}

impl First {
    /// On normal numbers.
    fn of(architecture: &str, settings: &[(&str, Setting)], input: InputShape, examples: usize) -> First {
        let mut source = random::stream(11, "input", 0);
        let count = examples * input.len();
        let batch = Batch {
            inputs: Inputs::Numbers((0..count).map(|_| random::normal(&mut source) as f32).collect()),
            labels: (0..examples).map(|_| random::below(&mut source, 10) as u16).collect(),
        };
        First::on(&batch, 7, architecture, settings, input)
    }

    fn on(
        batch: &Batch,
        seed: u64,
        architecture: &str,
        settings: &[(&str, Setting)],
        input: InputShape,
    ) -> First {
        let set = |settings: Settings, (key, value): &(&str, Setting)| settings.with(key, value.clone());
        let settings = settings.iter().fold(Settings::default(), set);
        let lane = Lane::new("lane", architecture, settings);
        let mut network = Trained::new(build(&lane, input, 10, Some(seed)).unwrap(), 5, &SGD, 2);
        let wanted = Wanted { scalars: true, histograms: false };
        let step = network.train_step(batch, 0.0, wanted);
        assert_eq!(step.non_finite, None);
        First { network, statistics: step.statistics }
    }

    fn structure(&self) -> &Structure {
        &self.network.description().structure
    }

    fn of_layers(&self, metric: Metric, which: impl Fn(usize) -> bool) -> Vec<f32> {
        let numbers = self.statistics.numbers(metric).unwrap();
        numbers.iter().enumerate().filter(|(at, _)| which(*at)).map(|(_, number)| *number).collect()
    }

    /// The mean over channels of the variance that a batch norm found in the batch.
    fn mean_variance(&self, norm: &str, count: usize) -> f64 {
        let state = self.network.state();
        let running = state.iter().find(|tensor| tensor.name == format!("{norm}.running_var"));
        let TensorData::F32(running) = &running.expect(norm).data else { panic!("{norm}") };
        // A tenth of the batch's unbiased variance has replaced a tenth of 1.
        let unbiased = |running: &f32| (f64::from(*running) - 0.9) / 0.1;
        let biased = (count - 1) as f64 / count as f64;
        running.iter().map(unbiased).sum::<f64>() / running.len() as f64 * biased
    }
}

fn images() -> InputShape {
    ImageShape { channels: 1, height: 16, width: 16 }.into()
}

/// A residual or plain network on the images that are embedded.
fn on_glyphs(depth: usize, shortcut: &str, seed: u64) -> First {
    let mut data = Data::named("glyphs");
    (data.train_images, data.test_images) = (Some(64), Some(1));
    let dataset = datasets::load(&data, 0).unwrap();
    let mut batch = Batch::default();
    dataset.evaluation_batch(&dataset.train, 0..64, &mut batch);
    let settings = [("depth", depth.into()), ("width", 8_usize.into()), ("shortcut", shortcut.into())];
    First::on(&batch, seed, "resnet", &settings, dataset.shape)
}

/// The factor a layer by which values grow toward the input.
fn growth(values: &[f32]) -> f64 {
    10_f64.powf(-slope_in_decades(values).unwrap())
}

#[track_caller]
fn assert_near(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected} ± {tolerance}");
}

/// Gradients grow by pi / (pi - 1) in their square, 1.211, a layer toward the input (Yang et al. 2019, theorem 8).
#[test]
fn gradients_of_a_plain_network_with_batch_norm_grow_by_1_21_a_layer() {
    let settings = [("depth", 24_usize.into()), ("width", 256_usize.into()), ("shortcut", "none".into())];
    let first = First::of("mlp", &settings, InputShape::Vector { features: 64 }, 512);
    let layers = first.of_layers(known::WEIGHT_GRADIENT_NORM, |layer| (2..22).contains(&layer));
    assert_near("weights", growth(&layers), 1.211, 0.04);
    let outputs = first.statistics.numbers(known::STREAM_GRADIENT_NORM).unwrap();
    assert_near("outputs", growth(&outputs[2..22]), 1.211, 0.04);
}

/// Convolutions share weights, so that the growth is a little less. Median of three seeds: the few pixels of the last
/// stage let it range from 1.11 to 1.16.
#[test]
fn gradients_of_a_plain_convolutional_network_grow_within_a_stage() {
    for (stage, growth) in growth_in_stages("none").into_iter().enumerate() {
        assert!((1.13..=1.22).contains(&growth), "stage {}: {growth}", stage + 1);
    }
}

/// With shortcuts they grow less, and the less the more blocks have added to the stream.
#[test]
fn gradients_of_a_residual_network_hardly_grow() {
    let [one, two, three] = growth_in_stages("identity");
    assert!(1.13 > one && one > two && two > three && three > 1.0, "{one} {two} {three}");
}

/// The growth of weight gradients a layer in each stage of 56 layers, the median of three seeds.
fn growth_in_stages(shortcut: &str) -> [f64; 3] {
    let firsts = [0, 1, 2].map(|seed| on_glyphs(56, shortcut, seed));
    [1, 2, 3].map(|stage| {
        let mut growths = firsts.each_ref().map(|first| {
            let of_stage = |at: usize| {
                let layer = &first.structure().layers[at];
                layer.stage == Some(stage) && layer.kind == kind::CONVOLUTION
            };
            growth(&first.of_layers(known::WEIGHT_GRADIENT_NORM, of_stage))
        });
        growths.sort_by(f64::total_cmp);
        growths[1]
    })
}

/// Each branch of a network with pre-activation adds 1 to the mean square, of which a third is a constant of the channel:
/// the variance behind l blocks is 1 + (1 - 1 / pi) l times that before them.
#[test]
fn the_stream_of_pre_activation_grows_by_0_68_a_block() {
    let (blocks, examples) = (16, 512);
    let settings = [("depth", blocks.into()), ("width", 256_usize.into()), ("shortcut", "identity".into())];
    let first = First::of("mlp", &settings, InputShape::Vector { features: 64 }, examples);
    let stem = first.mean_variance("blocks.0.bn1", examples);
    for block in 1..blocks {
        let variance = first.mean_variance(&format!("blocks.{block}.bn1"), examples);
        assert_near(&format!("block {block}"), (variance - stem) / block as f64, 0.682, 0.05);
    }
    let squares = first.statistics.numbers(known::STREAM_RMS).unwrap();
    let square = |block: usize| f64::from(squares[block]).powi(2);
    assert_near("mean square", (square(blocks - 1) - square(0)) / (blocks - 1) as f64, 1.0, 0.06);
}

/// Without a norm each branch is as large as the stream, whose mean square doubles with each block.
#[test]
fn the_stream_without_a_norm_doubles_with_each_block() {
    let settings = [
        ("depth", 32_usize.into()),
        ("width", 32_usize.into()),
        ("shortcut", "identity".into()),
        ("norm", "none".into()),
        ("order", "pre".into()),
    ];
    let first = First::of("resnet", &settings, images(), 32);
    let squares = first.statistics.numbers(known::STREAM_RMS).unwrap();
    let stage_one = &squares[..5];
    let doublings = 2.0 * (f64::from(stage_one[4]) / f64::from(stage_one[0])).log2() / 4.0;
    assert_near("doublings a block", doublings, 1.0, 0.15);
}

/// Weights from He's distribution keep the mean square of activations and gradients.
#[test]
fn he_initialisation_keeps_signals_of_a_plain_network_level() {
    let settings = [
        ("depth", 32_usize.into()),
        ("width", 32_usize.into()),
        ("shortcut", "none".into()),
        ("norm", "none".into()),
    ];
    let first = First::of("resnet", &settings, images(), 32);
    let of_stage_one = |at: usize| first.structure().layers[at].stage == Some(1);
    let norms = first.of_layers(known::ACTIVATION_RMS, of_stage_one);
    assert_near("activations", growth(&norms), 1.0, 0.1);
    assert_near("gradients", growth(&first.of_layers(known::OUTPUT_GRADIENT_NORM, of_stage_one)), 1.0, 0.15);
}

/// What batch norm puts out has a standard deviation of 1, but for what is added to the variance.
#[test]
fn responses_behind_batch_norm_have_a_standard_deviation_of_one() {
    let settings = [("depth", 20_usize.into()), ("width", 16_usize.into()), ("shortcut", "identity".into())];
    let first = First::of("resnet", &settings, images(), 64);
    let convolution = |at: usize| first.structure().layers[at].kind == kind::CONVOLUTION;
    for std in first.of_layers(known::RESPONSE_STD, convolution) {
        assert_near("response", f64::from(std), 1.0, 1e-3);
    }
}

/// Blocks that are the identity pass gradients on bit by bit; scaled ones multiply them by their factor.
#[test]
fn gradients_pass_blocks_that_are_zero() {
    let factor = |others: &[(&str, Setting)]| {
        let settings = [("depth", 26_usize.into()), ("width", 8_usize.into())];
        let settings: Vec<(&str, Setting)> = settings.into_iter().chain(others.iter().cloned()).collect();
        let first = First::of("resnet", &settings, images(), 16);
        let norms = first.statistics.numbers(known::STREAM_GRADIENT_NORM).unwrap();
        [norms[0] / norms[3], norms[5] / norms[7]]
    };
    let identity = [
        ("shortcut", "identity".into()),
        ("norm", "none".into()),
        ("init", "skipinit".into()),
        ("order", "pre".into()),
    ];
    assert_eq!(factor(&identity), [1.0, 1.0]);
    let scaled =
        [("shortcut", "scaled".into()), ("shortcut_scale", 0.5.into()), ("init", "zero-gamma".into())];
    assert_eq!(factor(&scaled), [0.125, 0.25]);
}

/// Without residual connections all tokens of a sequence become equal within a few layers (Dong et al. 2021); with
/// pre-norm they stay apart.
#[test]
fn tokens_become_equal_without_residual_connections() {
    let behind = |residual: &str| {
        let settings = [
            ("depth", 12_usize.into()),
            ("width", 32_usize.into()),
            ("heads", 2_usize.into()),
            ("residual", residual.into()),
        ];
        let input = InputShape::Sequence { context: 20, vocabulary: 17 };
        let mut source = random::stream(11, "tokens", 0);
        let mut token = || random::below(&mut source, 17) as u16;
        let batch = Batch {
            inputs: Inputs::Tokens((0..32 * 20).map(|_| token()).collect()),
            labels: (0..32 * 20).map(|at| at % 10).collect(),
        };
        let first = First::on(&batch, 7, "transformer", &settings, input);
        let cosines = first.statistics.numbers(known::TOKEN_COSINE).unwrap();
        // Attention and feed-forward of each layer are blocks of their own.
        [cosines[15], cosines[23]]
    };
    let [plain, pre] = ["none", "pre"].map(behind);
    assert!(plain.iter().all(|cosine| *cosine > 0.995), "{plain:?}");
    assert!(pre.iter().all(|cosine| (0.4..0.8).contains(cosine)), "{pre:?}");
}
