//! What a lane measured, as rules name it: the metrics that its log declares, and what follows from them.

use super::rule::{Expression, Form, Measure, Point, Rule, When, Word};
use super::sample::Unit;
use crate::app::{Lane, LaneState};
use crate::history::{History, Row};
use crate::metric::{Better, Metric, Shape, known, probed};
use crate::units::Step;

/// The steps over which [`steps_until`] averages.
const SMOOTHED: usize = 20;

/// A value, or why there is none, in words.
pub type Measured = Result<f64, String>;

/// A measure that is not a metric.
struct Derived {
    name: &'static str,
    unit: &'static str,
    of: fn(&Lane) -> Option<f64>,
}

const DERIVED: [Derived; 6] = [
    Derived { name: "diverged", unit: "", of: |lane| Some(f64::from(u8::from(has_diverged(lane)))) },
    Derived { name: "steps", unit: "steps", of: |lane| Some(lane.last_step().0 as f64) },
    Derived { name: "step_ms", unit: "ms", of: |lane| lane.pace().step_ms() },
    Derived { name: "parameters", unit: "", of: |lane| Some(lane.structure()?.parameters()? as f64) },
    Derived { name: "multiply_adds", unit: "", of: |lane| Some(lane.structure()?.multiply_adds()? as f64) },
    Derived {
        name: "activation_bytes",
        unit: "bytes",
        of: |lane| Some(lane.started()?.activation_bytes? as f64),
    },
];

/// The names of measures that are not metrics.
const NAMES: [&str; DERIVED.len()] = {
    let mut names = [""; DERIVED.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = DERIVED[at].name;
        at += 1;
    }
    names
};

/// The metrics that are known before anything was measured, but histograms.
pub fn metrics() -> impl Iterator<Item = Metric> {
    known::ALL.iter().chain(probed::ALL).copied().filter(|metric| metric.shape() != Shape::Histograms)
}

fn metric_named(name: &str) -> Option<Metric> {
    metrics().find(|metric| metric.name() == name)
}

/// The names of all measures that are known before anything was measured.
pub(super) fn known_names() -> impl Iterator<Item = &'static str> {
    metrics().map(Metric::name).chain(NAMES)
}

/// The axes of a metric of this name; none if it is not known before it is declared.
pub(super) fn axes_of(name: &str) -> Option<&'static [&'static str]> {
    metric_named(name).map(Metric::axes)
}

/// The unit of a measure.
pub(super) fn unit_of(name: &str) -> Unit {
    let derived = DERIVED.iter().find(|derived| derived.name == name).map(|derived| derived.unit);
    Unit::named(derived.or_else(|| metric_named(name).map(Metric::unit)).unwrap_or_default())
}

/// Anything that rules can be judged by.
pub trait Observed {
    /// Whether it has ended, so that its last value is its last.
    fn is_over(&self) -> bool;
    /// The value of a measure.
    fn measured(&self, measure: &str, select: &Select<'_>) -> Measured;
    /// The first step from which on the mean of a measure over 20 steps is at most a level; infinite if there is none.
    fn steps_until(&self, measure: &str, level: f64) -> Measured;
}

/// Which value of a lane is meant.
pub struct Select<'a> {
    pub(super) step: When,
    /// The axes with the point on each.
    pub(super) points: &'a [(Word, Point)],
}

impl<'a> Select<'a> {
    pub(super) fn of(measure: &'a Measure) -> Select<'a> {
        Select { step: measure.step, points: &measure.points }
    }
}

impl<T: Observed> Observed for &T {
    fn is_over(&self) -> bool {
        T::is_over(self)
    }

    fn measured(&self, measure: &str, select: &Select<'_>) -> Measured {
        T::measured(self, measure, select)
    }

    fn steps_until(&self, measure: &str, level: f64) -> Measured {
        T::steps_until(self, measure, level)
    }
}

impl Observed for Lane {
    fn is_over(&self) -> bool {
        matches!(self.state(), LaneState::Completed | LaneState::Diverged)
    }

