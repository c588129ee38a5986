//! What the health rules found, what the selected finding means, and whether two lanes may be compared.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::explain::words;
use super::wrap::wrap;
use super::{Command, Empty, Key, Scene, Topic, View, chrome, empty, lanes, told};
use crate::app::health::{Finding, RULES};
use crate::app::{Action, App, Chosen, ViewKind};
use crate::theme::Theme;
use crate::widgets::{self, Column, Table};

mod fairness;
mod rules;

/// The view of findings.
#[derive(Debug)]
pub(super) struct Findings;

/// The least width at which the fairness of two lanes is shown beside the rules.
const LEAST_TWO_COLUMNS: u16 = 110;
/// The width of fairness there: room for its checks and the values of two lanes.
const WIDTH_OF_FAIRNESS: u16 = 58;
/// The rows that describe the selected finding: a title, what was measured, and what it means.
const DETAIL: u16 = 6;
/// Below this width, what was measured is clipped in the list instead of wrapped.
const LEAST_MEASURED: usize = 24;

impl View for Findings {
    fn kind(&self) -> ViewKind {
        ViewKind { name: "findings", chooses: Chosen::OfLayers, draws_losses: false }
    }

    fn shows_finding(&self) -> bool {
        true
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

    fn vertical_name(&self) -> &'static str {
        "finding"
    }

    fn empty(&self, app: &App) -> Option<Empty> {
        empty::without_lanes(app)
    }

    fn told(&self, app: &App) -> Vec<String> {
        let findings = app.findings();
        let fairness = fairness::said(app);
        let none = findings.is_empty().then(|| "no findings so far".to_owned());
        let told = findings.iter().flat_map(|found| [told::finding(app, found), found.meaning.to_owned()]);
        let unjudged = rules::unjudged(app, usize::MAX, &Theme::default());
        none.into_iter().chain(told).chain(unjudged).chain(fairness).collect()
    }

    fn topics(&self, app: &App) -> Vec<Topic> {
        let findings = app.findings();
        let selected = app.selected_finding().and_then(|at| Topic::rule(findings.get(at)?.rule));
        let words = [
            &words::FINDING,
            &words::NOTE,
            &words::WARNING,
            &words::CRITICAL,
            &words::CANNOT_JUDGE,
            &words::FAIR,
        ];
        let rules = RULES.iter().map(|rule| Topic::Rule(rule));
        selected.into_iter().chain(words.map(Topic::Word)).chain(rules).collect()
    }

    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
        let Scene { buffer, hits, .. } = scene;
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let areas = areas(app, area);
        let findings = app.findings();
        let used = if findings.is_empty() {
            draw_nothing_found(app, areas.list, buffer, theme)
        } else {
            let list = List::of(app, &findings, areas.list.width, theme);
            let rows = list.table().render(areas.list, buffer, theme);
            let owners = list.owners.clone();
            hits.on(rows.area, move |_, position| {
                let finding = rows.row_at(position.y).and_then(|row| owners.get(row));
                finding.map(|at| Command::Act(Action::SelectFinding(*at))).into_iter().collect()
            });
            (list.rows.len() as u16).saturating_add(1)
        };
        if areas.rules.height == 0 {
            let used = used.min(areas.list.height);
            let below = Rect { y: areas.list.y + used, height: areas.list.height - used, ..areas.list };
            rules::render_unjudged(app, below, buffer, theme);
        }
        if let Some(selected) = app.selected_finding().and_then(|at| findings.get(at)) {
            draw_detail(app, selected, areas.detail, buffer, theme);
        }
        rules::render(app, areas.rules, buffer, theme);
        fairness::render(app, areas.fairness, buffer, theme);
    }
}

/// The layout.
struct Areas {
    list: Rect,
    detail: Rect,
    /// The remaining area for the rules; may be empty.
    rules: Rect,
    fairness: Rect,
}

