//! What the health rules found, what the selected finding means, and whether two lanes may be compared.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Span;

use super::{Key, View, frame, lanes};
use crate::app::health::{Finding, RULES};
use crate::app::{Action, App, ViewKind};
use crate::text::printable;
use crate::theme::Theme;
use crate::widgets::{self, Column, Table};

mod fairness;
mod rules;
mod wrap;

use wrap::wrap;

/// See the file.
#[derive(Debug)]
pub(super) struct Findings;

/// From this width on, the fairness of two lanes stands beside the findings.
const LEAST_TWO_COLUMNS: u16 = 110;

impl View for Findings {
    fn kind(&self) -> ViewKind {
        ViewKind::Findings
    }

    fn title(&self) -> &'static str {
        "what the health rules found, and whether the lanes may be compared"
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Up, Key::Char('n'), Key::Left]
    }

    fn vertical(&self, by: i64) -> Action {
        if by < 0 { Action::SelectPreviousFinding } else { Action::SelectNextFinding }
    }

    fn render(&self, app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let parts = parts(app, area);
        let findings = app.findings();
        if findings.is_empty() {
            draw_nothing_found(app, parts.list, buffer, theme);
        } else {
            with_table(app, &findings, parts.list.width, theme, |table| {
                table.render(parts.list, buffer, theme)
            });
        }
        if let Some(selected) = app.selected_finding().and_then(|at| findings.get(at)) {
            draw_detail(app, selected, parts.detail, buffer, theme);
        }
        rules::render(app, parts.rules, buffer, theme);
        fairness::render(app, parts.fairness, buffer, theme);
    }

    fn click(&self, app: &App, area: Rect, position: Position) -> Vec<Action> {
        let list = parts(app, area).list;
        let mut row = None;
        if list.contains(position) {
            let findings = app.findings();
            with_table(app, &findings, list.width, &Theme::default(), |table| {
                row = table.row_at(list, position.y);
            });
        }
        row.map(Action::SelectFinding).into_iter().collect()
    }
}

/// Where everything stands.
struct Parts {
    list: Rect,
    detail: Rect,
    /// What is left for the rules; may be empty.
    rules: Rect,
    fairness: Rect,
}

fn parts(app: &App, area: Rect) -> Parts {
    let listed = (app.findings().len().max(2) + 1) as u16;
    let rows = |area: Rect, list: u16, detail: u16| {
        let list = Rect { height: list.min(area.height), ..area };
        let below = Rect { y: list.bottom(), height: area.height - list.height, ..area };
        let detail = Rect { height: detail.min(below.height), ..below };
        let rest = Rect { y: detail.bottom(), height: below.height - detail.height, ..area };
        (list, detail, rest)
    };
    if area.width >= LEAST_TWO_COLUMNS && app.pair().is_some() {
        let width = area.width * 11 / 20;
        let left = Rect { width: width - 1, ..area };
        let detail = (area.height / 4).clamp(6, 9);
        let (list, detail, rules) = rows(left, listed.min(area.height.saturating_sub(detail)), detail);
        return Parts {
            list,
            detail,
            rules,
            fairness: Rect { x: area.x + width + 1, width: area.width - width - 1, ..area },
        };
    }
    let fairness = fairness::height(app, area.height);
    let above = area.height - fairness;
    let detail = (above / 2).min(7);
    let (list, detail, fairness) = rows(area, above - detail, detail);
    let rules = Rect { height: 0, ..area };
    Parts { list, detail, rules, fairness }
}

/// That all is well is worth saying, and what was looked for.
fn draw_nothing_found(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let started = app.visible_lanes().any(|lane| lane.started().is_some());
    let (text, style) = if started {
        ("no findings so far", theme.good())
    } else {
        ("no lane has started yet", theme.muted())
    };
    widgets::put(buffer, area, area.x, area.y, text, style);
    let rules: Vec<String> = RULES.iter().map(|rule| rule.name.replace('_', " ")).collect();
    let text = format!("{} rules are watching: {}", rules.len(), rules.join(", "));
    for (row, line) in wrap(&text, usize::from(area.width)).iter().enumerate() {
        widgets::put(buffer, area, area.x, area.y + 1 + row as u16, line, theme.muted());
    }
}

/// The list as a table, the selected finding marked. What was measured takes what the others leave.
fn with_table(app: &App, findings: &[&Finding], width: u16, theme: &Theme, then: impl FnOnce(Table<'_>)) {
    let titles = ["step", "lane", "finding", "until", "layer", "measured"];
    let least_width = [0, 0, 0, 56, 76, 0];
    let shown: Vec<usize> = (0..titles.len()).filter(|at| width >= least_width[*at]).collect();
    let column = |at: &usize| Column { title: titles[*at], right: titles[*at] == "step", dispensable: 0 };
    let columns: Vec<Column<'_>> = shown.iter().map(column).collect();
    let pick = |row: Vec<(String, Style)>| shown.iter().map(|at| row[*at].clone()).collect();
    let rows: Vec<Vec<(String, Style)>> =
        findings.iter().map(|finding| pick(row(app, finding, theme))).collect();
    then(Table { columns: &columns, rows: &rows, selected: app.selected_finding() });
}

fn row(app: &App, finding: &Finding, theme: &Theme) -> Vec<(String, Style)> {
    let (mark, style) = frame::severity(finding.severity, theme);
    // What lies ahead of the cursor is faded, what is over is plain.
    let ahead = finding.step > app.step();
    let plain = if ahead { theme.muted() } else { theme.text() };
    let open = finding.is_open_at(app.step());
    let (name, lane_style) = match app.lane(finding.lane) {
        Some(lane) => (lanes::name(app, lane), lanes::style(lane, theme)),
        None => (String::new(), plain),
    };
    vec![
        (finding.step.to_string(), plain),
        (name, if ahead { plain } else { lane_style }),
        (format!("{mark} {}", finding.rule.replace('_', " ")), if open { style } else { plain }),
        (finding.cleared_at.map_or("open".to_owned(), |step| step.to_string()), plain),
        (layer_name(app, finding).unwrap_or_default(), plain),
        (finding.message.clone(), plain),
    ]
}

fn layer_name(app: &App, finding: &Finding) -> Option<String> {
    let layer = app.lane(finding.lane)?.topology()?.layers.get(finding.layer?.0)?;
    Some(printable(&layer.name))
}

/// The selected finding in words.
fn draw_detail(app: &App, finding: &Finding, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    if area.height < 2 {
        return;
    }
    let (mark, style) = frame::severity(finding.severity, theme);
    let mut spans = vec![Span::styled(format!("{mark} {} ", finding.rule.replace('_', " ")), style)];
    if let Some(lane) = app.lane(finding.lane) {
        spans.push(Span::styled("in ", theme.muted()));
        spans.push(Span::styled(format!("{} ", lanes::name(app, lane)), lanes::style(lane, theme)));
    }
    let until = finding.cleared_at.map_or("still there".to_owned(), |step| format!("gone at step {step}"));
    spans.push(Span::styled(format!("from step {}, {until} ", finding.step), theme.muted()));
    lanes::title(buffer, area, spans, theme);
    let width = usize::from(area.width);
    let message = wrap(&finding.message, width).into_iter().map(|line| (line, theme.heading()));
    let meaning = wrap(finding.meaning, width).into_iter().map(|line| (line, theme.text()));
    for (row, (line, style)) in message.chain(meaning).enumerate() {
        widgets::put(buffer, area, area.x, area.y + 1 + row as u16, &line, style);
    }
}
