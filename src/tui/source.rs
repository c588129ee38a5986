//! The source of the loop's events.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Select;

use crate::app::{App, LaneLabel, Need};
use crate::order::LaneOrder;
use crate::reading::discovery::{Appeared, Discovery};
use crate::reading::replay::{Replay, ReplayLane};
use crate::reading::{Library, Origin};
use crate::session::changes::Changes;
use crate::session::control;
use crate::session::presence::Presence;

/// The kind of run that a source is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A run that trains in this process.
    Live,
    /// A run that another process trains.
    Followed,
    /// Saved runs.
    Saved,
}

/// A stream of events that the loop can wait for, along with the user's input.
pub trait Source {
    /// The kind of run.
    fn mode(&self) -> Mode;

    /// Adds to a selection a channel that becomes ready when there is something to drain.
    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        let _ = select;
    }

    /// How often to drain a source that has no channel to wait for.
    fn poll_every(&self) -> Option<Duration> {
        None
    }

    /// Folds everything pending, in order, without blocking. Returns whether there was anything.
    fn drain(&mut self, app: &mut App) -> bool;

    /// Looks up what a state needs, as far as possible without waiting. Returns whether anything on screen may have
    /// changed.
    fn answer(&mut self, app: &mut App, needs: &[Need]) -> bool {
        let _ = (app, needs);
        false
    }

    /// Adds to a selection a channel that becomes ready when something that was looked up is there.
    fn watch_answers<'a>(&'a self, select: &mut Select<'a>) {
        let _ = select;
    }

    /// Supplies what was looked up since the last call. Returns whether anything on screen may have changed.
    fn collect(&mut self, app: &mut App) -> bool {
        let _ = app;
        false
    }

    /// Whether no more events will come.
    fn is_ended(&self) -> bool;

    /// Sends an order to the run.
    ///
    /// # Errors
    /// Why the run does not take it.
    fn order(&mut self, order: &LaneOrder) -> Result<(), String> {
        let _ = order;
        Err("no training to give orders to".to_owned())
    }

    /// A problem that came up since the last call, to be shown for a while.
    fn problem(&mut self) -> Option<String> {
        None
    }

    /// How far training has come, where that is more than its lanes show.
    fn progress(&self, app: &App) -> Option<String> {
        let _ = app;
        None
    }

    /// What leaving without stopping does, in words.
    fn leaving(&self) -> &'static str {
        "detach: keep training in the background"
    }

    /// The number of events that were dropped or merged because the screen could not keep up.
    fn conflated(&self) -> u64 {
        0
    }
}

/// Saved runs, whose events were folded before the dashboard opened.
#[derive(Debug, Default)]
pub struct Saved {
    library: Library,
}

impl Saved {
    /// Runs whose logs are in a library.
    pub fn new(library: Library) -> Saved {
        Saved { library }
    }
}

impl Source for Saved {
    fn mode(&self) -> Mode {
        Mode::Saved
    }

    fn drain(&mut self, _: &mut App) -> bool {
        false
    }

    fn answer(&mut self, app: &mut App, needs: &[Need]) -> bool {
        self.library.answer_soon(app, needs)
    }

    fn watch_answers<'a>(&'a self, select: &mut Select<'a>) {
        self.library.watch(select);
    }

    fn collect(&mut self, app: &mut App) -> bool {
        self.library.collect(app)
    }

    fn is_ended(&self) -> bool {
        true
    }
}

/// How often the logs of a followed run are polled, even without a hint of changes ...
const FOLLOW: Duration = Duration::from_millis(50);
/// ... and after the run has ended, since it may be resumed.
const REVISIT: Duration = Duration::from_secs(1);

/// A run that another process trains.
#[derive(Debug)]
pub struct Followed {
    replay: Replay,
    library: Library,
    changes: Changes,
    /// The run's folder and its process; none of a run of another program.
    process: Option<(PathBuf, Presence)>,
    /// Finds logs of another program that appear.
    discovery: Option<Discovery>,
    /// Whether the training process is gone, and all that it wrote was read.
    gone: bool,
    problem: Option<String>,
    broken: bool,
}

impl Followed {
    /// Follows the run in a folder from the current position of a replay; its logs are in the library.
    pub fn new(replay: Replay, library: Library, folder: PathBuf) -> Followed {
        let changes = Changes::watch([folder.as_path()]);
        let process = Some((folder.clone(), Presence::new(folder)));
        Followed::of(replay, library, changes, process, None)
    }

