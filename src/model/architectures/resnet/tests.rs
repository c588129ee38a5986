//! Every variant against the PyTorch reference, the memory that is counted for it, and rules between settings.

use super::options::{Blocks, Options, entry};
use super::{CHANNELS, SIDES, WIDTHS, body};
use crate::datasets::{Batch, Inputs};
use crate::event::Mode;
use crate::experiment::{Allowed, Lane, Optimizer, Setting, Settings};
use crate::model::architectures::Built;
use crate::model::block::{Init, Order, Shortcut, Style};
use crate::model::builder::{Builder, Role};
use crate::model::golden::check;
use crate::model::trained::Trained;
use crate::model::{Memory, Network, Wanted, describe, state};
use crate::units::ImageShape;

const BASIC: Options = Options {
    blocks_a_stage: 1,
    width: 4,
    blocks: Blocks::Basic,
    style: Style {
        order: Order::Post,
        shortcut: Shortcut::Identity,
        norm: true,
        init: Init::He,
        branch_scale: 1.0,
        survival: None,
    },
};

fn built(options: &Options, side: usize) -> Built {
    let input = ImageShape { channels: 3, height: side, width: side };
    let mut builder = Builder::new(Some(0));
    let model = body::make(options, 3, side, 10, &mut builder).unwrap();
    let (device, description, entries) = builder.finish(input.into(), 10);
    Built { lane: Lane::new("", "", Settings::default()), device, description, entries, model }
}

fn compare(name: &str, change: impl Fn(&mut Options)) {
    let mut options = BASIC;
    change(&mut options);
    let layers = if options.blocks == Blocks::Bottleneck { 9 } else { 6 };
    check(name, |config| {
        let blocks_a_stage = (config.size("depth") - 2) / layers;
        built(&Options { blocks_a_stage, ..options }, config.size("size"))
    });
}

#[test]
fn networks_of_2015_are_the_references() {
    compare("resnet-none", |options| options.style.shortcut = Shortcut::None);
    compare("resnet-identity", |_| {});
    compare("resnet-projection", |options| options.style.shortcut = Shortcut::Projection);
    compare("zero-gamma", |options| options.style.init = Init::ZeroGamma);
}

#[test]
fn orders_are_the_references() {
    let order = |order| move |options: &mut Options| options.style.order = order;
    compare("order-bn-after", order(Order::NormAfter));
    compare("order-relu-before", order(Order::ReluBefore));
    compare("order-relu-only", order(Order::ReluOnly));
    for (name, shortcut) in [
        ("preact-none", Shortcut::None),
        ("preact-identity", Shortcut::Identity),
        ("preact-projection", Shortcut::Projection),
    ] {
        let change = |options: &mut Options| {
            options.style.order = Order::Full;
            options.style.shortcut = shortcut;
        };
        compare(name, change);
    }
}

#[test]
fn shortcuts_of_2016_are_the_references() {
    let shortcut = |shortcut| move |options: &mut Options| options.style.shortcut = shortcut;
    compare("shortcut-scaled", shortcut(Shortcut::Scaled(0.5)));
    let frozen = |options: &mut Options| {
        options.style.shortcut = Shortcut::Scaled(0.5);
        options.style.branch_scale = 0.5;
    };
    compare("shortcut-frozen-gate", frozen);
    compare("shortcut-exclusive-gating", shortcut(Shortcut::ExclusiveGate(-1.0)));
    compare("shortcut-only-gating", shortcut(Shortcut::Gated(-1.0)));
    compare("shortcut-conv", shortcut(Shortcut::Convolution));
    compare("shortcut-dropout", shortcut(Shortcut::Dropout));
}

#[test]
fn bottlenecks_are_the_references() {
    for (name, order, shortcut) in [
        ("bottleneck-none", Order::Post, Shortcut::None),
        ("bottleneck-identity", Order::Post, Shortcut::Identity),
        ("bottleneck-projection", Order::Post, Shortcut::Projection),
        ("bottleneck-preact-none", Order::Full, Shortcut::None),
        ("bottleneck-preact-projection", Order::Full, Shortcut::Projection),
    ] {
        let change = |options: &mut Options| {
            options.blocks = Blocks::Bottleneck;
            options.style.order = order;
            options.style.shortcut = shortcut;
        };
        compare(name, change);
    }
}

