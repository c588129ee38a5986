//! Every residual connection against the PyTorch reference.

use super::block::Residual;
use super::{Sizes, make};
use crate::experiment::{Lane, Settings};
use crate::model::architectures::Built;
use crate::model::builder::Builder;
use crate::model::golden::{Config, check};
use crate::units::InputShape;

fn built(residual: Residual, config: &Config) -> Built {
    let (context, vocabulary) = (config.size("context"), config.size("vocab"));
    let sizes = Sizes {
        layers: config.size("layers"),
        heads: config.size("heads"),
        context,
        vocabulary,
        classes: vocabulary,
        deviation: 0.2,
        streams: config.size("streams"),
    };
    let mut builder = Builder::new(Some(0));
    let model = make(residual, config.size("dim"), sizes, &mut builder).unwrap();
    let input = InputShape::Sequence { context, vocabulary };
    let (device, description, entries) = builder.finish(input, vocabulary);
    Built { lane: Lane::new("", "", Settings::default()), device, description, entries, model }
}

#[test]
fn every_residual_connection_is_the_references() {
    for (name, residual) in Residual::ALL {
        let name = if residual.has_streams() { (*name).to_owned() } else { format!("transformer-{name}") };
        check(&name, |config| built(*residual, config));
    }
}
