//! The chosen statistic against depth at the cursor's step: all lanes on one scale, each with the slope of its fitted
//! line, and the comparison of two lanes. Statistics on a logarithmic scale have slopes in decades per layer and
//! ratios, the others plain slopes and differences.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::explain::words;
use super::{Command, Empty, Key, Number, Scene, Topic, View, curves, empty, lanes, numbers, told};
use crate::app::{Action, Alignment, App, Chosen, Lane, LayerKey, ViewKind, Wanted};
use crate::history::Row;
use crate::metric::{Metric, Scale};
use crate::printable::printable;
use crate::statistics::slope;
use crate::structure::kind::{CONVOLUTION, PROJECTION};
use crate::theme::{Glyph, Theme};
use crate::units::LayerIdx;
use crate::widgets::{self, Axis, Bucket, Extent, LineChart, Plot, Series, SeriesKind};

/// The profile view.
#[derive(Debug)]
pub(super) struct Profile;

/// The least width at which a fitted line's slope is also told in decades.
const WITH_DECADES: u16 = 100;

/// One lane's values by depth.
struct Curve<'a> {
    lane: &'a Lane,
    name: String,
    points: Vec<Bucket>,
    fit: Option<Fit>,
    at_cursor: Option<f32>,
}

/// A straight line through a lane's values, or through their logarithms if the scale is logarithmic.
struct Fit {
    /// The slope toward the head, per layer; in decades for logarithms.
    slope: f64,
    ends: Vec<Bucket>,
}

impl View for Profile {
    fn kind(&self) -> ViewKind {
        ViewKind { name: "profile", chooses: Chosen::OfLayers, draws_losses: false }
    }

    fn title(&self) -> &'static str {
        "a statistic against depth at the cursor's step"
    }

    fn lanes_in<'a>(&self, app: &'a App, area: Rect) -> Vec<&'a Lane> {
        let lines = areas(area, app.visible_lanes().count()).summary.height;
        lanes::in_sight(app, lines.into())
    }

    fn hints(&self) -> &'static [Key] {
        &[Key::Char('s'), Key::Left, Key::Up, Key::Char('y')]
    }

    fn wants(&self, app: &App) -> Vec<Wanted> {
        // Whether anything was recorded at a later step, the history tells.
        let is_absent = app.needs(&[Wanted::Cursor]).is_empty() && !has_curves(app);
        let history = is_absent.then(|| Wanted::History(app.statistic()));
        [Wanted::Cursor].into_iter().chain(history).collect()
    }

    fn empty(&self, app: &App) -> Option<Empty> {
        empty::without(app, app.statistic(), &self.wants(app), has_curves(app))
    }

    fn numbers(&self, app: &App) -> Vec<Number> {
        numbers::at_cursor(app, app.statistic())
    }

    fn told(&self, app: &App) -> Vec<String> {
        let statistic = app.statistic();
        let about = format!("{statistic}: {}", statistic.about());
        let curves = curves(app);
        let theme = Theme::default();
        let summary = |curve: &Curve<'_>| {
            let spans = summary(curve, statistic, u16::MAX, &theme);
            // The first is the lane's mark.
            spans.iter().skip(1).map(|span| span.content.as_ref()).collect::<String>()
        };
        let summaries = curves.iter().map(summary);
        std::iter::once(about).chain(summaries).chain(told::by_axis(app, statistic)).collect()
    }

    fn topics(&self, app: &App) -> Vec<Topic> {
        let slope = if app.statistic().scale() == Scale::Log { &words::PER_LAYER } else { &words::SLOPE };
        let words =
            [slope, &words::RATIO, &words::LAYER, &words::DEPTH, &words::STEM, &words::HEAD, &words::SCALE];
        [Topic::Metric(app.statistic())].into_iter().chain(words.map(Topic::Word)).collect()
    }

    fn render(&self, app: &App, area: Rect, scene: &mut Scene<'_>, theme: &Theme) {
        let Scene { buffer, hits, .. } = scene;
        let curves = curves(app);
        let areas = areas(area, app.visible_lanes().count());
        let series = series(&curves, has_straight_fits(app), theme);
        let plot = chart(app, &series).render(areas.chart, buffer, theme);
        hits.plots(plot.area);
        if app.statistic().is_of_layers() {
            hits.on(areas.chart, move |_, position| select_layer(plot, position));
        }
        if let Some(between) = areas.between {
            let plot = draw_between(app, &curves, between, buffer, theme);
            hits.plots(plot.map_or(Rect::ZERO, |plot| plot.area));
            if let Some(plot) = plot.filter(|_| app.statistic().is_of_layers()) {
                hits.on(between, move |_, position| select_layer(plot, position));
            }
        }
        let in_sight = self.lanes_in(app, area);
        let has_line = |curve: &Curve<'_>| in_sight.iter().any(|lane| lane.idx() == curve.lane.idx());
        let lined: Vec<&Curve<'_>> = curves.iter().filter(|curve| has_line(curve)).collect();
        draw_summary(app, &lined, areas.summary, buffer, theme);
        for (row, curve) in areas.summary.rows().zip(&lined) {
            hits.lane(row, curve.lane.idx());
        }
    }
}

