//! Changes of a network that probes evaluate it with: blocks that are left out, and blocks that change places (Veit et al.
//! 2016, section 4).

use std::collections::BTreeSet;

use crate::structure::Structure;
use crate::units::BlockIdx;

/// What is different from the network as it is trained; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Blocks that are left out. The branch of such a block contributes nothing; its shortcut passes, and so does what
    /// follows the addition. A block without shortcut passes its input on.
    pub without: BTreeSet<BlockIdx>,
    /// Two blocks of which each is computed in the place of the other.
    pub swapped: Option<[BlockIdx; 2]>,
}

impl Changes {
    /// Without one block.
    pub fn without(block: BlockIdx) -> Changes {
        Changes { without: BTreeSet::from([block]), swapped: None }
    }

    /// Without all blocks after this one.
    pub fn without_all_after(block: BlockIdx, blocks: usize) -> Changes {
        Changes { without: (block.0 + 1..blocks).map(BlockIdx).collect(), swapped: None }
    }

    /// With two blocks in each other's place.
    pub fn swapped(a: BlockIdx, b: BlockIdx) -> Changes {
        Changes { without: BTreeSet::new(), swapped: Some([a, b]) }
    }
}

/// Whether a block can be left out: it has a shortcut, or its output has the shape of what it reads.
pub(super) fn can_leave_out(structure: &Structure, block: BlockIdx) -> bool {
    let Some(found) = structure.blocks.get(block.0) else { return false };
    if found.shortcut.is_some() {
        return true;
    }
    // A plain block reads the output of the layer before its first one.
    let layer = |at: usize| structure.layers.get(at).map(|layer| &layer.output);
    let read = found.layers.first().and_then(|first| layer(first.0.checked_sub(1)?));
    read.is_some() && read == found.layers.last().and_then(|last| layer(last.0))
}

/// Whether the last layers of two blocks have outputs of the same shape.
pub(super) fn have_same_output(structure: &Structure, blocks: [BlockIdx; 2]) -> bool {
    let output = |block: BlockIdx| {
        let last = *structure.blocks.get(block.0)?.layers.last()?;
        Some(&structure.layer(last)?.output)
    };
    let [a, b] = blocks.map(output);
    a.is_some() && a == b
}
