//! Loss, error and difference curves: raw values faded, over them the debiased moving average, evaluations as points,
//! all lanes on one scale.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Scene, between, curves, lanes, seeds};
use crate::app::options::Arrangement;
use crate::app::smoothing::smoothed;
use crate::app::{App, Lane};
use crate::claims;
use crate::history::Point;
use crate::metric::{Metric, Scale, known};
use crate::theme::{Glyph, Theme};
use crate::units::Step;
use crate::views::orders;
use crate::widgets::{Axis, Between, Bucket, Extent, LineChart, Series, SeriesKind, Spacing};

/// In narrower charts only test evaluations are marked: those of training images lie on the curve anyway.
const LEAST_WIDTH_OF_TRAIN_POINTS: u16 = 48;

/// An evaluation beyond this many times the curves' maximum is outside their axis, and is marked at the chart's edge.
const MOST_RISE: f32 = 10.0;

/// What a chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct What {
    pub(super) metric: Metric,
    /// Whether it is the difference of two lanes.
    is_difference: bool,
}

impl What {
    /// What the two charts of the overview show.
    pub(super) fn both(app: &App) -> [What; 2] {
        app.curves().map(|metric| What { metric, is_difference: false })
    }

    pub(super) fn difference(self) -> What {
        What { is_difference: true, ..self }
    }

    /// Whether it is a share, which is shown in percent and is at most 100.
    fn is_share(self) -> bool {
        self.metric.unit() == "share"
    }

    /// The factor from values to what is shown.
    pub(super) fn factor(self) -> f32 {
        if self.is_share() { 100.0 } else { 1.0 }
    }
}

/// A chart and its place.
pub(super) struct Chart<'a> {
    what: What,
    pub(super) lanes: Vec<&'a Lane>,
    pub(super) area: Rect,
}

impl<'a> Chart<'a> {
    pub(super) fn of(what: What, lanes: Vec<&'a Lane>, area: Rect) -> Chart<'a> {
        Chart { what, lanes, area }
    }
}

/// The scales that charts of one kind share.
pub(super) struct Scales {
    x: (f64, f64),
    y: [(Metric, Axis); 2],
}

impl Scales {
    pub(super) fn of(app: &App) -> Scales {
        let log = app.options().scale.resolve(Scale::Linear) == Scale::Log;
        let fit = |what: What| {
            let curves = app.visible_lanes().filter_map(|lane| bulk(app, lane, what));
            let curves: Vec<Extent> = curves.collect();
            let most = curves.iter().filter_map(|extent| extent.range()).map(|(_, high)| MOST_RISE * high);
            let most = most.reduce(f32::max).filter(|_| !app.options().whole_axis).unwrap_or(f32::INFINITY);
            // Only the newest evaluations count, and no extreme ones: with running statistics the first ones are
            // extreme.
            let evaluations = app
                .visible_lanes()
                .flat_map(|lane| evaluated(what).into_iter().map(move |(metric, _)| (lane, metric)));
            let newest = evaluations.filter_map(|(lane, metric)| newest(app, lane, metric));
            let newest = newest.map(|value| value * what.factor()).filter(|value| *value <= most);
            let fitted = Axis::fit(curves.iter().copied().chain(newest.map(Extent::of)), log);
            match what.metric.scale() {
                // An error is a share: its linear scale is always 0 to 100 %.
                _ if what.is_share() && !log => Axis::new(0.0, 100.0, false),
                Scale::Linear if !log => Axis::new(fitted.low().min(0.0), fitted.high() * 1.05, false),
                _ => fitted.with_margin(0.03),
            }
        };
        Scales { x: curves::x_range(app), y: What::both(app).map(|what| (what.metric, fit(what))) }
    }

    fn of_chart(&self, what: What) -> Option<Axis> {
        let axis = self.y.iter().find(|(metric, _)| *metric == what.metric).map(|(_, axis)| *axis);
        axis.filter(|_| !what.is_difference)
    }
}

/// The extent of values without the highest 1 %, unless all are to be seen, so that a few spikes don't flatten everything else. These are marked
/// at the chart's edge instead.
fn bulk(app: &App, lane: &Lane, what: What) -> Option<Extent> {
    let factor = what.factor();
    let shown = lane.points(what.metric).filter(|point| curves::is_shown(app, point));
    let cells: Vec<_> = shown.map(|Point { cell, .. }| cell).collect();
    let mut highs: Vec<f32> = cells.iter().map(|cell| cell.max).filter(|x| x.is_finite()).collect();
    let last = highs.len().checked_sub(1)?;
    let at = if app.options().whole_axis { last } else { last * 99 / 100 };
    let (_, high, _) = highs.select_nth_unstable_by(at, f32::total_cmp);
    let low = cells.iter().map(|cell| cell.min).fold(f32::NAN, f32::min);
    Some([low * factor, *high * factor].into_iter().collect())
}

/// The last value of an evaluation that is shown.
fn newest(app: &App, lane: &Lane, metric: Metric) -> Option<f32> {
    let last = lane.points(metric).filter(|point| curves::is_shown(app, point)).last()?;
    Some(last.last())
}

/// The evaluations that belong in a chart, with their names.
fn evaluated(what: What) -> Vec<(Metric, &'static str)> {
    let [train, test] = match what.metric {
        _ if what.is_difference => return Vec::new(),
        metric if metric == known::LOSS => [known::TRAIN_LOSS, known::TEST_LOSS],
        metric if metric == known::ERROR => [known::TRAIN_ERROR, known::TEST_ERROR],
        _ => return Vec::new(),
    };
    vec![(train, "train"), (test, "test")]
}

/// A curve to be drawn.
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) buckets: Vec<Bucket>,
    pub(super) style: Style,
    pub(super) mark: char,
    pub(super) kind: SeriesKind,
    pub(super) read_out: Option<f64>,
    pub(super) between: Option<Between>,
}

