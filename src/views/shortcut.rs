//! What the residual branch adds to the shortcut: rms(F) / rms(h) and cos(F, h), by block at the cursor's step
//! and at the cursor's block over time. A plain lane has neither, and the view says so.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::{Key, View, curves, lanes};
use crate::app::{Action, App, Chosen, Lane, ViewKind, Wanted};
use crate::metric::{Metric, known};
use crate::printable::printable;
use crate::structure::Structure;
use crate::theme::Theme;
use crate::units::BlockIdx;
use crate::widgets::{self, Bucket, LineChart, Series, SeriesKind};

/// The shortcut view.
#[derive(Debug)]
pub(super) struct Shortcut;

/// The two statistics of a block, the chosen one first: ratio and cosine belong together.
fn statistics(app: &App) -> [Metric; 2] {
    let all = app.statistics(true);
    let chosen = app.block_statistic();
    let partner = if chosen == known::BRANCH_RATIO { known::BRANCH_COSINE } else { known::BRANCH_RATIO };
    if all.contains(&partner) {
        return [chosen, partner];
    }
    [chosen, all.iter().copied().find(|metric| *metric != chosen).unwrap_or(partner)]
}

impl View for Shortcut {
    fn kind(&self) -> ViewKind {
        ViewKind { name: "shortcut", chooses: Chosen::OfBlocks, draws_losses: false }
    }

    fn title(&self) -> &'static str {
        "the residual branch against the shortcut, by block and over time"
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Char('s'), Key::Left, Key::Up, Key::Char('y')]
    }

    fn vertical(&self, by: i64) -> Action {
        Action::MoveBlock(by)
    }

    fn vertical_name(&self) -> &'static str {
        "block"
    }

    fn wants(&self, app: &App) -> Vec<Wanted> {
        let histories = statistics(app).map(Wanted::History);
        [Wanted::Cursor].into_iter().chain(histories).collect()
    }

    fn render(&self, app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let lanes: Vec<&Lane> = app.visible_lanes().filter(|lane| has_shortcuts(lane)).collect();
        let areas = areas(area, app);
        if lanes.is_empty() {
            draw_absence(app, area, buffer, theme);
            return;
        }
        for (statistic, [by_block, over_time]) in statistics(app).into_iter().zip(areas.charts) {
            draw_by_block(app, &lanes, statistic, by_block, buffer, theme);
            draw_over_time(app, &lanes, statistic, over_time, buffer, theme);
        }
        draw_notes(app, areas.notes, buffer, theme);
    }

    fn click(&self, app: &App, area: Rect, position: Position) -> Vec<Action> {
        let chart = |x, x_name| LineChart {
            title: "",
            series: &[],
            x,
            x_name,
            y: None,
            log: false,
            cursor: None,
            reference: None,
        };
        for [by_block, over_time] in areas(area, app).charts {
            if by_block.contains(position) {
                let lane = app.visible_lanes().find(|lane| has_shortcuts(lane));
                let x = chart(block_range(app), "block").x_at(by_block, position.x);
                let (Some(lane), Some(x)) = (lane, x) else { return Vec::new() };
                let here = app.block_in(lane).map_or(0, |block| block.0) as i64;
                return vec![Action::SelectLane(lane.idx()), Action::MoveBlock(x.round() as i64 - 1 - here)];
            }
            if over_time.contains(position) {
                let x = chart(curves::x_range(app), "step").x_at(over_time, position.x);
                return x.map(|x| Action::SelectStep(curves::step_at(app, x))).into_iter().collect();
            }
        }
        Vec::new()
    }
}

struct Areas {
    /// For each statistic: by block, over time.
    charts: [[Rect; 2]; 2],
    notes: Rect,
}

/// Two by two if there is room, with little height only the chosen statistic; the notes below.
fn areas(area: Rect, app: &App) -> Areas {
    let plain = u16::from(app.visible_lanes().any(is_plain));
    let lines = (plain + 2).min(area.height / 5);
    let charts = Rect { height: area.height - lines, ..area };
    let upper = if charts.height >= 14 { charts.height / 2 } else { charts.height };
    let split = |area: Rect| {
        let left = (area.width.saturating_sub(1)) / 2;
        let right = Rect { x: area.x + left + 1, width: area.width.saturating_sub(left + 1), ..area };
        [Rect { width: left, ..area }, right]
    };
    let first = Rect { height: upper, ..charts };
    let second = Rect { y: charts.y + upper, height: charts.height - upper, ..charts };
    Areas { charts: [split(first), split(second)], notes: Rect { y: charts.bottom(), height: lines, ..area } }
}

fn has_shortcuts(lane: &Lane) -> bool {
    lane.structure().is_some_and(Structure::has_shortcuts)
}

fn is_plain(lane: &Lane) -> bool {
    lane.structure().is_some_and(|structure| !structure.blocks.is_empty()) && !has_shortcuts(lane)
}

fn block_range(app: &App) -> (f64, f64) {
    let most = app.visible_lanes().filter_map(|lane| Some(lane.structure()?.blocks.len())).max();
    (0.5, most.unwrap_or(1) as f64 + 0.5)
}

fn series<'a>(lane: &Lane, name: &'a str, buckets: &'a [Bucket], theme: &Theme) -> Series<'a> {
    Series {
        name,
        buckets,
        style: lanes::style(lane, theme),
        mark: theme.lane_swatch(lane.idx().0),
        kind: SeriesKind::Curve,
        read_out: None,
    }
}

fn value_at(app: &App, lane: &Lane, statistic: Metric, block: BlockIdx) -> Option<f64> {
    lane.block_value(statistic, app.step(), block).map(f64::from)
}

