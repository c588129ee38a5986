//! Aligns the layers of several networks by their depth, so that block i of a plain network is next to block i of a
//! residual one. Knows no values.

use std::collections::BTreeSet;

use crate::structure::Structure;
use crate::structure::kind::PROJECTION;
use crate::units::{BlockIdx, LayerIdx};

/// A row that layers of several networks share: the depth, and whether it is a projection shortcut, which shares the
/// depth of its block's second convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerKey {
    /// The depth as in [`Structure::depth_of`], from 1.
    pub depth: usize,
    /// Whether it is the 1x1 convolution of a shortcut.
    pub projection: bool,
}

impl LayerKey {
    /// The row of a layer.
    pub fn of(structure: &Structure, layer: LayerIdx) -> LayerKey {
        let projection = structure.layer(layer).is_some_and(|layer| layer.kind == PROJECTION);
        LayerKey { depth: structure.depth_of(layer), projection }
    }

    /// The layer of a network in this row; for a projection that the network does not have, the
    /// convolution beside it; none where the network is not that deep.
    pub fn in_structure(self, structure: &Structure) -> Option<LayerIdx> {
        let find = |key| layers_of(structure).find(|layer| LayerKey::of(structure, *layer) == key);
        find(self).or_else(|| find(LayerKey { projection: false, ..self }))
    }
}

/// The rows of several networks together, from the input to the deepest head.
pub(super) fn rows_of<'a>(structures: impl Iterator<Item = &'a Structure>) -> Vec<LayerKey> {
    let rows = |of: &'a Structure| layers_of(of).map(|layer| LayerKey::of(of, layer));
    let rows: BTreeSet<LayerKey> = structures.flat_map(rows).collect();
    rows.into_iter().collect()
}

fn layers_of(structure: &Structure) -> impl Iterator<Item = LayerIdx> + use<> {
    (0..structure.layers.len()).map(LayerIdx)
}

/// The block of a layer; for a layer before all blocks the first, for one after them the last.
pub(crate) fn block_of(structure: &Structure, layer: LayerIdx) -> Option<BlockIdx> {
    let own = structure.layer(layer)?.block;
    let last = structure.blocks.len().checked_sub(1)?;
    Some(own.unwrap_or(BlockIdx(if layer.0 == 0 { 0 } else { last })))
}

/// The row of a block's second convolution, to which the cursor goes when it moves by blocks.
pub(super) fn key_of_block(structure: &Structure, block: BlockIdx) -> Option<LayerKey> {
    let block = structure.blocks.get(block.0)?;
    let layer = block.layers.get(1).or(block.layers.first())?;
    Some(LayerKey::of(structure, *layer))
}