/// Selects the layer under a position.
fn select_layer(plot: Plot, position: Position) -> Vec<Command> {
    let key = |depth: f64| LayerKey { depth: depth.round().max(1.0) as usize, projection: false };
    let depth = plot.x_at(position.x);
    depth.map(|depth| Command::Act(Action::SelectLayer(key(depth)))).into_iter().collect()
}

struct Areas {
    chart: Rect,
    /// The area for the comparison of two lanes.
    between: Option<Rect>,
    summary: Rect,
}

/// The chart, the comparison of two lanes if there is room, and a line per lane.
fn areas(area: Rect, lanes: usize) -> Areas {
    let lines = (lanes as u16 + 1).min(area.height / 4).max(u16::from(area.height > 4));
    let above = area.height - lines.min(area.height);
    let between = if lanes >= 2 && above >= 18 { above / 4 } else { 0 };
    let chart = Rect { height: above - between, ..area };
    Areas {
        chart,
        between: (between > 0).then_some(Rect { y: chart.bottom(), height: between, ..area }),
        summary: Rect { y: area.y + above, height: lines.min(area.height), ..area },
    }
}

fn curves(app: &App) -> Vec<Curve<'_>> {
    app.visible_lanes().filter_map(|lane| curve(app, lane)).collect()
}

/// Whether there is anything to draw.
fn has_curves(app: &App) -> bool {
    app.visible_lanes().any(|lane| curve(app, lane).is_some())
}

/// A lane's values at the cursor's step; none before it started or if it recorded none.
fn curve<'a>(app: &App, lane: &'a Lane) -> Option<Curve<'a>> {
    let (structure, metric) = (lane.structure()?, app.statistic());
    let row = lane.at(metric, app.step())?;
    if !metric.is_of_layers() {
        return Some(curve_over_axis(app, lane, metric, &row));
    }
    let layers = || (0..structure.layers.len()).map(LayerIdx);
    let deepest = layers().map(|layer| structure.depth_of(layer)).max()?;
    let fits = |kind: &str| kind == CONVOLUTION || !structure.layers.iter().any(|l| l.kind == CONVOLUTION);
    // The values by depth, and those that the line is fitted to: stem and head have other shapes.
    let mut points: Vec<Bucket> = Vec::with_capacity(deepest);
    let mut fitted = vec![(0.0, f32::NAN); deepest + 1];
    for ((idx, layer), columns) in layers().zip(&structure.layers).zip(lane.columns(metric)) {
        let cell = columns.and_then(|columns| row.across(columns));
        let is_shown = layer.kind != PROJECTION && app.shows_layer(lane, idx);
        let Some(cell) = cell.filter(|_| is_shown) else { continue };
        let depth = structure.depth_of(idx);
        let place = app.row_of(lane, idx).map_or(depth, |row| row.depth) as f64;
        points.push(Bucket { x: place, extent: curves::extent(cell), last: cell.last });
        if fits(&layer.kind) {
            fitted[depth] = (place, cell.last);
        }
    }
    let at_cursor = app.layer_in(lane).and_then(|layer| Some(lane.cell(metric, &row, layer.0)?.last));
    let fit = fit(&fitted, metric.scale());
    Some(Curve { lane, name: lanes::name(app, lane), points, fit, at_cursor })
}

/// A lane's values by the points of an axis other than layers.
fn curve_over_axis<'a>(app: &App, lane: &'a Lane, metric: Metric, row: &Row<'_>) -> Curve<'a> {
    let place = |at: usize| lane.axis_place(metric, at);
    let columns = lane.columns(metric).into_iter().enumerate();
    let points = columns.filter_map(|(at, columns)| {
        let cell = row.across(columns?)?;
        Some(Bucket { x: place(at), extent: curves::extent(cell), last: cell.last })
    });
    Curve { lane, name: lanes::name(app, lane), points: points.collect(), fit: None, at_cursor: None }
}

