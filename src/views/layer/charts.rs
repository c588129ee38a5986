//! The chosen statistic of the cursor's layer over time, all lanes on one scale, and the comparison of two.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{NOT_RECORDED, Scene, curves, lanes};
use crate::app::comparison::between_points;
use crate::app::{Action, App, Lane};
use crate::metric::Scale;
use crate::theme::{Glyph, Theme};
use crate::widgets::{self, Axis, Between, Bucket, LineChart, Plot, Series, SeriesKind, Spacing};

/// A lane's history of the layer; empty if it has none.
fn history(app: &App, lane: &Lane) -> Vec<Bucket> {
    let layer = app.layer_in(lane);
    layer.map(|layer| curves::history(app, lane, app.statistic(), layer.0)).unwrap_or_default()
}

fn at_cursor(app: &App, lane: &Lane) -> Option<f64> {
    lane.layer_value(app.statistic(), app.step(), app.layer_in(lane)?).map(f64::from)
}

/// What lies between the mark and the cursor.
fn between(app: &App, lane: &Lane) -> Option<Between> {
    let layer = app.layer_in(lane)?;
    let value_at = |step| lane.layer_value(app.statistic(), step, layer).map(f64::from);
    curves::between(app, lane.points_of(app.statistic(), layer.0), value_at)
}

/// Draws a chart for each group of lanes.
pub(super) fn render_history(
    app: &App,
    charts: &[(Vec<&Lane>, Rect)],
    Scene { buffer, hits, .. }: &mut Scene<'_>,
    theme: &Theme,
) {
    let y = shared_axis(app, charts.iter().flat_map(|(lanes, _)| lanes));
    for (shown, area) in charts {
        let plot = draw_history(app, shown, y, *area, buffer, theme);
        let only = shown.first().filter(|_| shown.len() == 1);
        hits.steps(*area, plot, only.map(|lane| Action::SelectLane(lane.idx())));
        let is_left_out = |lane: &&Lane| app.layer_in(lane).is_some_and(|layer| !lane.records(layer));
        if !shown.is_empty() && shown.iter().all(is_left_out) {
            widgets::put_centered(buffer, *area, area.height / 2, NOT_RECORDED, theme.muted());
        }
    }
}

fn shared_axis<'a, 'l: 'a>(app: &App, lanes: impl Iterator<Item = &'a &'l Lane>) -> Axis {
    let x = Axis::from(curves::x_range(app));
    let shown = lanes.flat_map(|lane| history(app, lane)).filter(|bucket| x.contains(bucket.x));
    let values = shown.map(|bucket| bucket.extent);
    curves::fit(app, app.statistic(), values).with_margin(0.05)
}

fn draw_history(app: &App, shown: &[&Lane], y: Axis, area: Rect, buffer: &mut Buffer, theme: &Theme) -> Plot {
    let histories: Vec<(Vec<Bucket>, String)> = shown
        .iter()
        .map(|lane| {
            let name = if shown.len() > 1 { lanes::name(app, lane) } else { format!("step {}", app.step()) };
            (history(app, lane), name)
        })
        .collect();
    let series: Vec<Series<'_>> = shown
        .iter()
        .zip(&histories)
        .map(|(lane, (buckets, name))| Series {
            name,
            buckets,
            style: lanes::style(lane, theme),
            mark: theme.lane_swatch(lane.idx().0),
            kind: SeriesKind::Curve,
            read_out: at_cursor(app, lane),
            between: between(app, lane),
        })
        .collect();
    let title = app.statistic().name();
    let (x, x_name) = (curves::x_range(app), app.options().axis.name());
    let (cursor, reference) = (cursor(app), curves::reference(app.statistic()));
    let chart = LineChart {
        title,
        series: &series,
        x: x.into(),
        x_name,
        y: Some(y),
        spacing: Spacing::Linear,
        values: curves::values(app),
        cursor,
        mark: curves::mark(app),
        reference,
    };
    chart.render(area, buffer, theme)
}

/// The cursor's place; none while following, when it would only hide the newest values.
pub(super) fn cursor(app: &App) -> Option<f64> {
    (!app.follows()).then(|| curves::cursor_x(app)).flatten()
}

/// Draws the comparison of the two lanes' layers over time: the ratio in decades, or the difference.
pub(super) fn render_ratio(app: &App, area: Rect, Scene { buffer, hits, .. }: &mut Scene<'_>, theme: &Theme) {
    let Some((a, b)) = app.pair() else { return };
    let statistic = app.statistic();
    let points = || {
        let (layer_a, layer_b) = (app.layer_in(a)?, app.layer_in(b)?);
        let (of_a, of_b) = (a.points_of(statistic, layer_a.0), b.points_of(statistic, layer_b.0));
        Some(between_points(statistic.scale(), of_a, of_b))
    };
    let points = points().unwrap_or_default();
    let after = points.partition_point(|(step, _)| *step <= app.step());
    let read_out = points[..after].last().map(|(_, value)| (f64::from(*value) * 1000.0).round() / 1000.0);
    let buckets: Vec<Bucket> =
        points.iter().map(|(step, value)| Bucket::of(curves::x_of(app, a, *step), *value)).collect();
    let series = [Series {
        name: "here",
        buckets: &buckets,
        style: theme.accent(),
        mark: theme.glyph(Glyph::Difference),
        kind: SeriesKind::Curve,
        read_out,
        between: None,
    }];
    let names = (lanes::name(app, a), lanes::name(app, b));
    let title = match statistic.scale() {
        Scale::Log => format!("log10 {} / {}", names.0, names.1),
        Scale::Linear | Scale::Signed => format!("{} - {}", names.0, names.1),
    };
    let chart = LineChart {
        title: &title,
        series: &series,
        x: curves::x_range(app).into(),
        x_name: app.options().axis.name(),
        y: None,
        spacing: Spacing::Linear,
        values: curves::values(app),
        cursor: cursor(app),
        mark: curves::mark(app),
        reference: Some(0.0),
    };
    let plot = chart.render(area, buffer, theme);
    hits.steps(area, plot, None);
}
