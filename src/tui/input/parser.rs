//! Turns the bytes that a terminal sends into keys, mouse events and answers (ECMA-48, and xterm's control sequences).
//! Reads neither the terminal nor a clock; what it does not know is dropped, whatever it is.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::tui::graphics::{Answer, Protocol};
use crate::tui::output::CELL;

/// Something that a terminal sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A key or the mouse.
    Event(Event),
    /// The answer to a request for the terminal's status.
    Status,
    /// What it says of itself.
    Answer(Answer),
}

/// Bytes that are no complete sequence yet.
#[derive(Debug, Default)]
pub(super) struct Parser {
    pending: Vec<u8>,
}

/// What the first bytes are.
enum First {
    /// A part of a sequence.
    Part,
    /// As many bytes, and what they are; nothing if they mean nothing here.
    Whole(usize, Option<Parsed>),
}

/// The longest sequence that is waited for.
const LONGEST: usize = 4_096;
const ESCAPE: u8 = 0x1b;

impl Parser {
    /// What is complete with these bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Parsed> {
        self.pending.extend_from_slice(bytes);
        let mut all = Vec::new();
        loop {
            match first(&self.pending) {
                First::Whole(count, parsed) => {
                    self.pending.drain(..count);
                    all.extend(parsed);
                }
                First::Part if self.pending.len() > LONGEST => self.pending.clear(),
                First::Part => return all,
            }
        }
    }

    /// Whether a part of a sequence waits for the rest.
    pub(super) fn waits(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What is left if nothing more came: an escape alone is that key.
    pub(super) fn flush(&mut self) -> Option<Parsed> {
        let left = std::mem::take(&mut self.pending);
        (left == [ESCAPE]).then(|| key(KeyCode::Esc, KeyModifiers::NONE))
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Parsed {
    Parsed::Event(Event::Key(KeyEvent::new(code, modifiers)))
}

fn first(bytes: &[u8]) -> First {
    match bytes {
        [] | [ESCAPE] => First::Part,
        [ESCAPE, b'[', ..] => control_sequence(bytes),
        [ESCAPE, b'O'] => First::Part,
        [ESCAPE, b'O', letter, ..] => {
            First::Whole(3, lettered(*letter).map(|code| key(code, KeyModifiers::NONE)))
        }
        // Strings of the terminal, such as its name or colours.
        [ESCAPE, b']' | b'P' | b'X' | b'^' | b'_', ..] => match end_of_string(&bytes[2..]) {
            Some(end) => First::Whole(2 + end, of_string(&bytes[1..2 + end])),
            None => First::Part,
        },
        [ESCAPE, ESCAPE, ..] => First::Whole(1, Some(key(KeyCode::Esc, KeyModifiers::NONE))),
        [ESCAPE, rest @ ..] => match plain(rest, KeyModifiers::ALT) {
            First::Whole(count, parsed) => First::Whole(count + 1, parsed),
            part => part,
        },
        _ => plain(bytes, KeyModifiers::NONE),
    }
}

/// What a string says, from the character that begins it to its end: only that there are kitty graphics.
fn of_string(string: &[u8]) -> Option<Parsed> {
    (string == b"_Gi=31;OK\x1b\\").then_some(Parsed::Answer(Answer::Knows(Protocol::Kitty)))
}

/// The number of bytes to the end of a string: BEL, or ESC and a backslash.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    let bell = bytes.iter().position(|byte| *byte == 0x07).map(|at| at + 1);
    let ended = bytes.windows(2).position(|two| two == [ESCAPE, b'\\']).map(|at| at + 2);
    [bell, ended].into_iter().flatten().min()
}

/// A control character or a character.
fn plain(bytes: &[u8], with: KeyModifiers) -> First {
    let control = |c: u8| key(KeyCode::Char(char::from(c)), with | KeyModifiers::CONTROL);
    let parsed = match bytes[0] {
        b'\r' => key(KeyCode::Enter, with),
        b'\t' => key(KeyCode::Tab, with),
        0x7f => key(KeyCode::Backspace, with),
        0 => control(b' '),
        c @ 0x01..=0x1a => control(c - 0x01 + b'a'),
        c @ 0x1c..=0x1f => control(c - 0x1c + b'4'),
        _ => return character(bytes, with),
    };
    First::Whole(1, Some(parsed))
}

fn character(bytes: &[u8], with: KeyModifiers) -> First {
    let length = match bytes[0] {
        0x00..=0x7f => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => return First::Whole(1, None),
    };
    let Some(bytes) = bytes.get(..length) else { return First::Part };
    let Some(c) = std::str::from_utf8(bytes).ok().and_then(|text| text.chars().next()) else {
        return First::Whole(1, None);
    };
    let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
    First::Whole(length, Some(key(KeyCode::Char(c), with | shift)))
}

/// A sequence that begins with `ESC [`.
fn control_sequence(bytes: &[u8]) -> First {
    match &bytes[2..] {
        // The Linux console's first function keys.
        [b'['] => return First::Part,
        [b'[', letter @ b'A'..=b'E', ..] => {
            return First::Whole(4, Some(key(KeyCode::F(letter - b'A' + 1), KeyModifiers::NONE)));
        }
        // The mouse without 1006: three bytes from 32 on.
        [b'M', button, column, row, ..] => {
            let place = |byte: &u8| u16::from(byte.saturating_sub(33));
            let parsed = mouse(u16::from(button.saturating_sub(32)), place(column), place(row), false);
            return First::Whole(6, parsed);
        }
        [b'M', ..] => return First::Part,
        _ => {}
    }
    let Some(end) = bytes[2..].iter().position(|byte| !(0x20..=0x3f).contains(byte)).map(|at| at + 2) else {
        return First::Part;
    };
    let last = bytes[end];
    if !(0x40..=0x7e).contains(&last) {
        // Broken off; what comes then may be something else.
        return First::Whole(end, None);
    }
    let parameters = std::str::from_utf8(&bytes[2..end]).unwrap_or_default();
    First::Whole(end + 1, of_sequence(parameters, last))
}

fn of_sequence(parameters: &str, last: u8) -> Option<Parsed> {
    if let Some(parameters) = parameters.strip_prefix('<') {
        let [button, column, row] = numbers(parameters)?;
        let released = match last {
            b'M' => false,
            b'm' => true,
            _ => return None,
        };
        return mouse(button, column.checked_sub(1)?, row.checked_sub(1)?, released);
    }
    match (parameters.strip_prefix('?'), last) {
        // What the terminal can do: 4 are sixels.
        (Some(parameters), b'c') => {
            let has_sixels = parameters.split(';').skip(1).any(|number| number == "4");
            return has_sixels.then_some(Parsed::Answer(Answer::Knows(Protocol::Sixel)));
        }
        (None, b't') => {
            let [6, height, width] = numbers(parameters)? else { return None };
            let is_believed = CELL.contains(&width) && CELL.contains(&height);
            return is_believed.then_some(Parsed::Answer(Answer::Cell(width, height)));
        }
        _ => {}
    }
    let mut given = parameters.split(';').map(|number| number.parse::<u16>().ok());
    let (number, modifiers) = (given.next().flatten(), modifiers(given.next().flatten().unwrap_or(1)));
    let code = match last {
        b'n' => return (parameters == "0" || parameters == "3").then_some(Parsed::Status),
        b'Z' => return Some(key(KeyCode::BackTab, KeyModifiers::SHIFT)),
        b'~' => numbered(number?)?,
        // With one letter less than there are function keys: R answers where the cursor is.
        b'R' => return None,
        letter => lettered(letter)?,
    };
    Some(key(code, modifiers))
}

fn numbers<const N: usize>(text: &str) -> Option<[u16; N]> {
    let numbers: Option<Vec<u16>> = text.split(';').map(|number| number.parse().ok()).collect();
    numbers?.try_into().ok()
}

fn modifiers(number: u16) -> KeyModifiers {
    let bits = number.saturating_sub(1);
    let all = [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)];
    let on = all.into_iter().filter(|(bit, _)| bits & bit != 0);
    on.fold(KeyModifiers::NONE, |sum, (_, modifier)| sum | modifier)
}

