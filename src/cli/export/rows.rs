//! Turns events into rows of the exported table. Fast, because a run has a million rows: what repeats from row to row
//! is made ready for the format once. How a row is written is the concern of a [`Table`].

use std::fmt;
use std::io;

use super::points::Points;
use crate::event::{Kind, Outcome, Pass, RunEvent, Value, Values};
use crate::metric::{Metric, Shape};
use crate::units::LaneIdx;

/// The columns.
pub(super) const COLUMNS: [&str; 8] = ["run", "lane", "step", "kind", "index", "name", "statistic", "value"];

/// The times of a step, by their names in the table.
const TIMES: [&str; 4] = ["at_ms", "step_ms", "statistics_ms", "probe_ms"];

/// A table in some format.
pub(super) trait Table {
    /// A text as it is in rows.
    type Cell;
    /// Run and lane as they are in rows.
    type Label;

    /// Makes a text ready, once for all rows that have it.
    fn cell(&mut self, text: &str) -> Self::Cell;

    /// Makes run and lane ready.
    fn label(&mut self, run: &str, lane: &str) -> Self::Label;

    /// Adds a row.
    fn row(&mut self, label: &Self::Label, row: Row<'_, Self::Cell>);

    /// Writes the rows so far, or keeps them until there are more; called after each event.
    fn end_event(&mut self) -> io::Result<()>;

    /// Writes what is left.
    fn finish(self) -> io::Result<()>;
}

/// A row but for its run and lane. An empty name is none.
pub(super) struct Row<'a, C> {
    pub step: u64,
    pub kind: &'a C,
    pub index: Option<usize>,
    pub name: &'a C,
    pub statistic: &'a C,
    pub number: Number,
}

/// A number to be written.
#[derive(Clone, Copy)]
pub(super) enum Number {
    F32(f32),
    F64(f64),
}

/// Writes events as rows.
pub(super) struct RowWriter<T: Table> {
    table: T,
    lanes: Vec<Lane<T>>,
    fixed: Fixed<T::Cell>,
}

/// The texts that are the same in every run.
struct Fixed<C> {
    nothing: C,
    time: C,
    event: C,
    times: [C; 4],
}

/// What repeats in the rows of a lane, ready for the format.
struct Lane<T: Table> {
    label: T::Label,
    points: Points,
    /// What repeats for each metric seen: its axes, and index and name of each of its numbers.
    metrics: Vec<(Metric, Heading<T::Cell>)>,
}

/// What repeats in the rows of a metric, ready for the format.
struct Heading<C> {
    kind: C,
    name: C,
    numbers: Vec<(usize, C)>,
}

impl<T: Table> RowWriter<T> {
    /// Begins a table of these lanes, given by run and name.
    pub(super) fn new(mut table: T, labels: &[(String, String)]) -> RowWriter<T> {
        let fixed = Fixed {
            nothing: table.cell(""),
            time: table.cell("time"),
            event: table.cell("event"),
            times: TIMES.map(|name| table.cell(name)),
        };
        let lane = |(run, lane): &(String, String)| Lane {
            label: table.label(run, lane),
            points: Points::default(),
            metrics: Vec::new(),
        };
        let lanes = labels.iter().map(lane).collect();
        RowWriter { table, lanes, fixed }
    }

    /// Writes the rows of an event.
    pub(super) fn event(&mut self, idx: LaneIdx, event: &RunEvent) -> io::Result<()> {
        let Some(lane) = self.lanes.get_mut(idx.0) else { return Ok(()) };
        lane.points.note(event);
        if let Kind::LaneStarted(_) = &event.kind {
            lane.metrics.clear();
        }
        if let Kind::Measured(values) = &event.kind {
            values.iter().for_each(|(metric, _)| lane.head(metric, &mut self.table));
        }
        let mut rows = Rows { lane, step: event.step.0, fixed: &self.fixed, table: &mut self.table };
        match &event.kind {
            Kind::Measured(values) => rows.measured(event, values),
            Kind::LaneStarted(_) | Kind::Paused | Kind::Resumed => rows.happened("", event),
            Kind::MetricsDeclared(declared) => {
                let names: Vec<&str> = declared.metrics.iter().map(|metric| metric.name()).collect();
                rows.happened(&names.join(" "), event);
            }
            Kind::CheckpointWritten(checkpoint) => rows.happened(&checkpoint.file, event),
            Kind::NonFiniteFound(found) => {
                let layer = found.layer.map(|layer| layer.to_string()).unwrap_or_default();
                let pass = match found.pass {
                    Pass::Forward => "forward",
                    Pass::Backward => "backward",
                    Pass::Update => "update",
                };
                rows.happened(&format!("{pass}/{layer}"), event);
            }
            Kind::OrderTaken(taken) => rows.happened(&taken.order.to_string(), event),
            Kind::NoteTaken(note) => rows.happened(&note.text, event),
            Kind::LaneResumed(resumed) => {
                rows.happened(resumed.checkpoint.as_deref().unwrap_or_default(), event);
            }
            Kind::RecordsLost(lost) => rows.happened(&lost.records.to_string(), event),
            Kind::LaneFinished(end) => {
                let outcome = match &end.outcome {
                    Outcome::Completed => "completed",
                    Outcome::Stopped => "stopped",
                    Outcome::Diverged => "diverged",
                    Outcome::Failed { reason } => reason,
                };
                rows.happened(outcome, event);
            }
        }
        self.table.end_event()
    }

