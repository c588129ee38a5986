//! The lines of a map, from a lane's layers and blocks alone: nothing is assumed that a log of another program may leave
//! out. Blocks may lack layers, and layers blocks, stages, shapes and kinds.

use crate::structure::{Block, Structure, kind, shortcut};
use crate::theme::Glyph;
use crate::units::{BlockIdx, LayerIdx};

/// A line of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// A stage begins.
    Stage(usize),
    /// A layer.
    Layer(LayerIdx, Rail),
}

/// The shortcut beside a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rail {
    /// The layer's block.
    pub(super) block: Option<BlockIdx>,
    /// Its place in it.
    pub(super) place: Place,
    /// Whether the layer is a part of the shortcut.
    pub(super) is_on: bool,
}

/// The place of a layer among the layers of its block that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It belongs to none.
    Outside,
    /// The first.
    First,
    /// Neither the first nor the last.
    Inside,
    /// The last.
    Last,
    /// The only one.
    Only,
}

/// All lines, in order.
pub(super) fn rows(structure: &Structure) -> Vec<Row> {
    let rails = rails(structure);
    let mut stage = None;
    let mut rows = Vec::with_capacity(rails.len() + 4);
    for (at, (layer, rail)) in structure.layers.iter().zip(rails).enumerate() {
        if let Some(next) = layer.stage.filter(|next| Some(*next) != stage) {
            stage = Some(next);
            rows.push(Row::Stage(next));
        }
        rows.push(Row::Layer(LayerIdx(at), rail));
    }
    rows
}

/// The rail beside each layer.
pub(super) fn rails(structure: &Structure) -> Vec<Rail> {
    let blocks: Vec<Option<BlockIdx>> =
        (0..structure.layers.len()).map(|layer| block_of(structure, LayerIdx(layer))).collect();
    let is_same =
        |at: usize, other: Option<usize>| other.and_then(|other| blocks.get(other)) == Some(&blocks[at]);
    let rail = |at: usize| {
        let place = match (blocks[at], is_same(at, at.checked_sub(1)), is_same(at, at.checked_add(1))) {
            (None, ..) => Place::Outside,
            (_, false, false) => Place::Only,
            (_, false, true) => Place::First,
            (_, true, true) => Place::Inside,
            (_, true, false) => Place::Last,
        };
        let is_on = [kind::PROJECTION, kind::GATE].contains(&structure.layers[at].kind.as_str());
        Rail { block: blocks[at], place, is_on }
    };
    (0..blocks.len()).map(rail).collect()
}

/// The block that a layer says it belongs to, or else the one that says it has it.
fn block_of(structure: &Structure, layer: LayerIdx) -> Option<BlockIdx> {
    let own = structure.layer(layer)?.block;
    let having = || structure.blocks.iter().position(|block| block.layers.contains(&layer)).map(BlockIdx);
    own.or_else(having).filter(|block| block.0 < structure.blocks.len())
}

/// The block of a layer's rail.
pub(super) fn block(structure: &Structure, rail: Rail) -> Option<&Block> {
    structure.blocks.get(rail.block?.0)
}

/// How a shortcut is drawn: its line, and the sign where it joins the branch.
pub(super) fn drawing(word: &str) -> (Glyph, char) {
    match word {
        shortcut::ZERO_PADDING => (Glyph::RailDashed, '+'),
        shortcut::DROPOUT => (Glyph::RailDashed, '+'),
        shortcut::EXCLUSIVE_GATE | shortcut::SHORTCUT_GATE => (Glyph::Vertical, '*'),
        shortcut::SCALED => (Glyph::Vertical, '*'),
        shortcut::STREAMS => (Glyph::RailDouble, '+'),
        shortcut::CONCATENATION => (Glyph::Vertical, '&'),
        _ => (Glyph::Vertical, '+'),
    }
}

/// A block's shortcut in words.
pub(super) fn shortcut_in_words(block: &Block) -> String {
    match block.shortcut.as_deref() {
        None => "none".to_owned(),
        Some(word) => crate::printable::printable(&word.replace('_', " ")),
    }
}

/// How many blocks there are, and what most of them add: `27 blocks, shortcut identity`.
pub(super) fn blocks_in_words(structure: &Structure) -> String {
    let count = structure.blocks.len();
    let of = |block: &Block| structure.blocks.iter().filter(|other| other.shortcut == block.shortcut).count();
    let commonest = structure.blocks.iter().max_by_key(|block| of(block)).map(shortcut_in_words);
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} block{plural}, shortcut {}", commonest.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen;
    use crate::structure::Layer;

    fn places(structure: &Structure) -> Vec<Place> {
        rails(structure).into_iter().map(|rail| rail.place).collect()
    }

    #[test]
    fn a_block_begins_and_ends_where_its_layers_do() {
        let network = specimen::structure(8, 8, "projection");
        use Place::{First, Inside, Last, Outside};
        let expected = [Outside, First, Last, First, Inside, Last, First, Inside, Last, Outside];
        assert_eq!(places(&network), expected);
        let on: Vec<bool> = rails(&network).iter().map(|rail| rail.is_on).collect();
        assert_eq!(on.iter().filter(|on| **on).count(), 2, "two projections: {on:?}");
        let stages: Vec<usize> = rows(&network)
            .iter()
            .filter_map(|row| if let Row::Stage(at) = row { Some(*at) } else { None })
            .collect();
        assert_eq!(stages, [1, 2, 3]);
        assert_eq!(rows(&network).len(), network.layers.len() + 3);
    }

    #[test]
    fn what_a_log_leaves_out_or_gets_wrong_is_no_obstacle() {
        let layer = |block| Layer { name: "x".to_owned(), block, ..Layer::default() };
        let mut network = Structure {
            layers: vec![layer(None), layer(Some(BlockIdx(7))), layer(None), layer(Some(BlockIdx(0)))],
            blocks: vec![Block { layers: vec![LayerIdx(2), LayerIdx(900)], ..Block::default() }],
        };
        assert_eq!(places(&network), [Place::Outside, Place::Outside, Place::First, Place::Last]);
        assert_eq!(blocks_in_words(&network), "1 block, shortcut none");
        network.blocks.clear();
        assert_eq!(places(&network), [Place::Outside; 4]);
        assert!(rows(&Structure::default()).is_empty());
    }
}
