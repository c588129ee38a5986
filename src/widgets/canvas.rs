//! Dots smaller than a cell, such as those of braille, if the theme can tell the curves apart, else one character per cell.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::theme::{Dots, Theme};

/// A field of dots over a rectangle; dot (0, 0) is at its upper left.
pub(super) struct Canvas {
    area: Rect,
    /// None where a cell is a dot.
    dots: Option<Dots>,
    cells: Vec<Cell>,
}

#[derive(Clone, Copy)]
struct Cell {
    dots: u8,
    /// How the dots are drawn; none for a cell without dots.
    pen: Option<Pen>,
    /// A character in place of the dots, unless another curve has dots here, too.
    mark: Option<Pen>,
    shared: bool,
}

impl Canvas {
    /// An empty field for this many curves.
    pub(super) fn new(area: Rect, curves: usize, theme: &Theme) -> Canvas {
        let empty = Cell { dots: 0, pen: None, mark: None, shared: false };
        Canvas {
            area,
            dots: theme.has_dots(curves).then_some(theme.dots()),
            cells: vec![empty; usize::from(area.width) * usize::from(area.height)],
        }
    }

    /// Dots across.
    pub(super) fn across(&self) -> usize {
        usize::from(self.area.width) * self.dots_across()
    }

    /// The rows for values in it.
    pub(super) fn rows(&self) -> Rows {
        Rows { cells: self.area.height, dots: self.dots_down() }
    }

    /// Dots down in one cell.
    fn dots_down(&self) -> usize {
        self.dots.map_or(1, |dots| dots.grid().1)
    }

    /// Dots across in one cell.
    pub(super) fn dots_across(&self) -> usize {
        self.dots.map_or(1, |dots| dots.grid().0)
    }

    /// Sets the dots of a column from one row to another, both included; the later curve's colour wins.
    pub(super) fn column(&mut self, x: usize, from: usize, to: usize, pen: Pen) {
        for y in from.min(to)..=from.max(to) {
            self.dot(x, y, pen);
        }
    }

    /// Sets one dot.
    pub(super) fn dot(&mut self, x: usize, y: usize, pen: Pen) {
        let (across, down) = (self.dots_across(), self.dots_down());
        let bit = 1 << (y % down * across + x % across);
        let Some(cell) = self.cell(x, y) else { return };
        // Over a background curve only the other curve is shown.
        cell.dots =
            if cell.pen.is_some_and(|before| before.behind && !pen.behind) { 0 } else { cell.dots } | bit;
        cell.shared |= cell.pen.is_some_and(|before| before.curve != pen.curve && !before.behind);
        cell.pen = Some(pen);
    }

    fn cell(&mut self, x: usize, y: usize) -> Option<&mut Cell> {
        let (column, row) = (x / self.dots_across(), y / self.dots_down());
        let width = usize::from(self.area.width);
        if column < width { self.cells.get_mut(row * width + column) } else { None }
    }

    /// Connects two dots by a straight line.
    pub(super) fn line(&mut self, from: (usize, usize), to: (usize, usize), pen: Pen) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        for i in 0..=steps {
            let share = i as f64 / steps as f64;
            let between = |a: usize, b: usize| (a as f64 + (b as f64 - a as f64) * share).round() as usize;
            self.dot(between(from.0, to.0), between(from.1, to.1), pen);
        }
    }

    /// Sets a dot that is drawn as its pen's character if no other curve is in the cell, so that a mark covers nothing.
    pub(super) fn mark(&mut self, x: usize, y: usize, pen: Pen) {
        self.dot(x, y, pen);
        if let Some(cell) = self.cell(x, y) {
            cell.mark = Some(pen);
        }
    }

    /// Draws the field over the buffer's content; cells without dots are unchanged.
    pub(super) fn render(&self, buffer: &mut Buffer) {
        let width = usize::from(self.area.width).max(1);
        for (i, cell) in self.cells.iter().enumerate() {
            let Some(pen) = cell.pen else { continue };
            let mark = cell.mark.filter(|_| !cell.shared);
            let symbol = match mark {
                Some(mark) => mark.mark,
                None => self.dots.map_or(pen.mark, |dots| dots.symbol(cell.dots)),
            };
            let (x, y) = (self.area.x + (i % width) as u16, self.area.y + (i / width) as u16);
            if let Some(target) = buffer.cell_mut((x, y)) {
                target.set_char(symbol).set_style(mark.unwrap_or(pen).style);
            }
        }
    }
}

/// The rows of a vertical axis: cells, each with a number of dots.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) cells: u16,
    pub(super) dots: usize,
}

impl Rows {
    /// The row of dots, from the top, of a place between the lower end, 0, and the upper, 1; places beyond are at the
    /// end.
    ///
    /// Both ends are in the middle of a cell, so that a value is in the same row of cells as its tick label, however
    /// many dots a cell has.
    pub(super) fn of(self, place: f64) -> usize {
        let from_top = (1.0 - place.clamp(0.0, 1.0)) * f64::from(self.cells.saturating_sub(1));
        let dots = self.dots as f64;
        (from_top * dots + (dots - 1.0) / 2.0).round() as usize
    }
}

/// How a curve is drawn: its style, and its character if dots are whole cells.
#[derive(Clone, Copy)]
pub(super) struct Pen {
    /// The curve's index among those of the chart.
    pub(super) curve: usize,
    pub(super) style: Style,
    pub(super) mark: char,
    /// Whether the curve is only a background for others, so that their marks may cover it.
    pub(super) behind: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::{Background, Characters, Colors};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_stands_in_the_same_row_of_cells_however_many_dots_a_cell_has(
            place in -0.5_f64..1.5, cells in 1u16..80,
        ) {
            let row = Rows { cells, dots: 4 }.of(place) / 4;
            prop_assert_eq!(row, Rows { cells, dots: 1 }.of(place));
            prop_assert!(row < usize::from(cells));
        }
    }

    #[test]
    fn a_mark_gives_way_to_other_curves_and_keeps_its_style() {
        let theme = Theme::new(Colors::True, Background::Dark, Characters::Unicode);
        let area = Rect::new(0, 0, 3, 1);
        let (mut canvas, mut buffer) = (Canvas::new(area, 2, &theme), Buffer::empty(area));
        let pen = |curve, behind| Pen { curve, style: theme.lane(curve), mark: '○', behind };
        (0..4).for_each(|x| canvas.dot(x, 1, pen(0, true)));
        canvas.mark(0, 1, pen(1, false));
        canvas.mark(2, 1, pen(1, false));
        canvas.mark(4, 1, pen(1, false));
        (2..4).for_each(|x| canvas.dot(x, 1, pen(2, false)));
        canvas.render(&mut buffer);
        let symbols: String = buffer.content().iter().map(|cell| cell.symbol()).collect();
        assert_eq!(symbols, "○\u{2812}○", "over a background, not over a curve");
        let colors = buffer.content().iter().map(|cell| Some(cell.fg));
        assert!(colors.eq([1, 2, 1].map(|curve| theme.lane(curve).fg)));
    }
}