fn areas(app: &App, area: Rect) -> Areas {
    let rows = |list: u16, detail: u16| {
        let list = Rect { height: list.min(area.height), ..area };
        let below = Rect { y: list.bottom(), height: area.height - list.height, ..area };
        let detail = Rect { height: detail.min(below.height), ..below };
        let rest = Rect { y: detail.bottom(), height: below.height - detail.height, ..area };
        (list, detail, rest)
    };
    if area.width >= LEAST_TWO_COLUMNS && app.pair().is_some() {
        let findings = app.findings();
        let listed = List::of(app, &findings, area.width, &Theme::default()).rows.len().max(2) as u16 + 1;
        let room = area.height.saturating_sub(DETAIL + rules::height(app));
        let (list, detail, rest) = rows(listed.min(room.max(area.height / 3).max(3)), DETAIL);
        let most = area.width - WIDTH_OF_FAIRNESS;
        let width = rules::width(app).clamp(most.min(area.width / 2), most);
        let x = rest.x + width + 2;
        let fairness = Rect { x, width: rest.right() - x, ..rest };
        return Areas { list, detail, rules: Rect { width, ..rest }, fairness };
    }
    let fairness = fairness::height(app, area.height);
    let above = area.height - fairness;
    let detail = (above / 2).min(7);
    let (list, detail, fairness) = rows(above - detail, detail);
    let rules = Rect { height: 0, ..area };
    Areas { list, detail, rules, fairness }
}

/// Without findings, say so, and what was checked; returns the rows that it takes.
fn draw_nothing_found(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) -> u16 {
    let started = app.visible_lanes().any(|lane| lane.started().is_some());
    let judging = rules::judging(app);
    let (text, style) = match (started, judging.is_empty()) {
        (false, _) => ("no lane has started yet", theme.muted()),
        (true, false) => ("no findings so far", theme.good()),
        (true, true) => ("no health rule can judge what is measured here", theme.muted()),
    };
    widgets::put(buffer, area, area.x, area.y, text, style);
    if judging.is_empty() {
        return 1;
    }
    let names: Vec<String> = judging.iter().map(|rule| rule.title()).collect();
    let text = format!("{} rules checked: {}", names.len(), names.join(", "));
    let lines = wrap(&text, usize::from(area.width));
    for (row, line) in lines.iter().enumerate() {
        widgets::put(buffer, area, area.x, area.y + 1 + row as u16, line, theme.muted());
    }
    lines.len() as u16 + 1
}

/// The findings as a table: what was measured takes the remaining width, and as many lines as it needs.
struct List {
    columns: Vec<Column<'static>>,
    rows: Vec<Vec<(String, Style)>>,
    /// The finding that each row belongs to.
    owners: Vec<usize>,
    selected: Option<usize>,
}

impl List {
    fn of(app: &App, findings: &[&Finding], width: u16, theme: &Theme) -> List {
        let titles = ["step", "lane", "finding", "until", "measured"];
        let shown: Vec<usize> =
            (0..titles.len()).filter(|at| width >= 56 || titles[*at] != "until").collect();
        let column = |at: &usize| Column { title: titles[*at], right: *at == 0, dispensable: 0 };
        let columns: Vec<Column<'_>> = shown.iter().map(column).collect();
        let pick =
            |row: Vec<(String, Style)>| -> Vec<_> { shown.iter().map(|at| row[*at].clone()).collect() };
        let whole: Vec<Vec<(String, Style)>> =
            findings.iter().map(|finding| pick(row(app, finding, theme))).collect();
        let last = shown.len() - 1;
        let widest = |at: usize| {
            let cells = whole.iter().map(|row| widgets::width(&row[at].0));
            cells.max().unwrap_or(0).max(widgets::width(columns[at].title))
        };
        // One cell is reserved for the scroll arrows.
        let room = usize::from(width).saturating_sub((0..last).map(|at| widest(at) + 2).sum::<usize>() + 1);
        let (mut rows, mut owners) = (Vec::new(), Vec::new());
        for (finding, mut row) in whole.into_iter().enumerate() {
            let (measured, style) = row[last].clone();
            let mut lines = wrap(&measured, room.max(1)).into_iter();
            if room >= LEAST_MEASURED
                && let Some(first) = lines.next()
            {
                row[last].0 = first;
                rows.push(row);
                let blank = || vec![(String::new(), style); last];
                rows.extend(lines.map(|line| blank().into_iter().chain([(line, style)]).collect()));
            } else {
                rows.push(row);
            }
            owners.resize(rows.len(), finding);
        }
        let selected = app.selected_finding().and_then(|at| owners.iter().position(|owner| *owner == at));
        List { columns, rows, owners, selected }
    }

    fn table(&self) -> Table<'_> {
        Table { columns: &self.columns, rows: &self.rows, selected: self.selected }
    }
}

fn row(app: &App, finding: &Finding, theme: &Theme) -> Vec<(String, Style)> {
    let (mark, style) = chrome::severity(finding.severity, theme);
    // Findings after the cursor are faded, closed ones plain.
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
        (finding.cleared_at.map_or("ongoing".to_owned(), |step| step.to_string()), plain),
        (finding.message.clone(), plain),
    ]
}

