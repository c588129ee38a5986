//! `skiplane attach`: follows a run that another process trains.

use clap::Args;

use super::appearance::AppearanceArgs;
use super::failure::Failure;
use super::{RunsFolder, runs, saved};
use crate::reading::{self, Opened};
use crate::tui::{self, Followed};

/// Follows a run that is being written, wherever its folder can be read.
///
/// The run keeps training when you leave the dashboard. On the machine that trains it, its owner can also give it
/// orders, such as to pause or to write a checkpoint.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example: skiplane attach latest")]
pub(super) struct AttachArgs {
    /// The run: an id, a unique part of one, `latest`, `latest~1`, or a folder.
    run: String,
    /// Prints plain lines for screen readers: a line for each change, and an answer to each line that is typed; `help`
    /// lists what can be.
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    folder: RunsFolder,
    #[command(flatten)]
    appearance: AppearanceArgs,
}

pub(super) fn run(args: &AttachArgs) -> Result<(), Failure> {
    let folder = args.folder.resolve(&args.run)?;
    if !args.plain {
        saved::require_terminal()?;
    }
    let Opened { mut app, replay, library } = reading::open(std::slice::from_ref(&folder))?;
    if args.plain {
        return saved::tell_plainly(&mut app, &mut Followed::new(replay, library, folder));
    }
    match tui::run(&mut app, &mut Followed::new(replay, library, folder), args.appearance.setup())? {
        tui::Ending::Signal(_) | tui::Ending::Lost => Err(Failure::Interrupted),
        tui::Ending::Browse => runs::browse_all(&args.folder, args.appearance),
        tui::Ending::Left | tui::Ending::Stop | tui::Ending::Detach => Ok(()),
    }
}
