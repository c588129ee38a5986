//! Curves of loss, error and what is pinned, and of differences: raw values faded, over them the debiased moving average,
//! evaluations as points, all lanes on one scale.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Scene, between, curves, lanes, seeds};
use crate::app::options::Arrangement;
use crate::app::smoothing::smoothed;
use crate::app::{Action, App, Charted, Lane, Wanted};
use crate::claims::{self, Alike};
use crate::history::Point;
use crate::metric::{Metric, Scale, known};
use crate::printable::printable;
use crate::theme::{Glyph, Theme};
use crate::units::Step;
use crate::views::orders;
use crate::widgets::{self, Axis, Between, Bucket, Extent, LineChart, Series, SeriesKind, Spacing};

/// In narrower charts only test evaluations are marked: those of training images lie on the curve anyway.
const LEAST_WIDTH_OF_TRAIN_POINTS: u16 = 48;
/// In narrower charts the title leaves out that curves are smoothed, which the status line tells, too.
const LEAST_WIDTH_OF_SMOOTHED: u16 = 60;

/// A curve of fewer values than so many windows of the smoothing is not smoothed.
const LEAST_WINDOWS: f64 = 4.0;

/// An evaluation beyond this many times the curves' maximum is outside their axis, and is marked at the chart's edge.
const MOST_RISE: f32 = 10.0;

/// What a chart shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::views) struct What {
    charted: Charted,
    /// Whether it is the difference of two lanes.
    is_difference: bool,
}

impl What {
    pub(in crate::views) fn of(charted: Charted) -> What {
        What { charted, is_difference: false }
    }

    pub(super) fn difference(&self) -> What {
        What { is_difference: true, ..self.clone() }
    }

    pub(super) fn metric(&self) -> Metric {
        self.charted.metric
    }

    /// Whether it is a single number, which is smoothed and compared by its difference; else a metric of a layer or block.
    pub(super) fn is_scalar(&self) -> bool {
        self.charted.place.is_none()
    }

    /// Whether it is a share, which is shown in percent and is at most 100.
    fn is_share(&self) -> bool {
        self.is_scalar() && self.metric().unit() == "share"
    }

    /// The factor from values to what is shown.
    pub(super) fn factor(&self) -> f32 {
        if self.is_share() { 100.0 } else { 1.0 }
    }

    /// A value as it is drawn; one that is finite stays so.
    fn drawn(&self, value: f32) -> f32 {
        let drawn = value * self.factor();
        if value.is_finite() { drawn.clamp(f32::MIN, f32::MAX) } else { drawn }
    }

    /// What a lane has of it over time; nothing if it does not measure it.
    pub(super) fn points<'l>(&self, lane: &'l Lane) -> Box<dyn Iterator<Item = Point> + 'l> {
        self.charted.points(lane)
    }

    /// The raw values on the x axis.
    fn buckets(&self, app: &App, lane: &Lane) -> Vec<Bucket> {
        match self.charted.at(lane) {
            _ if self.is_scalar() => curves::buckets(app, lane, self.metric()),
            Some(at) => curves::history(app, lane, self.metric(), at),
            None => Vec::new(),
        }
    }
}

/// A chart and its place.
pub(in crate::views) struct Chart<'a> {
    pub(super) what: What,
    lanes: Vec<&'a Lane>,
    area: Rect,
    /// What stands before its title.
    mark: String,
    /// What a click in it does before it selects a step.
    click: Option<Action>,
}

impl<'a> Chart<'a> {
    pub(in crate::views) fn of(what: What, lanes: Vec<&'a Lane>, area: Rect) -> Chart<'a> {
        Chart { what, lanes, area, mark: String::new(), click: None }
    }

    /// As one of many: with a mark before its title, and what a click in it does before it selects a step.
    pub(in crate::views) fn among(self, mark: String, click: Action) -> Chart<'a> {
        Chart { mark, click: Some(click), ..self }
    }
}

/// A lane in a chart, and how its curve is smoothed there.
#[derive(Clone, Copy)]
pub(super) struct Smoothed<'a> {
    pub(super) lane: &'a Lane,
    /// The decay of the average that is drawn; 0 for the raw values.
    pub(super) decay: f64,
}

