//! What `skiplane show` prints of the log of another program: what was taken for lanes, layers and metrics.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use super::super::failure::Failure;
use super::super::table::{Align, Table, duration};
use super::super::{saved, write_json};
use crate::app::Lane;
use crate::metric::{LAYER, Shape};
use crate::printable::{grouped, printable, short};
use crate::reading::replay::{ReplayLane, Run};
use crate::reading::{self, Opened};
use crate::sources::{Renamed, Source, SourceReader};

/// The most names that are printed of each kind; JSON has all.
const SHOWN: usize = 40;

/// A log as it was taken.
#[derive(Serialize)]
struct Taken {
    lane: String,
    path: String,
    format: &'static str,
    state: &'static str,
    /// The most values of a metric.
    steps: u64,
    last_step: u64,
    elapsed_ms: f64,
    name: Option<String>,
    config: BTreeMap<String, String>,
    layers: Vec<String>,
    metrics: Vec<Measured>,
    renamed: Vec<Renamed>,
    /// Values that are not shown, by kind.
    not_shown: BTreeMap<String, u64>,
    bad_records: u64,
    first_bad: Option<String>,
    torn_bytes: u64,
    #[serde(skip)]
    not_judged: Vec<String>,
    findings: usize,
}

/// A metric of a lane.
#[derive(Serialize)]
struct Measured {
    name: &'static str,
    over: &'static [&'static str],
    values: usize,
    last: Option<f32>,
}

/// Prints what logs of another program were taken for.
pub(in crate::cli) fn run(sources: Vec<Arc<Source>>, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let Opened { mut app, replay, mut library } = reading::open_runs(&[Run::Foreign(sources)])?;
    for lane in replay.lanes() {
        library.prepare(&mut app, lane.idx());
    }
    saved::note_silence(&mut app, &replay);
    let taken: Vec<Taken> =
        app.lanes().iter().zip(replay.lanes()).map(|(lane, log)| taken(lane, log)).collect();
    if json {
        return Ok(write_json(&taken, out)?);
    }
    for (at, taken) in taken.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        write_page(taken, out)?;
    }
    Ok(())
}

fn taken(lane: &Lane, log: &ReplayLane) -> Taken {
    let structure = lane.structure();
    let metrics: Vec<Measured> = lane
        .declared()
        .metrics()
        .iter()
        .map(|metric| {
            let history = lane.history(*metric);
            let values = match metric.shape() {
                Shape::Histograms => lane.structure().map_or(0, |structure| {
                    let all = (0..structure.layers.len())
                        .filter_map(|at| lane.histograms(*metric, crate::units::LayerIdx(at)));
                    all.map(|history| history.rows().count()).max().unwrap_or(0)
                }),
                _ => history.map_or(0, |history| history.rows().map(|row| row.span.count as usize).sum()),
            };
            let last = history
                .and_then(|history| history.last()?.last(0))
                .filter(|_| metric.shape() == Shape::Scalar);
            Measured { name: metric.name(), over: metric.over(), values, last }
        })
        .collect();
    let report = log.report();
    let foreign = log.foreign();
    let rules = crate::app::health::RULES.iter();
    Taken {
        lane: lane.name().to_owned(),
        path: log.origin.path().display().to_string(),
        format: log.origin.format(),
        state: lane.state().name(),
        steps: metrics.iter().map(|metric| metric.values as u64).max().unwrap_or(0),
        last_step: lane.last_step().0,
        elapsed_ms: lane.elapsed_ms(),
        name: foreign.and_then(|reader| reader.name().map(str::to_owned)),
        config: foreign.map(|reader| reader.config().iter().cloned().collect()).unwrap_or_default(),
        layers: structure
            .into_iter()
            .flat_map(|structure| &structure.layers)
            .map(|layer| layer.name.clone())
            .collect(),
        metrics,
        renamed: foreign.map(SourceReader::renamed).unwrap_or_default(),
        not_shown: report.unknown.clone(),
        bad_records: report.bad_count,
        first_bad: report.bad.first().map(|(_, bad)| format!("record {}: {}", bad.line, bad.reason)),
        torn_bytes: log.torn_bytes(),
        not_judged: rules
            .filter_map(|rule| Some(format!("{} ({})", rule.title(), rule.lacks(lane)?)))
            .collect(),
        findings: lane.health().findings().len(),
    }
}

