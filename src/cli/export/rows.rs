//! Turns events into rows of the exported table. Fast, because a run has a million rows: what repeats from row to row
//! is escaped once.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use super::Format;
use crate::event::{Declared, Kind, LaneStarted, Outcome, Pass, RunEvent, Value, Values};
use crate::metric::{BLOCK, LAYER, Metric, Shape};
use crate::printable;
use crate::units::{LaneIdx, LayerIdx};

/// The heading.
const COLUMNS: &str = "run,lane,step,kind,index,name,statistic,value\n";

/// Writes events as rows.
pub(super) struct RowWriter<'a> {
    format: Format,
    lanes: Vec<Lane>,
    /// The rows of one event.
    buffer: String,
    out: &'a mut dyn Write,
}

/// What repeats in the rows of a lane, escaped for the format.
struct Lane {
    /// Run and lane, up to the step.
    prefix: String,
    /// Index and name of each recorded layer, not escaped.
    layers: Vec<(usize, String)>,
    blocks: Vec<(usize, String)>,
    declared: Declared,
    /// What repeats for each metric seen: its axes, and index and name of each of its numbers.
    metrics: Vec<(Metric, Heading)>,
}

/// What repeats in the rows of a metric, escaped for the format.
struct Heading {
    kind: String,
    name: String,
    numbers: Vec<(usize, String)>,
}

/// A number to be written.
enum Number {
    F32(f32),
    F64(f64),
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
    fn is_finite(&self) -> bool {
        match self {
            Number::F32(x) => x.is_finite(),
            Number::F64(x) => x.is_finite(),
        }
    }
}

impl<'a> RowWriter<'a> {
    /// Begins a table of these lanes, given by run and name.
    pub(super) fn new(
        format: Format,
        labels: Vec<(String, String)>,
        out: &'a mut dyn Write,
    ) -> io::Result<Self> {
        if format == Format::Csv {
            out.write_all(COLUMNS.as_bytes())?;
        }
        let prefix = |(run, lane): &(String, String)| match format {
            Format::Csv => format!("{},{},", escaped(format, run), escaped(format, lane)),
            Format::Jsonl => {
                format!("{{\"run\":{},\"lane\":{},\"step\":", escaped(format, run), escaped(format, lane))
            }
        };
        let lane = |label| Lane {
            prefix: prefix(label),
            layers: Vec::new(),
            blocks: Vec::new(),
            declared: Declared::default(),
            metrics: Vec::new(),
        };
        let lanes = labels.iter().map(lane).collect();
        Ok(RowWriter { format, lanes, buffer: String::new(), out })
    }

    /// Writes the rows of an event.
    pub(super) fn event(&mut self, idx: LaneIdx, event: &RunEvent) -> io::Result<()> {
        let Some(lane) = self.lanes.get_mut(idx.0) else { return Ok(()) };
        // Events that were read never contradict their declarations.
        let _ = lane.declared.note(event);
        if let Kind::LaneStarted(started) = &event.kind {
            lane.name_rows(started);
        }
        if let Kind::Measured(values) = &event.kind {
            values.iter().for_each(|(metric, _)| lane.head(self.format, metric));
        }
        self.buffer.clear();
        let mut rows = Rows { format: self.format, lane, step: event.step.0, buffer: &mut self.buffer };
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
        self.out.write_all(self.buffer.as_bytes())
    }
}

impl Lane {
    fn name_rows(&mut self, started: &LaneStarted) {
        let structure = &started.structure;
        let layers = structure.layers.iter().map(|layer| layer.name.clone()).enumerate();
        let is_recorded = |at| started.recorded.as_ref().is_none_or(|layers| layers.contains(&LayerIdx(at)));
        self.layers = layers.filter(|(at, _)| is_recorded(*at)).collect();
        self.blocks = structure.blocks.iter().map(|block| block.name.clone()).enumerate().collect();
        self.metrics.clear();
    }

    /// Adds the heading of a metric.
    fn head(&mut self, format: Format, metric: Metric) {
        if self.metrics.iter().any(|(known, _)| *known == metric) || metric.shape() == Shape::Histograms {
            return;
        }
        let mut numbers = vec![(0, String::new())];
        for axis in metric.axes() {
            let points = self.points(axis);
            let mut both = Vec::with_capacity(numbers.len() * points.len());
            for (at, name) in &numbers {
                both.extend(points.iter().map(|(point, label)| match name.as_str() {
                    "" => (*point, label.clone()),
                    _ => (at * points.len() + point, format!("{name}/{label}")),
                }));
            }
            numbers = both;
        }
        let name = |(at, name): (usize, String)| (at, escaped(format, &name));
        let kind = if metric.axes().is_empty() { "scalar".to_owned() } else { metric.axes().join("/") };
        let kind = inner(format, &kind);
        let heading = Heading {
            kind,
            name: inner(format, metric.name()),
            numbers: numbers.into_iter().map(name).collect(),
        };
        self.metrics.push((metric, heading));
    }

