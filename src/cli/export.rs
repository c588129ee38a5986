//! `skiplane export`: exports runs as one long table, a row for each value, for spreadsheets and data frames.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::{ForeignArgs, RunsFolder, destination, saved};
use crate::reading::Superseded;
use crate::reading::replay::{Replay, ReplayLane, Run};
use crate::runlog::RunLogError;
use rows::RowWriter;

mod rows;

/// Writes every number that was measured in runs, and every event, one row for each.
///
/// Columns: run, lane, step, kind, index, name, statistic, value. The kind is scalar, time or event, or the axes of a
/// metric: layer, block or others that the log declares. Index and name are those of the layer, block or other point;
/// for events, the name holds their details and the value is the time in milliseconds. NaN and infinities are written
/// as NaN, inf and -inf; control and direction characters in names as \u{1b} in CSV and \u001b in JSON.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane export latest --format csv --out run.csv
  skiplane export degradation --format csv --out all-runs-of-the-sweep.csv
  skiplane export latest --format jsonl | jq -c 'select(.statistic == \"loss\") | [.lane, .step, .value]'")]
pub(super) struct ExportArgs {
    /// The runs: each an id, a unique part of one, `latest`, `latest~1`, a folder, or the name of a sweep for all its runs.
    #[arg(required = true)]
    run: Vec<String>,
    /// The format.
    #[arg(long, value_enum)]
    format: Format,
    /// The file to write; an existing file is replaced, a link followed. Default: standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    foreign: ForeignArgs,
    #[command(flatten)]
    folder: RunsFolder,
}

/// A format of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Comma-separated values with a heading (RFC 4180, lines end with LF).
    Csv,
    /// One JSON object per line.
    Jsonl,
}

pub(super) fn run(args: &ExportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let runs = args.folder.find_all(&args.run, &args.foreign)?;
    let replay = Replay::open_runs(&runs)?;
    let paths: Vec<PathBuf> = runs.iter().flat_map(Run::paths).collect();
    destination::write(args.out.as_deref(), &paths, out, |out| export(replay, args.format, out))
}

/// The superseded records of a log; none if there is no log, and in one of another program.
fn superseded(lane: &ReplayLane) -> Result<Superseded, RunLogError> {
    let Some(log) = lane.origin.log() else { return Ok(Superseded::default()) };
    match Superseded::find(log) {
        Err(RunLogError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
            Ok(Superseded::default())
        }
        found => found,
    }
}

/// Streams runs, lane by lane.
fn export(mut replay: Replay, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let labels: Vec<(String, String)> =
        replay.lanes().iter().map(|lane| (lane.run.clone(), lane.name.clone())).collect();
    let mut rows = RowWriter::new(format, labels, out)?;
    // Otherwise, steps that a resumed lane repeated would be in the table twice.
    let superseded = replay.lanes().iter().map(superseded).collect::<Result<Vec<_>, _>>()?;
    while let Some(replayed) = replay.next_event()? {
        if superseded[replayed.lane.0].spares(&replayed.event, &replayed.bytes) {
            rows.event(replayed.lane, &replayed.event)?;
        }
    }
    saved::warn_of_losses(&replay);
    Ok(())
}