fn draw_by_block(
    app: &App,
    lanes: &[&Lane],
    statistic: Metric,
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) {
    let points = |lane: &Lane| -> Vec<Bucket> {
        let Some(row) = lane.at(statistic, app.step()) else { return Vec::new() };
        let blocks = lane.columns(statistic).into_iter().enumerate();
        blocks
            .filter_map(|(i, columns)| {
                let cell = row.across(columns?)?;
                Some(Bucket { x: i as f64 + 1.0, extent: curves::extent(cell), last: cell.last })
            })
            .collect()
    };
    let curves: Vec<(String, Vec<Bucket>)> =
        lanes.iter().map(|lane| (lanes::name(app, lane), points(lane))).collect();
    let series: Vec<Series<'_>> = lanes
        .iter()
        .zip(&curves)
        .map(|(lane, (name, buckets))| Series {
            read_out: app.block_in(lane).and_then(|block| value_at(app, lane, statistic, block)),
            ..series(lane, name, buckets, theme)
        })
        .collect();
    let chart = LineChart {
        title: statistic.name(),
        series: &series,
        x: block_range(app),
        x_name: "block",
        y: None,
        log: curves::is_log(app, statistic),
        cursor: lanes.first().and_then(|lane| app.block_in(lane)).map(|block| block.0 as f64 + 1.0),
        reference: curves::reference(statistic),
    };
    chart.render(area, buffer, theme);
}

fn draw_over_time(
    app: &App,
    lanes: &[&Lane],
    statistic: Metric,
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) {
    let curve = |lane: &Lane| -> Vec<Bucket> {
        app.block_in(lane).map(|block| curves::history(app, lane, statistic, block.0)).unwrap_or_default()
    };
    let histories: Vec<Vec<Bucket>> = lanes.iter().map(|lane| curve(lane)).collect();
    let smooth = app.options().smoothing.is_on();
    let smoothed: Vec<Vec<Bucket>> =
        histories.iter().filter(|_| smooth).map(|history| curves::smoothed(app, history)).collect();
    // The raw curve is drawn faded behind the smoothed one.
    let raw = lanes.iter().zip(&histories).map(|(lane, buckets)| {
        let style = if smooth { theme.lane_faded(lane.idx().0) } else { lanes::style(lane, theme) };
        let mark = if smooth { '.' } else { theme.lane_swatch(lane.idx().0) };
        let kind = if smooth { SeriesKind::Backdrop } else { SeriesKind::Curve };
        Series { style, mark, kind, ..series(lane, "", buckets, theme) }
    });
    let smoothed = lanes.iter().zip(&smoothed).map(|(lane, buckets)| series(lane, "", buckets, theme));
    let series: Vec<Series<'_>> = raw.chain(smoothed).collect();
    let block = lanes.iter().find_map(|lane| Some(app.block_in(lane)?.0 + 1));
    let title = block.map_or_else(|| "over time".to_owned(), |block| format!("at block {block} over time"));
    let chart = LineChart {
        title: &title,
        series: &series,
        x: curves::x_range(app),
        x_name: app.options().axis.name(),
        y: None,
        log: curves::is_log(app, statistic),
        cursor: curves::cursor_x(app),
        reference: curves::reference(statistic),
    };
    chart.render(area, buffer, theme);
}

/// The shortcut of the cursor's block, what the chosen statistic means, and which lanes have no shortcut.
fn draw_notes(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let mut lines = Vec::new();
    let plain: Vec<&Lane> = app.visible_lanes().filter(|lane| is_plain(lane)).collect();
    if !plain.is_empty() {
        let mut spans = Vec::new();
        for lane in &plain {
            let swatch = format!("{} ", theme.lane_swatch(lane.idx().0));
            spans.extend([
                Span::styled(swatch, lanes::style(lane, theme)),
                Span::raw(lanes::name(app, lane) + " "),
            ]);
        }
        let text = match plain.len() {
            1 => " is plain: its blocks have no shortcut, so there is no branch to compare",
            _ => " are plain: their blocks have no shortcut, so there is no branch to compare",
        };
        spans.push(Span::styled(text, theme.muted()));
        lines.push(Line::from(spans));
    }
    let mut shortcuts = Vec::new();
    for lane in app.visible_lanes().filter(|lane| has_shortcuts(lane)) {
        let block = app.block_in(lane).and_then(|block| lane.structure()?.blocks.get(block.0));
        if let Some(block) = block {
            shortcuts.push(format!(
                "{} {}: {}",
                lanes::name(app, lane),
                printable(&block.name),
                kind(block.shortcut.as_deref())
            ));
        }
    }
    lines.push(Line::styled(shortcuts.join("   "), theme.text()));
    lines.push(Line::styled(printable(statistics(app)[0].about()), theme.muted()));
    for (row, line) in lines.iter().take(usize::from(area.height)).enumerate() {
        widgets::put_line(buffer, area, row as u16, line);
    }
}

fn kind(shortcut: Option<&str>) -> String {
    match shortcut {
        None => "no shortcut".to_owned(),
        Some("identity") => "identity shortcut".to_owned(),
        Some("zero_padding") => "every second pixel, zero channels added (option A)".to_owned(),
        Some("projection") => "1x1 projection (option B)".to_owned(),
        Some(other) => printable(other),
    }
}

fn draw_absence(app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let text = if app.visible_lanes().any(is_plain) {
        [
            "no lane here has shortcuts",
            "a plain block's output is F(x) alone: there is no h(x) to compare it with",
        ]
    } else {
        ["no lane has started yet", ""]
    };
    let middle = area.height / 2;
    widgets::put_centered(buffer, area, middle.saturating_sub(1), text[0], theme.heading());
    widgets::put_centered(buffer, area, middle, text[1], theme.muted());
}
