//! Aligns the layers of several networks, so that those that correspond share a row: by their depth, so that block i of a
//! plain network is next to block i of a residual one, by their share of the depth, by their place in their stage, or by
//! their names. Knows no values.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::NameFilter;
use crate::structure::Structure;
use crate::structure::kind::PROJECTION;
use crate::units::{BlockIdx, LaneIdx, LayerIdx};

/// What layers of different networks correspond by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// The same depth.
    #[default]
    Depth,
    /// The same share of the network's depth.
    Relative,
    /// The same share of the same stage.
    Stage,
    /// The same name.
    Name,
}

impl Alignment {
    /// What it is by, in words.
    pub fn name(self) -> &'static str {
        match self {
            Alignment::Depth => "depth",
            Alignment::Relative => "relative depth",
            Alignment::Stage => "stage",
            Alignment::Name => "name",
        }
    }

    pub(super) fn next(self) -> Alignment {
        match self {
            Alignment::Depth => Alignment::Relative,
            Alignment::Relative => Alignment::Stage,
            Alignment::Stage => Alignment::Name,
            Alignment::Name => Alignment::Depth,
        }
    }
}

/// A row that layers of several networks share: its place, and whether it is of projection shortcuts, which share the
/// place of their block's second convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerKey {
    /// The place, from 1: the depth as in [`Structure::depth_of`], or that of the deepest network to which a depth
    /// corresponds.
    pub depth: usize,
    /// Whether it is the 1x1 convolution of a shortcut.
    pub projection: bool,
}

/// The rows of several networks, and which row each of their layers is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// Those that are shown, from the input to the deepest head.
    keys: Vec<LayerKey>,
    /// For each lane the row of each of its layers; empty before it has started.
    of_lanes: Vec<Vec<LayerKey>>,
    /// Whether a lane without a layer in a row has the nearest one there.
    nearest: bool,
}

impl Rows {
    /// The rows of lanes with these networks; none for those that have not started. Of a filter, those in which it shows a
    /// layer.
    pub(super) fn of(
        structures: &[Option<&Structure>],
        alignment: Alignment,
        filter: Option<&NameFilter>,
    ) -> Rows {
        let known = || structures.iter().copied().flatten();
        let places: Vec<Vec<usize>> = match alignment {
            Alignment::Depth => structures.iter().map(|of| of.map_or_else(Vec::new, depths)).collect(),
            Alignment::Relative => {
                let deepest = known().map(last).max().unwrap_or(0);
                let scaled = |of: &Structure| {
                    depths(of).iter().map(|depth| scale(*depth, last(of), deepest)).collect()
                };
                structures.iter().map(|of| of.map_or_else(Vec::new, scaled)).collect()
            }
            Alignment::Stage => by_stage(structures),
            Alignment::Name => by_name(structures),
        };
        let key = |structure: &Structure, at: usize, place: usize| {
            let projection = structure.layers.get(at).is_some_and(|layer| layer.kind == PROJECTION);
            LayerKey { depth: place, projection }
        };
        let of_lane = |(structure, places): (&Option<&Structure>, Vec<usize>)| {
            let places = places.into_iter().enumerate();
            structure.map_or_else(Vec::new, |of| places.map(|(at, place)| key(of, at, place)).collect())
        };
        let of_lanes: Vec<Vec<LayerKey>> = structures.iter().zip(places).map(of_lane).collect();
        let shown = |(structure, own): (&Option<&Structure>, &Vec<LayerKey>)| -> Vec<LayerKey> {
            let layers = structure.map_or(&[][..], |of| &of.layers);
            let shows = |name: &str| filter.is_none_or(|filter| filter.shows(name));
            layers.iter().zip(own).filter(|(layer, _)| shows(&layer.name)).map(|(_, key)| *key).collect()
        };
        let keys: BTreeSet<LayerKey> = structures.iter().zip(&of_lanes).flat_map(shown).collect();
        let nearest = matches!(alignment, Alignment::Relative | Alignment::Stage);
        Rows { keys: keys.into_iter().collect(), of_lanes, nearest }
    }

    /// The rows that are shown.
    pub(super) fn keys(&self) -> &[LayerKey] {
        &self.keys
    }

    /// The row of a layer.
    pub(super) fn key(&self, lane: LaneIdx, layer: LayerIdx) -> Option<LayerKey> {
        self.of_lanes.get(lane.0)?.get(layer.0).copied()
    }

