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

/// What is refused could not be built, and what is not can be.
#[test]
fn transitions_have_channels_that_kernels_can_compute() {
    let settings = |depth: usize, growth: usize, block: &'static str| {
        Settings::default()
            .with("depth", depth.into())
            .with("growth", growth.into())
            .with("block", block.into())
    };
    let mut refused = 0;
    for (depth, growth) in [10, 16, 22, 28, 40].into_iter().flat_map(|d| (1..=8).map(move |g| (d, 4 * g))) {
        let found = super::check(&settings(depth, growth, "bottleneck"));
        let layers = (depth - super::DEPTH_OFFSET) / super::DEPTH_STEPS[1];
        let first = (2 * growth + layers * growth) / 2;
        let second = (first + layers * growth) / 2;
        let is_possible = first.is_multiple_of(4) && second.is_multiple_of(4);
        assert_eq!(found.is_ok(), is_possible, "{depth}, {growth}: {first}, {second}");
        refused += usize::from(found.is_err());
        assert!(!growth.is_multiple_of(16) || found.is_ok());
        assert!(super::check(&settings(depth, growth, "basic")).is_ok());
    }
    assert!(refused > 0);
    let (key, message) = super::check(&settings(22, 8, "bottleneck")).unwrap_err();
    assert!(key == "growth" && message.contains("transition 2 has 22"), "{message}");
}
