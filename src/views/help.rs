//! The help, generated from the table of keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::bindings::{BINDINGS, Binding, Group};
use crate::theme::Theme;
use crate::widgets::{Popup, pad_right};

/// A binding's keys, in ASCII where the theme keeps to it.
pub(super) fn label(binding: &Binding, theme: &Theme) -> String {
    if !theme.is_ascii() {
        return binding.label.to_owned();
    }
    match binding.label {
        "←→" => "Left Right".to_owned(),
        "↑↓" => "Up Down".to_owned(),
        label => label.to_owned(),
    }
}

/// Draws the help over an area, from a line on.
pub(super) fn draw(scroll: usize, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let lines = lines(theme);
    let room = usize::from(area.height.saturating_sub(2));
    let scroll = scroll.min(lines.len().saturating_sub(room));
    let title =
        if lines.len() > room { "Keys (wheel or arrows scroll, ? closes)" } else { "Keys (? closes)" };
    Popup { title, lines: &lines, scroll }.render(area, buffer, theme);
}

fn lines(theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for group in Group::ALL {
        lines.push(Line::styled(group.title(), theme.heading()));
        for binding in BINDINGS.iter().filter(|binding| binding.group == group) {
            lines.push(Line::from(vec![
                Span::styled(format!("  {} ", pad_right(&label(binding, theme), 10)), theme.accent()),
                Span::styled(binding.what, theme.text()),
            ]));
        }
    }
    lines
}
