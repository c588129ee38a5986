//! The help, generated from a table of keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::bindings::{Binding, Group};
use crate::theme::Theme;
use crate::widgets::{Popup, pad_right};

/// A binding's keys, in ASCII if the theme uses only that.
pub(super) fn label<C>(binding: &Binding<C>, theme: &Theme) -> String {
    if !theme.is_ascii() {
        return binding.label.to_owned();
    }
    match binding.label {
        "←→" => "Left Right".to_owned(),
        "↑↓" => "Up Down".to_owned(),
        label => label.to_owned(),
    }
}

/// Draws the help for a table of keys over an area, scrolled to a line; `more` is shown below the keys.
pub(super) fn draw<C>(
    bindings: &[Binding<C>],
    more: Vec<Line<'static>>,
    scroll: usize,
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) {
    let mut lines = lines(bindings, theme);
    lines.extend(more);
    let room = usize::from(area.height.saturating_sub(2));
    let scroll = scroll.min(lines.len().saturating_sub(room));
    let title =
        if lines.len() > room { "Keys (wheel or arrows scroll, ? closes)" } else { "Keys (? closes)" };
    Popup { title, lines: &lines, scroll }.render(area, buffer, theme);
}

fn lines<C>(bindings: &[Binding<C>], theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for group in Group::ALL {
        let mut of_group = bindings.iter().filter(|binding| binding.group == group).peekable();
        if of_group.peek().is_some() {
            lines.push(Line::styled(group.title(), theme.heading()));
        }
        for binding in of_group {
            lines.push(Line::from(vec![
                Span::styled(format!("  {} ", pad_right(&label(binding, theme), 10)), theme.accent()),
                Span::styled(binding.what, theme.text()),
            ]));
        }
    }
    lines
}
