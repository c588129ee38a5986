//! A network as one cell a layer, in lines from left to right, with arcs over its blocks where something is added to them.
//! If the lines cannot hold all layers, neighbours share cells.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::State;
use super::plan::{self, Place, Rail};
use crate::structure::Structure;
use crate::theme::{Glyph, Theme};
use crate::units::LayerIdx;
use crate::widgets::{self, ColorScale, Extent};

/// The cells in an area.
pub(super) struct Cells<'a> {
    structure: &'a Structure,
    selected: Option<LayerIdx>,
    area: Rect,
    rails: Vec<Rail>,
    /// Rows of the screen for a line: the cells, below arcs if there is room.
    rows: u16,
    /// Layers that share a cell.
    shared: usize,
}

impl<'a> Cells<'a> {
    /// The height with which each layer has a cell and each line its arcs.
    pub(super) fn height(structure: &Structure, width: u16) -> u16 {
        let lines = structure.layers.len().div_ceil(usize::from(width).max(1));
        u16::try_from(2 * lines).unwrap_or(u16::MAX)
    }

    pub(super) fn new(structure: &'a Structure, selected: Option<LayerIdx>, area: Rect) -> Cells<'a> {
        let rows = if area.height >= Cells::height(structure, area.width) { 2 } else { 1 };
        let room = usize::from(area.width) * usize::from(area.height / rows);
        let shared = structure.layers.len().div_ceil(room.max(1)).max(1);
        Cells { structure, selected, area, rails: plan::rails(structure), rows, shared }
    }

    /// The layers of a cell.
    fn layers(&self, cell: usize) -> std::ops::Range<usize> {
        let from = (cell * self.shared).min(self.structure.layers.len());
        from..(from + self.shared).min(self.structure.layers.len())
    }

    /// The layer under a position; of several that share a cell, the first.
    pub(super) fn layer_at(&self, position: Position) -> Option<LayerIdx> {
        if !self.area.contains(position) {
            return None;
        }
        let line = usize::from((position.y - self.area.y) / self.rows);
        let cell = line * usize::from(self.area.width) + usize::from(position.x - self.area.x);
        self.layers(cell).next().map(LayerIdx)
    }

    pub(super) fn render(&self, state: &State<'_>, scale: ColorScale, buffer: &mut Buffer, theme: &Theme) {
        let width = usize::from(self.area.width);
        if self.area.is_empty() {
            return;
        }
        for cell in 0..self.structure.layers.len().div_ceil(self.shared) {
            let (x, y) =
                (self.area.x + (cell % width) as u16, self.area.y + (cell / width) as u16 * self.rows);
            if y + self.rows > self.area.bottom() {
                break;
            }
            if self.rows == 2 {
                self.render_arc(cell, (x, y), buffer, theme);
            }
            self.render_cell(cell, (x, y + self.rows - 1), state, scale, buffer, theme);
        }
    }

    fn render_cell(
        &self,
        cell: usize,
        (x, y): (u16, u16),
        state: &State<'_>,
        scale: ColorScale,
        buffer: &mut Buffer,
        theme: &Theme,
    ) {
        let mut extent = Extent::EMPTY;
        self.layers(cell).for_each(|layer| extent.merge(state.value(LayerIdx(layer))));
        let heat = scale.cell(extent, theme);
        let is_selected = self.selected.is_some_and(|layer| self.layers(cell).contains(&layer.0));
        let mark = self.layers(cell).find_map(|layer| state.mark(LayerIdx(layer), theme));
        let on = heat.map_or(theme.text(), |heat| theme.on_heat(heat));
        let (symbol, style) = match (mark, heat) {
            (Some((mark, style)), None) => (mark, style),
            (Some((mark, _)), Some(_)) => (mark, on),
            (None, _) if is_selected && self.rows == 1 => (theme.glyph(Glyph::CursorDown), on),
            (None, Some(heat)) => (heat.symbol, heat.style),
            (None, None) => (theme.glyph(Glyph::Missing), theme.axis()),
        };
        widgets::put(buffer, self.area, x, y, &symbol.to_string(), style);
    }

    /// The part of a block's arc over a cell, or the cursor.
    fn render_arc(&self, cell: usize, (x, y): (u16, u16), buffer: &mut Buffer, theme: &Theme) {
        let layers = self.layers(cell);
        if self.selected.is_some_and(|layer| layers.contains(&layer.0)) {
            let cursor = theme.glyph(Glyph::CursorDown).to_string();
            widgets::put(buffer, self.area, x, y, &cursor, theme.cursor());
            return;
        }
        let Some(rail) = self.rails.get(layers.start) else { return };
        let has = plan::block(self.structure, *rail).is_some_and(|block| block.shortcut.is_some());
        let glyph = match rail.place {
            _ if !has => return,
            Place::Outside => return,
            _ if rail.is_on => Glyph::Order,
            Place::Only => Glyph::Separator,
            Place::First => Glyph::RailTop,
            Place::Inside => Glyph::Horizontal,
            Place::Last => Glyph::RailTopRight,
        };
        widgets::put(buffer, self.area, x, y, &theme.glyph(glyph).to_string(), theme.axis());
    }
}
