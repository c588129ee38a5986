//! A chart's axes with their numbers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Layout, LineChart, Rows, column_of};
use crate::theme::{Glyph, Theme};
use crate::widgets::{Axis, label, short};

impl LineChart<'_> {
    /// Draws lines, ticks and numbers around the plot, and the line of the reference in it.
    pub(super) fn render_axes(&self, layout: &Layout, y: Axis, buffer: &mut Buffer, theme: &Theme) {
        let plot = layout.plot;
        if layout.labels > 0 {
            let line = plot.x - 1;
            let (vertical, tick) = (theme.glyph(Glyph::Vertical), theme.glyph(Glyph::TickLeft));
            for row in plot.top()..plot.bottom() {
                label::put(buffer, buffer.area, line, row, &vertical.to_string(), theme.axis());
            }
            for (row, text) in tick_labels(y, plot.height) {
                let column =
                    Rect { x: line + 1 - layout.labels, y: plot.y + row, width: layout.labels, height: 1 };
                let text = label::pad_left(&text, usize::from(layout.labels) - 1);
                label::put(buffer, column, column.x, column.y, &text, theme.muted());
                label::put(buffer, buffer.area, line, column.y, &tick.to_string(), theme.axis());
            }
        }
        if let Some(place) = self.reference.and_then(|value| y.position(value)) {
            let row = plot.y + row_of(place, plot.height);
            let line = theme.glyph(Glyph::Ahead).to_string().repeat(plot.width.into());
            label::put(buffer, plot, plot.x, row, &line, theme.axis());
        }
        let Some(axis_row) = layout.axis else { return };
        let rule: String = theme.glyph(Glyph::Horizontal).to_string().repeat(usize::from(plot.width));
        label::put(buffer, plot_row(plot, axis_row), plot.x, axis_row, &rule, theme.axis());
        if layout.labels > 0 {
            label::put(
                buffer,
                buffer.area,
                plot.x - 1,
                axis_row,
                &theme.glyph(Glyph::Corner).to_string(),
                theme.axis(),
            );
        }
        if let Some(row) = layout.ticks {
            self.render_x_ticks(plot, axis_row, row, buffer, theme);
        }
    }

    fn render_x_ticks(&self, plot: Rect, axis_row: u16, row: u16, buffer: &mut Buffer, theme: &Theme) {
        let area = plot_row(plot, row);
        let end = label::put_right(buffer, area, 0, self.x_name, theme.muted());
        // Counts, such as steps, have no values in between.
        let counts =
            self.series.iter().flat_map(|series| series.buckets).all(|bucket| bucket.x.fract() == 0.0);
        let ticks = self.x.ticks(usize::from(plot.width / 10).max(1));
        let mut free_from = plot.x;
        for tick in ticks.into_iter().filter(|tick| !counts || tick.fract() == 0.0) {
            let Some(column) = self.x.position(tick).map(|place| column_of(place, plot.width)) else {
                continue;
            };
            let column = plot.x + column;
            let text = short(tick);
            let start = column.saturating_sub(text.len() as u16 / 2).max(plot.x);
            let tick_glyph = theme.glyph(Glyph::TickBelow).to_string();
            label::put(buffer, plot_row(plot, axis_row), column, axis_row, &tick_glyph, theme.axis());
            if start >= free_from && start + (text.len() as u16) < end {
                free_from = label::put(buffer, area, start, row, &text, theme.muted()) + 1;
            }
        }
    }
}

/// The row of cells, from the plot's top, of a place on the vertical axis.
fn row_of(place: f64, cells: u16) -> u16 {
    Rows { cells, dots: 1 }.of(place) as u16
}

/// A row of the screen below or in the plot.
pub(super) fn plot_row(plot: Rect, row: u16) -> Rect {
    Rect { y: row, height: 1, ..plot }
}

/// The vertical axis' numbers by their rows.
pub(super) fn tick_labels(y: Axis, rows: u16) -> Vec<(u16, String)> {
    if rows == 0 {
        return Vec::new();
    }
    let mut labels: Vec<(u16, String)> = Vec::new();
    for tick in y.ticks(usize::from(rows.div_ceil(2)).clamp(2, 10)) {
        let Some(place) = y.position(tick) else { continue };
        let (row, text) = (row_of(place, rows), short(tick));
        let apart = if rows > 4 { 2 } else { 1 };
        // Where values hardly differ, several numbers may be the same in short.
        if labels.iter().all(|(taken, other)| taken.abs_diff(row) >= apart && *other != text) {
            labels.push((row, text));
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_numbers_on_an_axis_are_the_same() {
        for (low, high) in [(2.402_585, 2.402_586), (0.5, 0.5), (123_456.0, 123_457.0), (0.0, 3.0)] {
            let labels = tick_labels(Axis::new(low, high, false), 20);
            let mut texts: Vec<&String> = labels.iter().map(|(_, text)| text).collect();
            texts.sort();
            texts.dedup();
            assert!(!labels.is_empty() && texts.len() == labels.len(), "{labels:?}");
        }
    }
}
