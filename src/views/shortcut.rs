//! Statistics of blocks, by block at the cursor's step and at the cursor's block over time: first of all what the residual
//! branch adds to the shortcut, rms(F) / rms(h) and cos(F, h). A plain lane has neither, and the view says so.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::explain::words;
use super::{
    Command, Empty, Hits, Key, Number, Scene, Topic, View, curves, empty, heatmap, lanes, numbers, told,
};
use crate::app::{Action, App, Chosen, Lane, ViewKind, Wanted};
use crate::metric::{Metric, known};
use crate::structure::Structure;
use crate::theme::Theme;
use crate::units::{BlockIdx, LaneIdx};
use crate::widgets::{Bucket, LineChart, Plot, Series, SeriesKind};

mod notes;
mod parts;

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
        let histories = statistics(app).map(Wanted::OverTime);
        [Wanted::Cursor].into_iter().chain(histories).collect()
    }

    fn empty(&self, app: &App) -> Option<Empty> {
        let without_lanes = empty::without_lanes(app);
        if without_lanes.is_some()
            || statistics(app).iter().any(|statistic| !shown(app, *statistic).is_empty())
        {
            return without_lanes;
        }
        if app.visible_lanes().any(is_plain) {
            let comes = "A plain block's output is F(x) alone: there is no h(x) to compare it with.";
            return Some(
                Empty::new("no lane here has shortcuts", comes)
                    .with(Command::Act(Action::SelectNextStatistic), "shows another statistic of blocks")
                    .with(Command::View(1), "shows statistics of layers by depth"),
            );
        }
        let comes =
            "A block is a branch of layers with a shortcut past them, which is what this view compares.";
        let empty = Empty::new("these networks have no blocks", comes);
        Some(empty.with(Command::View(1), "shows statistics of layers by depth"))
    }

    fn numbers(&self, app: &App) -> Vec<Number> {
        numbers::at_cursor(app, app.block_statistic())
    }

    fn told(&self, app: &App) -> Vec<String> {
        let of = |metric: Metric| {
            let about = format!("{metric}: {}", metric.about());
            std::iter::once(about).chain(told::by_axis(app, metric))
        };
        let notes = notes::said(app);
        notes.into_iter().chain(statistics(app).into_iter().flat_map(of)).collect()
    }

    fn topics(&self, app: &App) -> Vec<Topic> {
        let words = [
            &words::BLOCK,
            &words::BRANCH,
            &words::SHORTCUT,
            &words::RESIDUAL_STREAM,
            &words::PLAIN,
            &words::MEDIAN_OF_HALVES,
            &words::STAGE,
            &words::SCALE,
        ];
        let all = app.statistics(true).into_iter().map(Topic::Metric);
        statistics(app).map(Topic::Metric).into_iter().chain(words.map(Topic::Word)).chain(all).collect()
    }

    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
        let Scene { buffer, hits, .. } = scene;
        let areas = areas(area, app);
        for (statistic, [by_block, over_time]) in statistics(app).into_iter().zip(areas.charts) {
            let lanes = shown(app, statistic);
            let plot = draw_by_block(app, &lanes, statistic, by_block, buffer, theme);
            hits.plots(plot.area);
            if let Some(lane) = lanes.first().map(|lane| lane.idx()) {
                hits.on(by_block, move |app, position| select_block(app, lane, plot, position));
            }
            match parts::of(app, statistic, over_time) {
                Some(parts) => parts.render(app, buffer, hits, theme),
                None => {
                    let plot = draw_over_time(app, &lanes, statistic, over_time, buffer, theme);
                    hits.steps(over_time, plot, None);
                }
            }
        }
        notes::draw(app, areas.notes, buffer, theme);
    }
}

/// Selects the block under a position, in a lane.
fn select_block(app: &App, lane: LaneIdx, plot: Plot, position: Position) -> Vec<Command> {
    let (Some(lane), Some(x)) = (app.lane(lane), plot.x_at(position.x)) else { return Vec::new() };
    let here = app.block_in(lane).map_or(0, |block| block.0) as i64;
    let moves = Action::MoveBlock(x.round() as i64 - 1 - here);
    vec![Command::Act(Action::SelectLane(lane.idx())), Command::Act(moves)]
}