/// Draws a chart.
pub(super) fn render(
    app: &App,
    chart: &Chart<'_>,
    scales: &Scales,
    Scene { buffer, hits }: &mut Scene<'_>,
    theme: &Theme,
) {
    let curves = curves_of(app, chart, theme);
    let title = title_of(app, chart);
    let series: Vec<Series<'_>> = curves
        .iter()
        .map(|curve| {
            let Curve { name, buckets, style, mark, kind, read_out, between } = curve;
            Series {
                name,
                buckets,
                style: *style,
                mark: *mark,
                kind: *kind,
                read_out: *read_out,
                between: *between,
            }
        })
        .collect();
    let y = scales.of_chart(chart.what);
    let cursor = (!app.follows()).then(|| curves::cursor_x(app)).flatten();
    let x_name = app.options().axis.name();
    let reference = y.is_none().then_some(0.0);
    let line_chart = LineChart {
        title: &title,
        series: &series,
        x: scales.x.into(),
        x_name,
        y,
        spacing: Spacing::Linear,
        values: curves::values(app),
        cursor,
        mark: curves::mark(app),
        reference,
    };
    let plot = line_chart.render(chart.area, buffer, theme);
    let places = chart.lanes.iter().flat_map(|lane| orders::places(app, lane));
    line_chart.mark_axis(places, chart.area, buffer, theme);
    let only = chart.lanes.first().filter(|_| chart.lanes.len() == 1);
    hits.steps(chart.area, plot, only.map(|lane| lane.idx()));
}

fn title_of(app: &App, chart: &Chart<'_>) -> String {
    let names = || chart.lanes.iter().map(|lane| lanes::name(app, lane)).collect::<Vec<_>>().join(" - ");
    // In a chart of one lane the legend says that the curve is smoothed, unlike the evaluations.
    let smoothed = if app.options().smoothing.is_on() && chart.lanes.len() > 1 { ", smoothed" } else { "" };
    let What { metric, is_difference } = chart.what;
    match (is_difference, chart.what.is_share()) {
        (false, false) => format!("{metric}{smoothed}"),
        (false, true) => format!("{metric} %{smoothed}"),
        (true, _) if metric == known::ERROR => format!("training error in points: {}", names()),
        (true, false) => format!("{metric}: {}", names()),
        (true, true) => format!("{metric} in points: {}", names()),
    }
}

fn curves_of(app: &App, chart: &Chart<'_>, theme: &Theme) -> Vec<Curve> {
    match (chart.what, chart.lanes.as_slice()) {
        (What { is_difference: true, .. }, [a, b]) => difference_curves(app, chart.what, a, b, theme),
        (_, [lane]) => lane_curves(app, chart, lane, theme),
        (what, lanes) if app.options().arrangement == Arrangement::Seeds => {
            let alike = claims::alike(lanes.iter().copied(), |lane| lanes::name(app, lane));
            alike.iter().flat_map(|alike| seeds::curves(app, what, alike, theme)).collect()
        }
        (_, lanes) => lanes
            .iter()
            .map(|lane| main_curve(app, chart.what, lane, &lanes::name(app, lane), theme))
            .collect(),
    }
}

/// Raw values in the background, evaluations over them, the average of the raw values on top.
fn lane_curves(app: &App, chart: &Chart<'_>, lane: &Lane, theme: &Theme) -> Vec<Curve> {
    let what = chart.what;
    let smoothing = app.options().smoothing;
    let mut all = Vec::new();
    if smoothing.is_on() {
        all.push(Curve {
            name: String::new(),
            buckets: scaled(curves::buckets(app, lane, what.metric), what),
            style: theme.lane_faded(lane.idx().0),
            mark: theme.glyph(Glyph::Shade),
            kind: SeriesKind::Backdrop,
            read_out: None,
            between: None,
        });
    }
    let wide = chart.area.width >= LEAST_WIDTH_OF_TRAIN_POINTS;
    for (metric, name) in evaluated(what).into_iter().filter(|(_, name)| wide || *name != "train") {
        all.push(evaluation_curve(app, what, lane, metric, name, theme));
    }
    let name = match (smoothing.is_on(), wide) {
        (false, _) => "batch",
        (true, true) => "batch smoothed",
        (true, false) => "smoothed",
    };
    all.push(main_curve(app, what, lane, name, theme));
    all
}

