//! Dots finer than a cell: two across and four down in braille where colours tell curves apart, else one
//! character a cell.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::theme::Theme;

/// A field of dots over a rectangle; dot (0, 0) is at its upper left.
pub(super) struct Canvas {
    area: Rect,
    braille: bool,
    cells: Vec<Cell>,
}

#[derive(Clone, Copy)]
struct Cell {
    dots: u8,
    mark: Option<char>,
    style: Style,
}

/// The bit of each dot of a braille cell, by row and column (Unicode 16, chapter 21.1).
const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

impl Canvas {
    /// An empty field.
    pub(super) fn new(area: Rect, theme: &Theme) -> Canvas {
        let empty = Cell { dots: 0, mark: None, style: Style::new() };
        Canvas {
            area,
            braille: theme.has_dots(),
            cells: vec![empty; usize::from(area.width) * usize::from(area.height)],
        }
    }

    /// Dots across.
    pub(super) fn across(&self) -> usize {
        usize::from(self.area.width) * self.dots_across()
    }

    /// Dots down.
    pub(super) fn down(&self) -> usize {
        usize::from(self.area.height) * if self.braille { 4 } else { 1 }
    }

    /// Dots across in one cell.
    pub(super) fn dots_across(&self) -> usize {
        if self.braille { 2 } else { 1 }
    }

    /// Sets the dots of a column from one row to another, both included; the later curve's colour wins.
    pub(super) fn column(&mut self, x: usize, from: usize, to: usize, pen: Pen) {
        let (from, to) = (from.min(to), from.max(to));
        for y in from..=to.min(self.down().saturating_sub(1)) {
            self.dot(x, y, pen);
        }
    }

    /// Sets one dot.
    pub(super) fn dot(&mut self, x: usize, y: usize, pen: Pen) {
        let (column, row) = if self.braille { (x / 2, y / 4) } else { (x, y) };
        let width = usize::from(self.area.width);
        if column >= width {
            return;
        }
        let Some(cell) = self.cells.get_mut(row * width + column) else { return };
        cell.dots |= if self.braille { DOTS[y % 4][x % 2] } else { 1 };
        cell.style = pen.style;
        if !self.braille {
            cell.mark = Some(pen.mark);
        }
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

    /// Puts a character of its own over a dot's cell.
    pub(super) fn mark(&mut self, x: usize, y: usize, mark: char, style: Style) {
        let (column, row) = if self.braille { (x / 2, y / 4) } else { (x, y) };
        let width = usize::from(self.area.width);
        if column < width
            && let Some(cell) = self.cells.get_mut(row * width + column)
        {
            (cell.mark, cell.style) = (Some(mark), style);
        }
    }

    /// Draws the field over what the buffer holds; cells without dots stay as they are.
    pub(super) fn render(&self, buffer: &mut Buffer) {
        let width = usize::from(self.area.width).max(1);
        for (i, cell) in self.cells.iter().enumerate() {
            let symbol = match cell.mark {
                Some(mark) => mark,
                None if cell.dots == 0 => continue,
                None => char::from_u32(0x2800 + u32::from(cell.dots)).unwrap_or(' '),
            };
            let (x, y) = (self.area.x + (i % width) as u16, self.area.y + (i / width) as u16);
            if let Some(target) = buffer.cell_mut((x, y)) {
                target.set_char(symbol).set_style(cell.style);
            }
        }
    }
}

/// How a curve is drawn: its style, and its character where dots are whole cells.
#[derive(Clone, Copy)]
pub(super) struct Pen {
    pub(super) style: Style,
    pub(super) mark: char,
}