impl<'a> Smoothed<'a> {
    /// As chosen, unless there are few values, such as those of evaluations: their average would lag behind. To be asked
    /// once for a chart, since all values may have to be counted.
    pub(super) fn of(app: &App, what: &What, lane: &'a Lane) -> Smoothed<'a> {
        let decay = app.options().smoothing.decay();
        let is_main = what.is_scalar() && app.curves().contains(&what.metric());
        let count = || what.points(lane).map(|point| point.count as f64).sum::<f64>();
        let is_smoothed = decay > 0.0 && (is_main || count() >= LEAST_WINDOWS / (1.0 - decay));
        Smoothed { lane, decay: if is_smoothed { decay } else { 0.0 } }
    }

    pub(super) fn is_smoothed(self) -> bool {
        self.decay > 0.0
    }

    /// The curve.
    pub(super) fn points(self, what: &What) -> impl Iterator<Item = (Step, f32)> + 'a {
        smoothed(what.points(self.lane), self.decay)
    }

    /// Its value at a step; the raw one if that is not finite.
    fn at(self, what: &What, step: Step) -> Option<f64> {
        let here = what.charted.point_at(self.lane, step)?;
        if !here.last().is_finite() {
            return Some(f64::from(here.last()));
        }
        self.points(what)
            .take_while(|(at, _)| *at <= here.last_step)
            .last()
            .map(|(_, value)| f64::from(value))
    }
}

/// The scales that charts of one kind share.
pub(in crate::views) struct Scales {
    x: (f64, f64),
    y: Vec<(Charted, Axis)>,
}

impl Scales {
    pub(in crate::views) fn of<'w>(app: &App, all: impl Iterator<Item = &'w What>) -> Scales {
        let log = app.options().scale.resolve(Scale::Linear) == Scale::Log;
        let x = curves::x_range(app);
        let fit = |what: &What| {
            if !what.is_scalar() {
                let axis = Axis::from(x);
                let values = app.visible_lanes().flat_map(|lane| what.buckets(app, lane));
                let shown = values.filter(|bucket| axis.contains(bucket.x)).map(|bucket| bucket.extent);
                return curves::fit(app, what.metric(), shown).with_margin(0.05);
            }
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
            let newest = newest.map(|value| what.drawn(value)).filter(|value| *value <= most);
            let fitted = Axis::fit(curves.iter().copied().chain(newest.map(Extent::of)), log);
            match what.metric().scale() {
                // An error is a share: its linear scale is always 0 to 100 %.
                _ if what.is_share() && !log => Axis::new(0.0, 100.0, false),
                Scale::Linear if !log => fitted.from_zero(),
                _ => fitted.with_margin(0.03),
            }
        };
        let mut y: Vec<(Charted, Axis)> = Vec::new();
        for what in all.filter(|what| !what.is_difference) {
            if y.iter().all(|(charted, _)| *charted != what.charted) {
                y.push((what.charted.clone(), fit(what)));
            }
        }
        Scales { x, y }
    }

    fn of_chart(&self, what: &What) -> Option<Axis> {
        let axis = self.y.iter().find(|(charted, _)| *charted == what.charted).map(|(_, axis)| *axis);
        axis.filter(|_| !what.is_difference)
    }
}

/// The extent of values without the highest 1 %, unless all are to be seen, so that a few spikes don't flatten everything else. These are marked
/// at the chart's edge instead.
fn bulk(app: &App, lane: &Lane, what: &What) -> Option<Extent> {
    let shown = what.points(lane).filter(|point| curves::is_shown(app, point));
    let cells: Vec<_> = shown.map(|Point { cell, .. }| cell).collect();
    let mut highs: Vec<f32> = cells.iter().map(|cell| cell.max).filter(|x| x.is_finite()).collect();
    let last = highs.len().checked_sub(1)?;
    let at = if app.options().whole_axis { last } else { last * 99 / 100 };
    let (_, high, _) = highs.select_nth_unstable_by(at, f32::total_cmp);
    let low = cells.iter().map(|cell| cell.min).fold(f32::NAN, f32::min);
    Some([low, *high].map(|value| what.drawn(value)).into_iter().collect())
}