#[test]
fn networks_without_norm_are_the_references() {
    let without = |change: fn(&mut Options)| {
        move |options: &mut Options| {
            options.style.norm = false;
            change(options);
        }
    };
    compare("nonorm-none", without(|options| options.style.shortcut = Shortcut::None));
    compare("nonorm-identity", without(|_| {}));
    compare("fixup", without(|options| options.blocks = Blocks::Fixup));
    let skipinit = |options: &mut Options| {
        options.style.order = Order::Full;
        options.style.init = Init::ZeroGain("alpha");
    };
    compare("skipinit", without(skipinit));
    compare("rezero", without(|options| options.style.init = Init::ZeroGain("resweight")));
}

#[test]
fn stochastic_depth_is_the_references() {
    compare("stochastic-depth", |options| options.style.survival = Some(0.5));
}

const SGD: Optimizer = Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4 };

fn settings(text: &[(&str, Setting)]) -> Settings {
    text.iter().fold(Settings::default(), |settings, (key, value)| settings.with(key, value.clone()))
}

/// A lane of that depth and width with these other settings.
fn lane(depth: usize, width: usize, others: &[(&str, &str)]) -> Lane {
    let mut all = settings(&[("depth", depth.into()), ("width", width.into())]);
    for (key, value) in others {
        all.set(key, value.parse().map_or_else(|_| (*value).into(), Setting::Number));
    }
    Lane::new("lane", "resnet", all)
}

/// Settings of every kind of network.
const KINDS: &[&[(&str, &str)]] = &[
    &[("shortcut", "none")],
    &[("shortcut", "identity")],
    &[("shortcut", "projection")],
    &[("shortcut", "convolution")],
    &[("shortcut", "scaled")],
    &[("shortcut", "exclusive-gate")],
    &[("shortcut", "shortcut-gate")],
    &[("shortcut", "dropout")],
    &[("shortcut", "identity"), ("order", "pre")],
    &[("shortcut", "projection"), ("order", "pre")],
    &[("shortcut", "none"), ("order", "pre")],
    &[("shortcut", "identity"), ("order", "bn-after")],
    &[("shortcut", "identity"), ("order", "relu-before")],
    &[("shortcut", "identity"), ("order", "relu-only")],
    &[("shortcut", "identity"), ("norm", "none")],
    &[("shortcut", "identity"), ("norm", "none"), ("init", "fixup")],
    &[("shortcut", "identity"), ("norm", "none"), ("init", "rezero")],
    &[("shortcut", "identity"), ("norm", "none"), ("init", "skipinit"), ("order", "pre")],
    &[("shortcut", "none"), ("norm", "none"), ("init", "dirac")],
    &[("shortcut", "identity"), ("init", "zero-gamma")],
];

fn batch(images: usize, input: ImageShape) -> Batch {
    Batch {
        inputs: Inputs::Numbers((0..images * input.len()).map(|i| (i % 97) as f32 / 50.0 - 1.0).collect()),
        labels: (0..images).map(|image| (image % 10) as u16).collect(),
    }
}

/// The bytes that a network takes from its pool in a few steps and evaluations, and those that are counted.
fn pool(lane: &Lane, side: usize, images: usize, with_histograms: bool) -> (u64, u64) {
    let input = ImageShape { channels: 1, height: side, width: side };
    let built = |seed| super::super::build(lane, input.into(), 10, seed).unwrap();
    let counted = Memory::of(built(None), images, &SGD, 1).pool();
    let mut network = Trained::new(built(Some(0)), 0, &SGD, 1);
    for histograms in [false, with_histograms, false] {
        network.train_step(&batch(images, input), 0.01, Wanted { scalars: true, histograms });
        network.evaluate(&batch(images, input), Mode::Batch);
        network.evaluate(&batch(images.div_ceil(2), input), Mode::Eval);
    }
    (network.buffers.bytes() as u64, counted)
}

/// What a step takes is counted exactly. Histograms take a copy of one output, which is not much in a deep network.
#[test]
fn the_memory_that_is_counted_is_what_a_network_takes() {
    for kind in KINDS {
        for (depth, width, side, images) in [(8, 8, 16, 32), (20, 4, 16, 19), (14, 8, 32, 64)] {
            let (taken, counted) = pool(&lane(depth, width, kind), side, images, false);
            assert_eq!(taken, counted, "{kind:?} {depth} {width} {side} {images}");
        }
        let (taken, counted) = pool(&lane(38, 8, kind), 16, 32, true);
        let ratio = counted as f64 / taken as f64;
        assert!((0.97..1.03).contains(&ratio), "{kind:?}: {counted} for {taken}, {ratio:.3}");
    }
    let bottleneck = lane(20, 8, &[("shortcut", "projection"), ("block", "bottleneck")]);
    let (taken, counted) = pool(&bottleneck, 16, 32, false);
    assert_eq!(taken, counted);
}

