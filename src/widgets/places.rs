//! Where widgets have drawn what: drawing returns it, so a mouse is answered from the layout on the screen.

use ratatui::layout::{Position, Rect};

use super::Axis;
use super::strip::share;

/// The plot of a chart.
#[derive(Clone, Copy, Debug)]
pub struct Plot {
    /// Its cells, without labels; may be empty.
    pub area: Rect,
    /// Its horizontal axis.
    pub x: Axis,
    /// Its vertical axis.
    pub y: Axis,
}

impl Plot {
    /// The value of the horizontal axis in the middle of a column of the screen; none outside of the plot.
    pub fn x_at(self, column: u16) -> Option<f64> {
        let offset = column.checked_sub(self.area.x).filter(|offset| *offset < self.area.width)?;
        Some(self.x.value((f64::from(offset) + 0.5) / f64::from(self.area.width)))
    }

    /// The place on the vertical axis in the middle of a row of the screen, from 0 at the bottom to 1 at the top; none outside
    /// of the plot.
    pub fn share_at(self, row: u16) -> Option<f64> {
        let offset = row.checked_sub(self.area.y).filter(|offset| *offset < self.area.height)?;
        Some(1.0 - (f64::from(offset) + 0.5) / f64::from(self.area.height))
    }
}

/// The cells of a heatmap.
#[derive(Clone, Copy, Debug)]
pub struct Cells {
    /// Its cells on the screen, without labels; may be empty.
    pub area: Rect,
    /// The number of its rows.
    pub(super) rows: usize,
    /// The ends of its horizontal axis.
    pub(super) x: (f64, f64),
}

impl Cells {
    /// The row, and the value of the horizontal axis, at a position on the screen.
    pub fn at(self, position: Position) -> Option<(usize, f64)> {
        if !self.area.contains(position) || self.rows == 0 {
            return None;
        }
        let line = usize::from(position.y - self.area.y);
        let (from, to) = share(line, self.rows, usize::from(self.area.height));
        let place = (f64::from(position.x - self.area.x) + 0.5) / f64::from(self.area.width);
        Some((usize::midpoint(from, to - 1), self.x.0 + place * (self.x.1 - self.x.0)))
    }
}

/// The items of a strip, spread over its width.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// Its cells; may be empty.
    pub area: Rect,
    /// The number of its items.
    pub(super) items: usize,
}

impl Spread {
    /// The first item under a column of the screen.
    pub fn item_at(self, column: u16) -> Option<usize> {
        let offset = column.checked_sub(self.area.x).filter(|offset| *offset < self.area.width)?;
        (self.items > 0).then(|| share(offset.into(), self.items, self.area.width.into()).0)
    }
}

/// The rows of a table.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// The cells of the rows, without the headings; may be empty.
    pub area: Rect,
    /// The first visible row.
    pub(super) first: usize,
    /// The number of rows.
    pub(super) len: usize,
}

impl Rows {
    /// The row under a row of the screen.
    pub fn row_at(self, y: u16) -> Option<usize> {
        let line = y.checked_sub(self.area.y).filter(|line| *line < self.area.height)?;
        Some(self.first + usize::from(line)).filter(|row| *row < self.len)
    }
}
