//! Saved runs folded into the dashboard's state, for every command that shows them.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use super::failure::Failure;
use super::source::{Changes, Text};
use super::warn;
use crate::app::App;
use crate::claims;
use crate::experiment::Claim;
use crate::reading::replay::{Replay, ReplayLane, Run};
use crate::reading::{self, Library, Opened, Origin};
use crate::runlog::{RunFolder, SweepName};
use crate::session::presence::Presence;
use crate::tui::{self, Source};

/// The state after the last event of every lane, and the library for looking up more; warns about what was skipped.
pub(super) fn fold(runs: &[Run]) -> Result<(App, Library), Failure> {
    let (app, library, losses) = fold_quietly(runs)?;
    losses.iter().for_each(|loss| warn(loss));
    Ok((app, library))
}

/// As [`fold`], but returns what was skipped, a line for each kind.
pub(super) fn fold_quietly(runs: &[Run]) -> Result<(App, Library, Vec<String>), Failure> {
    let Opened { mut app, replay, library } = reading::open_runs(runs)?;
    let folders: Vec<PathBuf> = runs.iter().filter_map(|run| run.folder().cloned()).collect();
    app.set_claim(claim_of(&folders).filter(|_| folders.len() == runs.len()));
    app.set_names(claims::names(app.lanes()));
    app.set_starts(starts(&replay, &folders));
    // Of a run that still trains, the current state is shown.
    note_silence(&mut app, &replay);
    let lives = |folder: &PathBuf| Presence::new(folder.clone()).lives(Instant::now());
    let open: Vec<&ReplayLane> = replay.lanes().iter().filter(|lane| !lane.is_finished()).collect();
    let has_open = |folder: &&PathBuf| open.iter().any(|lane| lane.is_in(folder));
    let living: Vec<&PathBuf> = folders.iter().filter(has_open).filter(|folder| lives(folder)).collect();
    for lane in open.into_iter().filter(|lane| lane.origin.log().is_some()) {
        if !living.iter().any(|folder| lane.is_in(folder)) {
            app.source_ended(lane.idx());
        }
    }
    Ok((app, library, losses(&replay)))
}

/// Notes which logs of other programs have had nothing added for long.
pub(super) fn note_silence(app: &mut App, replay: &Replay) {
    for lane in replay.lanes().iter().filter(|lane| !lane.is_finished()) {
        if let Origin::Foreign(source) = &lane.origin
            && source.is_silent(SystemTime::now())
        {
            app.fell_silent(lane.idx());
        }
    }
}

/// When the run of each lane started, in milliseconds of Unix time; of logs of other programs, as far as they are read.
pub(super) fn starts(replay: &Replay, folders: &[PathBuf]) -> Vec<Option<i64>> {
    let folders: Vec<RunFolder> = folders.iter().filter_map(|folder| RunFolder::open(folder).ok()).collect();
    let start = |lane: &ReplayLane| match lane.origin {
        Origin::Log(_) => {
            let folder = folders.iter().find(|folder| folder.id() == lane.run)?;
            Some(folder.manifest().started_unix_ms)
        }
        Origin::Foreign(_) => lane.begun_unix_ms(),
    };
    replay.lanes().iter().map(start).collect()
}

/// The claim of the sweep that all of these runs belong to, if there is one that can be read.
fn claim_of(folders: &[PathBuf]) -> Option<Claim> {
    let sweep = |folder: &PathBuf| RunFolder::open(folder).ok()?.manifest().sweep.clone();
    let (first, others) = folders.split_first()?;
    let SweepName { name, set } = sweep(first)?;
    if others.iter().any(|folder| sweep(folder).is_none_or(|sweep| sweep.name != name)) {
        return None;
    }
    Text::read(&first.join(RunFolder::SWEEP)).ok()?.expand(&Changes::written(&set)).ok()?.claim
}

/// Tells runs in lines for screen readers, and answers those that are typed.
pub(super) fn tell_plainly(app: &mut App, source: &mut dyn Source) -> Result<(), Failure> {
    let input = io::BufReader::new(io::stdin());
    match tui::plain(app, source, input, &mut io::stdout(), &|| None) {
        // Whoever reads has left.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

/// Fails if there is no terminal to draw a dashboard on.
pub(super) fn require_terminal() -> Result<(), Failure> {
    let found = match io::stdin().is_terminal() && io::stdout().is_terminal() {
        true if tui::has_screen() => return Ok(()),
        true => "one without a screen (TERM is `dumb`)",
        false => "none",
    };
    let message = format!(
        "expected a terminal for the dashboard, found {found}; `skiplane snapshot` and `skiplane show` need none"
    );
    Err(Failure::Input(anyhow::anyhow!(message)))
}

/// Describes records that were skipped.
pub(super) fn warn_of_losses(replay: &Replay) {
    losses(replay).iter().for_each(|loss| warn(loss));
}

fn losses(replay: &Replay) -> Vec<String> {
    let report = replay.report();
    let mut losses = Vec::new();
    if let Some((lane, bad)) = report.bad.first() {
        let log = replay.lanes().get(lane.0);
        let log = log.map(|lane| lane.origin.path().display().to_string()).unwrap_or_default();
        let count = report.bad_count;
        losses.push(format!(
            "{count} bad records were skipped, the first in {log}:{}: {}",
            bad.line, bad.reason
        ));
    }
    // What logs of other programs have beside numbers is told by `skiplane show`.
    let own = replay.lanes().iter().filter(|lane| lane.origin.log().is_some());
    let unknown = own.flat_map(|lane| &lane.report().unknown);
    losses
        .extend(unknown.map(|(kind, count)| format!("{count} events of a newer kind were skipped: {kind}")));
    losses
}
