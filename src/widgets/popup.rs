//! A framed box over the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Widget};

use super::{Rows, label};
use crate::theme::Theme;

/// Lines of text in a box in the middle.
#[derive(Clone, Debug)]
pub struct Popup<'a> {
    /// The title in the frame.
    pub title: &'a str,
    /// Its text.
    pub lines: &'a [Line<'a>],
    /// The first line shown.
    pub scroll: usize,
}

impl Popup<'_> {
    /// The box's place: as large as its text, within the area.
    fn place(&self, area: Rect) -> Rect {
        let longest = self.lines.iter().map(Line::width).max().unwrap_or(0).max(label::width(self.title) + 2);
        let width = area.width.min(u16::try_from(longest + 4).unwrap_or(u16::MAX));
        let height = area.height.min(u16::try_from(self.lines.len() + 2).unwrap_or(u16::MAX));
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
    }

    /// Draws it over the area's middle, and returns where its lines are.
    pub fn render(&self, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Rows {
        let place = self.place(area.intersection(buffer.area));
        if place.width < 3 || place.height < 3 {
            return Rows { area: Rect { height: 0, ..place }, first: 0, len: 0 };
        }
        Clear.render(place, buffer);
        let block = Block::bordered().border_set(theme.border()).border_style(theme.accent());
        let inner = block.inner(place);
        block.render(place, buffer);
        let title = label::clip(&format!(" {} ", self.title), usize::from(inner.width), theme);
        label::put(buffer, place, place.x + 1, place.y, &title, theme.heading());
        let text = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        for (row, line) in self.lines.iter().skip(self.scroll).take(usize::from(inner.height)).enumerate() {
            label::put_line(buffer, text, row as u16, line);
        }
        Rows { area: inner, first: self.scroll, len: self.lines.len() }
    }
}
