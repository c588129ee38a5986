//! The layers and blocks of a lane, as its log names them: all that a reader of the log knows of the network.
//! Everything but names may be left out. Networks of this program have a more detailed description, [`Topology`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::topology::{LayerKind, ShortcutKind, Topology};
use crate::units::{BlockIdx, ImageShape, LayerIdx};

/// The kind of a convolution inside a block.
pub const CONVOLUTION: &str = "convolution";
/// The kind of the layer of a projection shortcut, which shares the depth of the layer beside it.
pub const PROJECTION: &str = "projection";

/// A layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name, usually that of its weight in the checkpoint, without `.weight`.
    pub name: String,
    /// What it is, in a word or two; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The stage it belongs to, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<usize>,
    /// The block it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockIdx>,
    /// Its place in the depth of the network, from 1, by which layers of lanes are aligned; where absent, its place
    /// among the layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// The shape of its output for one sample; may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<usize>,
    /// Its trainable parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// Multiply-adds of its forward pass for one sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiply_adds: Option<u64>,
}

/// A block: layers whose output something is added to, or could be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Its name.
    pub name: String,
    /// The stage it belongs to, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<usize>,
    /// What is added to its residual branch, in a word or two; none for a block of a plain network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortcut: Option<String>,
    /// Its layers.
    #[serde(default)]
    pub layers: Vec<LayerIdx>,
}

/// Layers and blocks from the input to the head; may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Structure {
    /// The layers.
    #[serde(default)]
    pub layers: Vec<Layer>,
    /// The blocks.
    #[serde(default)]
    pub blocks: Vec<Block>,
}

impl Structure {
    /// A layer.
    pub fn layer(&self, at: LayerIdx) -> Option<&Layer> {
        self.layers.get(at.0)
    }

    /// The depth of a layer.
    pub fn depth_of(&self, at: LayerIdx) -> usize {
        self.layer(at).and_then(|layer| layer.depth).unwrap_or(at.0 + 1)
    }

    /// Trainable parameters of all layers; none where that of any layer is absent.
    pub fn parameters(&self) -> Option<u64> {
        let all = self.layers.iter().map(|layer| layer.parameters);
        all.sum::<Option<u64>>().filter(|_| !self.layers.is_empty())
    }

    /// Whether any block has something added to its residual branch.
    pub fn has_shortcuts(&self) -> bool {
        self.blocks.iter().any(|block| block.shortcut.is_some())
    }
}

impl From<&Topology> for Structure {
    fn from(topology: &Topology) -> Structure {
        let layer = |layer: &crate::topology::Layer| Layer {
            name: layer.name.clone(),
            kind: layer.kind.name().to_owned(),
            stage: layer.block.and_then(|block| topology.blocks.get(block.0)).map(|block| block.stage),
            block: layer.block,
            depth: Some(layer.depth),
            output: dimensions(layer.output, layer.kind),
            parameters: Some(layer.parameters),
            multiply_adds: Some(layer.multiply_adds),
        };
        let block = |block: &crate::topology::Block| Block {
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

/// The shape of an output, for display: `8x16x16`.
pub struct Dimensions<'a>(pub &'a [usize]);

impl fmt::Display for Dimensions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, length) in self.0.iter().enumerate() {
            let sign = if at == 0 { "" } else { "x" };
            write!(f, "{sign}{length}")?;
        }
        Ok(())
    }
}
