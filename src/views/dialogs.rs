//! The dialogs over a view that ask for no order: the step to go to, and the question before leaving.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::App;
use crate::theme::Theme;
use crate::widgets::Popup;

/// Asks for the step to go to; `digits` were typed so far.
pub(super) fn draw_go_to(app: &App, digits: &str, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let lines = [
        Line::from(vec![
            Span::styled("step ", theme.muted()),
            Span::styled(digits.to_owned(), theme.heading()),
            Span::styled(if theme.is_ascii() { "_" } else { "▏" }, theme.cursor()),
        ]),
        Line::styled(format!("0 to {}   Enter goes, Esc closes", app.last_step()), theme.muted()),
    ];
    Popup { title: "Go to", lines: &lines, scroll: 0 }.render(area, buffer, theme);
}

/// Asks whether training is to go on without the dashboard; `leaving` says how it would.
pub(super) fn draw_leaving(leaving: &str, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let choice = |key: &'static str, what: &str| {
        Line::from(vec![
            Span::styled(format!("  {key:<5}"), theme.accent()),
            Span::styled(what.to_owned(), theme.text()),
        ])
    };
    let lines = [
        Line::styled("Training is still running.", theme.text()),
        Line::from(""),
        choice("d", leaving),
        choice("s", "stop training, save, and quit"),
        choice("Esc", "back to the dashboard"),
    ];
    Popup { title: "Quit?", lines: &lines, scroll: 0 }.render(area, buffer, theme);
}