/// The line through values by depth, each with its place on the axis: its slope, and its ends at the first and last of
/// them.
fn fit(by_depth: &[(f64, f32)], scale: Scale) -> Option<Fit> {
    let log = scale == Scale::Log;
    let usable: Vec<(f64, f64)> = by_depth
        .iter()
        .enumerate()
        .filter(|(_, (_, value))| value.is_finite() && (!log || *value > 0.0))
        .map(|(depth, (_, value))| (depth as f64, f64::from(*value)))
        .map(|(depth, value)| (depth, if log { value.log10() } else { value }))
        .collect();
    let slope = slope(usable.iter().copied())?;
    let mean = |part: fn(&(f64, f64)) -> f64| usable.iter().map(part).sum::<f64>() / usable.len() as f64;
    let (middle, height) = (mean(|p| p.0), mean(|p| p.1));
    let end = |point: &(f64, f64)| {
        let value = height + slope * (point.0 - middle);
        let place = by_depth.get(point.0 as usize).map_or(point.0, |(place, _)| *place);
        Bucket::of(place, if log { 10f64.powf(value) } else { value } as f32)
    };
    Some(Fit { slope, ends: vec![end(usable.first()?), end(usable.last()?)] })
}

/// Whether fitted lines are straight on the chosen scale; otherwise they are not drawn.
fn has_straight_fits(app: &App) -> bool {
    let statistic = app.statistic();
    curves::is_log(app, statistic) == (statistic.scale() == Scale::Log)
}