    /// Completes the table.
    pub(super) fn finish(self) -> io::Result<()> {
        self.table.finish()
    }
}

impl<T: Table> Lane<T> {
    /// Adds the heading of a metric.
    fn head(&mut self, metric: Metric, table: &mut T) {
        if self.metrics.iter().any(|(known, _)| *known == metric) || metric.shape() == Shape::Histograms {
            return;
        }
        let kind = if metric.axes().is_empty() { "scalar".to_owned() } else { metric.axes().join("/") };
        let numbers = self.points.of(metric).into_iter();
        let heading = Heading {
            kind: table.cell(&kind),
            name: table.cell(metric.name()),
            numbers: numbers.map(|(at, name)| (at, table.cell(&name))).collect(),
        };
        self.metrics.push((metric, heading));
    }
}

/// The rows of one event of one lane.
struct Rows<'a, T: Table> {
    lane: &'a Lane<T>,
    step: u64,
    fixed: &'a Fixed<T::Cell>,
    table: &'a mut T,
}

impl<T: Table> Rows<'_, T> {
    fn measured(&mut self, event: &RunEvent, values: &Values) {
        let (lane, fixed) = (self.lane, self.fixed);
        for (metric, value) in values.iter() {
            let Some((_, heading)) = lane.metrics.iter().find(|(known, _)| *known == metric) else {
                continue;
            };
            match value {
                Value::Number(number) => {
                    self.row(&heading.kind, None, &fixed.nothing, &heading.name, Number::F32(*number));
                }
                Value::Numbers(numbers) => {
                    for (number, (index, name)) in numbers.iter().zip(&heading.numbers) {
                        self.row(&heading.kind, Some(*index), name, &heading.name, Number::F32(*number));
                    }
                }
                // Histograms are not exported; their bins are in the log.
                Value::Histograms(_) => {}
            }
        }
        let time = &event.time;
        let times = [Some(time.at_ms), time.step_ms, time.statistics_ms, time.probe_ms];
        for (name, time) in fixed.times.iter().zip(times) {
            if let Some(time) = time {
                self.row(&fixed.time, None, &fixed.nothing, name, Number::F64(time));
            }
        }
    }

    /// A row for an event that has only a time.
    fn happened(&mut self, name: &str, event: &RunEvent) {
        let (name, kind) = (self.table.cell(name), self.table.cell(event.kind.name()));
        self.row(&self.fixed.event, None, &name, &kind, Number::F64(event.time.at_ms));
    }

    fn row(
        &mut self,
        kind: &T::Cell,
        index: Option<usize>,
        name: &T::Cell,
        statistic: &T::Cell,
        number: Number,
    ) {
        let row = Row { step: self.step, kind, index, name, statistic, number };
        self.table.row(&self.lane.label, row);
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The debug form keeps very small and large numbers short, and is valid JSON if finite.
        match self {
            Number::F32(x) => write!(f, "{x:?}"),
            Number::F64(x) => write!(f, "{x:?}"),
        }
    }
}

impl Number {
    /// Whether it is neither NaN nor infinite.
    pub(super) fn is_finite(&self) -> bool {
        match self {
            Number::F32(x) => x.is_finite(),
            Number::F64(x) => x.is_finite(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_read_back() {
        let shown = |x: f32| Number::F32(x).to_string();
        assert_eq!([shown(0.1), shown(1e-10), shown(1e30)], ["0.1", "1e-10", "1e30"]);
        assert_eq!([shown(f32::NAN), shown(f32::INFINITY), shown(f32::NEG_INFINITY)], ["NaN", "inf", "-inf"]);
    }
}