/// The last value of an evaluation that is shown.
fn newest(app: &App, lane: &Lane, metric: Metric) -> Option<f32> {
    let last = lane.points(metric).filter(|point| curves::is_shown(app, point)).last()?;
    Some(last.last())
}

/// The evaluations that belong in a chart, with their names.
fn evaluated(what: &What) -> Vec<(Metric, &'static str)> {
    let [train, test] = match what.metric() {
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
pub(in crate::views) fn render(
    app: &App,
    chart: &Chart<'_>,
    scales: &Scales,
    Scene { buffer, hits, .. }: &mut Scene<'_>,
    theme: &Theme,
) {
    let lanes: Vec<Smoothed<'_>> =
        chart.lanes.iter().map(|lane| Smoothed::of(app, &chart.what, lane)).collect();
    let curves = curves_of(app, chart, &lanes, theme);
    let title = chart.mark.clone() + &title_of(app, chart, &lanes);
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
    let y = scales.of_chart(&chart.what);
    let cursor = (!app.follows()).then(|| curves::cursor_x(app)).flatten();
    let x_name = app.options().axis.name();
    let of_metric = curves::reference(chart.what.metric()).filter(|_| !chart.what.is_scalar());
    let reference = y.is_none().then_some(0.0).or(of_metric);
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
    if series.iter().all(|series| series.buckets.is_empty())
        && chart.lanes.iter().any(|lane| lane.structure().is_some())
    {
        let has_points = chart.lanes.iter().any(|lane| chart.what.points(lane).next().is_some());
        let none = if has_points { "nothing finite" } else { "no values yet" };
        let text = curves::absence(app, Wanted::OverTime(chart.what.metric()), none);
        widgets::put_centered(buffer, plot.area, plot.area.height / 2, text, theme.muted());
    }
    let places = chart.lanes.iter().flat_map(|lane| orders::places(app, lane));
    line_chart.mark_axis(places, chart.area, buffer, theme);
    let only = chart.lanes.first().filter(|_| chart.lanes.len() == 1);
    let lane = only.map(|lane| Action::SelectLane(lane.idx()));
    hits.steps(chart.area, plot, chart.click.into_iter().chain(lane));
}

fn title_of(app: &App, chart: &Chart<'_>, lanes: &[Smoothed<'_>]) -> String {
    let names = || chart.lanes.iter().map(|lane| lanes::name(app, lane)).collect::<Vec<_>>().join(" - ");
    // In a chart of one lane the legend says that the curve is smoothed, unlike the evaluations.
    let is_smoothed = lanes.iter().any(|lane| lane.is_smoothed());
    let is_wide = chart.area.width >= LEAST_WIDTH_OF_SMOOTHED;
    let smoothed = if is_smoothed && chart.lanes.len() > 1 && is_wide { ", smoothed" } else { "" };
    let What { charted: Charted { metric, place }, is_difference } = &chart.what;
    if let Some(place) = place {
        let place = printable(place);
        return match (is_difference, metric.scale()) {
            (false, _) => format!("{metric} of {place}{smoothed}"),
            (true, Scale::Log) => format!("log10 of {metric} of {place}: {}", names()),
            (true, _) => format!("{metric} of {place}: {}", names()),
        };
    }
    match (is_difference, chart.what.is_share()) {
        (false, false) => format!("{metric}{smoothed}"),
        (false, true) => format!("{metric} %{smoothed}"),
        (true, _) if *metric == known::ERROR => format!("training error in points: {}", names()),
        (true, false) => format!("{metric}: {}", names()),
        (true, true) => format!("{metric} in points: {}", names()),
    }
}

fn curves_of(app: &App, chart: &Chart<'_>, lanes: &[Smoothed<'_>], theme: &Theme) -> Vec<Curve> {
    match (&chart.what, lanes) {
        (what @ What { is_difference: true, .. }, [a, b]) => difference_curves(app, what, [*a, *b], theme),
        (_, [lane]) => lane_curves(app, chart, *lane, theme),
        (what, lanes) if app.options().arrangement == Arrangement::Seeds => {
            let all = lanes.iter().map(|smoothed| smoothed.lane);
            let alike = claims::alike(all, |lane| lanes::name(app, lane));
            let curves_of = |alike: &Alike<'_>| {
                let is_one = |smoothed: &&Smoothed<'_>| {
                    alike.lanes.iter().any(|lane| lane.idx() == smoothed.lane.idx())
                };
                let lanes: Vec<Smoothed<'_>> = lanes.iter().filter(is_one).copied().collect();
                seeds::curves(app, what, &lanes, &printable(&alike.name), theme)
            };
            alike.iter().flat_map(curves_of).collect()
        }
        (what, lanes) => lanes
            .iter()
            .map(|smoothed| main_curve(app, what, *smoothed, &lanes::name(app, smoothed.lane), theme))
            .collect(),
    }
}