/// A plain network keeps its input and the response of each convolution, a residual one also what is added somewhere: the
/// outputs of stem and blocks. A batch is filled up to whole bundles of 16 images.
#[test]
fn the_activations_that_are_kept_are_those_of_a_closed_form() {
    for (images, filled) in [(16, 16), (19, 32), (64, 64)] {
        for depth in [8, 20] {
            let input = ImageShape { channels: 1, height: 16, width: 16 };
            let kept = |shortcut: &str| {
                let lane = lane(depth, 8, &[("shortcut", shortcut)]);
                let built = super::super::build(&lane, input.into(), 10, None).unwrap();
                Memory::of(built, images, &SGD, 1).activations
            };
            // Three stages with these numbers in each layer's output for an image.
            let stages = [8 * 16 * 16, 16 * 8 * 8, 32 * 4 * 4];
            let blocks = (depth as u64 - 2) / 6;
            let of_stages = |each: u64| stages.iter().map(|numbers| each * numbers).sum::<u64>();
            let plain = 256 + stages[0] + of_stages(2 * blocks);
            assert_eq!(kept("none"), 4 * filled * plain, "{depth}, {images} images");
            let residual = plain + stages[0] + of_stages(blocks);
            assert_eq!(kept("identity"), 4 * filled * residual, "{depth}, {images} images");
        }
    }
}

#[test]
fn every_shape_that_is_announced_is_compiled() {
    for blocks in [Blocks::Basic, Blocks::Bottleneck, Blocks::Fixup] {
        for (side, channels) in SIDES.iter().flat_map(|&side| CHANNELS.map(|channels| (side, channels))) {
            for width in WIDTHS {
                let options = Options { blocks, width, ..BASIC };
                let made = body::make(&options, channels, side, 10, &mut Builder::new(None));
                assert!(made.is_some(), "{blocks:?} {channels} {side} {width}");
            }
        }
        assert!(body::make(&Options { blocks, ..BASIC }, 2, 16, 10, &mut Builder::new(None)).is_none());
    }
}

/// Parameters and multiply-adds of He et al. 2015, tables 1 and 6: option A or plain, option B, option A with 100
/// classes, multiply-adds.
#[test]
fn parameters_and_multiply_adds_are_those_of_the_paper() {
    let known: &[(usize, u64, u64, u64, u64)] = &[
        (20, 269_722, 272_474, 275_572, 40_551_040),
        (32, 464_154, 466_906, 470_004, 68_862_592),
        (44, 658_586, 661_338, 664_436, 97_174_144),
        (56, 853_018, 855_770, 858_868, 125_485_696),
        (110, 1_727_962, 1_730_714, 1_733_812, 252_887_680),
        (1202, 19_421_274, 19_424_026, 19_427_124, 2_829_238_912),
    ];
    let input = ImageShape { channels: 3, height: 32, width: 32 };
    let described = |depth, shortcut, classes| {
        describe(&lane(depth, 16, &[("shortcut", shortcut)]), input, classes).unwrap().structure
    };
    for &(depth, option_a, option_b, hundred, multiply_adds) in known {
        assert_eq!(option_a, 97_216 * (depth as u64 - 2) / 6 - 21_926);
        for shortcut in ["none", "identity"] {
            let found = described(depth, shortcut, 10);
            assert_eq!(found.parameters(), Some(option_a), "depth {depth} {shortcut}");
            assert_eq!(found.multiply_adds(), Some(multiply_adds), "depth {depth} {shortcut}");
        }
        assert_eq!(described(depth, "projection", 10).parameters(), Some(option_b));
        assert_eq!(described(depth, "identity", 100).parameters(), Some(hundred));
    }
}

