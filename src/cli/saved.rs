//! Saved runs folded into the dashboard's state, for every command that shows them.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use super::failure::Failure;
use super::warn;
use crate::app::{App, LaneLabel};
use crate::session::replay::Replay;

/// The lanes' labels.
pub(super) fn labels(replay: &Replay) -> Vec<LaneLabel> {
    let label = |lane: &crate::session::replay::ReplayLane| LaneLabel {
        run: lane.run.clone(),
        lane: lane.name.clone(),
    };
    replay.lanes().iter().map(label).collect()
}

/// The state after the last event of every lane; warns of what was passed over.
pub(super) fn fold(folders: &[PathBuf]) -> Result<App, Failure> {
    let mut replay = Replay::open(folders)?;
    let mut app = App::new(labels(&replay));
    while let Some(replayed) = replay.next_event()? {
        app.apply(replayed.lane, &replayed.event);
    }
    for lane in 0..replay.lanes().len() {
        app.source_ended(crate::units::LaneIdx(lane));
    }
    warn_of_losses(&replay);
    Ok(app)
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
