//! An event as rows of the exported table. Fast, because a run has a million rows: what repeats from row to
//! row is escaped once.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use super::Format;
use crate::event::{EvaluationFinished, LaneStarted, Mode, Outcome, Pass, RunEvent, Split, StepFinished};
use crate::statistic::Subject;
use crate::text;
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

/// What repeats in the rows of a lane, in the form of the format.
struct Lane {
    /// Run and lane, up to the step.
    prefix: String,
    /// Index and name of each layer that is recorded.
    layers: Vec<(usize, String)>,
    blocks: Vec<(usize, String)>,
}

/// A number as it is written.
enum Number {
    F32(f32),
    F64(f64),
    Count(u64),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The debug form keeps very small and large numbers short, and is JSON where finite.
        match self {
            Number::F32(x) => write!(f, "{x:?}"),
            Number::F64(x) => write!(f, "{x:?}"),
            Number::Count(x) => write!(f, "{x}"),
        }
    }
}

impl Number {
    fn is_finite(&self) -> bool {
        match self {
            Number::F32(x) => x.is_finite(),
            Number::F64(x) => x.is_finite(),
            Number::Count(_) => true,
        }
    }
}

impl<'a> RowWriter<'a> {
    /// Begins a table of these lanes, each by run and name.
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
        let lane = |label| Lane { prefix: prefix(label), layers: Vec::new(), blocks: Vec::new() };
        let lanes = labels.iter().map(lane).collect();
        Ok(RowWriter { format, lanes, buffer: String::new(), out })
    }

    /// Writes the rows of an event.
    pub(super) fn event(&mut self, idx: LaneIdx, event: &RunEvent) -> io::Result<()> {
        let Some(lane) = self.lanes.get_mut(idx.0) else { return Ok(()) };
        if let RunEvent::LaneStarted(started) = event {
            lane.name_rows(self.format, started);
        }
        self.buffer.clear();
        let mut rows = Rows { format: self.format, lane, step: event.step().0, buffer: &mut self.buffer };
        match event {
            RunEvent::StepFinished(step) => rows.step(step),
            RunEvent::EvaluationFinished(evaluation) => rows.evaluation(evaluation),
            RunEvent::LaneStarted(_) => rows.happened("", "lane_started", event),
            RunEvent::CheckpointWritten(checkpoint) => {
                rows.happened(&checkpoint.file, "checkpoint_written", event)
            }
            RunEvent::NonFiniteFound(found) => {
                let layer = found.layer.map(|layer| layer.to_string()).unwrap_or_default();
                let pass = match found.pass {
                    Pass::Forward => "forward",
                    Pass::Backward => "backward",
                    Pass::Update => "update",
                };
                rows.happened(&format!("{pass}/{layer}"), "non_finite_found", event);
            }
            RunEvent::Paused(_) => rows.happened("", "paused", event),
            RunEvent::Resumed(_) => rows.happened("", "resumed", event),
            RunEvent::LaneResumed(resumed) => {
                rows.happened(resumed.checkpoint.as_deref().unwrap_or_default(), "lane_resumed", event);
            }
            RunEvent::RecordsLost(lost) => rows.happened(&lost.records.to_string(), "records_lost", event),
            RunEvent::LaneFinished(end) => {
                let outcome = match &end.outcome {
                    Outcome::Completed => "completed",
                    Outcome::Stopped => "stopped",
                    Outcome::Diverged => "diverged",
                    Outcome::Failed { reason } => reason,
                };
                rows.happened(outcome, "lane_finished", event);
            }
            // No scalars: its bins stand in the log.
            RunEvent::HistogramsTaken(_) => {}
        }
        self.out.write_all(self.buffer.as_bytes())
    }
}

impl Lane {
    fn name_rows(&mut self, format: Format, started: &LaneStarted) {
        let topology = &started.topology;
        let layers = topology.layers.iter().map(|layer| escaped(format, &layer.name)).enumerate();
        let is_recorded = |at| started.recorded.as_ref().is_none_or(|layers| layers.contains(&LayerIdx(at)));
        self.layers = layers.filter(|(at, _)| is_recorded(*at)).collect();
        self.blocks = topology.blocks.iter().map(|block| escaped(format, &block.name)).enumerate().collect();
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
    fn step(&mut self, step: &StepFinished) {
        let scalars = [
            ("loss", Number::F32(step.loss)),
            ("error", Number::F32(step.error)),
            ("learning_rate", Number::F64(step.learning_rate)),
            ("at_ms", Number::F64(step.time.at_ms)),
            ("step_ms", Number::F64(step.time.step_ms)),
            ("statistics_ms", Number::F64(step.time.statistics_ms)),
        ];
        let nameless = escaped(self.format, "");
        for (statistic, number) in scalars {
            self.row("step", None, &nameless, statistic, number);
        }
        let lane = self.lane;
        for (statistic, column) in step.statistics.iter() {
            let (kind, names) = match statistic.subject() {
                Subject::Layer => ("layer", &lane.layers),
                Subject::Block => ("block", &lane.blocks),
            };
            for (value, (index, name)) in column.iter().zip(names) {
                self.row(kind, Some(*index), name, statistic.name(), Number::F32(*value));
            }
        }
    }

    fn evaluation(&mut self, evaluation: &EvaluationFinished) {
        let name = match (evaluation.split, evaluation.mode) {
            (Split::Train, Mode::Eval) => "train/eval",
            (Split::Train, Mode::Batch) => "train/batch",
            (Split::Test, Mode::Eval) => "test/eval",
            (Split::Test, Mode::Batch) => "test/batch",
        };
        let name = escaped(self.format, name);
        let scalars = [
            ("loss", Number::F32(evaluation.loss)),
            ("error", Number::F32(evaluation.error)),
            ("images", Number::Count(evaluation.images as u64)),
            ("at_ms", Number::F64(evaluation.time.at_ms)),
        ];
        for (statistic, number) in scalars {
            self.row("evaluation", None, &name, statistic, number);
        }
    }

    /// A row for something that has a time and no figure.
    fn happened(&mut self, name: &str, what: &'static str, event: &RunEvent) {
        let name = escaped(self.format, name);
        self.row("event", None, &name, what, Number::F64(event.at_ms()));
    }

    /// Appends a row; `name` is escaped already, `kind` and `statistic` need not be.
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

/// A text as a field of the format.
fn escaped(format: Format, text: &str) -> String {
    match format {
        Format::Csv => {
            let text = text::escaped(text);
            if text.contains([',', '"', '\n']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.into_owned()
            }
        }
        Format::Jsonl => text::escaped_json(&serde_json::Value::from(text).to_string()).into_owned(),
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
