//! Keys and mouse while the palette is open.

use std::io;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::Dashboard;
use crate::tui::Ending;
use crate::tui::input::edit_of;
use crate::views::{Key, Palette};

impl Dashboard<'_> {
    /// Opens the palette.
    pub(super) fn open_palette(&mut self) {
        self.palette = Some(Palette::default());
        self.pacer.answer();
    }

    /// Handles a key while the palette is open.
    pub(super) fn in_palette(&mut self, mut palette: Palette, key: Key) -> io::Result<Option<Ending>> {
        self.pacer.answer();
        match key {
            Key::Escape | Key::Control('c' | 'g') => return Ok(None),
            Key::Enter => return self.obey_all(palette.commands(self.app, self.keymap)),
            Key::Up | Key::Control('p') | Key::BackTab => palette.turn(self.app, self.keymap, -1),
            Key::Down | Key::Control('n') | Key::Tab => palette.turn(self.app, self.keymap, 1),
            Key::Char(c) => palette.insert(c),
            key => edit_of(key).into_iter().for_each(|edit| palette.edit(edit)),
        }
        self.palette = Some(palette);
        Ok(None)
    }

    /// Handles the mouse while the palette is open: a click does what it hits, or closes the palette from outside.
    pub(super) fn mouse_in_palette(
        &mut self,
        mut palette: Palette,
        event: MouseEvent,
    ) -> io::Result<Option<Ending>> {
        match event.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                self.pacer.answer();
                let position = (event.column, event.row).into();
                match palette.choose_at(self.app, self.keymap, self.screen.area()?, position) {
                    None => return Ok(None),
                    Some(true) => return self.obey_all(palette.commands(self.app, self.keymap)),
                    Some(false) => {}
                }
            }
            MouseEventKind::ScrollUp => {
                self.pacer.answer();
                palette.turn(self.app, self.keymap, -1);
            }
            MouseEventKind::ScrollDown => {
                self.pacer.answer();
                palette.turn(self.app, self.keymap, 1);
            }
            _ => {}
        }
        self.palette = Some(palette);
        Ok(None)
    }
}