/// The fitted lines in the background, the curves over them.
fn series<'a>(curves: &'a [Curve<'_>], with_fits: bool, theme: &Theme) -> Vec<Series<'a>> {
    let fits = curves.iter().filter(|_| with_fits).filter_map(|curve| {
        let idx = curve.lane.idx().0;
        Some(Series {
            name: "",
            buckets: &curve.fit.as_ref()?.ends,
            style: theme.lane_faded(idx),
            mark: '.',
            kind: SeriesKind::Backdrop,
            read_out: None,
            between: None,
        })
    });
    let values = curves.iter().map(|curve| Series {
        name: &curve.name,
        buckets: &curve.points,
        style: lanes::style(curve.lane, theme),
        mark: theme.lane_swatch(curve.lane.idx().0),
        kind: SeriesKind::Curve,
        read_out: curve.at_cursor.map(f64::from),
        between: None,
    });
    fits.chain(values).collect()
}

fn chart<'a>(app: &App, series: &'a [Series<'a>]) -> LineChart<'a> {
    let statistic = app.statistic();
    LineChart {
        title: statistic.name(),
        series,
        x: x(app).into(),
        x_name: x_name(app),
        y: None,
        spacing: curves::spacing(app, statistic),
        values: curves::values(app),
        cursor: cursor(app),
        mark: None,
        reference: curves::reference(statistic),
    }
}

/// The place of the cursor's layer; none for other axes.
fn cursor(app: &App) -> Option<f64> {
    app.row().filter(|_| app.statistic().is_of_layers()).map(|row| row.depth as f64)
}

/// What the axis counts.
fn x_name(app: &App) -> &'static str {
    match app.options().alignment {
        _ if !app.statistic().is_of_layers() => app.statistic().axis().unwrap_or_default(),
        Alignment::Depth => "layer",
        Alignment::Relative => "layer, by relative depth",
        Alignment::Stage => "layer, by stage",
        Alignment::Name => "layer, by name",
    }
}

/// Half a layer of room at both ends; for other axes from the first to the last point.
fn x(app: &App) -> (f64, f64) {
    let metric = app.statistic();
    if !metric.is_of_layers() {
        let places = app.visible_lanes().flat_map(|lane| {
            (0..lane.axis_length(metric).unwrap_or(0)).map(move |at| lane.axis_place(metric, at))
        });
        let (low, high) =
            places.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        return if low < high { (low, high) } else { (0.5, 1.5) };
    }
    let deepest = app.rows().last().map_or(1, |row| row.depth);
    (0.5, deepest as f64 + 0.5)
}

/// The comparison of two lanes, layer by layer: the ratio or the difference.
fn draw_between(
    app: &App,
    curves: &[Curve<'_>],
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
) -> Option<Plot> {
    let of = |lane: &Lane| curves.iter().find(|curve| curve.lane.idx() == lane.idx());
    let (first, second) = app.pair().and_then(|(a, b)| of(a).zip(of(b)))?;
    let log = app.statistic().scale() == Scale::Log;
    let mut points = Vec::new();
    for point in &first.points {
        let other = second.points.iter().find(|other| other.x == point.x);
        let between = other.map(|other| if log { point.last / other.last } else { point.last - other.last });
        let usable = between.filter(|between| between.is_finite() && (!log || *between > 0.0));
        points.extend(usable.map(|between| Bucket::of(point.x, between)));
    }
    let at_cursor = app.row().and_then(|row| points.iter().find(|p| p.x == row.depth as f64));
    let (sign, name, equal) = if log { ('/', "ratio", 1.0) } else { ('-', "difference", 0.0) };
    let title = format!("{} {sign} {}", first.name, second.name);
    let series = [Series {
        name,
        buckets: &points,
        style: theme.accent(),
        mark: theme.glyph(Glyph::Difference),
        kind: SeriesKind::Curve,
        read_out: at_cursor.map(|point| point.last.into()),
        between: None,
    }];
    let extents = points.iter().map(|point| point.extent).chain([Extent::of(equal)]);
    let chart = LineChart {
        title: &title,
        series: &series,
        x: x(app).into(),
        x_name: x_name(app),
        y: Some(Axis::fit(extents, log).with_margin(0.1)),
        spacing: log.into(),
        values: curves::values(app),
        cursor: cursor(app),
        mark: None,
        reference: Some(equal.into()),
    };
    Some(chart.render(area, buffer, theme))
}

/// What the statistic is, and a line per lane: its slope and the difference between its ends.
fn draw_summary(app: &App, curves: &[&Curve<'_>], area: Rect, buffer: &mut Buffer, theme: &Theme) {
    let statistic = app.statistic();
    if curves.is_empty() {
        let none = format!("no {statistic} was recorded up to step {}", app.step());
        let text = curves::absence(app, Wanted::Cursor, &none);
        widgets::put(buffer, area, area.x, area.y, text, theme.muted());
        return;
    }
    for (row, curve) in curves.iter().enumerate() {
        let line = Line::from(summary(curve, statistic, area.width, theme));
        widgets::put_line(buffer, area, row as u16, &line);
    }
    if area.height as usize > curves.len() {
        let text = meaning(app, statistic);
        let text = widgets::clip(&text, area.width.into(), theme);
        widgets::put(buffer, area, area.x, area.bottom() - 1, &text, theme.muted());
    }
}

fn summary(curve: &Curve<'_>, metric: Metric, width: u16, theme: &Theme) -> Vec<Span<'static>> {
    let scale = metric.scale();
    let style: Style = lanes::style(curve.lane, theme);
    let mark = theme.lane_swatch(curve.lane.idx().0);
    let mut spans = vec![Span::styled(format!("{mark} "), style), Span::raw(curve.name.clone())];
    let of_layers = metric.is_of_layers();
    let slope = match &curve.fit {
        None if !of_layers => String::new(),
        Some(fit) if scale == Scale::Log => format!("x{:.2} a layer", 10f64.powf(fit.slope)),
        Some(fit) => {
            format!("{}{} a layer", if fit.slope > 0.0 { "+" } else { "" }, widgets::short(fit.slope))
        }
        None => "no slope".to_owned(),
    };
    let explained = match &curve.fit {
        _ if width < 60 || !of_layers => String::new(),
        Some(fit) if scale == Scale::Log => {
            let [first, last] =
                [fit.ends.first(), fit.ends.last()].map(|end| end.map_or(1.0, |end| end.last));
            let whole = widgets::short((f64::from(last) / f64::from(first)).abs());
            let decades =
                if width >= WITH_DECADES { format!(" ({:+.3} decades)", fit.slope) } else { String::new() };
            format!(" toward the head{decades}, x{whole} in all")
        }
        Some(_) => " toward the head".to_owned(),
        None if scale == Scale::Log => ": fewer than two positive values".to_owned(),
        None => ": fewer than two finite values".to_owned(),
    };
    let slope = format!("{slope}{explained}");
    spans.push(Span::styled(format!("  {slope}"), theme.text()));
    let finite = curve.points.iter().filter_map(|point| point.extent.range());
    let range = finite.reduce(|all, next| (all.0.min(next.0), all.1.max(next.1)));
    if let Some((min, max)) = range.filter(|_| width >= 60) {
        let text = format!("  {} to {}", widgets::short(min.into()), widgets::short(max.into()));
        let used: usize = spans.iter().map(Span::width).sum();
        if used + widgets::width(&text) <= usize::from(width) {
            spans.push(Span::styled(text, theme.muted()));
        }
    }
    let broken = curve.points.iter().filter(|point| point.extent.non_finite).count();
    if broken > 0 {
        let text = format!(
            "  {} {broken} {}s not finite",
            theme.glyph(Glyph::NonFinite),
            printable(metric.axis().unwrap_or("layer"))
        );
        spans.push(Span::styled(text, theme.error()));
    }
    spans
}

fn meaning(app: &App, statistic: Metric) -> String {
    let lane = app.lane(app.selected_lane());
    let layer = lane.and_then(|lane| lane.structure()?.layer(app.layer_in(lane)?));
    match (layer, app.row()) {
        (Some(layer), Some(row)) if statistic.is_of_layers() => {
            format!("layer {} ({})   {}", row.depth, printable(&layer.name), printable(statistic.about()))
        }
        _ => printable(statistic.about()),
    }
}
