//! Where the loop's events come from.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam_channel::Select;

use crate::app::{App, Need};
use crate::order::LaneOrder;
use crate::reading::Library;
use crate::reading::replay::Replay;
use crate::session::changes::Changes;
use crate::session::control;
use crate::session::presence::Presence;
use crate::views::Mode;

/// A stream of events that the loop can wait for beside the user's input.
pub trait Source {
    /// What kind of run it is.
    fn mode(&self) -> Mode;

    /// Adds to a selection what becomes ready when there is something to drain.
    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        let _ = select;
    }

    /// How often to drain a source that nothing can be watched of.
    fn poll_every(&self) -> Option<Duration> {
        None
    }

    /// Folds all that is pending, in order, without waiting; whether there was anything.
    fn drain(&mut self, app: &mut App) -> bool;

    /// Looks up what a state needs, as far as that can be done at once; whether anything on screen may have changed.
    fn answer(&mut self, app: &mut App, needs: &[Need]) -> bool {
        let _ = (app, needs);
        false
    }

    /// Whether no more events will come.
    fn is_ended(&self) -> bool;

    /// Passes an order on.
    ///
    /// # Errors
    /// Says why the run does not take it.
    fn order(&mut self, order: &LaneOrder) -> Result<(), String> {
        let _ = order;
        Err("no training to give orders to".to_owned())
    }

    /// A problem that came up since the last call, to be shown for a while.
    fn problem(&mut self) -> Option<String> {
        None
    }

    /// How many events were left out or merged because the screen could not keep up.
    fn conflated(&self) -> u64 {
        0
    }
}

/// Runs that are over, whose events were folded before the dashboard opened.
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
        self.library.answer(app, needs)
    }

    fn is_ended(&self) -> bool {
        true
    }
}

/// How often the logs of a followed run are read on, whether there was a hint of more or not ...
const FOLLOW: Duration = Duration::from_millis(50);
/// ... and once the run is over, since it may be resumed.
const REVISIT: Duration = Duration::from_secs(1);

/// A run that another process writes.
#[derive(Debug)]
pub struct Followed {
    replay: Replay,
    library: Library,
    folder: PathBuf,
    changes: Changes,
    presence: Presence,
    /// Whether the process that writes is there no more, and all that it wrote was read.
    gone: bool,
    problem: Option<String>,
    broken: bool,
}

impl Followed {
    /// Follows the run in a folder by a replay from where it has been read to; its logs are in the library.
    pub fn new(replay: Replay, library: Library, folder: PathBuf) -> Followed {
        let (changes, presence) = (Changes::watch(&folder), Presence::new(folder.clone()));
        Followed { replay, library, folder, changes, presence, gone: false, problem: None, broken: false }
    }

    /// Folds what was written since the last time; whether there was anything.
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
                    // A log that cannot be read on ends what is shown, not the dashboard.
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
        self.library.answer(app, needs)
    }

    fn drain(&mut self, app: &mut App) -> bool {
        let _ = self.changes.bell().try_recv();
        // First, because what it wrote before it was gone is still to be read.
        let gone = !self.presence.lives(Instant::now());
        let news = self.read_on(app);
        // What comes from a process that was gone is of one that goes on with the run.
        let gone = gone && !news;
        if gone && !self.gone && !self.is_ended() {
            self.problem = Some("process gone; `skiplane train --resume` goes on".to_owned());
        }
        self.gone = gone;
        news
    }

    fn watch<'a>(&'a self, select: &mut Select<'a>) {
        select.recv(self.changes.bell());
    }

    fn is_ended(&self) -> bool {
        self.broken || self.gone || self.replay.is_finished()
    }

    fn order(&mut self, order: &LaneOrder) -> Result<(), String> {
        control::send(&self.folder, order).map_err(|error| error.to_string())
    }

    fn problem(&mut self) -> Option<String> {
        self.problem.take()
    }
}
