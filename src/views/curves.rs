//! Converts the state's histories to what charts draw: places on the chosen x axis, and buckets.

use crate::app::options::{Axis, ScaleChoice};
use crate::app::smoothing::Ema;
use crate::app::viewport::Part;
use crate::app::{App, Lane, Wanted};
use crate::history::{Cell, Point};
use crate::metric::{Metric, Scale};
use crate::units::Step;
use crate::widgets::{self, Between, Bucket, ColorScale, Extent, Mark, Matrix, Spacing, Values};

/// The extent of a cell.
pub(super) fn extent(cell: Cell) -> Extent {
    let mut extent = Extent::of(cell.min);
    extent.merge(Extent::of(cell.max));
    // NaN bounds only mean that there is no finite value.
    Extent { non_finite: cell.non_finite > 0, ..extent }
}

/// A step's place on the chosen x axis, for a lane.
pub(super) fn x_of(app: &App, lane: &Lane, step: Step) -> f64 {
    match app.options().axis {
        Axis::Step => step.0 as f64,
        Axis::Epoch => lane.epoch_of(step).unwrap_or(step.0 as f64),
        Axis::Time => lane.time_of(step).map_or(0.0, |at_ms| at_ms / 1000.0),
        Axis::Clock => app.start_of(lane.idx()) + lane.time_of(step).map_or(0.0, |at_ms| at_ms / 1000.0),
    }
}

/// The ends of the x axis in charts: those of the range shown or of the run, with room after a single step.
pub(super) fn x_range(app: &App) -> (f64, f64) {
    if let Some(ends) = shown_range(app) {
        return ends;
    }
    let (start, end) = run_range(app);
    if app.planned_steps().0 <= 1 { (start, 2.0 * end) } else { (start, end) }
}

/// The ends of the range of steps shown, on the chosen x axis; none while the whole run is shown.
pub(super) fn shown_range(app: &App) -> Option<(f64, f64)> {
    let (first, last) = app.range()?;
    let lane = app.lane(app.selected_lane())?;
    let ends = (x_of(app, lane, first), x_of(app, lane, last));
    // A lane that made none of these steps has no times for them.
    (ends.0 < ends.1).then_some(ends)
}

/// From the run's start to its planned end on the chosen x axis, over all visible lanes.
pub(super) fn run_range(app: &App) -> (f64, f64) {
    let end = match app.options().axis {
        Axis::Step => app.planned_steps().0 as f64,
        Axis::Epoch => {
            app.visible_lanes().filter_map(|lane| lane.epoch_of(app.planned_steps())).fold(0.0, f64::max)
        }
        Axis::Time => app.visible_lanes().map(seconds).fold(0.0, f64::max),
        Axis::Clock => {
            let end = |lane: &Lane| app.start_of(lane.idx()) + seconds(lane);
            app.visible_lanes().map(end).fold(0.0, f64::max)
        }
    };
    (0.0, end.max(f64::MIN_POSITIVE))
}

/// What a lane takes, as far as it is known now, in seconds.
fn seconds(lane: &Lane) -> f64 {
    (lane.elapsed_ms() + lane.remaining_ms().unwrap_or(0.0)) / 1000.0
}

/// The cursor's place on the x axis: in the selected lane, where lanes differ.
pub(super) fn cursor_x(app: &App) -> Option<f64> {
    let lane = app.lane(app.selected_lane())?;
    Some(x_of(app, lane, app.step()))
}

/// The mark on the x axis: in the selected lane, as the cursor; none at the cursor itself.
pub(super) fn mark(app: &App) -> Option<Mark> {
    let step = app.options().mark.filter(|mark| *mark != app.step())?;
    let lane = app.lane(app.selected_lane())?;
    Some(Mark { x: x_of(app, lane, step), steps: step.0.abs_diff(app.step().0) })
}

/// What lies between the mark and the cursor: of the values shown there, and of all points from one to the other.
pub(super) fn between(
    app: &App,
    points: impl Iterator<Item = Point>,
    value_at: impl Fn(Step) -> Option<f64>,
) -> Option<Between> {
    let mark = app.options().mark.filter(|mark| *mark != app.step())?;
    let (from, to) = (mark.min(app.step()), mark.max(app.step()));
    let difference = value_at(to)? - value_at(from)?;
    let within = points.filter(|point| point.last_step >= from && point.first_step <= to);
    let finite = within.filter_map(|point| Some((f64::from(point.mean()?), point.finite() as f64)));
    let (sum, count) =
        finite.fold((0.0, 0.0), |(sum, count), (mean, more)| (sum + mean * more, count + more));
    let mean = (count > 0.0).then(|| sum / count);
    Some(Between { difference, per_step: difference / (to.0 - from.0) as f64, mean })
}

/// The step at a place on the x axis, for the selected lane.
pub(super) fn step_at(app: &App, x: f64) -> Step {
    let last = app.planned_steps().0;
    let Some(lane) = app.lane(app.selected_lane()) else { return Step(0) };
    match app.options().axis {
        Axis::Step => Step(x.round().clamp(0.0, last as f64) as u64),
        _ => {
            // Places increase with steps, so the step is found by bisection.
            let (mut low, mut high) = (0, last);
            while low < high {
                let middle = low + (high - low) / 2;
                if x_of(app, lane, Step(middle)) < x { low = middle + 1 } else { high = middle }
            }
            Step(low)
        }
    }
}

/// Whether a point is in the range of steps shown.
pub(super) fn is_shown(app: &App, point: &Point) -> bool {
    app.range().is_none_or(|(first, last)| point.last_step >= first && point.first_step <= last)
}