/// The description of the selected finding.
fn draw_detail(app: &App, finding: &Finding, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    if area.height < 2 {
        return;
    }
    let (mark, style) = chrome::severity(finding.severity, theme);
    let mut spans = vec![Span::styled(format!("{mark} {} ", finding.rule.replace('_', " ")), style)];
    if let Some(lane) = app.lane(finding.lane) {
        spans.push(Span::styled("in ", theme.muted()));
        spans.push(Span::styled(format!("{} ", lanes::name(app, lane)), lanes::style(lane, theme)));
    }
    let until = finding.cleared_at.map_or("ongoing".to_owned(), |step| format!("gone at step {step}"));
    spans.push(Span::styled(format!("from step {}, {until} ", finding.step), theme.muted()));
    lanes::title(buffer, area, spans, theme);
    let width = usize::from(area.width);
    let message = wrap(&finding.message, width).into_iter().map(|line| (line, theme.heading()));
    let meaning = wrap(finding.meaning, width).into_iter().map(|line| (line, theme.text()));
    for (row, (line, style)) in message.chain(meaning).enumerate() {
        widgets::put(buffer, area, area.x, area.y + 1 + row as u16, &line, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen::{self, Specimen};
    use crate::views::{Format, snapshot};

    /// Eight lanes, of which the plain ones have a plateau.
    fn eight() -> App {
        let lanes = [8, 20, 44, 56].into_iter().flat_map(|depth| {
            let of = |kind: &str, shortcut| Specimen {
                steps: 600,
                ..Specimen::new(&format!("{kind}-{depth}"), depth, shortcut)
            };
            [of("plain", "none"), of("residual", "identity")]
        });
        let mut app = specimen::app_of(&lanes.collect::<Vec<_>>());
        app.act(Action::SelectView(Findings.kind()));
        app
    }

    #[test]
    fn nothing_that_was_measured_is_cut() {
        let app = eight();
        assert!(app.findings().len() > 2);
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for width in [80, 120, 200] {
            let findings = app.findings();
            let list = List::of(&app, &findings, width, &Theme::default());
            for (at, finding) in findings.iter().enumerate() {
                let lines = list.rows.iter().zip(&list.owners).filter(|(_, owner)| **owner == at);
                let shown: Vec<String> =
                    lines.filter_map(|(row, _)| row.last()).map(|(text, _)| text.clone()).collect();
                assert_eq!(words(&shown.join(" ")), words(&finding.message));
            }
            let widths = (0..list.columns.len())
                .map(|at| list.rows.iter().map(|row| widgets::width(&row[at].0)).max().unwrap_or(0) + 2);
            assert!(widths.sum::<usize>() - 2 < usize::from(width));
        }
    }

    #[test]
    fn a_click_on_any_line_of_a_finding_selects_it() {
        let app = eight();
        let area = Rect::new(0, 0, 80, 24);
        let place = areas(&app, area).list;
        let list = List::of(&app, &app.findings(), place.width, &Theme::default());
        assert!(list.rows.len() > app.findings().len(), "some take more than a line");
        let mut buffer = Buffer::empty(area);
        let mut scene = Scene::new(&mut buffer);
        Findings.render(&app, area, &mut scene, &Theme::default());
        let at = |y| scene.hits.click(&app, (5, y).into());
        assert_eq!(at(place.y), [], "the headings");
        let rows = list.table().render(place, &mut Buffer::empty(area), &Theme::default());
        for y in place.y + 1..place.bottom() {
            let row = rows.row_at(y).expect("the list is longer than its place");
            assert_eq!(at(y), [Command::Act(Action::SelectFinding(list.owners[row]))]);
        }
    }

    #[test]
    fn lanes_that_do_not_fit_are_counted() {
        let frame = |width| snapshot(&eight(), (width, 40), &Theme::default(), Format::Text);
        assert!(frame(120).contains("health rules 3 of 8 lanes"), "{}", frame(120));
        assert!(frame(220).contains("health rules ─"), "{}", frame(220));
    }

    #[test]
    fn of_a_lane_that_diverged_nothing_is_fine_and_nothing_is_compared() {
        let mut app = specimen::one_diverged();
        app.act(Action::SelectView(Findings.kind()));
        let frame = snapshot(&app, (120, 40), &Theme::default(), Format::Text);
        assert!(frame.contains("✗ plain and residual-B not comparable: diverged"), "{frame}");
        let rule = |name: &str| frame.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        let gradient = rule("exploding gradient").expect("a row of the rule");
        assert!(gradient.contains("  -  ") && gradient.contains("✓ fine"), "{gradient}");
    }
}
