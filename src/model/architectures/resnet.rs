//! Residual and plain networks of 6n+2 layers (He et al. 2015, section 4.2): a 3x3 stem, three stages of n
//! blocks whose channels double and whose side halves from stage to stage, global average pooling and a
//! linear head. Plain and residual ones differ only in the shortcuts.

use crate::experiment::{Allowed, ArchitectureEntry, DataKind, Key, Lane, Optimizer};
use crate::model::architectures::Architecture;
use crate::model::builder::Builder;
use crate::model::trained::Trained;
use crate::model::{ModelError, Network};
use crate::topology::Topology;
use crate::units::{ImageShape, InputShape};

mod body;
mod shape;

/// The entry in the registry.
pub(super) const ARCHITECTURE: Architecture = Architecture { entry, topology, build };

/// Weight layers that one more block in each stage adds.
const DEPTH_STEP: usize = 6;
/// Weight layers outside the stages: stem and head.
const DEPTH_OFFSET: usize = 2;
/// The greatest depth; the deepest network of the literature has 1202 layers.
const MOST_DEPTH: usize = 2_000;
/// Base widths that are compiled in, ascending.
const WIDTHS: [usize; 4] = [4, 8, 16, 32];
/// What the blocks of a network may add to their residual branch.
const SHORTCUTS: [&str; 3] = ["none", "identity", "projection"];
/// Sides of square input images that are compiled in.
const SIDES: [usize; 2] = [16, 32];
/// Channels of input images that are compiled in.
const CHANNELS: [usize; 2] = [1, 3];

fn entry() -> ArchitectureEntry {
    ArchitectureEntry {
        name: "resnet",
        summary: "6n+2 layers in three stages, for small images (He et al. 2015, section 4.2)",
        data: DataKind::Images,
        keys: keys(),
        check: |_| Ok(()),
    }
}

fn keys() -> Vec<Key> {
    let depth = Allowed::Depth { step: DEPTH_STEP, offset: DEPTH_OFFSET, most: MOST_DEPTH };
    vec![
        Key::required("depth", "weight layers", depth),
        Key::required("width", "channels of the first stage", Allowed::Compiled(WIDTHS.to_vec())),
        Key::required(
            "shortcut",
            "what blocks add to their residual branch: nothing, or their input; where the shape changes, zero-padded \
             (identity, option A) or through a 1x1 convolution (projection, option B)",
            Allowed::Words(SHORTCUTS.to_vec()),
        ),
    ]
}

/// A whole number of a lane; 0, which is never valid, if it has none.
fn whole(lane: &Lane, key: &str) -> usize {
    lane.settings.whole(key).unwrap_or(0)
}

fn topology(lane: &Lane, input: InputShape, classes: usize) -> Result<Topology, ModelError> {
    let (depth, width) = (whole(lane, "depth"), whole(lane, "width"));
    if depth < DEPTH_STEP + DEPTH_OFFSET || !(depth - DEPTH_OFFSET).is_multiple_of(DEPTH_STEP) {
        return Err(ModelError::Depth { found: depth, step: DEPTH_STEP, offset: DEPTH_OFFSET });
    }
    if !WIDTHS.contains(&width) {
        return Err(ModelError::Width { found: width, compiled: WIDTHS.to_vec() });
    }
    let shortcut = lane.settings.word("shortcut").unwrap_or_default();
    if !SHORTCUTS.contains(&shortcut) {
        return Err(ModelError::Shortcut { architecture: "resnet", found: shortcut.to_owned() });
    }
    let compiled = compiled_inputs();
    let Some(image) = input.image().filter(|image| compiled.contains(image)) else {
        return Err(ModelError::Input { found: input, compiled });
    };
    if !(2..=256).contains(&classes) {
        return Err(ModelError::Classes { found: classes });
    }
    Ok(shape::topology(lane, image, classes))
}

fn compiled_inputs() -> Vec<ImageShape> {
    let shape = |channels, side| ImageShape { channels, height: side, width: side };
    SIDES.iter().flat_map(|&side| CHANNELS.iter().map(move |&channels| shape(channels, side))).collect()
}

