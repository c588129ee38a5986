//! The description of a network in formats 1 and 2.

use serde::Deserialize;

use crate::structure::{self, Structure};
use crate::units::{BlockIdx, ImageShape, LayerIdx};

/// What a block adds to its residual branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ShortcutKind {
    /// Nothing: a plain network's block.
    None,
    /// The block's input itself.
    Identity,
    /// Every second pixel of the input, with zero channels added equally on both sides (option A).
    ZeroPadding,
    /// A 1x1 convolution with batch norm (option B).
    Projection,
}

impl ShortcutKind {
    /// Its name in logs.
    fn name(self) -> &'static str {
        match self {
            ShortcutKind::None => "none",
            ShortcutKind::Identity => "identity",
            ShortcutKind::ZeroPadding => "zero_padding",
            ShortcutKind::Projection => "projection",
        }
    }
}

/// The role of a weight layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LayerKind {
    /// The first 3x3 convolution.
    Stem,
    /// A 3x3 convolution inside a block.
    Convolution,
    /// The 1x1 convolution of a projection shortcut; not counted in the depth.
    Projection,
    /// The linear layer that gives the logits.
    Head,
}

impl LayerKind {
    /// Its name in logs.
    fn name(self) -> &'static str {
        match self {
            LayerKind::Stem => "stem",
            LayerKind::Convolution => "convolution",
            LayerKind::Projection => "projection",
            LayerKind::Head => "head",
        }
    }
}

/// A weight layer with the batch norm, ReLU and addition that follow it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Layer {
    /// The name of its weight in a PyTorch state dict, without `.weight`: `layer1.0.conv1`.
    name: String,
    /// Its role.
    kind: LayerKind,
    /// The block it belongs to; none for stem and head.
    block: Option<BlockIdx>,
    /// Its place among the layers that count toward the depth, from 1, by which layers of lanes are aligned;
    /// a projection shares the number of its block's second convolution.
    depth: usize,
    /// The shape of its output for one image.
    output: ImageShape,
    /// Its trainable parameters, with those of its batch norm or bias.
    parameters: u64,
    /// Multiply-adds of its forward pass for one image.
    multiply_adds: u64,
}

/// A block: two convolutions and what is added to them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Block {
    /// The name in a PyTorch state dict: `layer1.0`.
    name: String,
    /// The stage it belongs to, from 1.
    stage: usize,
    /// What it adds to its residual branch.
    shortcut: ShortcutKind,
    /// Its weight layers, in order: first and second convolution, then the projection if it has one.
    layers: Vec<LayerIdx>,
}

/// The whole network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Topology {
    /// The shape of an input image.
    pub(super) input: ImageShape,
    /// The number of classes.
    pub(super) classes: usize,
    /// Weight layers from the input to the logits.
    layers: Vec<Layer>,
    /// Blocks from the input to the head.
    blocks: Vec<Block>,
}

impl From<&Topology> for Structure {
    fn from(topology: &Topology) -> Structure {
        let layer = |layer: &Layer| structure::Layer {
            name: layer.name.clone(),
            kind: layer.kind.name().to_owned(),
            stage: layer.block.and_then(|block| topology.blocks.get(block.0)).map(|block| block.stage),
            block: layer.block,
            depth: Some(layer.depth),
            output: dimensions(layer.output, layer.kind),
            parameters: Some(layer.parameters),
            multiply_adds: Some(layer.multiply_adds),
            frozen: false,
        };
        let block = |block: &Block| structure::Block {
            name: block.name.clone(),
            stage: Some(block.stage),
            shortcut: (block.shortcut != ShortcutKind::None).then(|| block.shortcut.name().to_owned()),
            layers: block.layers.clone(),
        };
        Structure {
            layers: topology.layers.iter().map(layer).collect(),
            blocks: topology.blocks.iter().map(block).collect(),
        }
    }
}

fn dimensions(shape: ImageShape, kind: LayerKind) -> Vec<usize> {
    let ImageShape { channels, height, width } = shape;
    if kind == LayerKind::Head { vec![channels] } else { vec![channels, height, width] }
}
