//! Saved runs folded into the dashboard's state, for every command that shows them.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use super::failure::Failure;
use super::warn;
use crate::app::App;
use crate::archive::{self, Opened, Shelf};
use crate::session::replay::Replay;

/// The state after the last event of every lane, and where more of it can be looked up; warns of what was passed over.
pub(super) fn fold(folders: &[PathBuf]) -> Result<(App, Shelf), Failure> {
    let Opened { mut app, replay, shelf } = archive::open(folders)?;
    for lane in 0..replay.lanes().len() {
        app.source_ended(crate::units::LaneIdx(lane));
    }
    warn_of_losses(&replay);
    Ok((app, shelf))
}

/// Refuses to open a dashboard where there is no terminal to draw it on.
pub(super) fn require_terminal() -> Result<(), Failure> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        return Ok(());
    }
    let message = "expected a terminal for the dashboard, found none; `skiplane snapshot` and `skiplane show` need none";
    Err(Failure::Input(anyhow::anyhow!(message)))
}

/// Tells of records that were passed over.
pub(super) fn warn_of_losses(replay: &Replay) {
    let report = replay.report();
    if let Some((lane, bad)) = report.bad.first() {
        let log = replay.lanes().get(lane.0).map(|lane| lane.log.display().to_string()).unwrap_or_default();
        let count = report.bad_count;
        warn(&format!("{count} bad records were left out, the first in {log}:{}: {}", bad.line, bad.reason));
    }
    for (kind, count) in &report.unknown {
        warn(&format!("{count} events of a newer kind were left out: {kind}"));
    }
}
