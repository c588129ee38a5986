//! Both kinds against the PyTorch reference.

use super::{Sizes, make};
use crate::experiment::{Lane, Settings};
use crate::model::architectures::Built;
use crate::model::builder::Builder;
use crate::model::golden::{Config, check};
use crate::units::InputShape;

fn built(is_plain: bool, config: &Config) -> Built {
    let (features, classes) = (config.size("features"), config.size("classes"));
    let sizes = Sizes { depth: config.size("depth"), features, classes };
    let mut builder = Builder::new(Some(0));
    let model = make(is_plain, config.size("width"), sizes, &mut builder).unwrap();
    let (device, description, entries) = builder.finish(InputShape::Vector { features }, classes);
    Built { lane: Lane::new("", "", Settings::default()), device, description, entries, model }
}

#[test]
fn both_kinds_are_the_references() {
    check("mlp-plain", |config| built(true, config));
    check("mlp-residual", |config| built(false, config));
}
