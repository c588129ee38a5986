//! The shapes of synthetic networks: those of He et al. 2015, section 4.2, on gray 16x16 images.

use crate::structure::{Block, Layer, Structure, kind, shortcut as kinds};
use crate::units::{BlockIdx, ImageShape, LayerIdx};

/// The images that synthetic networks read.
pub(super) const INPUT: ImageShape = ImageShape { channels: 1, height: 16, width: 16 };
/// The classes that they tell apart.
pub(super) const CLASSES: usize = 10;

/// The network of `depth` = 6n+2 weight layers with `width` channels in its first stage.
pub fn structure(depth: usize, width: usize, shortcut: &str) -> Structure {
    let blocks_per_stage = depth.saturating_sub(2) / 6;
    let mut t = Structure::default();
    let mut shape = ImageShape { channels: width, ..INPUT };
    push(&mut t, "conv1".to_owned(), kind::STEM, None, 1, INPUT.channels, 3, shape);
    let mut depth_so_far = 1;
    for stage in 1..=3 {
        for block in 0..blocks_per_stage {
            let changes = stage > 1 && block == 0;
            let entering = shape.channels;
            if changes {
                shape = ImageShape {
                    channels: shape.channels * 2,
                    height: shape.height / 2,
                    width: shape.width / 2,
                };
            }
            let name = format!("layer{stage}.{block}");
            let idx = BlockIdx(t.blocks.len());
            let first = t.layers.len();
            for (conv, channels) in [(1, entering), (2, shape.channels)] {
                depth_so_far += 1;
                let name = format!("{name}.conv{conv}");
                push(&mut t, name, kind::CONVOLUTION, Some((idx, stage)), depth_so_far, channels, 3, shape);
            }
            let shortcut = match (shortcut, changes) {
                ("none", _) => None,
                (_, false) => Some(kinds::IDENTITY),
                ("projection", true) => Some(kinds::PROJECTION),
                (_, true) => Some(kinds::ZERO_PADDING),
            };
            if shortcut == Some(kinds::PROJECTION) {
                let name = format!("{name}.shortcut.0");
                push(&mut t, name, kind::PROJECTION, Some((idx, stage)), depth_so_far, entering, 1, shape);
            }
            let layers = (first..t.layers.len()).map(LayerIdx).collect();
            t.blocks.push(Block { name, stage: Some(stage), shortcut: shortcut.map(str::to_owned), layers });
        }
    }
    let logits = ImageShape { channels: CLASSES, height: 1, width: 1 };
    push(&mut t, "linear".to_owned(), kind::HEAD, None, depth_so_far + 1, shape.channels, 1, logits);
    t
}

#[expect(clippy::too_many_arguments, reason = "the fields of a layer, named at the one place that sets them")]
fn push(
    structure: &mut Structure,
    name: String,
    kind: &str,
    block: Option<(BlockIdx, usize)>,
    depth: usize,
    entering: usize,
    side: usize,
    output: ImageShape,
) {
    let weights = (entering * output.channels * side * side) as u64;
    let pixels = (output.height * output.width) as u64;
    // Gamma and beta of the batch norm; for the head, only its bias.
    let others = if kind == kind::HEAD { output.channels } else { 2 * output.channels } as u64;
    let (parameters, multiply_adds) = (weights + others, weights * pixels);
    let ImageShape { channels, height, width } = output;
    let output = if kind == kind::HEAD { vec![channels] } else { vec![channels, height, width] };
    structure.layers.push(Layer {
        name,
        kind: kind.to_owned(),
        stage: block.map(|(_, stage)| stage),
        block: block.map(|(block, _)| block),
        depth: Some(depth),
        output,
        parameters: Some(parameters),
        multiply_adds: Some(multiply_adds),
        frozen: false,
    });
}
