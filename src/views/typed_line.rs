//! A line that is being typed, in the browser and in dialogs.

use ratatui::text::Span;

use crate::printable::printable;
use crate::runs_list::Line;
use crate::theme::{Glyph, Theme};
use crate::widgets::{self, clip};

/// The line within a width in cells, scrolled so that its cursor is visible.
pub(super) fn typed_line(line: &Line, room: usize, theme: &Theme) -> [Span<'static>; 3] {
    let (before, after) = line.halves();
    let before = printable(before);
    let seen = widgets::ending(&before, room.saturating_sub(1));
    let after = clip(&printable(after), room.saturating_sub(widgets::width(seen) + 1), theme);
    let caret = theme.glyph(Glyph::Caret).to_string();
    [
        Span::styled(seen.to_owned(), theme.heading()),
        Span::styled(caret, theme.cursor()),
        Span::styled(after, theme.heading()),
    ]
}
