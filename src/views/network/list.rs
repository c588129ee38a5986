//! The layers of a network one below the other, with the shortcuts of blocks beside them, as many columns as there is room
//! for. It is scrolled so that the selected layer is in the middle.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

use super::State;
use super::plan::{self, Place, Rail, Row};
use crate::printable::printable;
use crate::structure::{Dimensions, Structure};
use crate::theme::{Glyph, Theme};
use crate::units::LayerIdx;
use crate::widgets::{self, ColorScale};

/// The columns of cursor, rail, colour and mark, with a blank behind each of the last three.
const RAIL: u16 = 1;
const COLOR: u16 = 4;
const MARK: u16 = 7;
const NAME: u16 = 9;
/// The cells of a layer's value, with the blanks before it.
const VALUE: usize = 9;
/// The width of a layer's colour.
const SWATCH: usize = 2;

/// The list in an area.
pub(super) struct List<'a> {
    structure: &'a Structure,
    selected: Option<LayerIdx>,
    area: Rect,
    rows: Vec<Row>,
    /// The first row in sight.
    from: usize,
}

/// A column of text: what it says of a layer, and whether it is aligned to the right.
struct Column {
    cells: Vec<(String, Style)>,
    right: bool,
}

impl<'a> List<'a> {
    pub(super) fn new(structure: &'a Structure, selected: Option<LayerIdx>, area: Rect) -> List<'a> {
        let rows = plan::rows(structure);
        let is_selected = |row: &Row| matches!(row, Row::Layer(layer, _) if Some(*layer) == selected);
        let at = rows.iter().position(is_selected).unwrap_or(0);
        let room = usize::from(area.height);
        let from = at.saturating_sub(room / 2).min(rows.len().saturating_sub(room));
        List { structure, selected, area, rows, from }
    }

    /// Whether all rows are in sight.
    pub(super) fn is_whole(&self) -> bool {
        self.rows.len() <= usize::from(self.area.height)
    }

    fn in_sight(&self) -> &[Row] {
        let until = (self.from + usize::from(self.area.height)).min(self.rows.len());
        self.rows.get(self.from..until).unwrap_or_default()
    }

    /// The layer under a position.
    pub(super) fn layer_at(&self, position: Position) -> Option<LayerIdx> {
        if !self.area.contains(position) {
            return None;
        }
        match self.in_sight().get(usize::from(position.y - self.area.y))? {
            Row::Layer(layer, _) => Some(*layer),
            Row::Stage(_) => None,
        }
    }

    pub(super) fn render(&self, state: &State<'_>, scale: ColorScale, buffer: &mut Buffer, theme: &Theme) {
        let columns = self.columns(state, theme);
        for (line, row) in self.in_sight().iter().enumerate() {
            let y = self.area.y + line as u16;
            match row {
                Row::Stage(stage) => self.render_stage(*stage, y, buffer, theme),
                Row::Layer(layer, rail) => {
                    self.render_layer(*layer, *rail, y, state, scale, buffer, theme);
                    self.render_text(&columns, line, y, buffer);
                }
            }
        }
    }

    /// A rule with the stage and the shape of its outputs.
    fn render_stage(&self, stage: usize, y: u16, buffer: &mut Buffer, theme: &Theme) {
        let mut of_stage = self.structure.layers.iter().rev().filter(|layer| layer.stage == Some(stage));
        let shape = of_stage
            .find(|layer| !layer.output.is_empty())
            .map(|layer| Dimensions(&layer.output).to_string());
        let blocks = self.structure.blocks.iter().filter(|block| block.stage == Some(stage)).count();
        let texts = [
            (blocks > 0).then(|| format!(", {blocks} block{}", if blocks == 1 { "" } else { "s" })),
            shape.map(|shape| format!(" of {shape}")),
        ];
        let mut text = format!("stage {stage}");
        for more in texts.into_iter().flatten() {
            if widgets::width(&text) + widgets::width(&more) + 4 <= usize::from(self.area.width) {
                text += &more;
            }
        }
        let line = theme.glyph(Glyph::Horizontal).to_string();
        let x = widgets::put(buffer, self.area, self.area.x + RAIL, y, &line, theme.axis());
        let x = widgets::put(buffer, self.area, x + 1, y, &text, theme.muted());
        let rule = line.repeat(usize::from(self.area.right().saturating_sub(x + 1)));
        widgets::put(buffer, self.area, x + 1, y, &rule, theme.axis());
    }

    #[expect(clippy::too_many_arguments, reason = "a layer, its place, and what it is drawn with")]
    fn render_layer(
        &self,
        layer: LayerIdx,
        rail: Rail,
        y: u16,
        state: &State<'_>,
        scale: ColorScale,
        buffer: &mut Buffer,
        theme: &Theme,
    ) {
        let x = self.area.x;
        if Some(layer) == self.selected {
            let row = Rect { y, height: 1, ..self.area }.intersection(buffer.area);
            buffer.set_style(row, theme.selected_row());
            widgets::put(
                buffer,
                self.area,
                x,
                y,
                &theme.glyph(Glyph::CursorRight).to_string(),
                theme.cursor(),
            );
        }
        let (sign, style) = rail_beside(self.structure, rail, theme);
        widgets::put(buffer, self.area, x + RAIL, y, &sign, style);
        let (swatch, style) = match scale.cell(state.value(layer), theme) {
            // On the selected row of a terminal of few colours, too.
            Some(heat) => (heat.symbol, heat.style.remove_modifier(Modifier::REVERSED)),
            None => (theme.glyph(Glyph::Missing), theme.axis()),
        };
        widgets::put(buffer, self.area, x + COLOR, y, &swatch.to_string().repeat(SWATCH), style);
        if let Some((mark, style)) = state.mark(layer, theme) {
            widgets::put(buffer, self.area, x + MARK, y, &mark.to_string(), style);
        }
    }

    fn render_text(&self, columns: &[Column], line: usize, y: u16, buffer: &mut Buffer) {
        let mut x = self.area.x + NAME;
        for column in columns {
            let width = column.cells.iter().map(|(text, _)| widgets::width(text)).max().unwrap_or(0);
            let Some((text, style)) = column.cells.get(line) else { continue };
            let padded =
                if column.right { widgets::pad_left(text, width) } else { widgets::pad_right(text, width) };
            widgets::put(buffer, self.area, x, y, &padded, *style);
            x = x.saturating_add(width as u16 + 2);
        }
    }

    /// The columns that fit beside each other, the most important ones first, in the order of the screen.
    fn columns(&self, state: &State<'_>, theme: &Theme) -> Vec<Column> {
        let room = usize::from(self.area.width).saturating_sub(usize::from(NAME));
        let layer = |layer: LayerIdx| self.structure.layer(layer);
        // The longest name leaves room for the layer's value.
        let of_name = room.saturating_sub(VALUE).max(room / 2);
        let name = |at: LayerIdx, _: Rail| widgets::clip(&super::name_of(self.structure, at), of_name, theme);
        let output = |at: LayerIdx, _: Rail| {
            let shape = layer(at).filter(|layer| !layer.output.is_empty());
            shape.map(|layer| Dimensions(&layer.output).to_string()).unwrap_or_default()
        };
        let added = |_: LayerIdx, rail: Rail| {
            let block = plan::block(self.structure, rail);
            let begins = matches!(rail.place, Place::First | Place::Only);
            block.filter(|_| begins).map(plan::shortcut_in_words).unwrap_or_default()
        };
        let parameters = |at: LayerIdx, _: Rail| {
            layer(at).and_then(|layer| layer.parameters).map(widgets::grouped).unwrap_or_default()
        };
        let kind = |at: LayerIdx, _: Rail| {
            let frozen = layer(at).is_some_and(|layer| layer.frozen);
            let kind = layer(at).map(|layer| printable(&layer.kind)).unwrap_or_default();
            if frozen { format!("{kind}, frozen") } else { kind }
        };
        let value = |at: LayerIdx, _: Rail| {
            state.value(at).range().map(|(_, most)| widgets::short(most.into())).unwrap_or_default()
        };
        let text = theme.text();
        // With the rank by which they are left out last.
        let ranked = [
            (0, self.column(&name, text, false)),
            (3, self.column(&added, theme.muted(), false)),
            (5, self.column(&kind, theme.muted(), false)),
            (2, self.column(&output, theme.muted(), true)),
            (4, self.column(&parameters, theme.muted(), true)),
            (1, self.column(&value, text, true)),
        ];
        let width =
            |column: &Column| column.cells.iter().map(|(text, _)| widgets::width(text)).max().unwrap_or(0);
        let fits = |rank: usize| {
            let before = ranked.iter().filter(|(other, _)| *other <= rank).map(|(_, column)| width(column));
            before.filter(|width| *width > 0).map(|width| width + 2).sum::<usize>() <= room + 2
        };
        let most = (0..ranked.len()).take_while(|rank| fits(*rank)).last().unwrap_or(0);
        let kept = ranked.into_iter().filter(|(rank, column)| *rank <= most && width(column) > 0);
        kept.map(|(_, column)| column).collect()
    }

    fn column(&self, text: &dyn Fn(LayerIdx, Rail) -> String, style: Style, right: bool) -> Column {
        let cell = |row: &Row| match row {
            Row::Layer(layer, rail) => text(*layer, *rail),
            Row::Stage(_) => String::new(),
        };
        Column { cells: self.in_sight().iter().map(|row| (cell(row), style)).collect(), right }
    }
}

/// The signs beside a layer: the shortcut's line, where it joins the branch, and its own layers on it.
fn rail_beside(structure: &Structure, rail: Rail, theme: &Theme) -> (String, Style) {
    let Some(word) = plan::block(structure, rail).and_then(|block| block.shortcut.as_deref()) else {
        return (String::new(), theme.axis());
    };
    let (line, joins) = plan::drawing(word);
    let corner = |glyph| theme.glyph(glyph);
    let signs = match rail.place {
        Place::Outside => return (String::new(), theme.axis()),
        Place::Only | Place::Last if rail.is_on => [corner(Glyph::Order), joins],
        Place::Only | Place::Last => [corner(Glyph::RailBottom), joins],
        Place::First if !rail.is_on => [corner(Glyph::RailTop), corner(Glyph::Horizontal)],
        _ if rail.is_on => [corner(Glyph::Order), ' '],
        _ => [corner(line), ' '],
    };
    (signs.iter().collect(), theme.text())
}
