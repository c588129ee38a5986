//! Residual and plain networks for small images (He et al. 2015, section 4.2; 2016, appendix): a 3x3 stem, three stages
//! of n blocks whose channels double and whose side halves from stage to stage, global average pooling and a linear head.
//! Blocks have two convolutions (6n+2 layers) or three (9n+2). Plain and residual ones differ only in the shortcuts.

use crate::experiment::Lane;
use crate::model::ModelError;
use crate::model::architectures::Architecture;
use crate::model::builder::Builder;
use crate::model::trained::Model;
use crate::units::{ImageShape, InputShape};
use options::Options;

mod body;
mod options;

/// The entry in the registry.
pub(super) const ARCHITECTURE: Architecture = Architecture { entry: options::entry, build };

/// Base widths that are compiled in, ascending.
const WIDTHS: [usize; 4] = [4, 8, 16, 32];
/// Sides of square input images that are compiled in.
const SIDES: [usize; 2] = [16, 32];
/// Channels of input images that are compiled in.
const CHANNELS: [usize; 2] = [1, 3];
/// The number of stages; each but the first halves the side and doubles the channels.
const STAGES: usize = 3;

fn build(
    lane: &Lane,
    input: InputShape,
    classes: usize,
    builder: &mut Builder,
) -> Result<Box<dyn Model>, ModelError> {
    let options = Options::of(lane)?;
    let made = input.image().and_then(|ImageShape { channels, height, width }| {
        (height == width).then(|| body::make(&options, channels, height, classes, builder)).flatten()
    });
    made.ok_or_else(|| ModelError::Input { found: input, compiled: compiled_inputs() })
}

fn compiled_inputs() -> Vec<ImageShape> {
    let shape = |channels, side| ImageShape { channels, height: side, width: side };
    SIDES.iter().flat_map(|&side| CHANNELS.iter().map(move |&channels| shape(channels, side))).collect()
}

#[cfg(test)]
mod tests;
