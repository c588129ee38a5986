//! `skiplane import`: makes a run folder of the log of another program.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use super::failure::Failure;
use super::{ForeignArgs, RunsFolder, saved};
use crate::event::{Kind, LaneFinished, Outcome, RunEvent};
use crate::printable::printable;
use crate::reading::Ordered;
use crate::reading::replay::{Replay, ReplayLane, Run};
use crate::runlog::{Imported, LogWriter, RunFolder};
use crate::sources::SourceReader;
use crate::units::{LaneIdx, Step};

/// Makes a run of the log of another program, with a lane for each of its runs: a TensorBoard folder, an offline W&B run, a
/// .csv, .jsonl or trainer_state.json.
///
/// The run has a folder of its own from then on, like one that skiplane trained: it can be listed, tagged, compared and
/// moved. The log itself is left as it is; `skiplane review PATH` opens it without a copy.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane import runs/tensorboard --name resnet-sweep
  skiplane import wandb/offline-run-20261127_120000-abc123")]
pub(super) struct ImportArgs {
    /// The log: a file, or a folder with one or several.
    path: PathBuf,
    /// The name of the run; default: that of the file or folder.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    foreign: ForeignArgs,
    #[command(flatten)]
    folder: RunsFolder,
}

pub(super) fn run(args: &ImportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let path = &args.path;
    let Some(Run::Foreign(sources)) = args.foreign.find(path)? else {
        let found = if path.exists() { "a run of skiplane, which needs no import" } else { "nothing" };
        let message = format!("{}: expected the log of another program, found {found}", path.display());
        return Err(Failure::Input(anyhow::anyhow!(message)));
    };
    let run = sources.first().map(|source| source.run.clone()).unwrap_or_default();
    let name = args.name.as_deref().unwrap_or(run.trim_end_matches(".csv")).to_owned();
    let mut lanes = Replay::open_runs(&[Run::Foreign(sources)])?.into_lanes();
    let mut read = Vec::new();
    for lane in &mut lanes {
        read.push(Ordered::read(lane)?);
    }
    let started_ms = lanes.iter().filter_map(|lane| lane.begun_unix_ms()).min();
    let started =
        started_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_else(Timestamp::now);
    let names: Vec<String> = lanes.iter().map(|lane| lane.name.clone()).collect();
    let command = std::env::args().collect();
    let imported = Imported { name: &name, started, lanes: &names, command, config: config(&lanes) };
    let folder = RunFolder::import(&args.folder.path()?, imported)?;
    for (at, ordered) in read.into_iter().enumerate() {
        write(&folder, LaneIdx(at), ordered)?;
    }
    saved::warn_of_losses(&Replay::of_lanes(lanes));
    writeln!(out, "{}", printable(&folder.path().to_string_lossy()))?;
    Ok(())
}

/// The settings that the logs tell: those of the only lane, or those of each lane under its name.
fn config(lanes: &[ReplayLane]) -> Value {
    let of = |lane: &ReplayLane| -> Value {
        let settings = lane.foreign().map(SourceReader::config).unwrap_or_default();
        settings.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect()
    };
    let has_any = |lane: &ReplayLane| lane.foreign().is_some_and(|reader| !reader.config().is_empty());
    match lanes {
        lanes if !lanes.iter().any(has_any) => Value::Null,
        [lane] => of(lane),
        lanes => lanes.iter().map(|lane| (lane.name.clone(), of(lane))).collect(),
    }
}

/// Writes the log of a lane. Where the other program does not say how it ended, it counts as stopped.
fn write(folder: &RunFolder, lane: LaneIdx, ordered: Ordered) -> Result<(), Failure> {
    let Some(path) = folder.log(lane) else { return Ok(()) };
    let mut log = LogWriter::create(&path)?;
    let (mut last, mut is_ended) = ((Step(0), 0.0), false);
    for event in ordered.into_events() {
        last = (last.0.max(event.step), event.time.at_ms);
        is_ended = matches!(event.kind, Kind::LaneFinished(_));
        log.append(&event)?;
    }
    if !is_ended {
        let ended = Kind::LaneFinished(LaneFinished { outcome: Outcome::Stopped });
        log.append(&RunEvent::new(last.0, last.1, ended))?;
    }
    Ok(log.finish()?)
}
