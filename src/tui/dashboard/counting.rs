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
                return command.map_or(Ok(None), |command| self.obey_counted(command, Some(count)));
            }
        }
        Ok(None)
    }

    /// Carries out a command as many times as was counted, where that means anything; else once. Without a count it is
    /// carried out once, or again as many times as last.
    pub(super) fn obey_counted(
        &mut self,
        command: Command,
        count: Option<u32>,
    ) -> io::Result<Option<Ending>> {
        let (command, times) = match (command, self.last) {
            (Command::Repeat, None) => {
                self.notify("nothing to repeat yet");
                return Ok(None);
            }
            (Command::Repeat, Some((last, times))) => (last, count.map_or(times, |count| count.max(1))),
            (command, _) => (command, count.unwrap_or(1)),
        };
        let Some(actions) = views::times(self.app, command, times) else { return self.obey(command) };
        self.tour_sees(command);
        self.last = Some((command, times));
        match actions[..] {
            // These are changes of their own.
            [Action::Undo | Action::Redo, ..] => actions.into_iter().for_each(|action| self.app.act(action)),
            _ => self.app.act_together(&actions),
        }
        self.desk.pacer.answer();
        Ok(None)
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