/// Raw values in the background, evaluations over them, the average of the raw values on top.
fn lane_curves(app: &App, chart: &Chart<'_>, smoothed: Smoothed<'_>, theme: &Theme) -> Vec<Curve> {
    let (what, lane) = (&chart.what, smoothed.lane);
    let mut all = Vec::new();
    if smoothed.is_smoothed() {
        all.push(Curve {
            name: String::new(),
            buckets: scaled(what.buckets(app, lane), what),
            style: theme.lane_faded(lane.idx().0),
            mark: theme.glyph(Glyph::Shade),
            kind: SeriesKind::Backdrop,
            read_out: None,
            between: None,
        });
    }
    let wide = chart.area.width >= LEAST_WIDTH_OF_TRAIN_POINTS;
    let evaluated = evaluated(what);
    // Unlike evaluations.
    let is_of_batches = !evaluated.is_empty();
    for (metric, name) in evaluated.into_iter().filter(|(_, name)| wide || *name != "train") {
        all.push(evaluation_curve(app, what, lane, metric, name, theme));
    }
    let name = match (smoothed.is_smoothed(), is_of_batches) {
        (false, true) => "batch",
        (false, false) => "value",
        (true, true) if wide => "batch smoothed",
        (true, _) => "smoothed",
    };
    all.push(main_curve(app, what, smoothed, name, theme));
    all
}