/// He et al. 2016, section 4: a pre-activation network of 164 layers with bottlenecks has 1.7 million weights, one of
/// 1001 layers 10.2 million.
#[test]
fn bottlenecks_have_the_weights_of_the_paper() {
    let input = ImageShape { channels: 3, height: 32, width: 32 };
    for (depth, millions) in [(164, 1.7), (1001, 10.2)] {
        let kind = [("shortcut", "projection"), ("order", "pre"), ("block", "bottleneck")];
        let built = super::super::build(&lane(depth, 16, &kind), input.into(), 10, None).unwrap();
        let weights = state::parameters(&built.entries).filter(|named| named.role == Role::Weight);
        let weights: usize = weights.map(|named| named.parameter.values().len()).sum();
        assert_eq!((weights as f64 / 1e5).round() / 10.0, millions, "depth {depth}");
    }
}

#[test]
fn layers_stand_in_order_and_are_counted_as_the_depth() {
    let input = ImageShape { channels: 3, height: 32, width: 32 };
    let found = describe(&lane(20, 16, &[("shortcut", "projection")]), input, 10).unwrap().structure;
    assert_eq!((found.layers.len(), found.blocks.len()), (22, 9));
    let head = found.layers.last().unwrap();
    assert_eq!((head.name.as_str(), head.depth, &head.output[..]), ("fc", Some(20), &[10][..]));
    let changed: Vec<usize> = found.blocks[3].layers.iter().map(|layer| layer.0).collect();
    assert_eq!(changed, [7, 8, 9]);
    let projection = &found.layers[9];
    assert_eq!(projection.name, "layer2.0.downsample.0");
    assert_eq!((projection.depth, projection.stage), (found.layers[8].depth, Some(2)));
    assert_eq!(projection.parameters, Some(16 * 32 + 2 * 32));
    assert_eq!(projection.output, [32, 16, 16]);
}

/// Kinds that compute another part of the network in each step, or scale their branches.
const AT_RANDOM: &[&[(&str, &str)]] = &[
    &[("shortcut", "identity"), ("survival", "0.5")],
    &[("shortcut", "projection"), ("survival", "0.5"), ("order", "pre")],
    &[("shortcut", "identity"), ("survival", "0"), ("order", "pre")],
    &[("shortcut", "identity"), ("survival", "0.5"), ("order", "relu-before")],
    &[("shortcut", "identity"), ("survival", "0.5"), ("order", "relu-only"), ("block", "bottleneck")],
    &[("shortcut", "exclusive-gate"), ("survival", "0.5")],
    &[("shortcut", "identity"), ("branch_scale", "0.3"), ("order", "pre")],
];

/// Whichever branches are dropped, a step hardly takes more than is counted, which is with all of them.
#[test]
fn dropped_branches_need_no_more_memory() {
    for kind in AT_RANDOM {
        let depth = if kind.contains(&("block", "bottleneck")) { 20 } else { 14 };
        let lane = lane(depth, 8, kind);
        let (taken, counted) = pool(&lane, 16, 32, false);
        // Steps that drop other branches ask the pool for other sizes.
        let most = if lane.settings.get("survival").is_some() { 1.03 } else { 1.0 };
        assert!(taken as f64 <= most * counted as f64, "{kind:?}: {taken} of {counted}");
    }
}

/// Every kind trains and resumes from a state bit by bit.
#[test]
fn every_kind_trains_and_goes_on_from_a_state() {
    let input = ImageShape { channels: 1, height: 16, width: 16 };
    for kind in KINDS.iter().chain(AT_RANDOM) {
        let lane = lane(if kind.contains(&("block", "bottleneck")) { 20 } else { 14 }, 4, kind);
        let network = |seed| {
            let built = super::super::build(&lane, input.into(), 10, Some(seed)).unwrap();
            Trained::new(built, 5, &SGD, 2)
        };
        let (mut first, mut second) = (network(0), network(1));
        let batch = batch(19, input);
        let wanted = Wanted { scalars: true, histograms: true };
        let step = first.train_step(&batch, 0.01, wanted);
        assert!(step.loss.is_finite() && step.non_finite.is_none(), "{kind:?}: {step:?}");
        second.load_state(&first.state()).unwrap();
        second.load_optimizer_state(&first.optimizer_state()).unwrap();
        for _ in 0..2 {
            let losses =
                [&mut first, &mut second].map(|n| n.train_step(&batch, 0.01, Wanted::default()).loss);
            assert_eq!(losses[0].to_bits(), losses[1].to_bits(), "{kind:?}");
        }
        assert!(first.state() == second.state(), "{kind:?}");
    }
}

