//! The shortest ways to move a terminal's cursor. The terminal is in raw mode, so that a line feed only goes down.

/// The shortest sequence from a place, if it is known, to another; columns and rows from 0. Never goes below the last
/// row, so that nothing scrolls.
pub(super) fn shortest(from: Option<(u16, u16)>, (x, y): (u16, u16)) -> Vec<u8> {
    let there = match (x, y) {
        (0, 0) => "\x1b[H".to_owned(),
        (0, y) => format!("\x1b[{}H", y + 1),
        (x, y) => format!("\x1b[{};{}H", y + 1, x + 1),
    };
    let Some((from_x, from_y)) = from else { return there.into_bytes() };
    let down = if from_y <= y { times("\n", 'B', y - from_y) } else { times("", 'A', from_y - y) };
    let across = if from_x <= x { times("", 'C', x - from_x) } else { times("\x08", 'D', from_x - x) };
    let from_left = format!("\r{}", times("", 'C', x));
    let across = if from_left.len() < across.len() { from_left } else { across };
    let steps = down + &across;
    if steps.len() < there.len() { steps.into_bytes() } else { there.into_bytes() }
}

/// A move by a number of cells: a control character repeated, if there is one and that is shorter, or a sequence.
fn times(control: &str, letter: char, count: u16) -> String {
    let sequence = match count {
        0 => return String::new(),
        1 => format!("\x1b[{letter}"),
        count => format!("\x1b[{count}{letter}"),
    };
    if !control.is_empty() && usize::from(count) <= sequence.len() {
        control.repeat(usize::from(count))
    } else {
        sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_move_arrives_and_none_is_longer_than_the_plain_one() {
        let (columns, rows) = (23, 14);
        let mut parser = vt100::Parser::new(
            std::num::NonZeroU16::new(rows).unwrap(),
            std::num::NonZeroU16::new(columns).unwrap(),
            0,
        );
        for from in 0..columns * rows {
            for to in 0..columns * rows {
                let place = |at: u16| (at % columns, at / columns);
                parser.process(&shortest(None, place(from)));
                let sequence = shortest(Some(place(from)), place(to));
                parser.process(&sequence);
                let (y, x) = parser.screen().cursor_position();
                assert_eq!((x, y), place(to), "from {:?} by {sequence:?}", place(from));
                assert!(sequence.len() <= shortest(None, place(to)).len());
            }
        }
    }
}