struct Areas {
    /// For each statistic: by block, over time.
    charts: [[Rect; 2]; 2],
    notes: Rect,
}

/// Two by two if there is room, with little height only the chosen statistic; the notes below.
fn areas(area: Rect, app: &App) -> Areas {
    let lines = notes::lines(app).min(area.height / 5);
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

/// The lanes that measure a statistic.
fn shown(app: &App, statistic: Metric) -> Vec<&Lane> {
    let has_blocks = |lane: &Lane| lane.structure().is_some_and(|structure| !structure.blocks.is_empty());
    let measures = |lane: &Lane| has_shortcuts(lane) || has_blocks(lane) && lane.has(statistic);
    app.visible_lanes().filter(|lane| measures(lane)).collect()
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
        between: None,
    }
}

fn value_at(app: &App, lane: &Lane, statistic: Metric, block: BlockIdx) -> Option<f64> {
    let value = lane.block_value(statistic, app.step(), block).map(f64::from);
    value.filter(|value| has_parts(statistic, value.is_nan()))
}

/// Whether a block has a value: of several parts, one without them has NaN alone.
fn has_parts(statistic: Metric, is_nan: bool) -> bool {
    statistic.axes().len() == 1 || !is_nan
}

fn draw_by_block(
    app: &App,
    lanes: &[&Lane],
    statistic: Metric,
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) -> Plot {
    let points = |lane: &Lane| -> Vec<Bucket> {
        let Some(row) = lane.at(statistic, app.step()) else { return Vec::new() };
        let blocks = lane.columns(statistic).into_iter().enumerate();
        blocks
            .filter_map(|(i, columns)| {
                let cell = row.across(columns?).filter(|cell| has_parts(statistic, cell.min.is_nan()))?;
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
            between: None,
            ..series(lane, name, buckets, theme)
        })
        .collect();
    let chart = LineChart {
        title: statistic.name(),
        series: &series,
        x: block_range(app).into(),
        x_name: "block",
        y: None,
        spacing: curves::spacing(app, statistic),
        values: curves::values(app),
        cursor: lanes.first().and_then(|lane| app.block_in(lane)).map(|block| block.0 as f64 + 1.0),
        mark: None,
        reference: curves::reference(statistic),
    };
    chart.render(area, buffer, theme)
}

fn draw_over_time(
    app: &App,
    lanes: &[&Lane],
    statistic: Metric,
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) -> Plot {
    let curve = |lane: &Lane| -> Vec<Bucket> {
        app.block_in(lane).map(|block| curves::history(app, lane, statistic, block.0)).unwrap_or_default()
    };
    let histories: Vec<Vec<Bucket>> = lanes.iter().map(|lane| curve(lane)).collect();
    let smooth = app.options().smoothing.is_on();
    let smoothed: Vec<Vec<Bucket>> =
        histories.iter().filter(|_| smooth).map(|history| curves::smoothed(app, history)).collect();
    let between = |lane: &Lane| {
        let block = app.block_in(lane)?;
        let value_at = |step| lane.block_value(statistic, step, block).map(f64::from);
        curves::between(app, lane.points_of(statistic, block.0), value_at)
    };
    // The raw curve is drawn faded behind the smoothed one.
    let raw = lanes.iter().zip(&histories).map(|(lane, buckets)| {
        let style = if smooth { theme.lane_faded(lane.idx().0) } else { lanes::style(lane, theme) };
        let mark = if smooth { '.' } else { theme.lane_swatch(lane.idx().0) };
        let kind = if smooth { SeriesKind::Backdrop } else { SeriesKind::Curve };
        let between = between(lane).filter(|_| !smooth);
        Series { style, mark, kind, between, ..series(lane, "", buckets, theme) }
    });
    let smoothed = lanes
        .iter()
        .zip(&smoothed)
        .map(|(lane, buckets)| Series { between: between(lane), ..series(lane, "", buckets, theme) });
    let series: Vec<Series<'_>> = raw.chain(smoothed).collect();
    let block = lanes.iter().find_map(|lane| Some(app.block_in(lane)?.0 + 1));
    let title = block.map_or_else(|| "over time".to_owned(), |block| format!("at block {block} over time"));
    let chart = LineChart {
        title: &title,
        series: &series,
        x: curves::x_range(app).into(),
        x_name: app.options().axis.name(),
        y: None,
        spacing: curves::spacing(app, statistic),
        values: curves::values(app),
        cursor: curves::cursor_x(app),
        mark: curves::mark(app),
        reference: curves::reference(statistic),
    };
    chart.render(area, buffer, theme)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{LaneLabel, specimen};
    use crate::event::{Kind, LaneStarted, MetricsDeclared, RunEvent, Value, Values};
    use crate::metric::{Axis, HEAD, Points};
    use crate::units::Step;

    /// A plain lane of nine blocks, of which every second one attends with two heads, after ten steps.
    fn attending() -> App {
        let mut app = App::new(vec![LaneLabel { run: "r".to_owned(), lane: "plain".to_owned() }]);
        let heads = Axis { name: HEAD.to_owned(), points: Points::Numbers(vec![1.0, 2.0]) };
        let metrics = vec![known::STREAM_RMS, known::ATTENTION_ENTROPY];
        let started = LaneStarted {
            structure: specimen::structure(20, 8, "none"),
            declared: MetricsDeclared { metrics, axes: vec![heads] },
            steps: Some(10),
            ..LaneStarted::default()
        };
        app.apply(LaneIdx(0), &RunEvent::new(Step(0), 0.0, Kind::LaneStarted(Box::new(started))));
        for step in 1..=10 {
            let entropy = |at: usize| match (at / 2) % 2 {
                0 => 0.5 + (at % 2) as f32,
                _ => f32::NAN,
            };
            let mut values = Values::default();
            values.insert(known::STREAM_RMS, Value::Numbers((1..=9).map(|block| block as f32).collect()));
            values.insert(known::ATTENTION_ENTROPY, Value::Numbers((0..18).map(entropy).collect()));
            app.apply(LaneIdx(0), &RunEvent::new(Step(step), step as f64, Kind::Measured(values)));
        }
        app.act(Action::SelectView(Shortcut.kind()));
        app
    }

    fn drawn(app: &App) -> String {
        let area = Rect::new(0, 0, 100, 30);
        let mut buffer = Buffer::empty(area);
        Shortcut.render(app, area, &mut Scene::new(&mut buffer), &Theme::default());
        let row = |y| (0..area.width).map(move |x| (x, y));
        let text = |y| row(y).map(|at| buffer[at].symbol()).collect::<String>();
        (0..area.height).map(|y| text(y) + "\n").collect()
    }

    #[test]
    fn halves_of_the_depth_are_compared_also_of_plain_lanes() {
        let mut app = attending();
        app.act(Action::SelectStatistic(known::STREAM_RMS));
        let frame = drawn(&app);
        assert!(frame.contains("plain  median of blocks 1-4: 2.5, 6-9: 7.5, x 3"), "{frame}");
    }

    #[test]
    fn heads_are_rows_of_a_map() {
        let mut app = attending();
        app.act(Action::SelectStatistic(known::ATTENTION_ENTROPY));
        app.act(Action::SelectFirstLayer);
        let frame = drawn(&app);
        assert!(frame.contains("plain at block 1 by head over time"), "{frame}");
        let area = areas(Rect::new(0, 0, 100, 30), &app).charts[0][1];
        let mut buffer = Buffer::empty(Rect::new(0, 0, 100, 30));
        let mut scene = Scene::new(&mut buffer);
        Shortcut.render(&app, Rect::new(0, 0, 100, 30), &mut scene, &Theme::default());
        let at = |x| scene.hits.step(&app, Position { x, y: area.y + 2 });
        assert_eq!(at(area.right() - 1), Some(Step(10)));
        app.act(Action::MoveBlock(1));
        let frame = drawn(&app);
        assert!(frame.contains("no attention_entropy in this block"), "{frame}");
    }
}
