//! The shapes of synthetic networks: those of He et al. 2015, section 4.2, on gray 16x16 images.

use crate::topology::{Block, Layer, LayerKind, ShortcutKind, Topology};
use crate::units::{BlockIdx, ImageShape, LayerIdx};

/// The network of `depth` = 6n+2 weight layers with `width` channels in its first stage.
pub fn topology(depth: usize, width: usize, shortcut: &str) -> Topology {
    let blocks_per_stage = depth.saturating_sub(2) / 6;
    let input = ImageShape { channels: 1, height: 16, width: 16 };
    let mut t = Topology { input: input.into(), classes: 10, layers: Vec::new(), blocks: Vec::new() };
    let mut shape = ImageShape { channels: width, ..input };
    push(&mut t, "conv1".to_owned(), LayerKind::Stem, None, 1, input.channels, 3, shape);
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
                push(&mut t, name, LayerKind::Convolution, Some(idx), depth_so_far, channels, 3, shape);
            }
            let kind = match (shortcut, changes) {
                ("none", _) => ShortcutKind::None,
                (_, false) => ShortcutKind::Identity,
                ("projection", true) => ShortcutKind::Projection,
                (_, true) => ShortcutKind::ZeroPadding,
            };
            if kind == ShortcutKind::Projection {
                let name = format!("{name}.shortcut.0");
                push(&mut t, name, LayerKind::Projection, Some(idx), depth_so_far, entering, 1, shape);
            }
            let layers = (first..t.layers.len()).map(LayerIdx).collect();
            t.blocks.push(Block { name, stage, shortcut: kind, layers });
        }
    }
    let logits = ImageShape { channels: 10, height: 1, width: 1 };
    push(&mut t, "linear".to_owned(), LayerKind::Head, None, depth_so_far + 1, shape.channels, 1, logits);
    t
}

#[expect(clippy::too_many_arguments, reason = "the fields of a layer, named at the one place that sets them")]
fn push(
    topology: &mut Topology,
    name: String,
    kind: LayerKind,
    block: Option<BlockIdx>,
    depth: usize,
    entering: usize,
    side: usize,
    output: ImageShape,
) {
    let weights = (entering * output.channels * side * side) as u64;
    let pixels = (output.height * output.width) as u64;
    // Gamma and beta of the batch norm; for the head, only its bias.
    let others = if kind == LayerKind::Head { output.channels } else { 2 * output.channels } as u64;
    let (parameters, multiply_adds) = (weights + others, weights * pixels);
    topology.layers.push(Layer { name, kind, block, depth, output, parameters, multiply_adds });
}