    fn measured(&self, measure: &str, select: &Select<'_>) -> Measured {
        if let Some(derived) = DERIVED.iter().find(|derived| derived.name == measure) {
            return (derived.of)(self).ok_or_else(|| format!("`{measure}` is unknown"));
        }
        let metric = metric_of(self, measure)?;
        if let Some(worst) = worst(metric).filter(|_| is_after_divergence(self, select.step)) {
            return Ok(worst);
        }
        let lacks = || format!("`{measure}` was not recorded");
        let history = self.history(metric).ok_or_else(lacks)?;
        let column = column(self, metric, select)?;
        let row = match select.step {
            When::First => history.row(0),
            When::Last => history.last(),
            When::At(step) => history.at(Step(step)),
        };
        row.and_then(|row: Row<'_>| row.last(column)).map(f64::from).ok_or_else(lacks)
    }

    fn steps_until(&self, measure: &str, level: f64) -> Measured {
        let metric = metric_of(self, measure)?;
        if metric.shape() != Shape::Scalar {
            return Err(format!(
                "expected a single number a step, found `{measure}` over {}",
                metric.over().join(", ")
            ));
        }
        Ok(steps_until(self.scalar(metric), level))
    }
}

fn has_diverged(lane: &Lane) -> bool {
    *lane.state() == LaneState::Diverged
}

/// Whether a value is one of a lane that has diverged, rather than of the time before.
fn is_after_divergence(lane: &Lane, step: When) -> bool {
    has_diverged(lane)
        && match step {
            When::First => false,
            When::Last => true,
            When::At(step) => Step(step) >= lane.last_step(),
        }
}

/// The metric of this name that the lane declares; one that diverged may have ended before it declared what it would have
/// measured.
fn metric_of(lane: &Lane, name: &str) -> Result<Metric, String> {
    let declared = lane.declared().metrics().iter();
    let found = declared.copied().find(|metric| metric.name() == name && metric.shape() != Shape::Histograms);
    let known = || metric_named(name).filter(|_| has_diverged(lane));
    found.or_else(known).ok_or_else(|| format!("`{name}` was not measured"))
}

/// What a lane that diverged has in a metric with a better end, measured or not: leaving it out would flatter the others.
fn worst(metric: Metric) -> Option<f64> {
    match metric.better() {
        Better::Lower => Some(f64::INFINITY),
        Better::Higher => Some(f64::NEG_INFINITY),
        Better::None => None,
    }
}

/// The place of the selected points among the numbers of a metric, of whose axes the last one is the fastest.
fn column(lane: &Lane, metric: Metric, select: &Select<'_>) -> Result<usize, String> {
    let mut column = 0;
    for axis in metric.axes() {
        let length = lane.declared().length(axis).unwrap_or(0);
        column = column * length + place(lane, metric, axis, select)?;
    }
    Ok(column)
}

/// The place of the selected point of an axis among those that are recorded.
fn place(lane: &Lane, metric: Metric, axis: &str, select: &Select<'_>) -> Result<usize, String> {
    let name = metric.name();
    let length = lane.declared().length(axis).unwrap_or(0);
    let (_, point) = select.points.iter().find(|(given, _)| given.text == axis).ok_or_else(|| {
        format!("`{name}` has a value for each {axis}; expected `{axis} = first`, `last`, a number or a name")
    })?;
    let at = match point {
        Point::Nth(number) if *number > 0 => usize::try_from(number - 1).ok(),
        Point::Nth(number) => {
            usize::try_from(number.unsigned_abs()).ok().and_then(|back| length.checked_sub(back))
        }
        Point::Named(wanted) => lane.point_named(axis, wanted),
    };
    let at = at.filter(|at| *at < length).ok_or_else(|| {
        let found = match point {
            Point::Nth(number) => number.to_string(),
            Point::Named(name) => format!("`{name}`"),
        };
        format!("expected a {axis} of the network, which has {length}, found {found}")
    })?;
    lane.column_of(axis, at).ok_or_else(|| format!("`{name}` was not recorded for this {axis}"))
}

/// The first step at which the mean of the last 20 values is at most a level; infinite if there is none.
fn steps_until(history: &History, level: f64) -> f64 {
    let points: Vec<(Step, f64)> = history
        .points(0)
        .map(|point| (point.last_step, f64::from(point.mean().unwrap_or(f32::NAN))))
        .collect();
    let reached =
        |window: &&[(Step, f64)]| window.iter().map(|(_, x)| x).sum::<f64>() / window.len() as f64 <= level;
    let first = points.windows(SMOOTHED.min(points.len().max(1))).find(reached);
    first.and_then(|window| window.last()).map_or(f64::INFINITY, |(step, _)| step.0 as f64)
}

/// The metrics that rules ask a lane for.
pub fn metrics_of<'a>(rules: impl IntoIterator<Item = &'a Rule>, lane: &Lane) -> Vec<Metric> {
    let mut names = Vec::new();
    for rule in rules {
        names_in(&rule.left, &mut names);
        names_in(&rule.right, &mut names);
    }
    lane.declared().metrics().iter().copied().filter(|metric| names.contains(&metric.name())).collect()
}

fn names_in<'a>(expression: &'a Expression, names: &mut Vec<&'a str>) {
    match &expression.of {
        Form::Number { .. } => {}
        Form::Measure(measure) => names.push(&measure.name.text),
        Form::Call { arguments, .. } => arguments.iter().for_each(|argument| names_in(argument, names)),
        Form::Slope { sample, .. } => names_in(sample, names),
        Form::Negative(inner) => names_in(inner, names),
        Form::Pair { left, right, .. } => [left, right].into_iter().for_each(|side| names_in(side, names)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::LaneLabel;
    use crate::event::{Kind, LaneFinished, LaneStarted, MetricsDeclared, Outcome, RunEvent, Value, Values};
    use crate::metric::probed::{CKA, COMPARED};
    use crate::metric::{Axis, BLOCK, Points};
    use crate::structure::{Block, Structure};
    use crate::units::LaneIdx;

    const LAST: Select<'_> = Select { step: When::Last, points: &[] };

    /// A lane that declares these metrics, measured these values at a step, and ended there.
    fn lane(metrics: &[Metric], step: u64, values: Values, outcome: Outcome) -> Lane {
        let block = |name: &str| Block { name: name.to_owned(), ..Block::default() };
        let names = ["a", "b", "c"];
        let axis =
            Axis { name: COMPARED.to_owned(), points: Points::Names(names.map(str::to_owned).to_vec()) };
        let started = LaneStarted {
            structure: Structure { blocks: names.map(block).to_vec(), ..Structure::default() },
            declared: MetricsDeclared { metrics: metrics.to_vec(), axes: vec![axis] },
            activation_bytes: Some(4096),
            ..LaneStarted::default()
        };
        let label = LaneLabel { run: "run".to_owned(), lane: "plain".to_owned() };
        let mut lane = Lane::new(LaneIdx(0), label);
        let finished = Kind::LaneFinished(LaneFinished { outcome });
        lane.apply(&RunEvent::new(Step(0), 0.0, Kind::LaneStarted(Box::new(started))), None);
        lane.apply(&RunEvent::new(Step(step), 1.0, Kind::Measured(values)), None);
        lane.apply(&RunEvent::new(Step(step), 2.0, finished), None);
        lane
    }

    #[test]
    fn a_lane_that_diverged_is_worst_in_what_it_never_measured() {
        let loss = || Values::default().with(known::LOSS, 2.5);
        let metrics = [known::LOSS, known::LEARNING_RATE, known::TEST_ERROR];
        let diverged = lane(&metrics, 7, loss(), Outcome::Diverged);
        let at = |step| Select { step, ..LAST };
        // Declared and measured, declared only, known only.
        for measure in ["loss", "test_error", "intact_error"] {
            assert_eq!(diverged.measured(measure, &LAST), Ok(f64::INFINITY), "{measure}");
            assert_eq!(diverged.measured(measure, &at(When::At(7))), Ok(f64::INFINITY), "{measure}");
        }
        assert_eq!(diverged.measured("loss", &at(When::First)), Ok(2.5));
        assert!(diverged.measured("test_error", &at(When::At(6))).is_err());
        // What has no better end is open.
        assert!(diverged.measured("learning_rate", &LAST).is_err());
        assert!(diverged.measured("cka", &LAST).is_err());
        assert_eq!(diverged.steps_until("test_error", 0.5), Ok(f64::INFINITY));

        let completed = lane(&metrics, 7, loss(), Outcome::Completed);
        assert_eq!(completed.measured("loss", &LAST), Ok(2.5));
        assert!(completed.measured("test_error", &LAST).is_err());
        assert!(completed.measured("intact_error", &LAST).is_err());
        assert_eq!(completed.measured("activation_bytes", &LAST), Ok(4096.0));
    }

    #[test]
    fn a_point_of_two_axes_is_found() {
        let numbers: Vec<f32> = (0..9).map(|at| at as f32).collect();
        let values = [(CKA, Value::Numbers(numbers))].into_iter().collect();
        let lane = lane(&[CKA], 3, values, Outcome::Completed);
        let cka = |points: &[(&str, Point)]| {
            let word = |text: &str| Word { at: 0..0, text: text.to_owned() };
            let points: Vec<(Word, Point)> =
                points.iter().map(|(axis, point)| (word(axis), point.clone())).collect();
            lane.measured("cka", &Select { points: &points, ..LAST })
        };
        let named = |name: &str| Point::Named(name.to_owned());
        assert_eq!(cka(&[(BLOCK, Point::Nth(2)), (COMPARED, Point::Nth(-1))]), Ok(5.0));
        assert_eq!(cka(&[(COMPARED, named("a")), (BLOCK, named("c"))]), Ok(6.0));
        assert!(cka(&[(BLOCK, Point::Nth(2))]).is_err());
        assert!(cka(&[(BLOCK, Point::Nth(4)), (COMPARED, Point::Nth(1))]).is_err());
    }
}