fn evaluation_curve(app: &App, what: &What, lane: &Lane, metric: Metric, name: &str, theme: &Theme) -> Curve {
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

/// The averaged curve, or the raw one if it is not smoothed.
pub(super) fn main_curve(app: &App, what: &What, smoothed: Smoothed<'_>, name: &str, theme: &Theme) -> Curve {
    let lane = smoothed.lane;
    let buckets = match smoothed.is_smoothed() {
        false => what.buckets(app, lane),
        true if what.is_scalar() => curves::smoothed_buckets(app, lane, what.metric()),
        true => curves::smoothed(app, &what.buckets(app, lane)),
    };
    Curve {
        name: name.to_owned(),
        buckets: scaled(buckets, what),
        style: lanes::style(lane, theme),
        mark: theme.lane_swatch(lane.idx().0),
        kind: SeriesKind::Curve,
        read_out: smoothed.at(what, app.step()).map(|value| rounded(value as f32, what)),
        between: curves::between(app, what.points(lane), |step| smoothed.at(what, step))
            .map(|between| between.scaled(what.factor().into())),
    }
}

/// The difference of two lanes.
fn difference_curves(app: &App, what: &What, lanes: [Smoothed<'_>; 2], theme: &Theme) -> Vec<Curve> {
    let points = between::difference_of(what, lanes);
    let here = between::value_at(&points, app.step()).map(|value| rounded(value, what));
    let place = |step: Step| curves::x_of(app, lanes[0].lane, step);
    let buckets = points.iter().map(|(step, value)| Bucket::of(place(*step), *value));
    let buckets = scaled(buckets.collect(), what);
    let is_smoothed = what.is_scalar() && lanes.iter().any(|lane| lane.is_smoothed());
    let name = if is_smoothed { "smoothed" } else { "difference" };
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

pub(super) fn scaled(mut buckets: Vec<Bucket>, what: &What) -> Vec<Bucket> {
    for bucket in &mut buckets {
        let Bucket { extent, last, .. } = bucket;
        for value in [&mut extent.min, &mut extent.max, last] {
            *value = what.drawn(*value);
        }
    }
    buckets
}

pub(super) fn rounded(value: f32, what: &What) -> f64 {
    let value = f64::from(value) * f64::from(what.factor());
    if what.factor() == 1.0 { value } else { (value * 10.0).round() / 10.0 }
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
        let loss = What::of(Charted::scalar(known::LOSS));
        Scales::of(&app, std::iter::once(&loss)).of_chart(&loss).expect("of the loss").high()
    }

    #[test]
    fn a_wild_evaluation_stretches_no_axis() {
        for steps in [1, 60] {
            assert_eq!(top(steps, 2.4e15), top(steps, f32::NAN), "as if there were none");
            assert!(top(steps, 2.4e15) < 5.0);
        }
        assert!(top(60, 5.0) > 5.0, "one that is worse than the curves is seen");
        assert!(top(0, 2.4e15) > 1e15, "where nothing else is known, it counts");
    }

    #[test]
    fn a_loss_that_stays_far_from_zero_is_not_flattened() {
        let axis = |change: fn(f32) -> f32| {
            let app = specimen::app_with(&[Specimen::new("gpt", 8, "identity")], |event| {
                let Kind::Measured(values) = &mut event.kind else { return };
                for metric in [known::LOSS, known::TRAIN_LOSS, known::TEST_LOSS] {
                    if let Some(value) = values.number(metric) {
                        values.insert(metric, Value::Number(change(value)));
                    }
                }
            });
            let loss = What::of(Charted::scalar(known::LOSS));
            Scales::of(&app, std::iter::once(&loss)).of_chart(&loss).expect("of the loss")
        };
        assert_eq!(axis(|loss| loss).low(), 0.0);
        let far = axis(|loss| 3.0 + 0.2 * loss.min(4.0));
        assert!(far.low() > 2.5 && far.high() < 4.0, "{far:?}");
    }

    #[test]
    fn a_share_that_is_far_from_one_stays_finite() {
        let what = What::of(Charted::scalar(known::ERROR));
        let buckets = scaled(vec![Bucket::of(1.0, 1e37), Bucket::of(2.0, f32::NAN)], &what);
        assert_eq!(buckets[0].extent.range(), Some((f32::MAX, f32::MAX)));
        assert!(buckets[1].extent.range().is_none() && buckets[1].last.is_nan());
        assert_eq!(widgets::short(rounded(1e37, &what)), "1e39");
    }

    #[test]
    fn a_curve_of_few_values_is_smoothed_nowhere() {
        let app = specimen::plain_beside_residual();
        let of = |metric| {
            let what = What::of(Charted::scalar(metric));
            let lanes = [&app.lanes()[0], &app.lanes()[1]].map(|lane| Smoothed::of(&app, &what, lane));
            (what, lanes)
        };
        let (loss, lanes) = of(known::LOSS);
        assert!(lanes.iter().all(|lane| lane.decay == app.options().smoothing.decay() && lane.decay > 0.0));
        let (few, lanes) = of(known::TEST_ERROR);
        assert!(lanes.iter().all(|lane| !lane.is_smoothed()));
        let values = lanes.map(|smoothed| few.points(smoothed.lane).collect::<Vec<Point>>());
        let apart: Vec<(Step, f32)> =
            std::iter::zip(&values[0], &values[1]).map(|(a, b)| (a.last_step, a.last() - b.last())).collect();
        assert_eq!(between::difference_of(&few, lanes), apart);
        let means = std::iter::zip(&values[0], &values[1]).map(|(a, b)| 50.0 * (a.last() + b.last()));
        let curves = seeds::curves(&app, &few, &lanes, "both", &Theme::default());
        let drawn = &curves.last().expect("a mean").buckets;
        assert!(values[0].len() > 2 && drawn.len() == values[0].len());
        assert!(drawn.iter().zip(means).all(|(bucket, mean)| (bucket.last - mean).abs() < 1e-4), "{drawn:?}");
        let all = difference_curves(&app, &few.difference(), lanes, &Theme::default());
        assert_eq!(all[0].name, "difference");
        let all = difference_curves(&app, &loss.difference(), of(known::LOSS).1, &Theme::default());
        assert_eq!(all[0].name, "smoothed");
    }
}
