//! Residual and plain networks of 6n+2 layers (He et al. 2015, section 4.2): a 3x3 stem, three stages of n
//! blocks whose channels double and whose side halves from stage to stage, global average pooling and a
//! linear head. Plain and residual ones differ only in the shortcuts.

use crate::experiment::{ArchitectureEntry, Lane, Optimizer, Shortcut};
use crate::model::architectures::Architecture;
use crate::model::builder::Builder;
use crate::model::trained::Trained;
use crate::model::{ModelError, Network};
use crate::topology::Topology;
use crate::units::ImageShape;

mod body;
mod shape;

/// The entry in the registry.
pub(super) const ARCHITECTURE: Architecture = Architecture { entry, topology, build };

/// Weight layers that one more block in each stage adds.
const DEPTH_STEP: usize = 6;
/// Weight layers outside the stages: stem and head.
const DEPTH_OFFSET: usize = 2;
/// Base widths that are compiled in, ascending.
const WIDTHS: [usize; 4] = [4, 8, 16, 32];
/// Sides of square input images that are compiled in.
const SIDES: [usize; 2] = [16, 32];
/// Channels of input images that are compiled in.
const CHANNELS: [usize; 2] = [1, 3];

fn entry() -> ArchitectureEntry {
    ArchitectureEntry {
        name: "resnet",
        summary: "6n+2 layers in three stages, for small images (He et al. 2015, section 4.2)",
        widths: WIDTHS.to_vec(),
        shortcuts: Shortcut::ALL.iter().map(|&(_, shortcut)| shortcut).collect(),
        depth_step: DEPTH_STEP,
        depth_offset: DEPTH_OFFSET,
    }
}

fn topology(lane: &Lane, input: ImageShape, classes: usize) -> Result<Topology, ModelError> {
    if lane.depth < DEPTH_STEP + DEPTH_OFFSET || !(lane.depth - DEPTH_OFFSET).is_multiple_of(DEPTH_STEP) {
        return Err(ModelError::Depth { found: lane.depth, step: DEPTH_STEP, offset: DEPTH_OFFSET });
    }
    if !WIDTHS.contains(&lane.width) {
        return Err(ModelError::Width { found: lane.width, compiled: WIDTHS.to_vec() });
    }
    if !compiled_inputs().contains(&input) {
        return Err(ModelError::Input { found: input, compiled: compiled_inputs() });
    }
    if !(2..=256).contains(&classes) {
        return Err(ModelError::Classes { found: classes });
    }
    Ok(shape::topology(lane, input, classes))
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
    let ImageShape { channels, height, .. } = topology.input;
    let compiled = body::compiled(channels, height, lane.width)
        .ok_or_else(|| ModelError::Input { found: topology.input, compiled: compiled_inputs() })?;
    Ok(Box::new(Trained::new(compiled, Builder::new(topology, seed), optimizer, threads)))
}

#[cfg(test)]
mod tests {
    use super::{CHANNELS, SIDES, WIDTHS, body, topology};
    use crate::datasets::Batch;
    use crate::event::Mode;
    use crate::experiment::{Lane, Optimizer, Shortcut};
    use crate::model::builder::Builder;
    use crate::model::trained::Trained;
    use crate::model::{Memory, Network, Wanted};
    use crate::units::ImageShape;

    const SGD: Optimizer = Optimizer::Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4 };

    /// The bytes that a network takes from its pool in a few steps and evaluations, and the estimate.
    fn pool(shortcut: Shortcut, depth: usize, width: usize, side: usize, images: usize) -> (u64, u64) {
        let lane = Lane { name: "lane".into(), architecture: "resnet".into(), depth, width, shortcut };
        let input = ImageShape { channels: 1, height: side, width: side };
        let topology = topology(&lane, input, 10).unwrap();
        let reckoned = Memory::of(&topology, images, &SGD, 1).pool();
        let make = body::compiled(1, side, width).unwrap();
        let mut network = Trained::new(make, Builder::new(topology, 0), &SGD, 1);
        let batch = |images: usize| Batch {
            images: (0..images * input.len()).map(|i| (i % 97) as f32 / 50.0 - 1.0).collect(),
            labels: (0..images).map(|image| (image % 10) as u8).collect(),
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
        for shortcut in [Shortcut::None, Shortcut::Identity, Shortcut::Projection] {
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
                let network = format!("{shortcut:?} {depth} {width} {side} {images}");
                assert!((0.94..1.12).contains(&ratio), "{network}: {reckoned} for {taken}, {ratio:.3}");
            }
        }
    }

    #[test]
    fn each_block_takes_the_memory_that_is_reckoned_for_it() {
        for shortcut in [Shortcut::None, Shortcut::Identity, Shortcut::Projection] {
            let [few, many] = [20, 38].map(|depth| pool(shortcut, depth, 4, 16, 32));
            let (taken, reckoned) = (many.0 - few.0, many.1 - few.1);
            assert_eq!(taken, reckoned, "{shortcut:?}: {few:?} {many:?}");
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