fn write_page(taken: &Taken, out: &mut dyn Write) -> io::Result<()> {
    let fact = |name: &str, value: &str, out: &mut dyn Write| match value {
        "" => Ok(()),
        value => writeln!(out, "{name:<11} {}", printable(value)),
    };
    fact("lane", &format!("{}, {}", taken.lane, taken.state), out)?;
    fact("log", &taken.path, out)?;
    fact("format", taken.format, out)?;
    fact("name", taken.name.as_deref().unwrap_or_default(), out)?;
    let time =
        if taken.elapsed_ms > 0.0 { format!(", {}", duration(taken.elapsed_ms)) } else { String::new() };
    let (steps, last) = (grouped(taken.steps), grouped(taken.last_step));
    fact("steps", &format!("up to {last}, at most {steps} values of a metric{time}"), out)?;
    fact("config", &settings(&taken.config), out)?;
    let layers = match taken.layers.len() {
        0 => "none found; `--layers PATTERN` says which tags are of layers".to_owned(),
        count => format!("{count}: {}", listed(&taken.layers, SHOWN)),
    };
    fact("layers", &layers, out)?;
    write_metrics(taken, out)?;
    // What is of layers has been told with the metrics over them.
    let renamed = taken.renamed.iter().filter(|renamed| renamed.layer.is_none());
    let renamed: Vec<String> = renamed
        .map(|Renamed { tag, metric, .. }| match metric {
            Some(metric) => format!("{tag} is {metric}"),
            None => format!("{tag} is not shown"),
        })
        .collect();
    fact("taken for", &listed(&renamed, SHOWN), out)?;
    let not_shown: Vec<String> =
        taken.not_shown.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    fact("not shown", &not_shown.join(", "), out)?;
    if let Some(first) = &taken.first_bad {
        fact("bad records", &format!("{}, the first: {first}", taken.bad_records), out)?;
    }
    if taken.torn_bytes > 0 {
        fact(
            "incomplete",
            &format!("{} bytes at the end, which may still be written", taken.torn_bytes),
            out,
        )?;
    }
    fact("findings", &taken.findings.to_string(), out)?;
    fact("not judged", &listed(&taken.not_judged, usize::MAX), out)
}

fn write_metrics(taken: &Taken, out: &mut dyn Write) -> io::Result<()> {
    let columns =
        [("METRIC", Align::Left), ("OVER", Align::Left), ("VALUES", Align::Right), ("LAST", Align::Right)];
    let mut table = Table::new(&columns);
    for metric in taken.metrics.iter().take(SHOWN * 5) {
        let over = match metric.over {
            [LAYER] => "layers".to_owned(),
            [LAYER, _] => "layers, histograms".to_owned(),
            over => over.join(", "),
        };
        let last = metric.last.map_or_else(String::new, |last| short(last.into()));
        table.row([metric.name.to_owned(), over, grouped(metric.values as u64), last]);
    }
    writeln!(out)?;
    table.write("", out)?;
    if taken.metrics.len() > SHOWN * 5 {
        writeln!(out, "and {} more; `--json` has all", taken.metrics.len() - SHOWN * 5)?;
    }
    writeln!(out)
}

/// Settings in a line.
pub(super) fn settings<'a>(config: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let all: Vec<String> = config.into_iter().map(|(key, value)| format!("{key} {value}")).collect();
    listed(&all, SHOWN)
}

fn listed(all: &[String], most: usize) -> String {
    let mut text = all.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > most {
        text.push_str(&format!(", and {} more", all.len() - most));
    }
    text
}
