//! The health rules with their verdicts on each lane at the cursor, including good ones, and which could not judge.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::{chrome, lanes};
use crate::app::health::{RULES, RuleEntry};
use crate::app::{App, Lane};
use crate::theme::{Glyph, Theme};
use crate::views::wrap::wrap;
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

/// The rows for all rules that can judge.
pub(super) fn height(app: &App) -> u16 {
    judging(app).len() as u16 + 2
}

/// The rules that can judge at least one visible lane, as far as known.
pub(super) fn judging(app: &App) -> Vec<&'static RuleEntry> {
    let unknown = app.visible_lanes().next().is_none();
    let can = |rule: &&RuleEntry| unknown || app.visible_lanes().any(|lane| rule.lacks(lane).is_none());
    RULES.iter().copied().filter(can).collect()
}

/// The most lines about rules that could not judge, in a whole line's width and in less.
const UNJUDGED: [usize; 2] = [2, 3];
/// The width of a whole line.
const WHOLE: usize = 78;
/// The most lanes that are named there.
const NAMED: usize = 2;

/// Which rules could not judge which lanes, and what they need, as lines of a width; empty if all could.
pub(super) fn unjudged(app: &App, cells: usize, theme: &Theme) -> Vec<String> {
    let visible: Vec<&Lane> = app.visible_lanes().collect();
    // Rules that lack the same in the same lanes share one pair of brackets.
    let mut groups: Vec<(String, Vec<String>, Vec<String>)> = Vec::new();
    for rule in RULES {
        let mut lacks: Vec<(String, Vec<String>)> = Vec::new();
        for lane in &visible {
            let Some(what) = rule.lacks(lane) else { continue };
            let name = lanes::name(app, lane);
            match lacks.iter_mut().find(|(other, _)| *other == what) {
                Some((_, names)) => names.push(name),
                None => lacks.push((what, vec![name])),
            }
        }
        for (what, names) in lacks {
            match groups.iter_mut().find(|(other, others, _)| *other == what && *others == names) {
                Some((.., rules)) => rules.push(rule.title()),
                None => groups.push((what, names, vec![rule.title()])),
            }
        }
    }
    let told = groups.iter().map(|(what, names, rules)| {
        let place = match names.len() {
            all if all == visible.len() => String::new(),
            0..=NAMED => format!(" in {}", names.join(" and ")),
            many => format!(" in {many} lanes"),
        };
        let verb = if rules.len() == 1 { "needs" } else { "need" };
        format!("{}{place} ({verb} {what})", rules.join(", "))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        return Vec::new();
    }
    let mut lines = wrap(&format!("could not judge: {}", told.join("; ")), cells);
    let most = UNJUDGED[usize::from(cells < WHOLE)];
    if lines.len() > most {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(widgets::clip(&rest, cells, theme));
    }
    lines
}

/// Writes [`unjudged`] into the first rows of an area, after a blank one, if there is room for all of it.
pub(super) fn render_unjudged(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let lines = unjudged(app, usize::from(area.width), theme);
    if lines.len() >= usize::from(area.height) {
        return;
    }
    for (row, line) in lines.iter().enumerate() {
        widgets::put(buffer, area, area.x, area.y + 1 + row as u16, line, theme.muted());
    }
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
    let rows: Vec<Vec<(String, Style)>> = judging(app)
        .iter()
        .map(|rule| {
            let mut row = vec![(rule.title(), theme.text())];
            row.extend(shown.iter().map(|lane| state(app, lane, rule, theme)));
            row
        })
        .collect();
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    Table { columns: &columns, rows: &rows, selected: None }.render(body, buffer, theme);
    let used = (rows.len() as u16 + 1).min(body.height);
    let below = Rect { y: body.y + used, height: body.height - used, ..body };
    render_unjudged(app, below, buffer, theme);
}

/// The verdict of a rule on a lane at the cursor.
fn state(app: &App, lane: &Lane, rule: &RuleEntry, theme: &Theme) -> (String, Style) {
    let open = lane.health().open_at(app.step()).find(|finding| finding.rule == rule.name);
    match open {
        Some(finding) => {
            let (mark, style) = chrome::severity(finding.severity, theme);
            (format!("{mark} since {}", finding.step), style)
        }
        // For a diverged lane nothing is shown as good.
        None if lane.started().is_none() || lane.diverged_since(app.step()).is_some() => {
            ("-".to_owned(), theme.muted())
        }
        None if rule.lacks(lane).is_some() => ("-".to_owned(), theme.muted()),
        None => (format!("{} fine", theme.glyph(Glyph::Check)), theme.good()),
    }
}