/// Whatever the check of settings lets through can be built, counted, trained and evaluated.
#[test]
fn all_settings_that_fit_together_train() {
    let words = |name: &str| -> Vec<String> {
        let key = entry().keys.into_iter().find(|key| key.name == name).unwrap();
        let Allowed::Words(words) = key.allowed else { panic!("{name}") };
        words.into_iter().map(str::to_owned).collect()
    };
    let numbers = |number: &str| vec![String::new(), number.to_owned()];
    let axes = ["shortcut", "block", "order", "norm", "init"].map(|name| (name, words(name)));
    let axes = axes.into_iter().chain([("survival", numbers("0.5")), ("branch_scale", numbers("0.7"))]);
    let mut all: Vec<Vec<(&str, String)>> = vec![Vec::new()];
    for (name, values) in axes {
        let with = |value: &String, others: &Vec<(&'static str, String)>| {
            let mut others = others.clone();
            if !value.is_empty() {
                others.push((name, value.clone()));
            }
            others
        };
        all = values
            .iter()
            .flat_map(|value| all.iter().map(|others| with(value, others)).collect::<Vec<_>>())
            .collect();
    }
    let mut fitting = 0;
    for chosen in all {
        let others: Vec<(&str, &str)> = chosen.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let depth = if others.contains(&("block", "bottleneck")) { 11 } else { 8 };
        let lane = lane(depth, 4, &others);
        if (entry().check)(&lane.settings).is_err() {
            continue;
        }
        fitting += 1;
        let (taken, counted) = pool(&lane, 16, 16, false);
        // Steps that drop other branches ask the pool for other sizes.
        let most = if lane.settings.get("survival").is_some() { 1.03 } else { 1.0 };
        assert!(taken as f64 <= most * counted as f64, "{others:?}: {taken} of {counted}");
    }
    assert!(fitting > 200, "{fitting}");
}

#[test]
fn settings_that_do_not_fit_together_name_the_key_and_what_fits() {
    let check = |others: &[(&str, Setting)]| {
        let mut all = settings(&[("depth", 20.into()), ("width", 8.into()), ("shortcut", "identity".into())]);
        others.iter().for_each(|(key, value)| all.set(key, value.clone()));
        all.complete(&entry().keys);
        (entry().check)(&all)
    };
    assert_eq!(check(&[]), Ok(()));
    for (others, key, part) in [
        (vec![("gate_bias", Setting::Number(-6.0))], "gate_bias", "expected a shortcut with a gate"),
        (vec![("shortcut_scale", 0.5.into())], "shortcut_scale", "expected the shortcut `scaled`"),
        (vec![("shortcut", "dropout".into()), ("order", "pre".into())], "order", "expected `post`"),
        (vec![("survival", 0.5.into()), ("shortcut", "none".into())], "survival", "choose `identity`"),
        (vec![("init", "fixup".into())], "norm", "expected `none`"),
        (vec![("init", "skipinit".into()), ("norm", "none".into())], "order", "expected `pre`"),
        (vec![("init", "dirac".into()), ("norm", "none".into())], "shortcut", "expected `none`"),
        (vec![("init", "zero-gamma".into()), ("norm", "none".into())], "norm", "expected `batch`"),
        (vec![("init", "zero-gamma".into()), ("shortcut", "none".into())], "init", "choose `he`"),
    ] {
        let (found, message) = check(&others).unwrap_err();
        assert!(found == key && message.contains(part), "{others:?}: {found}: {message}");
    }
}

/// Blocks whose branch starts at zero are the identity, bit by bit, and deleting one changes nothing.
#[test]
fn a_branch_of_zero_leaves_its_block_the_identity() {
    let input = ImageShape { channels: 1, height: 16, width: 16 };
    for kind in [
        &[("shortcut", "identity"), ("init", "zero-gamma")][..],
        &[("shortcut", "identity"), ("norm", "none"), ("init", "rezero")],
        &[("shortcut", "identity"), ("norm", "none"), ("init", "skipinit"), ("order", "pre")],
        &[("shortcut", "none"), ("norm", "none"), ("init", "dirac")],
    ] {
        let logits = |depth| {
            let built = super::super::build(&lane(depth, 4, kind), input.into(), 10, Some(3)).unwrap();
            Trained::new(built, 0, &SGD, 1).logits(&batch(19, input), Mode::Batch)
        };
        assert_eq!(logits(8), logits(26), "{kind:?}");
    }
}
