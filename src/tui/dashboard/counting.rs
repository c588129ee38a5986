//! Counts before keys, and repeating the last command.

use std::io;

use super::Dashboard;
use crate::app::Action;
use crate::tui::Ending;
use crate::views::{self, Command, Key};

/// The greatest count.
const MOST: u32 = 999_999;

impl Dashboard<'_> {
    /// Begins a count with the digit of a key, if it has one.
    pub(super) fn begin_count(&mut self, key: Key) {
        self.set_count(digit(key).unwrap_or(0));
    }

    /// Handles a key after a count: further digits, or a command that is carried out so many times.
    pub(super) fn in_count(&mut self, count: u32, key: Key) -> io::Result<Option<Ending>> {
        self.desk.forget_notice();
        self.desk.pacer.answer();
        match (digit(key), key) {
            (Some(digit), _) => self.set_count(count.saturating_mul(10).saturating_add(digit).min(MOST)),
            (None, Key::Backspace) => self.set_count(count / 10),
            (None, Key::Escape) => {}
            (None, key) => {
                let command = self.keymap.command(key);
                return command.map_or(Ok(None), |command| self.obey_times(command, count));
            }
        }
        Ok(None)
    }

    /// Carries out a command a number of times, where that means anything; else once.
    pub(super) fn obey_times(&mut self, command: Command, times: u32) -> io::Result<Option<Ending>> {
        if matches!(command, Command::Repeat) {
            let last = self.last;
            return last.map_or(Ok(None), |(command, _)| self.obey_times(command, times.max(1)));
        }
        let Some(actions) = views::times(self.app, command, times) else { return self.obey(command) };
        self.last = Some((command, times));
        match actions[..] {
            // These are changes of their own.
            [Action::Undo | Action::Redo, ..] => actions.into_iter().for_each(|action| self.app.act(action)),
            _ => self.app.act_together(&actions),
        }
        self.desk.pacer.answer();
        Ok(None)
    }

    /// Carries out the last command again, as many times.
    pub(super) fn repeat(&mut self) -> io::Result<Option<Ending>> {
        match self.last {
            Some((command, times)) => self.obey_times(command, times),
            None => {
                self.notify("nothing to repeat yet");
                Ok(None)
            }
        }
    }

    fn set_count(&mut self, count: u32) {
        self.count = Some(count);
        self.desk.pacer.answer();
        self.notify(&format!("{count} times: a key, more digits, or Esc"));
    }
}

/// The digit of a key, with or without Alt.
fn digit(key: Key) -> Option<u32> {
    match key {
        Key::Char(c) | Key::Alt(c) => c.to_digit(10),
        _ => None,
    }
}
