//! Residual and plain networks of 6n+2 layers (He et al. 2015, section 4.2): a 3x3 stem, three stages of n
//! blocks whose channels double and whose side halves from stage to stage, global average pooling and a
//! linear head. Plain and residual ones differ in the shortcuts alone.

use crate::experiment::{ArchitectureEntry, Lane, Optimizer, Shortcut};
use crate::model::architectures::Architecture;
use crate::model::builder::Builder;
use crate::model::trained::Trained;
use crate::model::{ModelError, Network};
use crate::topology::Topology;
use crate::units::ImageShape;

mod body;
mod shape;

/// The line of the registry.
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
    use super::{CHANNELS, SIDES, WIDTHS, body};

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
