//! `skiplane review`: opens saved runs on the dashboard.

use clap::Args;

use super::appearance::AppearanceArgs;
use super::failure::Failure;
use super::{ForeignArgs, RUNS_HELP, RunsFolder, runs, saved};
use crate::tui::{self, Saved};

/// Opens saved runs on the dashboard; several are shown side by side.
///
/// One cursor moves all lanes and views together; the space bar plays them back.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane review latest
  skiplane review 20261123-1216 20261123-1402
  skiplane review lightning_logs/ wandb/offline-run-20261127_120000-abc123")]
pub(super) struct ReviewArgs {
    #[arg(required = true, help = RUNS_HELP)]
    run: Vec<String>,
    /// Prints plain lines for screen readers, with an answer to each line that is typed; `help` lists what can be.
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    foreign: ForeignArgs,
    #[command(flatten)]
    folder: RunsFolder,
    #[command(flatten)]
    appearance: AppearanceArgs,
}

pub(super) fn run(args: &ReviewArgs) -> Result<(), Failure> {
    let runs = args.folder.find_all(&args.run, &args.foreign)?;
    if !args.plain {
        saved::require_terminal()?;
    }
    let (mut app, library) = saved::fold(&runs)?;
    if args.plain {
        return saved::tell_plainly(&mut app, &mut Saved::new(library));
    }
    match tui::run(&mut app, &mut Saved::new(library), args.appearance.setup())? {
        tui::Ending::Signal(_) | tui::Ending::Lost => Err(Failure::Interrupted),
        tui::Ending::Browse => runs::browse_all(&args.folder, args.appearance),
        tui::Ending::Left | tui::Ending::Stop | tui::Ending::Detach => Ok(()),
    }
}
