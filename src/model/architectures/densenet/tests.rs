//! Both kinds against the PyTorch reference.

use super::{Sizes, make};
use crate::experiment::{Lane, Settings};
use crate::model::architectures::Built;
use crate::model::builder::Builder;
use crate::model::golden::{Config, check};
use crate::units::ImageShape;

fn built(has_bottlenecks: bool, config: &Config) -> Built {
    let (side, classes, growth) = (config.size("size"), config.size("classes"), config.size("growth"));
    let step = super::DEPTH_STEPS[usize::from(has_bottlenecks)];
    let sizes = Sizes {
        layers: (config.size("depth") - super::DEPTH_OFFSET) / step,
        growth,
        stem: if has_bottlenecks { 2 * growth } else { config.size("width") },
        has_bottlenecks,
        channels: config.size("channels"),
        classes,
    };
    let mut builder = Builder::new(Some(0));
    let model = make(side, sizes, &mut builder).unwrap();
    let input = ImageShape { channels: 3, height: side, width: side };
    let (device, description, entries) = builder.finish(input.into(), classes);
    Built { lane: Lane::new("", "", Settings::default()), device, description, entries, model }
}

#[test]
fn both_kinds_are_the_references() {
    check("densenet", |config| built(false, config));
    check("densenet-bc", |config| built(true, config));
}
