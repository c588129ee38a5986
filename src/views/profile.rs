//! The chosen statistic against depth at the cursor's step: all lanes on one scale, each with the slope of its
//! fitted line in decades a layer, and between the first two lanes their ratio.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Key, View, curves, lanes};
use crate::app::{Action, App, Lane, LayerKey, ViewKind};
use crate::statistic::Statistic;
use crate::statistics::slope_in_decades;
use crate::theme::{Glyph, Theme};
use crate::topology::LayerKind;
use crate::widgets::{self, Axis, Bucket, Extent, LineChart, Series, SeriesKind};

/// See the file.
#[derive(Debug)]
pub(super) struct Profile;

/// One lane's values by depth.
struct Curve<'a> {
    lane: &'a Lane,
    name: String,
    points: Vec<Bucket>,
    fit: Option<Fit>,
    at_cursor: Option<f32>,
}

/// A straight line through the logarithms of a lane's values.
struct Fit {
    /// Decades a layer toward the head.
    slope: f64,
    ends: Vec<Bucket>,
}

impl View for Profile {
    fn kind(&self) -> ViewKind {
        ViewKind::Profile
    }

    fn title(&self) -> &'static str {
        "a statistic against depth at the cursor's step"
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Char('s'), Key::Left, Key::Up, Key::Char('y')]
    }

    fn render(&self, app: &App, area: Rect, buffer: &mut Buffer, theme: &Theme) {
        let curves = curves(app);
        let parts = parts(area, curves.len());
        let log = curves::is_log(app, app.options().statistic);
        let series = series(&curves, log, theme);
        chart(app, &series).render(parts.chart, buffer, theme);
        if let Some(ratio) = parts.ratio {
            draw_ratio(app, &curves, ratio, buffer, theme);
        }
        draw_summary(app, &curves, parts.summary, buffer, theme);
    }

    fn click(&self, app: &App, area: Rect, position: Position) -> Vec<Action> {
        let curves = curves(app);
        let parts = parts(area, curves.len());
        let log = curves::is_log(app, app.options().statistic);
        let series = series(&curves, log, &Theme::default());
        let depth = chart(app, &series).x_at(parts.chart, position.x);
        let key = |depth: f64| LayerKey { depth: depth.round().max(1.0) as usize, projection: false };
        depth.map(|depth| Action::SelectLayer(key(depth))).into_iter().collect()
    }
}

struct Parts {
    chart: Rect,
    ratio: Option<Rect>,
    summary: Rect,
}

/// The chart, the ratio of two lanes where there is room for it, and a line a lane.
fn parts(area: Rect, lanes: usize) -> Parts {
    let lines = (lanes as u16 + 1).min(area.height / 4).max(u16::from(area.height > 4));
    let above = area.height - lines.min(area.height);
    let ratio = if lanes >= 2 && above >= 18 { above / 4 } else { 0 };
    let chart = Rect { height: above - ratio, ..area };
    Parts {
        chart,
        ratio: (ratio > 0).then_some(Rect { y: chart.bottom(), height: ratio, ..area }),
        summary: Rect { y: area.y + above, height: lines.min(area.height), ..area },
    }
}

fn curves(app: &App) -> Vec<Curve<'_>> {
    app.visible_lanes().filter_map(|lane| curve(app, lane)).collect()
}

/// A lane's values at the cursor's step; none before it started or where it recorded none.
fn curve<'a>(app: &App, lane: &'a Lane) -> Option<Curve<'a>> {
    let topology = lane.topology()?;
    let row = lane.statistic_at(app.options().statistic, app.step())?;
    let deepest = topology.layers.iter().map(|layer| layer.depth).max()?;
    // What stands at each depth, and what of it the line is fitted to: stem and head are of other shapes.
    let mut points: Vec<Bucket> = Vec::with_capacity(deepest);
    let mut fitted = vec![f32::NAN; deepest + 1];
    for (layer, cell) in topology.layers.iter().zip(row.cells()) {
        let Some(cell) = cell.filter(|_| layer.kind != LayerKind::Projection) else { continue };
        points.push(Bucket { x: layer.depth as f64, extent: curves::extent(cell), last: cell.last });
        if layer.kind == LayerKind::Convolution {
            fitted[layer.depth] = cell.last;
        }
    }
    let at_cursor = app.layer_in(lane).and_then(|layer| row.last(layer.0));
    Some(Curve { lane, name: lanes::name(app, lane), points, fit: fit(&fitted), at_cursor })
}

/// The line through the logarithms of values by depth: its slope, and its ends at the first and last of them.
fn fit(by_depth: &[f32]) -> Option<Fit> {
    let slope = slope_in_decades(by_depth)?;
    let usable: Vec<(f64, f64)> = by_depth
        .iter()
        .enumerate()
        .filter(|(_, value)| value.is_finite() && **value > 0.0)
        .map(|(depth, value)| (depth as f64, f64::from(*value).log10()))
        .collect();
    let mean = |part: fn(&(f64, f64)) -> f64| usable.iter().map(part).sum::<f64>() / usable.len() as f64;
    let (middle, height) = (mean(|p| p.0), mean(|p| p.1));
    let end =
        |point: &(f64, f64)| Bucket::of(point.0, 10f64.powf(height + slope * (point.0 - middle)) as f32);
    Some(Fit { slope, ends: vec![end(usable.first()?), end(usable.last()?)] })
}