/// The place of a point on the chosen x axis.
fn x_of_point(app: &App, lane: &Lane, point: &Point) -> f64 {
    match app.options().axis {
        Axis::Time => point.at_ms / 1000.0,
        Axis::Clock => app.start_of(lane.idx()) + point.at_ms / 1000.0,
        _ => x_of(app, lane, point.last_step),
    }
}

/// A curve's buckets on the chosen x axis.
pub(super) fn buckets(app: &App, lane: &Lane, scalar: Metric) -> Vec<Bucket> {
    let bucket = |point: Point| Bucket {
        x: x_of_point(app, lane, &point),
        extent: extent(point.cell),
        last: point.cell.last,
    };
    lane.points(scalar).map(bucket).collect()
}

/// A metric's history of one layer or block on the chosen x axis.
pub(super) fn history(app: &App, lane: &Lane, metric: Metric, at: usize) -> Vec<Bucket> {
    let bucket = |point: Point| {
        // For merged steps the mean is drawn; any single value would be only a sample.
        let last = if point.count > 1 { point.cell.mean } else { point.cell.last };
        Bucket { x: x_of_point(app, lane, &point), extent: extent(point.cell), last }
    };
    lane.points_of(metric, at).map(bucket).collect()
}

/// A single number with the chosen smoothing: a bucket for each point with the average up to it, and a gap where there is
/// no finite value.
pub(super) fn smoothed_buckets(app: &App, lane: &Lane, metric: Metric) -> Vec<Bucket> {
    let mut ema = Ema::new(app.options().smoothing.decay());
    let average = |point: Point| {
        let value = point.mean().map_or(f32::NAN, |mean| ema.push_many(mean.into(), point.finite()) as f32);
        marked(Bucket::of(x_of(app, lane, point.last_step), value), point.cell.non_finite > 0)
    };
    lane.points(metric).map(average).collect()
}

/// A bucket with a mark where values were not finite.
fn marked(mut bucket: Bucket, non_finite: bool) -> Bucket {
    bucket.extent.non_finite |= non_finite;
    bucket
}

/// A history with the chosen smoothing: a bucket per value with the average up to it, and a gap where there is no finite
/// value.
pub(super) fn smoothed(app: &App, history: &[Bucket]) -> Vec<Bucket> {
    let mut ema = Ema::new(app.options().smoothing.decay());
    let average = |bucket: &Bucket| {
        let has_value = bucket.extent.range().is_some();
        let value = if has_value { ema.push(bucket.last.into()) as f32 } else { f32::NAN };
        marked(Bucket::of(bucket.x, value), bucket.extent.non_finite)
    };
    history.iter().map(average).collect()
}

/// Whether a statistic is drawn on a logarithmic scale.
pub(super) fn is_log(app: &App, statistic: Metric) -> bool {
    app.options().scale.resolve(statistic.scale()) == Scale::Log
}

/// How the values of a metric are spaced in charts: on a logarithmic scale on both sides of zero, if it may have either sign.
pub(super) fn spacing(app: &App, metric: Metric) -> Spacing {
    if metric.scale() == Scale::Signed && app.options().scale == ScaleChoice::Log {
        return Spacing::SymmetricLog;
    }
    is_log(app, metric).into()
}

/// What charts show of their vertical axes, as chosen.
pub(super) fn values(app: &App) -> Values {
    Values { whole: app.options().whole_axis, part: app.part().map(Part::ends) }
}

/// The vertical axis of a chart of a metric for these values and its reference, as chosen: for the bulk of them, or for
/// all.
pub(super) fn fit(app: &App, metric: Metric, values: impl Iterator<Item = Extent>) -> widgets::Axis {
    let spacing = spacing(app, metric);
    let reference = reference(metric).map(|value| Extent::of(value as f32));
    if app.options().whole_axis {
        widgets::Axis::fit(values.chain(reference), spacing)
    } else {
        widgets::Axis::fit_bulk(values, reference, spacing)
    }
}

/// The reference value in charts of a statistic: zero, if it may have either sign.
pub(super) fn reference(statistic: Metric) -> Option<f64> {
    (statistic.scale() == Scale::Signed).then_some(0.0)
}

/// What a lane measured last up to the cursor's step in a metric over two axes: a row for each point of the first; none
/// if nothing was measured.
pub(super) fn at_cursor(app: &App, lane: &Lane, metric: Metric) -> Option<Matrix> {
    let row = lane.at(metric, app.step())?;
    let lines: Vec<std::ops::Range<usize>> = lane.columns(metric).into_iter().collect::<Option<_>>()?;
    let mut matrix = Matrix::new(lines.len(), lines.first()?.len());
    for (place, line) in lines.iter().enumerate() {
        for (column, number) in line.clone().enumerate() {
            matrix.merge(place, column, row.last(number).map_or(Extent::EMPTY, Extent::of));
        }
    }
    Some(matrix)
}

/// The colour scale for a statistic: centred on zero if it may have either sign.
pub(super) fn color_scale(statistic: Metric, scale: ColorScale) -> ColorScale {
    if statistic.scale() == Scale::Signed { scale.about_zero() } else { scale }
}

/// The placeholder for values that have not been read yet.
pub(super) const PENDING: &str = "reading";

/// The text in place of missing data: that it is being read, or that there is none.
pub(super) fn absence<'a>(app: &'a App, wanted: Wanted, none: &'a str) -> &'a str {
    if app.needs(&[wanted]).is_empty() { none } else { PENDING }
}
