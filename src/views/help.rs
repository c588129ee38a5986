//! The help: the keys in force, under headings.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::bindings::{Binding, Group};
use crate::theme::Theme;
use crate::widgets::{Popup, Rows, pad_right};

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

/// A row of the help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its heading.
    pub(super) group: Group,
    /// The keys.
    pub(super) label: String,
    /// What they do.
    pub(super) what: &'static str,
}

/// Draws the help over an area, scrolled to a line, and returns where its lines are; `more` is shown below the keys, and
/// `ways` says which keys lead out of it.
pub(super) fn draw(
    rows: &[Row],
    ways: &str,
    more: Vec<Line<'static>>,
    scroll: usize,
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) -> Rows {
    let mut lines = lines(rows, theme);
    lines.extend(more);
    let room = usize::from(area.height.saturating_sub(2));
    let scroll = scroll.min(lines.len().saturating_sub(room));
    let scrolls = if lines.len() > room { "wheel or arrows scroll, " } else { "" };
    let title = format!("Keys ({scrolls}{ways})");
    Popup { title: &title, lines: &lines, scroll }.render(area, buffer, theme)
}

fn lines(rows: &[Row], theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for group in Group::ALL {
        let mut of_group = rows.iter().filter(|row| row.group == group).peekable();
        if of_group.peek().is_some() {
            lines.push(Line::styled(group.title(), theme.heading()));
        }
        for row in of_group {
            lines.push(Line::from(vec![
                Span::styled(format!("  {} ", pad_right(&row.label, 10)), theme.accent()),
                Span::styled(row.what, theme.text()),
            ]));
        }
    }
    lines
}
