//! Every health rule with its verdict on each lane at the cursor, including good ones.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::{chrome, lanes};
use crate::app::health::RULES;
use crate::app::{App, Lane};
use crate::theme::{Glyph, Theme};
use crate::widgets::{self, Column, Table};

/// The width of the rules' names with the gap after them.
const RULE: u16 = 20;
/// The width of a lane's column with the gap after it: room for its name and for `▲ since 600`.
fn lane_width(app: &App) -> u16 {
    let longest = widgets::width(&format!("! since {}", app.last_step())) as u16;
    let names = app.visible_lanes().map(|lane| widgets::width(&lanes::name(app, lane)) as u16);
    names.max().unwrap_or(0).max(longest) + 2
}

/// The least width for all lanes.
pub(super) fn width(app: &App) -> u16 {
    RULE + lane_width(app).saturating_mul(app.visible_lanes().count() as u16)
}

/// The rows for all rules.
pub(super) fn height() -> u16 {
    RULES.len() as u16 + 2
}

/// Draws a row per rule and a column per lane, if there is room for more than a few rows.
pub(super) fn render(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    if area.height < 6 {
        return;
    }
    let room = area.width.saturating_sub(RULE) / lane_width(app);
    let shown: Vec<&Lane> = lanes::in_sight(app, usize::from(room).max(1));
    let all = app.visible_lanes().count();
    let sight = if shown.len() < all { format!("{} of {all} lanes ", shown.len()) } else { String::new() };
    let title = [Span::styled("health rules ", theme.heading()), Span::styled(sight, theme.muted())];
    lanes::title(buffer, area, title.to_vec(), theme);
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

/// The verdict of a rule on a lane at the cursor.
fn state(app: &App, lane: &Lane, rule: &str, theme: &Theme) -> (String, Style) {
    let open = lane.health().open_at(app.step()).find(|finding| finding.rule == rule);
    match open {
        Some(finding) => {
            let (mark, style) = chrome::severity(finding.severity, theme);
            (format!("{mark} since {}", finding.step), style)
        }
        // For a diverged lane nothing is shown as good.
        None if lane.started().is_none() || lane.diverged_since(app.step()).is_some() => {
            ("-".to_owned(), theme.muted())
        }
        None => (format!("{} fine", theme.glyph(Glyph::Check)), theme.good()),
    }
}