fn evaluation_curve(app: &App, what: What, lane: &Lane, metric: Metric, name: &str, theme: &Theme) -> Curve {
    let is_train = name == "train";
    Curve {
        name: name.to_owned(),
        buckets: scaled(curves::buckets(app, lane, metric), what),
        style: if is_train { lanes::style(lane, theme) } else { theme.muted() },
        mark: theme.glyph(if is_train { Glyph::TrainPoint } else { Glyph::TestPoint }),
        kind: SeriesKind::Points,
        read_out: lane.at(metric, app.step()).and_then(|row| Some(rounded(row.last(0)?, what))),
        between: None,
    }
}

/// The averaged curve, or the raw one if smoothing is off.
pub(super) fn main_curve(app: &App, what: What, lane: &Lane, name: &str, theme: &Theme) -> Curve {
    let decay = app.options().smoothing.decay();
    let buckets = if app.options().smoothing.is_on() {
        curves::smoothed_buckets(app, lane, what.metric)
    } else {
        curves::buckets(app, lane, what.metric)
    };
    Curve {
        name: name.to_owned(),
        buckets: scaled(buckets, what),
        style: lanes::style(lane, theme),
        mark: theme.lane_swatch(lane.idx().0),
        kind: SeriesKind::Curve,
        read_out: smoothed_at(lane, what.metric, decay, app.step()).map(|value| rounded(value as f32, what)),
        between: curves::between(app, lane.points(what.metric), |step| {
            smoothed_at(lane, what.metric, decay, step)
        })
        .map(|between| between.scaled(what.factor().into())),
    }
}

/// The difference of two lanes.
fn difference_curves(app: &App, what: What, a: &Lane, b: &Lane, theme: &Theme) -> Vec<Curve> {
    let points = between::difference_of(app, what.metric, a, b);
    let here = between::value_at(&points, app.step()).map(|value| rounded(value, what));
    let buckets = points.iter().map(|(step, value)| Bucket::of(curves::x_of(app, a, *step), *value));
    let buckets = scaled(buckets.collect(), what);
    let name = if app.options().smoothing.is_on() { "smoothed" } else { "difference" };
    vec![Curve {
        name: name.to_owned(),
        buckets,
        style: theme.accent(),
        mark: theme.glyph(Glyph::Difference),
        kind: SeriesKind::Curve,
        read_out: here,
        between: None,
    }]
}

pub(super) fn scaled(mut buckets: Vec<Bucket>, what: What) -> Vec<Bucket> {
    let factor = what.factor();
    for bucket in &mut buckets {
        bucket.extent.min *= factor;
        bucket.extent.max *= factor;
        bucket.last *= factor;
    }
    buckets
}

pub(super) fn rounded(value: f32, what: What) -> f64 {
    let value = f64::from(value * what.factor());
    if what.factor() == 1.0 { value } else { (value * 10.0).round() / 10.0 }
}

/// The smoothed value of a curve at a step; the raw one if that is not finite.
fn smoothed_at(lane: &Lane, metric: Metric, decay: f64, step: Step) -> Option<f64> {
    let here = lane.at(metric, step)?.point(0)?;
    if !here.last().is_finite() {
        return Some(f64::from(here.last()));
    }
    smoothed(lane.points(metric), decay)
        .take_while(|(at, _)| *at <= here.last_step)
        .last()
        .map(|(_, value)| f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::specimen::{self, Specimen};
    use crate::event::{Kind, Value};

    /// The top of the loss axis of a run with this many steps whose evaluations have this loss.
    fn top(steps: u64, evaluated: f32) -> f64 {
        let lane = |name: &str, shortcut| Specimen { steps, ..Specimen::new(name, 8, shortcut) };
        let lanes = [lane("plain", "none"), lane("residual", "identity")];
        let app = specimen::app_with(&lanes, |event| {
            let Kind::Measured(values) = &mut event.kind else { return };
            for metric in [known::TRAIN_LOSS, known::TEST_LOSS] {
                if values.number(metric).is_some() {
                    values.insert(metric, Value::Number(evaluated));
                }
            }
        });
        Scales::of(&app).of_chart(What::both(&app)[0]).expect("of the loss").high()
    }

    #[test]
    fn a_wild_evaluation_stretches_no_axis() {
        for steps in [1, 60] {
            assert_eq!(top(steps, 2.4e15), top(steps, 0.0), "as if there were none");
            assert!(top(steps, 2.4e15) < 5.0);
        }
        assert!(top(60, 5.0) > 5.0, "one that is worse than the curves is seen");
        assert!(top(0, 2.4e15) > 1e15, "where nothing else is known, it counts");
    }
}
