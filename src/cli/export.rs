//! `skiplane export`: exports runs as one long table, a row for each value, for spreadsheets and data frames, or as event
//! files of TensorBoard.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::{ForeignArgs, RUNS_HELP, RunsFolder, destination, saved};
use crate::reading::Superseded;
use crate::reading::replay::{Replay, ReplayLane, Replayed, Run};
use crate::runlog::RunLogError;
use rows::{RowWriter, Table};
use tensorboard::FolderWriter;
use text::Text;

mod points;
mod rows;
mod text;
#[cfg(feature = "parquet")]
mod parquet;
mod tensorboard;

/// Writes every number that was measured in runs, and every event, one row for each.
///
/// Columns: run, lane, step, kind, index, name, statistic, value. The kind is scalar, time or event, or the axes of a
/// metric: layer, block or others that the log declares. Index and name are those of the layer, block or other point;
/// for events, the name holds their details and the value is the time in milliseconds. NaN and infinities are written
/// as NaN, inf and -inf; control and direction characters in names as \u{1b} in CSV and \u001b in JSON.
///
/// As `parquet`, the columns have types; an empty index or name is null. As `tensorboard`, the metrics alone become event
/// files, one for each lane in the folder `<run>/<lane>`, with tags such as `loss` and `gradient_norm/layer1.0.conv1`, and
/// histograms too.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane export latest --format csv --out run.csv
  skiplane export degradation --format csv --out all-runs-of-the-sweep.csv
  skiplane export latest --format parquet --out run.parquet
  skiplane export latest --format tensorboard --out events && tensorboard --logdir events
  skiplane export latest --format jsonl | jq -c 'select(.statistic == \"loss\") | [.lane, .step, .value]'")]
pub(super) struct ExportArgs {
    #[arg(required = true, help = RUNS_HELP)]
    run: Vec<String>,
    /// The format.
    #[arg(long, value_enum)]
    format: Format,
    /// The file to write; an existing file is replaced, a link followed. Default: standard output. For `tensorboard`, a
    /// folder that does not exist or is empty.
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    #[command(flatten)]
    foreign: ForeignArgs,
    #[command(flatten)]
    folder: RunsFolder,
}

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Comma-separated values with a heading (RFC 4180, lines end with LF).
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// Apache Parquet, in programs that were built with it.
    Parquet,
    /// Event files of TensorBoard, in a folder.
    Tensorboard,
}

pub(super) fn run(args: &ExportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    args.check()?;
    let runs = args.folder.find_all(&args.run, &args.foreign)?;
    let replay = Replay::open_runs(&runs)?;
    let paths: Vec<PathBuf> = runs.iter().flat_map(Run::paths).collect();
    let path = args.out.as_deref();
    match (args.format, path) {
        (Format::Tensorboard, Some(folder)) => {
            destination::new_folder(folder, &paths)?;
            export_folder(replay, &runs, folder)
        }
        (format, _) => destination::write(path, &paths, out, |out| export(replay, format, out)),
    }
}

impl ExportArgs {
    /// Refuses what cannot be done before anything is read.
    fn check(&self) -> Result<(), Failure> {
        let message = match (self.format, &self.out) {
            (Format::Parquet, _) if cfg!(not(feature = "parquet")) => {
                "--format parquet: expected a program that was built with it, found one without; \
                 `cargo install skiplane --features parquet` builds it"
            }
            (Format::Parquet, None) if io::stdout().is_terminal() => {
                "--format parquet: expected `--out FILE` or a pipe, found a terminal"
            }
            (Format::Tensorboard, None) => {
                "--format tensorboard: expected `--out DIR`, a folder for the event files, found none"
            }
            _ => return Ok(()),
        };
        Err(Failure::Input(anyhow::anyhow!(message)))
    }
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

/// Writes runs as a table.
fn export(replay: Replay, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    match format {
        Format::Csv => export_table(replay, Text::new(text::Format::Csv, out)?),
        Format::Jsonl => export_table(replay, Text::new(text::Format::Jsonl, out)?),
        #[cfg(feature = "parquet")]
        Format::Parquet => export_table(replay, parquet::Parquet::new(out)?),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => Ok(()),
        Format::Tensorboard => Ok(()),
    }
}

fn export_table(replay: Replay, table: impl Table) -> Result<(), Failure> {
    let mut rows = RowWriter::new(table, &labels(&replay));
    stream(replay, |_, replayed| rows.event(replayed.lane, &replayed.event))?;
    Ok(rows.finish()?)
}

/// Writes runs as event files below a folder.
fn export_folder(replay: Replay, runs: &[Run], folder: &Path) -> Result<(), Failure> {
    let mut files = FolderWriter::new(folder, &labels(&replay));
    let folders: Vec<PathBuf> = runs.iter().filter_map(|run| run.folder().cloned()).collect();
    let starts = saved::starts(&replay, &folders);
    // The messages of the system do not say which file it was.
    let named = |error: io::Error| {
        let shown = folder.display();
        io::Error::new(error.kind(), format!("could not write below {shown}: {error}"))
    };
    stream(replay, |replay, replayed| {
        let lane = replayed.lane;
        // The log of another program tells when it began once its first record is read.
        let started = starts[lane.0].or_else(|| replay.lanes()[lane.0].begun_unix_ms());
        files.event(lane, &replayed.event, started).map_err(named)
    })?;
    Ok(files.finish().map_err(named)?)
}

/// Run and name of each lane.
fn labels(replay: &Replay) -> Vec<(String, String)> {
    replay.lanes().iter().map(|lane| (lane.run.clone(), lane.name.clone())).collect()
}

/// Lets `write` have the events of runs, lane by lane.
fn stream(
    mut replay: Replay,
    mut write: impl FnMut(&Replay, &Replayed) -> io::Result<()>,
) -> Result<(), Failure> {
    // Otherwise, steps that a resumed lane repeated would be exported twice.
    let superseded = replay.lanes().iter().map(superseded).collect::<Result<Vec<_>, _>>()?;
    while let Some(replayed) = replay.next_event()? {
        if superseded[replayed.lane.0].spares(&replayed.event, &replayed.bytes) {
            write(&replay, &replayed)?;
        }
    }
    saved::warn_of_losses(&replay);
    Ok(())
}
