//! Keys of the dialog that explains, for the dashboard and the browser: what it is afterwards, none if it was
//! closed.

use ratatui::layout::Rect;

use super::input::edit_of;
use crate::views::{Explaining, Key};

/// After a key.
pub(super) fn after_key(mut explaining: Explaining, key: Key, area: Rect) -> Option<Explaining> {
    match key {
        Key::Escape | Key::Enter | Key::F(1) | Key::Control('c' | 'g') => return None,
        Key::Up | Key::Control('p') | Key::BackTab => explaining.turn(-1),
        Key::Down | Key::Control('n') | Key::Tab => explaining.turn(1),
        Key::PageUp => explaining.page(-1, area),
        Key::PageDown => explaining.page(1, area),
        Key::Char(c) => explaining.insert(c),
        key => edit_of(key).into_iter().for_each(|edit| explaining.edit(edit)),
    }
    Some(explaining)
}