/// The fitted lines behind, the curves before them.
fn series<'a>(curves: &'a [Curve<'_>], log: bool, theme: &Theme) -> Vec<Series<'a>> {
    let fits = curves.iter().filter(|_| log).filter_map(|curve| {
        let idx = curve.lane.idx().0;
        Some(Series {
            name: "",
            buckets: &curve.fit.as_ref()?.ends,
            style: theme.lane_faded(idx),
            mark: '.',
            kind: SeriesKind::Curve,
            read_out: None,
        })
    });
    let values = curves.iter().map(|curve| Series {
        name: &curve.name,
        buckets: &curve.points,
        style: lanes::style(curve.lane, theme),
        mark: theme.lane_swatch(curve.lane.idx().0),
        kind: SeriesKind::Curve,
        read_out: curve.at_cursor.map(f64::from),
    });
    fits.chain(values).collect()
}

fn chart<'a>(app: &App, series: &'a [Series<'a>]) -> LineChart<'a> {
    let statistic = app.options().statistic;
    LineChart {
        title: statistic.name(),
        series,
        x: x(app),
        x_name: "layer",
        y: None,
        log: curves::is_log(app, statistic),
        cursor: app.row().map(|row| row.depth as f64),
    }
}

/// Half a layer of room at both ends.
fn x(app: &App) -> (f64, f64) {
    let deepest = app.rows().last().map_or(1, |row| row.depth);
    (0.5, deepest as f64 + 0.5)
}

/// The ratio of the first lane's values to the second's, layer by layer.
fn draw_ratio(app: &App, curves: &[Curve<'_>], area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let [first, second, ..] = curves else { return };
    let mut points = Vec::new();
    for point in &first.points {
        let other = second.points.iter().find(|other| other.x == point.x);
        let ratio = other.map(|other| point.last / other.last).filter(|ratio| *ratio > 0.0);
        points.extend(ratio.map(|ratio| Bucket::of(point.x, ratio)));
    }
    let one = [Bucket::of(x(app).0, 1.0), Bucket::of(x(app).1, 1.0)];
    let at_cursor = app.row().and_then(|row| points.iter().find(|p| p.x == row.depth as f64));
    let title = format!("{} / {}", first.name, second.name);
    let line = |buckets, style, mark| Series {
        name: "",
        buckets,
        style,
        mark,
        kind: SeriesKind::Curve,
        read_out: None,
    };
    let ratio = Series {
        name: "ratio",
        read_out: at_cursor.map(|point| point.last.into()),
        ..line(&points, theme.text(), theme.lane_swatch(0))
    };
    let series = [line(&one, theme.axis(), theme.glyph(Glyph::Horizontal)), ratio];
    // One always stands on the axis, so that above and below it can be told.
    let extents = points.iter().map(|point| point.extent).chain([Extent::of(1.0)]);
    let chart = LineChart {
        title: &title,
        series: &series,
        x: x(app),
        x_name: "layer",
        y: Some(Axis::fit(extents, true).with_margin(0.1)),
        log: true,
        cursor: app.row().map(|row| row.depth as f64),
    };
    chart.render(area, buffer, theme);
}

/// What the statistic is, and a line a lane: its slope and how far its ends are apart.
fn draw_summary(app: &App, curves: &[Curve<'_>], area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let statistic = app.options().statistic;
    if curves.is_empty() {
        let text = format!("no {statistic} was recorded up to step {}", app.step());
        widgets::put(buffer, area, area.x, area.y, &text, theme.muted());
        return;
    }
    for (row, curve) in curves.iter().enumerate() {
        let line = Line::from(summary(curve, area.width, theme));
        widgets::put_line(buffer, area, row as u16, &line);
    }
    if area.height as usize > curves.len() {
        let text = meaning(app, statistic);
        let text = widgets::clip(&text, area.width.into(), theme);
        widgets::put(buffer, area, area.x, area.bottom() - 1, &text, theme.muted());
    }
}

fn summary(curve: &Curve<'_>, width: u16, theme: &Theme) -> Vec<Span<'static>> {
    let style: Style = lanes::style(curve.lane, theme);
    let mark = theme.lane_swatch(curve.lane.idx().0);
    let mut spans = vec![Span::styled(format!("{mark} "), style), Span::raw(curve.name.clone())];
    let slope = match &curve.fit {
        Some(fit) if width < 60 => format!("{:+.3} decades/layer", fit.slope),
        Some(fit) => format!("{:+.3} decades/layer toward the head", fit.slope),
        None if width < 60 => "no slope".to_owned(),
        None => "no slope: fewer than two positive values".to_owned(),
    };
    spans.push(Span::styled(format!("  {slope}"), theme.text()));
    let finite = curve.points.iter().filter_map(|point| point.extent.range());
    let range = finite.reduce(|all, next| (all.0.min(next.0), all.1.max(next.1)));
    if let Some((min, max)) = range.filter(|_| width >= 60) {
        let text = format!("  {} to {}", widgets::short(min.into()), widgets::short(max.into()));
        spans.push(Span::styled(text, theme.muted()));
    }
    let broken = curve.points.iter().filter(|point| point.extent.non_finite).count();
    if broken > 0 {
        let text = format!("  {} {broken} layers not finite", theme.glyph(Glyph::NonFinite));
        spans.push(Span::styled(text, theme.error()));
    }
    spans
}

fn meaning(app: &App, statistic: Statistic) -> String {
    let lane = app.lane(app.selected_lane());
    let layer = lane.and_then(|lane| lane.topology()?.layers.get(app.layer_in(lane)?.0));
    match (layer, app.row()) {
        (Some(layer), Some(row)) => format!("layer {} ({})   {}", row.depth, layer.name, statistic.meaning()),
        _ => statistic.meaning().to_owned(),
    }
}