fn lettered(letter: u8) -> Option<KeyCode> {
    Some(match letter {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'P'..=b'S' => KeyCode::F(letter - b'P' + 1),
        _ => return None,
    })
}

fn numbered(number: u16) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(number as u8 - 10),
        17..=21 => KeyCode::F(number as u8 - 11),
        23..=24 => KeyCode::F(number as u8 - 12),
        _ => return None,
    })
}

/// A mouse event; `code` has the button in its bits 0, 1, 6 and 7, modifiers in 2 to 4, and moves in 5.
fn mouse(code: u16, column: u16, row: u16, released: bool) -> Option<Parsed> {
    let button = match code & 3 {
        0 => Some(MouseButton::Left),
        1 => Some(MouseButton::Middle),
        2 => Some(MouseButton::Right),
        _ => None,
    };
    let kind = match (code & 0b1100_0000, code & 0b10_0000 != 0, button) {
        (0, _, Some(button)) if released => MouseEventKind::Up(button),
        (0, true, Some(button)) => MouseEventKind::Drag(button),
        (0, false, Some(button)) => MouseEventKind::Down(button),
        (0, true, None) => MouseEventKind::Moved,
        // Without 1006, any button.
        (0, false, None) => MouseEventKind::Up(MouseButton::Left),
        (0b100_0000, false, Some(MouseButton::Left)) => MouseEventKind::ScrollUp,
        (0b100_0000, false, Some(MouseButton::Middle)) => MouseEventKind::ScrollDown,
        (0b100_0000, false, Some(MouseButton::Right)) => MouseEventKind::ScrollLeft,
        (0b100_0000, false, None) => MouseEventKind::ScrollRight,
        _ => return None,
    };
    let modifiers = modifiers((code >> 2 & 7) + 1);
    Some(Parsed::Event(Event::Mouse(MouseEvent { kind, column, row, modifiers })))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONE: KeyModifiers = KeyModifiers::NONE;

    fn all(bytes: &[u8]) -> Vec<Parsed> {
        let mut parser = Parser::default();
        let mut all = parser.feed(bytes);
        all.extend(parser.flush());
        all
    }

    #[test]
    fn keys_are_what_terminals_send_for_them() {
        let keys: &[(&[u8], KeyCode, KeyModifiers)] = &[
            (b"q", KeyCode::Char('q'), NONE),
            (b"Q", KeyCode::Char('Q'), KeyModifiers::SHIFT),
            ("é".as_bytes(), KeyCode::Char('é'), NONE),
            (b"\r", KeyCode::Enter, NONE),
            (b"\t", KeyCode::Tab, NONE),
            (b"\x7f", KeyCode::Backspace, NONE),
            (b"\x03", KeyCode::Char('c'), KeyModifiers::CONTROL),
            (b"\x1b", KeyCode::Esc, NONE),
            (b"\x1bx", KeyCode::Char('x'), KeyModifiers::ALT),
            (b"\x1b[D", KeyCode::Left, NONE),
            (b"\x1bOD", KeyCode::Left, NONE),
            (b"\x1b[1;2D", KeyCode::Left, KeyModifiers::SHIFT),
            (b"\x1b[1;5C", KeyCode::Right, KeyModifiers::CONTROL),
            (b"\x1b[Z", KeyCode::BackTab, KeyModifiers::SHIFT),
            (b"\x1b[5~", KeyCode::PageUp, NONE),
            (b"\x1b[3;5~", KeyCode::Delete, KeyModifiers::CONTROL),
            (b"\x1b[H", KeyCode::Home, NONE),
            (b"\x1b[4~", KeyCode::End, NONE),
            (b"\x1bOP", KeyCode::F(1), NONE),
            (b"\x1b[[A", KeyCode::F(1), NONE),
            (b"\x1b[15~", KeyCode::F(5), NONE),
            (b"\x1b[17~", KeyCode::F(6), NONE),
            (b"\x1b[24~", KeyCode::F(12), NONE),
        ];
        for (bytes, code, modifiers) in keys {
            assert_eq!(all(bytes), [key(*code, *modifiers)], "{bytes:?}");
        }
        assert_eq!(all(b"\x1b\x1b[A"), [key(KeyCode::Esc, NONE), key(KeyCode::Up, NONE)]);
    }

    #[test]
    fn the_mouse_has_buttons_a_wheel_and_places() {
        let event = |kind, column, row, modifiers| {
            Parsed::Event(Event::Mouse(MouseEvent { kind, column, row, modifiers }))
        };
        let left = MouseButton::Left;
        assert_eq!(all(b"\x1b[<0;1;300M"), [event(MouseEventKind::Down(left), 0, 299, NONE)]);
        assert_eq!(all(b"\x1b[<0;5;6m"), [event(MouseEventKind::Up(left), 4, 5, NONE)]);
        assert_eq!(all(b"\x1b[<34;5;6M"), [event(MouseEventKind::Drag(MouseButton::Right), 4, 5, NONE)]);
        assert_eq!(all(b"\x1b[<80;5;6M"), [event(MouseEventKind::ScrollUp, 4, 5, KeyModifiers::CONTROL)]);
        assert_eq!(all(b"\x1b[<65;5;6M"), [event(MouseEventKind::ScrollDown, 4, 5, NONE)]);
        assert_eq!(all(b"\x1b[M !\""), [event(MouseEventKind::Down(left), 0, 1, NONE)]);
        assert_eq!(all(b"\x1b[<0;0;6M"), [], "places begin with 1");
    }

    #[test]
    fn answers_of_the_terminal_are_no_keys() {
        assert_eq!(all(b"\x1b[0n"), [Parsed::Status]);
        let knows = |protocol| Parsed::Answer(Answer::Knows(protocol));
        assert_eq!(all(b"\x1b_Gi=31;OK\x1b\\"), [knows(Protocol::Kitty)]);
        assert_eq!(all(b"\x1b_Gi=31;ENOTSUPPORTED\x1b\\"), []);
        assert_eq!(all(b"\x1b[?62;4;22c"), [knows(Protocol::Sixel)]);
        assert_eq!(all(b"\x1b[?4;14c"), [], "the first number is the kind of terminal");
        assert_eq!(all(b"\x1b[6;20;10t"), [Parsed::Answer(Answer::Cell(10, 20))]);
        assert_eq!(all(b"\x1b[6;0;10t\x1b[6;9999;10t\x1b[4;20;10t\x1b[6;20t"), []);
        let (x, y) = (key(KeyCode::Char('x'), NONE), key(KeyCode::Char('y'), NONE));
        assert_eq!(all(b"x\x1b[0ny"), [x.clone(), Parsed::Status, y.clone()]);
        for answer in
            ["\x1b]11;rgb:0/0/0\x1b\\", "\x1b]11;rgb:0/0/0\x07", "\x1b[?1;2c", "\x1b[3;4R", "\x1bP>|a\x1b\\"]
        {
            assert_eq!(all(format!("x{answer}y").as_bytes()), [x.clone(), y.clone()], "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_bytes_arrive(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), proptest::sample::select(b"\x1b\x1b\x1b[[O<;;0123Mm~AnR_Gi=31;OK\\?46ct".to_vec())], 0..60,
            ),
            size in 1usize..7,
        ) {
            let whole = all(&bytes);
            let mut parser = Parser::default();
            let mut parts: Vec<Parsed> = bytes.chunks(size).flat_map(|part| parser.feed(part)).collect();
            parts.extend(parser.flush());
            prop_assert_eq!(whole, parts);
            prop_assert!(!parser.waits());
        }
    }
}
