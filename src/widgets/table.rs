//! Rows of text under headings, scrolled so that the selected row is visible.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Rows, label};
use crate::theme::{Glyph, Theme};

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    /// Its heading.
    pub title: &'a str,
    /// Whether it is right-aligned, as for numbers.
    pub right: bool,
    /// How soon it is left out if the table is too wide: columns with the highest number first.
    pub dispensable: u8,
}

/// A table; the last column takes the width that is left.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    /// The columns.
    pub columns: &'a [Column<'a>],
    /// The rows, each with a text and style per column.
    pub rows: &'a [Vec<(String, Style)>],
    /// The row that is marked and kept visible.
    pub selected: Option<usize>,
}

impl Table<'_> {
    /// Draws headings and rows, and returns where the rows are.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Rows {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return Rows { area, first: 0, len: 0 };
        }
        let widths = self.widths(usize::from(area.width));
        let mut x = area.x;
        for (column, width) in self.columns.iter().zip(&widths) {
            if *width > 0 {
                x = put_cell(
                    buffer,
                    area,
                    (x, area.y),
                    column.title,
                    *width,
                    column.right,
                    theme.muted(),
                    theme,
                ) + 2;
            }
        }
        let height = usize::from(area.height - 1);
        let first = self.first_row(height);
        for (line, (index, row)) in self.rows.iter().enumerate().skip(first).take(height).enumerate() {
            let y = area.y + 1 + line as u16;
            let mut x = area.x;
            for ((column, width), (text, style)) in self.columns.iter().zip(&widths).zip(row) {
                if *width > 0 {
                    x = put_cell(buffer, area, (x, y), text, *width, column.right, *style, theme) + 2;
                }
            }
            if self.selected == Some(index) {
                buffer.set_style(Rect { y, height: 1, ..area }, theme.selected_row());
            }
        }
        self.render_more(area, first, height, buffer, theme);
        Rows { area: Rect { y: area.y + 1, height: area.height - 1, ..area }, first, len: self.rows.len() }
    }

    /// Arrows at the right edge if rows are hidden.
    fn render_more(&self, area: Rect, first: usize, height: usize, buffer: &mut Buffer, theme: &Theme) {
        let x = area.right() - 1;
        if first > 0 {
            label::put(buffer, area, x, area.y + 1, &theme.glyph(Glyph::ArrowUp).to_string(), theme.muted());
        }
        if first + height < self.rows.len() && height > 0 {
            let arrow = theme.glyph(Glyph::ArrowDown).to_string();
            label::put(buffer, area, x, area.bottom() - 1, &arrow, theme.muted());
        }
    }

    /// The first visible row: the selected one is in the middle where possible.
    fn first_row(&self, height: usize) -> usize {
        let most = self.rows.len().saturating_sub(height);
        self.selected.unwrap_or(0).saturating_sub(height / 2).min(most)
    }

    /// Every column's width, 0 for those left out.
    fn widths(&self, room: usize) -> Vec<usize> {
        let natural = |(i, column): (usize, &Column<'_>)| {
            let cells = self.rows.iter().filter_map(|row| row.get(i)).map(|(text, _)| label::width(text));
            cells.max().unwrap_or(0).max(label::width(column.title))
        };
        let mut widths: Vec<usize> = self.columns.iter().enumerate().map(natural).collect();
        let total = |widths: &[usize]| {
            widths.iter().filter(|w| **w > 0).map(|w| w + 2).sum::<usize>().saturating_sub(2)
        };
        let mut order: Vec<usize> = (0..widths.len()).filter(|i| self.columns[*i].dispensable > 0).collect();
        order.sort_by_key(|i| std::cmp::Reverse(self.columns[*i].dispensable));
        for i in order {
            if total(&widths) > room {
                widths[i] = 0;
            }
        }
        let over = total(&widths).saturating_sub(room);
        if let Some(last) = widths.iter_mut().rfind(|w| **w > 0) {
            *last = last.saturating_sub(over).max(1);
        }
        widths
    }
}

#[expect(clippy::too_many_arguments, reason = "a place, a text and how it stands there; used twice, here")]
fn put_cell(
    buffer: &mut Buffer,
    area: Rect,
    (x, y): (u16, u16),
    text: &str,
    width: usize,
    right: bool,
    style: Style,
    theme: &Theme,
) -> u16 {
    let text = label::clip(text, width, theme);
    let text = if right { label::pad_left(&text, width) } else { label::pad_right(&text, width) };
    label::put(buffer, area, x, y, &text, style)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> Vec<Vec<(String, Style)>> {
        let cell = |text: String| (text, Style::new());
        (0..count)
            .map(|i| vec![cell(i.to_string()), cell(format!("name {i}")), cell("because".into())])
            .collect()
    }

    const COLUMNS: [Column<'static>; 3] = [
        Column { title: "#", right: true, dispensable: 0 },
        Column { title: "name", right: false, dispensable: 0 },
        Column { title: "reason", right: false, dispensable: 1 },
    ];

    fn lines(table: &Table<'_>, width: u16, height: u16) -> Vec<String> {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        table.render(buffer.area, &mut buffer, &Theme::default());
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(row).collect()
    }

    #[test]
    fn the_selected_row_is_kept_in_sight() {
        let rows = rows(50);
        let table = Table { columns: &COLUMNS, rows: &rows, selected: Some(30) };
        let lines = lines(&table, 40, 6);
        assert!(lines.iter().any(|line| line.contains("name 30")), "{lines:#?}");
        let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 6));
        let rows = table.render(buffer.area, &mut buffer, &Theme::default());
        assert_eq!([0, 1, 5, 6].map(|y| rows.row_at(y)), [None, Some(28), Some(32), None]);
    }

    #[test]
    fn a_column_that_does_not_fit_is_left_out() {
        let rows = rows(2);
        let table = Table { columns: &COLUMNS, rows: &rows, selected: None };
        assert_eq!(lines(&table, 30, 3), ["#  name    reason", "0  name 0  because", "1  name 1  because"]);
        assert_eq!(lines(&table, 12, 2), ["#  name", "0  name 0  ↓"]);
    }
}
