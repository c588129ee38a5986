//! `skiplane attach`: follows a run that another process trains.

use std::path::Path;

use clap::Args;

use super::appearance::AppearanceArgs;
use super::failure::Failure;
use super::{ForeignArgs, RUN_HELP, RunsFolder, runs, saved};
use crate::reading::discovery::Discovery;
use crate::reading::replay::Run;
use crate::reading::{self, Opened};
use crate::tui::{self, Followed};

/// Follows a run that is being written, wherever its folder can be read.
///
/// The run keeps training when you leave the dashboard. On the machine that trains it, its owner can also give it
/// orders, such as to pause or to write a checkpoint.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  skiplane attach latest
  skiplane attach runs/tensorboard")]
pub(super) struct AttachArgs {
    #[arg(help = RUN_HELP)]
    run: String,
    /// Prints plain lines for screen readers: a line for each change, and an answer to each line that is typed; `help`
    /// lists what can be.
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    foreign: ForeignArgs,
    #[command(flatten)]
    folder: RunsFolder,
    #[command(flatten)]
    appearance: AppearanceArgs,
}

pub(super) fn run(args: &AttachArgs) -> Result<(), Failure> {
    let run = args.folder.find(&args.run, &args.foreign)?;
    if !args.plain {
        saved::require_terminal()?;
    }
    let Opened { mut app, replay, library } = reading::open_runs(std::slice::from_ref(&run))?;
    let mut source = match run {
        Run::Own(folder) => Followed::new(replay, library, folder),
        Run::Foreign(sources) => {
            let folders = sources.iter().map(|source| source.folder().to_owned());
            // In a folder, other runs may begin.
            let path = Path::new(&args.run);
            let discovery =
                path.is_dir().then(|| Discovery::start(path.to_owned(), args.foreign.reading(), &sources));
            Followed::foreign(replay, library, folders, discovery)
        }
    };
    if args.plain {
        return saved::tell_plainly(&mut app, &mut source);
    }
    match tui::run(&mut app, &mut source, args.appearance.setup())? {
        tui::Ending::Signal(_) | tui::Ending::Lost => Err(Failure::Interrupted),
        tui::Ending::Browse => runs::browse_all(&args.folder, args.appearance),
        tui::Ending::Left | tui::Ending::Stop | tui::Ending::Detach => Ok(()),
    }
}
