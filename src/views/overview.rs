//! The first screen: a column per lane with its state, losses, errors and a strip of its layers, all on shared scales,
//! and the comparison of two lanes. It only reads the state.

use ratatui::layout::Rect;

use super::bindings::Key;
use super::explain::{self, words};
use super::{Empty, Number, Scene, Topic, View, curves, empty, lanes, numbers};
use crate::app::options::Arrangement;
use crate::app::{App, Chosen, Lane, ViewKind, Wanted};
use crate::metric::known;
use crate::theme::Theme;

mod between;
mod card;
pub(super) mod charts;
mod seeds;
mod strips;
mod verdict;

/// The overview.
#[derive(Debug)]
pub(super) struct Overview;

/// The least width of a lane's column; below twice that and the gap, lanes share a chart.
const LEAST_COLUMN: u16 = 36;
/// The least width at which the difference of two lanes has its own column between theirs.
const LEAST_THREE_COLUMNS: u16 = 150;
/// Below this height two lanes share a chart, however wide the area is.
const LEAST_HEIGHT: u16 = 14;
/// The least height of each of several charts.
const LEAST_CHART: u16 = 6;

impl View for Overview {
    fn kind(&self) -> ViewKind {
        ViewKind { name: "overview", chooses: Chosen::OfLayers, draws_losses: true }
    }

    fn title(&self) -> &'static str {
        "state, losses and errors of every lane, and their differences"
    }

    fn empty(&self, app: &App) -> Option<Empty> {
        // Before any has started, the cards tell what is waited for.
        empty::without_lanes(app).filter(|_| app.lanes().is_empty())
    }

    fn numbers(&self, app: &App) -> Vec<Number> {
        app.main_charts().iter().flat_map(|chart| numbers::over_time(app, chart)).collect()
    }

    fn told(&self, app: &App) -> Vec<String> {
        let headline = verdict::said(app);
        headline.into_iter().chain(app.visible_lanes().flat_map(|lane| card::said(app, lane))).collect()
    }

    fn topics(&self, app: &App) -> Vec<Topic> {
        let shown =
            lanes::diverged(app, &app.visible_lanes().collect::<Vec<_>>()).map(|_| &words::DIVERGED_LANE);
        let headline = app.pair().map(|_| [shown.unwrap_or(&words::LEAD), &words::SINCE, &words::FAIR]);
        let figures = [
            &words::THIS_BATCH,
            &words::TRAIN,
            &words::TEST,
            &words::TRAIN_BATCH,
            &words::THROUGHPUT,
            &words::EPOCH,
            &words::STATISTICS,
            &words::HEALTHY,
            &words::COLOUR_SCALE,
            &words::SEEDS,
        ];
        let found = app.lane(app.selected_lane()).map(|lane| explain::open_rules(app, lane));
        let metrics = [known::LOSS, known::LEARNING_RATE, app.statistic()].map(Topic::Metric);
        let before = headline.into_iter().flatten().map(Topic::Word).chain(found.into_iter().flatten());
        before.chain(metrics).chain(figures.map(Topic::Word)).collect()
    }

    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
        let Scene { buffer, hits, .. } = scene;
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let layout = Layout::of(app, area);
        verdict::render(app, layout.verdict, buffer, theme);
        if let Some(middle) = layout.middle {
            between::render_card(app, middle, buffer, theme);
        }
        for (lane, card) in &layout.cards {
            card::render(app, lane, *card, buffer, theme);
            hits.lane(*card, lane.idx());
        }
        let scales = charts::Scales::of(app, layout.charts.iter().map(|chart| &chart.what));
        for chart in &layout.charts {
            charts::render(app, chart, &scales, scene, theme);
        }
        strips::render(app, &layout.strips, scene, theme);
    }

    fn lanes_in<'a>(&self, app: &'a App, area: Rect) -> Vec<&'a Lane> {
        Layout::of(app, area).cards.into_iter().map(|(lane, _)| lane).collect()
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Char('y'), Key::Char('e'), Key::Char('s'), Key::Char('n')]
    }

    fn wants(&self, app: &App) -> Vec<Wanted> {
        let scalars = app.scalars().into_iter().map(Wanted::History);
        let drawn = app.main_charts().into_iter().map(|chart| Wanted::OverTime(chart.metric));
        [Wanted::Cursor].into_iter().chain(drawn).chain(scalars).collect()
    }
}

/// The layout.
struct Layout<'a> {
    verdict: Rect,
    /// The card between those of two lanes, if there is a column between them.
    middle: Option<Rect>,
    cards: Vec<(&'a Lane, Rect)>,
    charts: Vec<charts::Chart<'a>>,
    strips: strips::Strips<'a>,
}