    /// The layer of a lane in a row; for a projection that it does not have, the convolution beside it. Where lanes of
    /// different depths share a scale, the nearest one; else none where there is none.
    pub(super) fn layer(&self, lane: LaneIdx, key: LayerKey) -> Option<LayerIdx> {
        let own = self.of_lanes.get(lane.0)?;
        let find = |key| own.iter().position(|other| *other == key).map(LayerIdx);
        let plain = LayerKey { projection: false, ..key };
        let nearest = || {
            let counted = own.iter().enumerate().filter(|(_, other)| !other.projection);
            let near = counted.min_by_key(|(_, other)| other.depth.abs_diff(key.depth));
            near.filter(|_| self.nearest).map(|(at, _)| LayerIdx(at))
        };
        find(key).or_else(|| find(plain)).or_else(nearest)
    }
}

fn depths(structure: &Structure) -> Vec<usize> {
    (0..structure.layers.len()).map(|at| structure.depth_of(LayerIdx(at))).collect()
}

fn last(structure: &Structure) -> usize {
    depths(structure).into_iter().max().unwrap_or(0)
}

/// The place on a scale of another length that is nearest to the same share; first and last stay first and last.
fn scale(place: usize, own: usize, other: usize) -> usize {
    if own <= 1 || other <= 1 {
        return place.min(other.max(1));
    }
    let (share, of) = ((place - 1) * (other - 1), own - 1);
    1 + (share + of / 2) / of
}

/// Each stage takes as many places as in the network where it is longest. Layers before the first one and after the last
/// one are stages of their own; without stages a network is one.
fn by_stage(structures: &[Option<&Structure>]) -> Vec<Vec<usize>> {
    /// The stage of each layer, and its place in it, from 1; the stage after all others is the last.
    fn staged(structure: &Structure) -> Vec<(usize, usize)> {
        let has_stages = structure.layers.iter().any(|layer| layer.stage.is_some());
        let stage = |at: usize| match structure.layers[at].stage {
            Some(stage) => stage,
            None if !has_stages => 1,
            None if structure.layers[..at].iter().any(|layer| layer.stage.is_some()) => usize::MAX,
            None => 0,
        };
        let depths = depths(structure);
        let stages: Vec<usize> = (0..depths.len()).map(stage).collect();
        let first = |of: usize| {
            let own = stages.iter().zip(&depths).filter(|(stage, _)| **stage == of);
            own.map(|(_, depth)| *depth).min().unwrap_or(1)
        };
        stages.iter().zip(&depths).map(|(stage, depth)| (*stage, depth + 1 - first(*stage))).collect()
    }
    let all: Vec<Vec<(usize, usize)>> =
        structures.iter().map(|of| of.map_or_else(Vec::new, staged)).collect();
    let stages: BTreeSet<usize> = all.iter().flatten().map(|(stage, _)| *stage).collect();
    let length = |own: &[(usize, usize)], stage: usize| {
        own.iter().filter(|(of, _)| *of == stage).map(|(_, place)| *place).max().unwrap_or(0)
    };
    let longest = |stage: usize| all.iter().map(|own| length(own, stage)).max().unwrap_or(0);
    let start =
        |stage: usize| stages.iter().take_while(|of| **of != stage).map(|of| longest(*of)).sum::<usize>();
    let place = |own: &[(usize, usize)], (stage, place): (usize, usize)| {
        start(stage) + scale(place, length(own, stage), longest(stage))
    };
    all.iter().map(|own| own.iter().map(|layer| place(own, *layer)).collect()).collect()
}

/// Names take the places in which the network with the most layers has them; names that it lacks follow the one before
/// them.
fn by_name(structures: &[Option<&Structure>]) -> Vec<Vec<usize>> {
    let mut order: Vec<&str> = Vec::new();
    let mut largest_first: Vec<&Structure> = structures.iter().copied().flatten().collect();
    largest_first.sort_by_key(|structure| std::cmp::Reverse(structure.layers.len()));
    for structure in largest_first {
        let mut after = 0;
        for layer in &structure.layers {
            match order.iter().position(|name| *name == layer.name) {
                Some(at) => after = at + 1,
                None => {
                    order.insert(after, &layer.name);
                    after += 1;
                }
            }
        }
    }
    let place = |name: &str| order.iter().position(|other| *other == name).map_or(1, |at| at + 1);
    let of = |structure: &Structure| structure.layers.iter().map(|layer| place(&layer.name)).collect();
    structures.iter().map(|structure| structure.map_or_else(Vec::new, of)).collect()
}

/// The block of a layer; for a layer before all blocks the first, for one after them the last.
pub(crate) fn block_of(structure: &Structure, layer: LayerIdx) -> Option<BlockIdx> {
    let own = structure.layer(layer)?.block;
    let last = structure.blocks.len().checked_sub(1)?;
    Some(own.unwrap_or(BlockIdx(if layer.0 == 0 { 0 } else { last })))
}

