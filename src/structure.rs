//! The layers and blocks of a lane, as its log names them: all that a reader of the log knows of the network.
//! Everything but names may be left out. Networks of this program leave out nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::{BlockIdx, LayerIdx};

/// The kinds of this program's layers.
pub mod kind {
    /// The first layer.
    pub const STEM: &str = "stem";
    /// A convolution of a residual branch.
    pub const CONVOLUTION: &str = "convolution";
    /// The 1x1 convolution of a shortcut, which shares the depth of the layer before it.
    pub const PROJECTION: &str = "projection";
    /// The 1x1 convolution of a gate, which shares the depth of the layer before it.
    pub const GATE: &str = "gate";
    /// A linear layer of a residual branch.
    pub const LINEAR: &str = "linear";
    /// The table of tokens.
    pub const EMBEDDING: &str = "embedding";
    /// The table of positions, which shares the depth of that of tokens.
    pub const POSITIONS: &str = "positions";
    /// The linear layer that gives the logits.
    pub const HEAD: &str = "head";

    /// Whether a layer counts toward the depth, rather than sharing that of the one before it.
    pub fn is_counted(kind: &str) -> bool {
        ![PROJECTION, GATE, POSITIONS].contains(&kind)
    }
}

/// What blocks of this program add to their residual branch.
pub mod shortcut {
    /// The block's input itself.
    pub const IDENTITY: &str = "identity";
    /// Every second pixel of the input, with zero channels added equally on both sides (option A).
    pub const ZERO_PADDING: &str = "zero_padding";
    /// A 1x1 convolution (option B, or C where the shape stays).
    pub const PROJECTION: &str = "projection";
    /// The input times a constant.
    pub const SCALED: &str = "scaled";
    /// The input times one minus a gate, where the branch is multiplied by the gate.
    pub const EXCLUSIVE_GATE: &str = "exclusive_gate";
    /// The input times one minus a gate.
    pub const SHORTCUT_GATE: &str = "shortcut_gate";
    /// Several streams, mixed by hyper-connections.
    pub const STREAMS: &str = "streams";
    /// The channels of the input beside those of the branch.
    pub const CONCATENATION: &str = "concatenation";
    /// The input with numbers dropped at random.
    pub const DROPOUT: &str = "dropout";
}

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
    /// Whether its weights are meant to get no updates.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
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

impl Layer {
    /// The channels or units of its output; 1 if unknown.
    pub fn units(&self) -> usize {
        self.output.first().copied().unwrap_or(1)
    }
}

impl Structure {
    /// Multiply-adds of the forward pass for one sample; none where that of any layer is absent. A training step costs
    /// about three times that.
    pub fn multiply_adds(&self) -> Option<u64> {
        let all = self.layers.iter().map(|layer| layer.multiply_adds);
        all.sum::<Option<u64>>().filter(|_| !self.layers.is_empty())
    }

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
