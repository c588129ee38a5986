//! Where the loop's events come from.

use std::time::Duration;

use crossbeam_channel::Select;

use crate::event::RunEvent;
use crate::session::replay::Replay;
use crate::units::LaneIdx;
use crate::views::Mode;

/// An order to a live run, for all its lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Wait after the current step.
    Pause,
    /// Go on.
    Resume,
    /// Write a checkpoint now.
    Checkpoint,
}

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

    /// Hands over all that is pending, in order, without waiting.
    fn drain(&mut self, fold: &mut dyn FnMut(LaneIdx, &RunEvent));

    /// Whether no more events will come.
    fn is_ended(&self) -> bool;

    /// Passes an order on; false where the run does not take orders.
    fn order(&mut self, order: Order) -> bool {
        let _ = order;
        false
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
#[derive(Clone, Copy, Debug, Default)]
pub struct Saved;

impl Source for Saved {
    fn mode(&self) -> Mode {
        Mode::Saved
    }

    fn drain(&mut self, _: &mut dyn FnMut(LaneIdx, &RunEvent)) {}

    fn is_ended(&self) -> bool {
        true
    }
}

/// How often the logs of a followed run are read on.
const FOLLOW: Duration = Duration::from_millis(250);

/// A run that another process writes.
#[derive(Debug)]
pub struct Followed {
    replay: Replay,
    problem: Option<String>,
    broken: bool,
}

impl Followed {
    /// Follows a replay from where it has been read to.
    pub fn new(replay: Replay) -> Followed {
        Followed { replay, problem: None, broken: false }
    }
}

impl Source for Followed {
    fn mode(&self) -> Mode {
        Mode::Followed
    }

    fn poll_every(&self) -> Option<Duration> {
        (!self.is_ended()).then_some(FOLLOW)
    }

    fn drain(&mut self, fold: &mut dyn FnMut(LaneIdx, &RunEvent)) {
        while !self.broken {
            match self.replay.next_event() {
                Ok(Some(replayed)) => fold(replayed.lane, &replayed.event),
                Ok(None) => return,
                Err(error) => {
                    // A log that cannot be read on ends what is shown, not the dashboard.
                    self.broken = true;
                    self.problem = Some(error.to_string());
                }
            }
        }
    }

    fn is_ended(&self) -> bool {
        self.broken || self.replay.is_finished()
    }

    fn problem(&mut self) -> Option<String> {
        self.problem.take()
    }
}