/// A block's second layer, to which the cursor goes when it moves by blocks.
pub(super) fn layer_of_block(structure: &Structure, block: BlockIdx) -> Option<LayerIdx> {
    let block = structure.blocks.get(block.0)?;
    block.layers.get(1).or(block.layers.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen;

    fn rows(alignment: Alignment) -> (Vec<Structure>, Rows) {
        let structures =
            [(8, "none"), (20, "identity")].map(|(depth, kind)| specimen::structure(depth, 8, kind));
        let rows = Rows::of(&[Some(&structures[0]), None, Some(&structures[1])], alignment, None);
        (structures.into(), rows)
    }

    /// The name of the layer of the shallow network beside one of the deep one.
    fn beside(alignment: Alignment, name: &str) -> Option<String> {
        let (structures, rows) = rows(alignment);
        let layer = structures[1].layers.iter().position(|layer| layer.name == name).expect("of this name");
        let key = rows.key(LaneIdx(2), LayerIdx(layer))?;
        let other = rows.layer(LaneIdx(0), key)?;
        Some(structures[0].layers[other.0].name.clone())
    }

    #[test]
    fn layers_correspond_by_depth_share_stage_or_name() {
        let of = |alignment, name| beside(alignment, name);
        let some = |name: &str| Some(name.to_owned());
        let (structures, _) = rows(Alignment::Depth);
        let names = |at: usize| structures[at].layers.iter().map(|l| l.name.clone()).collect::<Vec<_>>();
        let (first, last) = (names(1)[0].clone(), names(1).last().unwrap().clone());
        for alignment in [Alignment::Relative, Alignment::Stage, Alignment::Name] {
            assert_eq!(of(alignment, &first), Some(first.clone()), "{alignment:?}");
            assert_eq!(of(alignment, &last), Some(last.clone()), "{alignment:?}");
        }
        assert_eq!(of(Alignment::Depth, &last), None, "8 layers have no twentieth");
        assert_eq!(of(Alignment::Depth, "layer1.1.conv1"), some("layer2.0.conv1"));
        assert_eq!(of(Alignment::Stage, "layer2.2.conv2"), some("layer2.0.conv2"), "the end of a stage");
        assert_eq!(of(Alignment::Stage, "layer3.0.conv1"), some("layer3.0.conv1"));
        assert_eq!(of(Alignment::Name, "layer3.0.conv1"), some("layer3.0.conv1"));
        assert_eq!(of(Alignment::Name, "layer3.1.conv1"), None);
    }

    #[test]
    fn of_networks_of_one_depth_every_alignment_is_the_same() {
        let structures = ["none", "identity"].map(|kind| specimen::structure(20, 8, kind));
        let of = |alignment| Rows::of(&structures.each_ref().map(Some), alignment, None);
        for alignment in [Alignment::Relative, Alignment::Stage] {
            let (rows, by_depth) = (of(alignment), of(Alignment::Depth));
            assert_eq!((rows.keys, rows.of_lanes), (by_depth.keys, by_depth.of_lanes), "{alignment:?}");
        }
    }

    #[test]
    fn a_filter_leaves_rows_in_which_it_shows_a_layer() {
        let (structures, all) = rows(Alignment::Depth);
        let filter = NameFilter::new("conv2$|conv1$").unwrap();
        let structures = [Some(&structures[0]), None, Some(&structures[1])];
        let rows = Rows::of(&structures, Alignment::Depth, filter.as_ref());
        assert!(rows.keys().len() < all.keys().len());
        assert!(rows.keys().iter().all(|key| all.keys().contains(key)));
        assert_eq!(rows.of_lanes, all.of_lanes, "every layer keeps its row");
    }

    #[test]
    fn every_layer_has_a_row_in_which_it_is_found_again() {
        for alignment in [Alignment::Depth, Alignment::Relative, Alignment::Stage, Alignment::Name] {
            let (structures, rows) = rows(alignment);
            for (lane, structure) in [(0, &structures[0]), (2, &structures[1])] {
                let mut before = 0;
                for at in 0..structure.layers.len() {
                    let key = rows.key(LaneIdx(lane), LayerIdx(at)).expect("a row");
                    assert!(rows.keys().contains(&key));
                    assert_eq!(rows.layer(LaneIdx(lane), key), Some(LayerIdx(at)), "{alignment:?}");
                    assert!(key.projection || key.depth > before, "{alignment:?}: in order");
                    before = key.depth;
                }
            }
            assert_eq!(rows.layer(LaneIdx(1), rows.keys()[0]), None, "it has not started");
        }
    }
}