impl<'a> Layout<'a> {
    fn of(app: &'a App, area: Rect) -> Layout<'a> {
        let lanes = app.visible_lanes().count();
        let together = app.options().arrangement != Arrangement::Apart;
        if lanes > 1 && (together || area.width < 2 * LEAST_COLUMN + 1 || area.height < LEAST_HEIGHT) {
            Layout::laid_over(app, area)
        } else {
            Layout::side_by_side(app, area)
        }
    }

    /// A small screen: a row or two per lane, then one chart with all lanes.
    fn laid_over(app: &'a App, area: Rect) -> Layout<'a> {
        let mut stack = Stack(area);
        let verdict = stack.take(u16::from(area.height >= 10));
        let per_lane = if area.height >= 16 { 3 } else { 2 };
        let lanes: Vec<_> = app.visible_lanes().collect();
        let room = usize::from(area.height / per_lane / 2).max(1);
        let cards = lanes::in_sight(app, room).into_iter().map(|lane| (lane, stack.take(per_lane))).collect();
        let strips = strips::Strips::below(app, &mut stack, u16::from(area.height >= 14) * 2);
        let middle = None;
        let rows = stack.0.height;
        let shown = match rows {
            0 => Vec::new(),
            1..12 => shown(app, 1),
            _ => shown(app, usize::from(rows / LEAST_CHART)),
        };
        let count = shown.len() as u16;
        let chart = |(at, what): (u16, charts::What)| {
            let area = stack.take(rows * (at + 1) / count - rows * at / count);
            charts::Chart::of(what, lanes.clone(), area)
        };
        let charts = (0..).zip(shown).map(chart).collect();
        Layout { verdict, middle, cards, charts, strips }
    }

    /// A column per lane, and between or below them their difference.
    fn side_by_side(app: &'a App, area: Rect) -> Layout<'a> {
        let two = app.visible_lanes().count() == 2;
        let mut stack = Stack(area);
        let verdict = stack.take(u16::from(app.pair().is_some()));
        let card = stack.take(card::height(area.height));
        let strips_height = match area.height {
            0..16 => 0,
            16..24 => 2,
            24..44 => 4,
            _ => 6,
        };
        let three = two && area.width >= LEAST_THREE_COLUMNS;
        let columns_of = |row: Rect| match three {
            true => outer_columns(app, row),
            false => lanes::columns(app, row, LEAST_COLUMN),
        };
        let strips_row = Rect {
            y: stack.0.bottom().saturating_sub(strips_height).max(stack.0.y),
            height: strips_height.min(stack.0.height),
            ..stack.0
        };
        stack.0.height -= strips_row.height;
        let strips =
            strips::Strips::in_columns(app, strips_row, lanes::columns(app, strips_row, LEAST_COLUMN));
        let rest = stack.0.height;
        let shown = shown(app, if rest < 8 { 1 } else { usize::from(rest / LEAST_CHART).max(2) });
        let has_difference = rest >= 20 && !three && app.pair().is_some() && shown.len() == 2;
        let heights: Vec<u16> = match (rest, shown.len() as u16) {
            (_, 2) if has_difference => vec![rest / 3, rest - rest / 3 - rest * 3 / 10],
            // An odd row goes to the errors; a chart of five rows has no numbers below.
            (8..16, 2) => vec![rest / 2 - 1, rest - rest / 2 + 1],
            (_, count) => (0..count).map(|at| rest * (at + 1) / count - rest * at / count).collect(),
        };
        let mut charts = Vec::new();
        for (what, height) in shown.iter().zip(heights) {
            let row = stack.take(height);
            let columns = columns_of(row);
            if three && let [(a, left), (b, right)] = columns.as_slice() {
                let middle = between_columns(*left, *right);
                charts.push(charts::Chart::of(what.difference(), vec![*a, *b], middle));
            }
            let of_lane = |(lane, area)| charts::Chart::of(what.clone(), vec![lane], area);
            charts.extend(columns.into_iter().map(of_lane));
        }
        if let Some(((a, b), last)) = app.pair().zip(shown.last()).filter(|_| has_difference) {
            charts.push(charts::Chart::of(last.difference(), vec![a, b], stack.0));
        }
        let cards = columns_of(card);
        let middle = match cards.as_slice() {
            [(_, left), (_, right)] if three => Some(between_columns(*left, *right)),
            _ => None,
        };
        Layout { verdict, middle, cards, charts, strips }
    }
}

/// What the first so many charts show; where there is room for one without a pin, the error rather than the loss.
fn shown(app: &App, room: usize) -> Vec<charts::What> {
    let all = app.main_charts().into_iter();
    let first = usize::from(room == 1 && app.pins().next().is_none());
    all.skip(first).take(room.max(1)).map(charts::What::of).collect()
}

/// Two columns of three eighths of the width each, at the edges.
fn outer_columns(app: &App, row: Rect) -> Vec<(&Lane, Rect)> {
    let width = (u32::from(row.width) * 3 / 8) as u16;
    let place = |(at, lane)| {
        let x = if at == 0 { row.x } else { row.right() - width };
        (lane, Rect { x, width, ..row })
    };
    app.visible_lanes().take(2).enumerate().map(place).collect()
}

/// The column between two others, with a gap on both sides.
fn between_columns(left: Rect, right: Rect) -> Rect {
    Rect { x: left.right() + 1, width: right.x.saturating_sub(left.right() + 2), ..left }
}

/// An area from whose top rows are taken.
struct Stack(Rect);

impl Stack {
    fn take(&mut self, height: u16) -> Rect {
        let height = height.min(self.0.height);
        let taken = Rect { height, ..self.0 };
        self.0.y += height;
        self.0.height -= height;
        taken
    }
}
