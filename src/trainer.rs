//! The training loop of one lane: steps, schedule, evaluations, checkpoints, told as events to a [`Sink`].
//! Knows neither files of the log nor threads nor the screen.

use crate::event::RunEvent;

/// Where a lane's events go, and where its orders come from.
pub trait Sink {
    /// Takes an event and says what is wanted next.
    fn accept(&mut self, event: RunEvent) -> Control;

    /// Blocks while paused, until something else than [`Control::Pause`] is wanted.
    fn wait(&mut self) -> Control;
}

/// What a lane is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Wait until told otherwise.
    Pause,
    /// Write a checkpoint, then go on.
    Checkpoint,
    /// End the lane with a checkpoint.
    Stop,
}
