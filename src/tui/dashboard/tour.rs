//! The tour through the dashboard: what keys do to it.

use super::Dashboard;
use crate::views::{Command, Key, tour_after, tour_goes_on};

impl Dashboard<'_> {
    /// Whether the open tour handles a key: Enter goes on, unless the user has given it a command.
    pub(super) fn in_tour(&mut self, key: Key) -> bool {
        let action =
            tour_goes_on(self.app).filter(|_| key == Key::Enter && self.keymap.command(key).is_none());
        action.inspect(|action| self.act(*action)).is_some()
    }

    /// Goes on with the tour if a command is what it asks for.
    pub(super) fn tour_sees(&mut self, command: Command) {
        tour_after(self.app, command).into_iter().for_each(|action| self.act(action));
    }
}
