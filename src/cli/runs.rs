//! `skiplane runs`: lists the runs of a folder.

use std::io::Write;
use std::time::SystemTime;

use clap::Args;

use super::failure::Failure;
use super::table::{Align, Table, duration, loss, percent};
use super::{RunsFolder, warn};
use crate::runlog::{self, RunSummary};

/// Lists runs with state, lanes, steps and last figures, the oldest first.
///
/// Loss is that of the last step; train and test are the errors of the last evaluations with running
/// statistics.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example: skiplane runs --json | jq -r '.[] | select(.state == \"finished\").id'")]
pub(super) struct RunsArgs {
    #[command(flatten)]
    folder: RunsFolder,
    /// Prints an array of objects with all that is known.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &RunsArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let root = args.folder.path()?;
    let (runs, unreadable) = runlog::list(&root, SystemTime::now());
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &runs).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else if runs.is_empty() {
        warn(&format!("no runs in {} yet; `skiplane train` makes one", root.display()));
    } else {
        write_table(&runs, out)?;
    }
    for error in unreadable {
        warn(&error.to_string());
    }
    Ok(())
}

fn write_table(runs: &[RunSummary], out: &mut dyn Write) -> std::io::Result<()> {
    use Align::{Left, Right};
    let columns = [
        ("RUN", Left),
        ("STATE", Left),
        ("LANE", Left),
        ("STEP", Right),
        ("LOSS", Right),
        ("TRAIN", Right),
        ("TEST", Right),
        ("TIME", Right),
    ];
    let mut table = Table::new(&columns);
    for run in runs {
        for (index, lane) in run.lanes.iter().enumerate() {
            table.row([
                if index == 0 { run.id.clone() } else { String::new() },
                lane.state.name().to_owned(),
                lane.name.clone(),
                format!("{}/{}", lane.step, lane.steps),
                loss(lane.loss),
                percent(lane.train_error),
                percent(lane.test_error),
                duration(lane.elapsed_ms),
            ]);
        }
    }
    table.write("", out)
}
