//! Which layer of one network stands beside which of another: layers are aligned by their depth, so that
//! block i of a plain network lies beside block i of a residual one. Knows no values.

use std::collections::BTreeSet;

use crate::topology::{Layer, LayerKind, Topology};
use crate::units::{BlockIdx, LayerIdx};

/// A row that layers of several networks share: the place in the depth, and whether it is a projection
/// shortcut, which shares the depth of its block's second convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerKey {
    /// As in [`Layer::depth`], from 1.
    pub depth: usize,
    /// Whether it is the 1x1 convolution of a shortcut.
    pub projection: bool,
}

impl LayerKey {
    /// The row of a layer.
    pub fn of(layer: &Layer) -> LayerKey {
        LayerKey { depth: layer.depth, projection: layer.kind == LayerKind::Projection }
    }

    /// The layer of a network in this row; for a projection that the network does not have, the
    /// convolution beside it; none where the network is not that deep.
    pub fn in_topology(self, topology: &Topology) -> Option<LayerIdx> {
        let find = |key| topology.layers.iter().position(|layer| LayerKey::of(layer) == key).map(LayerIdx);
        find(self).or_else(|| find(LayerKey { projection: false, ..self }))
    }
}

/// The rows of several networks together, from the input to the deepest head.
pub(super) fn rows_of<'a>(topologies: impl Iterator<Item = &'a Topology>) -> Vec<LayerKey> {
    let rows: BTreeSet<LayerKey> = topologies.flat_map(|t| t.layers.iter().map(LayerKey::of)).collect();
    rows.into_iter().collect()
}

/// The block of a layer: its own, else the first for a layer before all blocks and the last for one behind.
pub fn block_of(topology: &Topology, layer: LayerIdx) -> Option<BlockIdx> {
    let own = topology.layers.get(layer.0)?.block;
    let last = topology.blocks.len().checked_sub(1)?;
    Some(own.unwrap_or(BlockIdx(if layer.0 == 0 { 0 } else { last })))
}

/// The row of a block's second convolution, on which the cursor stands when it moves by blocks.
pub(super) fn key_of_block(topology: &Topology, block: BlockIdx) -> Option<LayerKey> {
    let block = topology.blocks.get(block.0)?;
    let layer = block.layers.get(1).or(block.layers.first())?;
    topology.layers.get(layer.0).map(LayerKey::of)
}