fn build(
    lane: &Lane,
    topology: Topology,
    seed: u64,
    optimizer: &Optimizer,
    threads: usize,
) -> Result<Box<dyn Network>, ModelError> {
    let image = topology.input.image();
    let compiled = image
        .and_then(|ImageShape { channels, height, .. }| {
            body::compiled(channels, height, whole(lane, "width"))
        })
        .ok_or_else(|| ModelError::Input { found: topology.input, compiled: compiled_inputs() })?;
    Ok(Box::new(Trained::new(compiled, Builder::new(topology, seed), optimizer, threads)))
}

#[cfg(test)]
mod tests {
    use super::{CHANNELS, SIDES, WIDTHS, body, topology};
    use crate::datasets::{Batch, Inputs};
    use crate::event::Mode;
    use crate::experiment::{Lane, Optimizer, Settings};
    use crate::model::builder::Builder;
    use crate::model::trained::Trained;
    use crate::model::{Memory, Network, Wanted};
    use crate::units::ImageShape;

    const SGD: Optimizer = Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4 };

    /// The bytes that a network takes from its pool in a few steps and evaluations, and the estimate.
    fn pool(shortcut: &str, depth: usize, width: usize, side: usize, images: usize) -> (u64, u64) {
        let settings = Settings::default()
            .with("depth", depth.into())
            .with("width", width.into())
            .with("shortcut", shortcut.into());
        let lane = Lane { name: "lane".into(), architecture: "resnet".into(), settings };
        let input = ImageShape { channels: 1, height: side, width: side };
        let topology = topology(&lane, input.into(), 10).unwrap();
        let reckoned = Memory::of(&topology, images, &SGD, 1).pool();
        let make = body::compiled(1, side, width).unwrap();
        let mut network = Trained::new(make, Builder::new(topology, 0), &SGD, 1);
        let batch = |images: usize| Batch {
            inputs: Inputs::Numbers(
                (0..images * input.len()).map(|i| (i % 97) as f32 / 50.0 - 1.0).collect(),
            ),
            labels: (0..images).map(|image| (image % 10) as u16).collect(),
        };
        network.evaluate(&batch(images), Mode::Batch);
        for histograms in [true, false, true] {
            network.train_step(&batch(images), 0.05, Wanted { scalars: true, histograms });
            network.evaluate(&batch(images.div_ceil(2)), Mode::Eval);
        }
        (network.buffers.bytes() as u64, reckoned)
    }

    /// A free buffer can be used for anything smaller, so that the estimate by size is slightly too high; less so for
    /// deeper networks.
    #[test]
    fn the_memory_that_is_reckoned_is_what_a_network_takes() {
        for shortcut in super::SHORTCUTS {
            for (depth, width, side, images) in [
                (8, 8, 16, 32),
                (8, 4, 32, 128),
                (20, 4, 16, 16),
                (20, 4, 16, 19),
                (20, 4, 16, 64),
                (26, 16, 16, 17),
                (56, 8, 16, 16),
            ] {
                let (taken, reckoned) = pool(shortcut, depth, width, side, images);
                let ratio = reckoned as f64 / taken as f64;
                let network = format!("{shortcut} {depth} {width} {side} {images}");
                assert!((0.94..1.12).contains(&ratio), "{network}: {reckoned} for {taken}, {ratio:.3}");
            }
        }
    }

    #[test]
    fn each_block_takes_the_memory_that_is_reckoned_for_it() {
        for shortcut in super::SHORTCUTS {
            let [few, many] = [20, 38].map(|depth| pool(shortcut, depth, 4, 16, 32));
            let (taken, reckoned) = (many.0 - few.0, many.1 - few.1);
            assert_eq!(taken, reckoned, "{shortcut}: {few:?} {many:?}");
        }
    }

    #[test]
    fn every_shape_that_is_announced_is_compiled() {
        for (channels, side, width) in CHANNELS
            .iter()
            .flat_map(|&c| SIDES.iter().map(move |&s| (c, s)))
            .flat_map(|(c, s)| WIDTHS.iter().map(move |&w| (c, s, w)))
        {
            assert!(body::compiled(channels, side, width).is_some(), "{channels} {side} {width}");
        }
        assert!(body::compiled(2, 16, 8).is_none());
    }
}
