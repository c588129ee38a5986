//! The shape of a network as plain data: its weight layers and blocks in order, and what a step costs.
//! Knows neither tensors nor how the network computes.

use serde::{Deserialize, Serialize};

use crate::units::{BlockIdx, ImageShape, InputShape, LayerIdx};

/// What a block adds to its residual branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortcutKind {
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
    pub fn name(self) -> &'static str {
        match self {
            ShortcutKind::None => "none",
            ShortcutKind::Identity => "identity",
            ShortcutKind::ZeroPadding => "zero_padding",
            ShortcutKind::Projection => "projection",
        }
    }
}

/// The role of a weight layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerKind {
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
    pub fn name(self) -> &'static str {
        match self {
            LayerKind::Stem => "stem",
            LayerKind::Convolution => "convolution",
            LayerKind::Projection => "projection",
            LayerKind::Head => "head",
        }
    }
}

/// A weight layer with the batch norm, ReLU and addition that follow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The name of its weight in a PyTorch state dict, without `.weight`: `layer1.0.conv1`.
    pub name: String,
    /// Its role.
    pub kind: LayerKind,
    /// The block it belongs to; none for stem and head.
    pub block: Option<BlockIdx>,
    /// Its place among the layers that count toward the depth, from 1, by which layers of lanes are aligned;
    /// a projection shares the number of its block's second convolution.
    pub depth: usize,
    /// The shape of its output for one image.
    pub output: ImageShape,
    /// Its trainable parameters, with those of its batch norm or bias.
    pub parameters: u64,
    /// Multiply-adds of its forward pass for one image.
    pub multiply_adds: u64,
}

/// A block: two convolutions and what is added to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The name in a PyTorch state dict: `layer1.0`.
    pub name: String,
    /// The stage it belongs to, from 1.
    pub stage: usize,
    /// What it adds to its residual branch.
    pub shortcut: ShortcutKind,
    /// Its weight layers, in order: first and second convolution, then the projection if it has one.
    pub layers: Vec<LayerIdx>,
}

/// The whole network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// The form and size of an example.
    pub input: InputShape,
    /// The number of classes.
    pub classes: usize,
    /// Weight layers from the input to the logits.
    pub layers: Vec<Layer>,
    /// Blocks from the input to the head.
    pub blocks: Vec<Block>,
}

impl Topology {
    /// Trainable parameters of the whole network.
    pub fn parameters(&self) -> u64 {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// Multiply-adds of the forward pass for one image; a training step costs about three times that.
    pub fn multiply_adds(&self) -> u64 {
        self.layers.iter().map(|layer| layer.multiply_adds).sum()
    }
}
