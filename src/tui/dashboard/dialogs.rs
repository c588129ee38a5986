//! Keys while a dialog is open, and what is chosen in it.

use std::io;

use super::Dashboard;
use crate::app::NameFilter;
use crate::order::{LaneOrder, Note, Order};
use crate::runs_list::Line;
use crate::tui::input::edit_of;
use crate::tui::{Ending, explaining};
use crate::views::{Dialog, Filtered, Key, Palette, Typing};

/// The longest line that can be typed, in bytes.
const LONGEST_LINE: usize = Note::MOST_BYTES;

impl Dashboard<'_> {
    /// Opens a dialog over all that is open.
    pub(super) fn open(&mut self, dialog: Dialog) {
        self.dialogs.push(dialog);
        self.desk.pacer.answer();
    }

    /// Handles a key in a dialog, which is closed unless it is opened again.
    pub(super) fn in_dialog(&mut self, dialog: Dialog, key: Key) -> io::Result<Option<Ending>> {
        self.desk.pacer.answer();
        match dialog {
            Dialog::Leave(how) => match key {
                Key::Char('d' | 'D') => return Ok(Some(Ending::Detach)),
                Key::Char('s' | 'S') | Key::Control('c') => return Ok(Some(Ending::Stop)),
                Key::Escape | Key::Char('q' | 'n') => {}
                _ => self.open(Dialog::Leave(how)),
            },
            Dialog::StopLane(lane) => match key {
                Key::Char('y' | 'Y') => {
                    self.order(Order::StopLane.for_lane(&lane), "this lane stops with a checkpoint");
                }
                Key::Escape | Key::Control('c') | Key::Char('n' | 'N' | 'q') => {}
                _ => self.open(Dialog::StopLane(lane)),
            },
            Dialog::Typing(typing) => self.in_line(typing, key),
            Dialog::Filter(what, line) => self.in_filter(what, line, key),
            Dialog::Explain(explaining) => {
                let area = self.desk.screen.area()?;
                let after = explaining::after_key(explaining, key, area);
                after.into_iter().for_each(|explaining| self.open(Dialog::Explain(explaining)));
            }
            Dialog::Palette(palette) => return self.in_palette(palette, key),
        }
        Ok(None)
    }

    /// Chooses the entry in a place of the dialog on top; in the palette, does what it does and closes it.
    pub(super) fn choose(&mut self, place: usize) -> io::Result<Option<Ending>> {
        match self.dialogs.pop() {
            Some(Dialog::Palette(mut palette)) => {
                self.desk.pacer.answer();
                palette.choose(place);
                return self.obey_all(palette.commands(self.app, self.keymap));
            }
            Some(Dialog::Explain(mut explaining)) => {
                explaining.choose(place);
                self.open(Dialog::Explain(explaining));
            }
            other => self.dialogs.extend(other),
        }
        Ok(None)
    }

    fn in_palette(&mut self, mut palette: Palette, key: Key) -> io::Result<Option<Ending>> {
        match key {
            Key::Escape | Key::Control('c' | 'g') => return Ok(None),
            Key::Enter => return self.obey_all(palette.commands(self.app, self.keymap)),
            Key::Up | Key::Control('p') | Key::BackTab => palette.turn(self.app, self.keymap, -1),
            Key::Down | Key::Control('n') | Key::Tab => palette.turn(self.app, self.keymap, 1),
            Key::Char(c) => palette.insert(c),
            key => edit_of(key).into_iter().for_each(|edit| palette.edit(edit)),
        }
        self.open(Dialog::Palette(palette));
        Ok(None)
    }

    fn in_filter(&mut self, what: Filtered, mut line: Line, key: Key) {
        match key {
            Key::Escape | Key::Control('c') => return,
            Key::Enter => {
                // What finds nothing stays open, with the reason.
                if let Ok(filter) = NameFilter::new(&line.text())
                    && filter
                        .as_ref()
                        .is_none_or(|filter| what.names(self.app).iter().any(|name| filter.shows(name)))
                {
                    return what.put(self.app, filter);
                }
            }
            Key::Up => self.turn_filter(&mut line, -1),
            Key::Down => self.turn_filter(&mut line, 1),
            Key::Char(c) => line.insert(c, LONGEST_LINE),
            key => edit_of(key).into_iter().for_each(|edit| line.edit(edit)),
        }
        self.open(Dialog::Filter(what, line));
    }

    /// Puts the pattern of the next of the user's filters into the line.
    fn turn_filter(&self, line: &mut Line, by: i64) {
        let typed = line.text();
        let at = self.filters.iter().position(|(_, filter)| filter.pattern() == typed);
        let from = at.map_or(if by > 0 { -1 } else { 0 }, |at| at as i64);
        let to = (from + by).rem_euclid(self.filters.len().max(1) as i64) as usize;
        if let Some((_, filter)) = self.filters.get(to) {
            *line = Line::new(filter.pattern());
        }
    }

    fn in_line(&mut self, mut typing: Typing, key: Key) {
        match key {
            Key::Escape | Key::Control('c') => return,
            Key::Enter => match typing.order() {
                Ok(order) => {
                    let taken = format!("{order}: after this step");
                    return self.order(LaneOrder { order, lane: typing.lane }, &taken);
                }
                Err(problem) => typing.problem = Some(problem),
            },
            Key::Tab | Key::BackTab => {
                let selected = self.app.lane(self.app.selected_lane()).filter(|_| self.app.lanes().len() > 1);
                typing.lane = match typing.lane {
                    None => selected.map(|lane| lane.name().to_owned()),
                    Some(_) => None,
                };
            }
            Key::Char(c) => {
                typing.line.insert(c, LONGEST_LINE);
                typing.problem = None;
            }
            key => {
                if let Some(edit) = edit_of(key) {
                    typing.line.edit(edit);
                    typing.problem = None;
                }
            }
        }
        self.open(Dialog::Typing(typing));
    }
}