    /// Follows logs of another program, which are in these folders, likewise, and those that are discovered.
    pub fn foreign(
        replay: Replay,
        library: Library,
        folders: impl Iterator<Item = PathBuf>,
        discovery: Option<Discovery>,
    ) -> Followed {
        let folders: Vec<PathBuf> = folders.collect();
        let changes = Changes::watch(folders.iter().map(PathBuf::as_path));
        Followed::of(replay, library, changes, None, discovery)
    }

    fn of(
        replay: Replay,
        library: Library,
        changes: Changes,
        process: Option<(PathBuf, Presence)>,
        discovery: Option<Discovery>,
    ) -> Followed {
        Followed { replay, library, changes, process, discovery, gone: false, problem: None, broken: false }
    }

    /// Adds the lanes of logs that have appeared. Returns whether there were any.
    fn add_appeared(&mut self, app: &mut App) -> bool {
        let appeared: Vec<Appeared> =
            self.discovery.iter().flat_map(|discovery| discovery.appeared().try_iter()).collect();
        for Appeared { source, replaces } in &appeared {
            let is_replaced = |lane: &&ReplayLane| replaces.as_deref() == Some(lane.origin.path());
            let replaced = self.replay.lanes().iter().find(is_replaced).map(ReplayLane::idx);
            let opened = match replaced {
                Some(idx) => {
                    // What is read again later is read from the other log.
                    self.library.prepare(app, idx);
                    self.replay.replace(idx, source).map(|()| idx)
                }
                None => self.replay.add(source).inspect(|_| {
                    app.add(LaneLabel { run: source.run.clone(), lane: source.lane.clone() });
                }),
            };
            match opened {
                Ok(idx) => self.library.set(idx, Origin::Foreign(Arc::clone(source))),
                Err(error) => self.problem = Some(error.to_string()),
            }
        }
        !appeared.is_empty()
    }

    /// Folds what was written since the last call. Returns whether there was anything.
    fn read_on(&mut self, app: &mut App) -> bool {
        let mut news = false;
        while !self.broken {
            match self.replay.next_event() {
                Ok(Some(replayed)) => {
                    self.library.prepare(app, replayed.lane);
                    app.apply_at(replayed.lane, &replayed.event, Some(replayed.bytes.start));
                    news = true;
                }
                Ok(None) => break,
                Err(error) => {
                    // An unreadable log ends following, but not the dashboard.
                    self.broken = true;
                    self.problem = Some(error.to_string());
                }
            }
        }
        news
    }
}

impl Source for Followed {
    fn mode(&self) -> Mode {
        Mode::Followed
    }

    fn poll_every(&self) -> Option<Duration> {
        (!self.broken).then(|| if self.is_ended() { REVISIT } else { FOLLOW })
    }

    fn answer(&mut self, app: &mut App, needs: &[Need]) -> bool {
        self.library.answer_soon(app, needs)
    }

    fn watch_answers<'a>(&'a self, select: &mut Select<'a>) {
        self.library.watch(select);
    }

    fn collect(&mut self, app: &mut App) -> bool {
        self.library.collect(app)
    }

    fn drain(&mut self, app: &mut App) -> bool {
        let _ = self.changes.wakeups().try_recv();
        // Checked first, so that everything it wrote before is read afterwards.
        let gone = self.process.as_mut().is_some_and(|(_, presence)| !presence.lives(Instant::now()));
        let news = self.add_appeared(app) | self.read_on(app);
        // New events after that are from another process that has resumed the run.
        let gone = gone && !news;
        if gone && !self.gone && !self.is_ended() {
            self.problem = Some("process gone; `skiplane train --resume` continues".to_owned());
        }
        self.gone = gone;
        news
    }

    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        select.recv(self.changes.wakeups());
    }

    fn is_ended(&self) -> bool {
        self.broken || self.gone || self.replay.is_finished()
    }

    fn order(&mut self, order: &LaneOrder) -> Result<(), String> {
        match &self.process {
            Some((folder, _)) => control::send(folder, order).map_err(|error| error.to_string()),
            None => Err("another program trains this run, and takes no orders".to_owned()),
        }
    }

    fn problem(&mut self) -> Option<String> {
        self.problem.take()
    }
}