    /// Index and name of each point of an axis.
    fn points(&self, axis: &str) -> Vec<(usize, String)> {
        match axis {
            LAYER => self.layers.clone(),
            BLOCK => self.blocks.clone(),
            _ => {
                let points = self.declared.axis(axis).map(|axis| &axis.points);
                let label = |at| points.and_then(|points| points.label(at)).unwrap_or_default();
                (0..points.map_or(0, |points| points.len())).map(|at| (at, label(at))).collect()
            }
        }
    }
}

/// The rows of one event of one lane.
struct Rows<'a> {
    format: Format,
    lane: &'a Lane,
    step: u64,
    buffer: &'a mut String,
}

impl Rows<'_> {
    fn measured(&mut self, event: &RunEvent, values: &Values) {
        let (lane, nameless) = (self.lane, escaped(self.format, ""));
        for (metric, value) in values.iter() {
            let Some((_, heading)) = lane.metrics.iter().find(|(known, _)| *known == metric) else {
                continue;
            };
            match value {
                Value::Number(number) => {
                    self.row(&heading.kind, None, &nameless, &heading.name, Number::F32(*number));
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
        let times = [
            ("at_ms", Some(time.at_ms)),
            ("step_ms", time.step_ms),
            ("statistics_ms", time.statistics_ms),
            ("probe_ms", time.probe_ms),
        ];
        for (name, time) in times {
            if let Some(time) = time {
                self.row("time", None, &nameless, name, Number::F64(time));
            }
        }
    }

    /// A row for an event that has only a time.
    fn happened(&mut self, name: &str, event: &RunEvent) {
        let name = escaped(self.format, name);
        self.row("event", None, &name, event.kind.name(), Number::F64(event.time.at_ms));
    }

    /// Appends a row of escaped fields.
    fn row(&mut self, kind: &str, index: Option<usize>, name: &str, statistic: &str, number: Number) {
        let (prefix, step) = (&self.lane.prefix, self.step);
        let row = &mut *self.buffer;
        // Writing to a String cannot fail.
        let _ = match (self.format, index) {
            (Format::Csv, Some(index)) => {
                writeln!(row, "{prefix}{step},{kind},{index},{name},{statistic},{number}")
            }
            (Format::Csv, None) => writeln!(row, "{prefix}{step},{kind},,{name},{statistic},{number}"),
            (Format::Jsonl, index) => {
                let _ = write!(row, "{prefix}{step},\"kind\":\"{kind}\"");
                if let Some(index) = index {
                    let _ = write!(row, ",\"index\":{index}");
                }
                let quote = if number.is_finite() { "" } else { "\"" };
                writeln!(
                    row,
                    ",\"name\":{name},\"statistic\":\"{statistic}\",\"value\":{quote}{number}{quote}}}"
                )
            }
        };
    }
}

/// A text as a field of the format, without the quotes that JSON has around it.
fn inner(format: Format, text: &str) -> String {
    let text = escaped(format, text);
    match format {
        Format::Csv => text,
        Format::Jsonl => text[1..text.len() - 1].to_owned(),
    }
}

/// A text as a field of the format.
fn escaped(format: Format, text: &str) -> String {
    match format {
        Format::Csv => {
            let text = printable::escaped(text);
            if text.contains([',', '"', '\n']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.into_owned()
            }
        }
        Format::Jsonl => printable::escaped_json(&serde_json::Value::from(text).to_string()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_escaped_where_they_must_be() {
        assert_eq!(escaped(Format::Csv, "layer1.0.conv1"), "layer1.0.conv1");
        assert_eq!(escaped(Format::Csv, "a,\"b\"\nc"), "\"a,\"\"b\"\"\nc\"");
        assert_eq!(escaped(Format::Csv, "a\u{1b}\r\0\u{9b}"), r"a\u{1b}\u{d}\u{0}\u{9b}");
        assert_eq!(escaped(Format::Jsonl, "a\"\u{1b}\u{9b}"), r#""a\"\u001b\u009b""#);
    }

    #[test]
    fn numbers_are_short_and_read_back() {
        let shown = |x: f32| Number::F32(x).to_string();
        assert_eq!([shown(0.1), shown(1e-10), shown(1e30)], ["0.1", "1e-10", "1e30"]);
        assert_eq!([shown(f32::NAN), shown(f32::INFINITY), shown(f32::NEG_INFINITY)], ["NaN", "inf", "-inf"]);
    }
}
