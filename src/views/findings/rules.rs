//! Every health rule with what it says of each lane at the cursor: also what is well is worth seeing.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::{frame, lanes};
use crate::app::health::RULES;
use crate::app::{App, Lane};
use crate::theme::{Glyph, Theme};
use crate::widgets::{Column, Table};

/// Draws a row a rule and a column a lane, where there is room for more than a few rows.
pub(super) fn render(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    if area.height < 6 {
        return;
    }
    lanes::title(buffer, area, vec![Span::styled("what is watched ", theme.heading())], theme);
    let shown: Vec<&Lane> = app.visible_lanes().collect();
    let names: Vec<String> = shown.iter().map(|lane| lanes::name(app, lane)).collect();
    let mut columns = vec![Column { title: "rule", right: false, dispensable: 0 }];
    columns.extend(names.iter().map(|name| Column { title: name, right: false, dispensable: 0 }));
    let rows: Vec<Vec<(String, Style)>> = RULES
        .iter()
        .map(|rule| {
            let mut row = vec![(rule.name.replace('_', " "), theme.text())];
            row.extend(shown.iter().map(|lane| state(app, lane, rule.name, theme)));
            row
        })
        .collect();
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    Table { columns: &columns, rows: &rows, selected: None }.render(body, buffer, theme);
}

/// What a rule says of a lane at the cursor.
fn state(app: &App, lane: &Lane, rule: &str, theme: &Theme) -> (String, Style) {
    let open = lane.health().open_at(app.step()).find(|finding| finding.rule == rule);
    match open {
        Some(finding) => {
            let (mark, style) = frame::severity(finding.severity, theme);
            (format!("{mark} since step {}", finding.step), style)
        }
        None if lane.started().is_none() => ("-".to_owned(), theme.muted()),
        None => (format!("{} fine", theme.glyph(Glyph::Check)), theme.good()),
    }
}
