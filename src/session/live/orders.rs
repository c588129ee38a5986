//! What a lane is wanted to do, as a state rather than a queue: nothing is lost and nothing piles up.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Command;
use crate::trainer::Control;

/// What is wanted of one lane; shared by whoever commands and the lane.
#[derive(Debug, Default)]
pub(super) struct Orders {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Wanted {
    paused: bool,
    checkpoint: bool,
    stop: bool,
}

impl Orders {
    /// Changes what is wanted. A stop is final.
    pub(super) fn give(&self, command: Command) {
        let mut wanted = self.lock();
        match command {
            Command::Pause => wanted.paused = true,
            Command::Resume => wanted.paused = false,
            Command::Checkpoint => wanted.checkpoint = true,
            Command::Stop => wanted.stop = true,
        }
        self.changed.notify_all();
    }

    /// What is wanted now; an order for a checkpoint is taken with it.
    pub(super) fn poll(&self) -> Control {
        Orders::take(&mut self.lock())
    }

    /// Waits until something else than a pause is wanted.
    pub(super) fn wait(&self) -> Control {
        let mut wanted = self.lock();
        loop {
            match Orders::take(&mut wanted) {
                Control::Pause => {
                    wanted = self.changed.wait(wanted).unwrap_or_else(PoisonError::into_inner);
                }
                control => return control,
            }
        }
    }

    fn take(wanted: &mut Wanted) -> Control {
        match wanted {
            Wanted { stop: true, .. } => Control::Stop,
            Wanted { checkpoint: true, .. } => {
                wanted.checkpoint = false;
                Control::Checkpoint
            }
            Wanted { paused: true, .. } => Control::Pause,
            _ => Control::Continue,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_kept_until_they_are_obeyed() {
        let orders = Orders::default();
        assert_eq!(orders.poll(), Control::Continue);
        orders.give(Command::Pause);
        orders.give(Command::Checkpoint);
        assert_eq!(
            [orders.poll(), orders.poll(), orders.poll()],
            [Control::Checkpoint, Control::Pause, Control::Pause]
        );
        orders.give(Command::Resume);
        assert_eq!(orders.wait(), Control::Continue);
        orders.give(Command::Pause);
        orders.give(Command::Stop);
        orders.give(Command::Resume);
        assert_eq!([orders.poll(), orders.wait()], [Control::Stop; 2]);
    }
}
