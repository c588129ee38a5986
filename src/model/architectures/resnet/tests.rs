//! Every variant against the PyTorch reference.

use super::body;
use super::options::{Blocks, Options};
use crate::model::architectures::Built;
use crate::model::block::{Init, Order, Shortcut, Style};
use crate::model::builder::Builder;
use crate::model::golden::{Steps, check};
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
    Built { device, description, entries, model }
}

fn compare(name: &str, change: impl Fn(&mut Options), steps: Steps) {
    let mut options = BASIC;
    change(&mut options);
    let layers = if options.blocks == Blocks::Bottleneck { 9 } else { 6 };
    check(
        name,
        |config| {
            let blocks_a_stage = (config.size("depth") - 2) / layers;
            built(&Options { blocks_a_stage, ..options }, config.size("size"))
        },
        steps,
    );
}

#[test]
fn networks_of_2015_are_the_references() {
    compare("resnet-none", |options| options.style.shortcut = Shortcut::None, Steps::All);
    compare("resnet-identity", |_| {}, Steps::All);
    compare("resnet-projection", |options| options.style.shortcut = Shortcut::Projection, Steps::All);
    compare("zero-gamma", |options| options.style.init = Init::ZeroGamma, Steps::All);
}

#[test]
fn orders_are_the_references() {
    let order = |order| move |options: &mut Options| options.style.order = order;
    compare("order-bn-after", order(Order::NormAfter), Steps::All);
    compare("order-relu-before", order(Order::ReluBefore), Steps::All);
    compare("order-relu-only", order(Order::ReluOnly), Steps::All);
    for (name, shortcut) in [
        ("preact-none", Shortcut::None),
        ("preact-identity", Shortcut::Identity),
        ("preact-projection", Shortcut::Projection),
    ] {
        let change = |options: &mut Options| {
            options.style.order = Order::Full;
            options.style.shortcut = shortcut;
        };
        compare(name, change, Steps::All);
    }
}

#[test]
fn shortcuts_of_2016_are_the_references() {
    let shortcut = |shortcut| move |options: &mut Options| options.style.shortcut = shortcut;
    compare("shortcut-scaled", shortcut(Shortcut::Scaled(0.5)), Steps::All);
    let frozen = |options: &mut Options| {
        options.style.shortcut = Shortcut::Scaled(0.5);
        options.style.branch_scale = 0.5;
    };
    compare("shortcut-frozen-gate", frozen, Steps::All);
    compare("shortcut-exclusive-gating", shortcut(Shortcut::ExclusiveGate(-1.0)), Steps::All);
    compare("shortcut-only-gating", shortcut(Shortcut::ShortcutGate(-1.0)), Steps::All);
    compare("shortcut-conv", shortcut(Shortcut::Convolution), Steps::All);
    compare("shortcut-dropout", shortcut(Shortcut::Dropout), Steps::All);
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
        compare(name, change, Steps::All);
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
    compare("nonorm-none", without(|options| options.style.shortcut = Shortcut::None), Steps::All);
    compare("nonorm-identity", without(|_| {}), Steps::All);
    compare("fixup", without(|options| options.blocks = Blocks::Fixup), Steps::All);
    let skipinit = |options: &mut Options| {
        options.style.order = Order::Full;
        options.style.init = Init::ZeroGain("alpha");
    };
    compare("skipinit", without(skipinit), Steps::All);
    compare("rezero", without(|options| options.style.init = Init::ZeroGain("resweight")), Steps::All);
}

#[test]
fn stochastic_depth_is_the_references() {
    compare("stochastic-depth", |options| options.style.survival = Some(0.5), Steps::All);
}
