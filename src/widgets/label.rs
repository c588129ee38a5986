//! Text put into a buffer by its width on screen, clipped to its rectangle.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::theme::{Glyph, Theme};

/// The cells a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text where it fits, else its beginning and an ellipsis.
pub fn clip(text: &str, cells: usize, theme: &Theme) -> String {
    if text.width() <= cells {
        return text.to_owned();
    }
    let Some(room) = cells.checked_sub(1) else { return String::new() };
    let mut clipped = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        clipped.push(c);
    }
    clipped.push(theme.glyph(Glyph::Ellipsis));
    clipped
}

/// The text with blanks after it, to a width.
pub fn pad_right(text: &str, cells: usize) -> String {
    let blanks = cells.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(blanks))
}

/// The text with blanks before it, to a width.
pub fn pad_left(text: &str, cells: usize) -> String {
    let blanks = cells.saturating_sub(text.width());
    format!("{}{text}", " ".repeat(blanks))
}

/// Puts a text at a place inside a rectangle, clipped at its right edge; answers the column after it.
/// A place outside the rectangle gets nothing.
pub fn put(buffer: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
    let area = area.intersection(buffer.area);
    if x < area.left() || x >= area.right() || y < area.top() || y >= area.bottom() {
        return x;
    }
    buffer.set_stringn(x, y, text, usize::from(area.right() - x), style).0
}

/// Puts a styled line into a row of a rectangle, from its left edge; answers the column after it.
pub fn put_line(buffer: &mut Buffer, area: Rect, row: u16, line: &Line<'_>) -> u16 {
    let (mut x, y) = (area.x, area.y.saturating_add(row));
    for span in &line.spans {
        x = put(buffer, area, x, y, &span.content, line.style.patch(span.style));
    }
    x
}

/// Puts a text at the right edge of a row; answers its first column.
pub fn put_right(buffer: &mut Buffer, area: Rect, row: u16, text: &str, style: Style) -> u16 {
    let cells = text.width().min(usize::from(area.width)) as u16;
    let x = area.right() - cells;
    put(buffer, area, x, area.y.saturating_add(row), text, style);
    x
}

/// Puts a text into the middle of a row.
pub fn put_centered(buffer: &mut Buffer, area: Rect, row: u16, text: &str, style: Style) {
    let cells = text.width().min(usize::from(area.width)) as u16;
    put(buffer, area, area.x + (area.width - cells) / 2, area.y.saturating_add(row), text, style);
}

/// Draws a title with a rule after it into the first row, and answers what is left below.
pub fn block_title(buffer: &mut Buffer, area: Rect, title: &str, style: Style, theme: &Theme) -> Rect {
    if area.height == 0 {
        return area;
    }
    let rule: String = theme.glyph(Glyph::Horizontal).to_string().repeat(usize::from(area.width));
    put(buffer, area, area.x, area.y, &rule, theme.axis());
    let title = clip(title, usize::from(area.width).saturating_sub(1), theme);
    let end = put(buffer, area, area.x, area.y, &title, style);
    put(buffer, area, end, area.y, " ", Style::new());
    Rect { y: area.y + 1, height: area.height - 1, ..area }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_counts_cells_not_characters() {
        let theme = Theme::default();
        assert_eq!(clip("層層層層", 5, &theme), "層層…");
        assert_eq!(clip("plain", 5, &theme), "plain");
        assert_eq!(clip("plain", 0, &theme), "");
        assert_eq!(pad_left("層", 4), "  層");
    }

    #[test]
    fn nothing_is_put_outside() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        let area = Rect::new(0, 0, 9, 9);
        assert_eq!(put(&mut buffer, area, 2, 0, "abc", Style::new()), 4);
        assert_eq!(put(&mut buffer, area, 2, 5, "abc", Style::new()), 2);
        assert_eq!(buffer, Buffer::with_lines(["  ab"]));
    }
}
