//! Characters with dots smaller than a cell.

use ratatui::symbols::pixel::{OCTANTS, QUADRANTS};

/// What curves are drawn in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dots {
    /// Braille: two across and four down. Almost every font has it.
    #[default]
    Braille,
    /// Quarters of a cell.
    Quadrants,
    /// Eighths of a cell, two across and four down, without gaps between them: Unicode 16, so for new terminals.
    Octants,
}

/// The bit of each dot of a braille cell, row by row (Unicode 16, chapter 21.1).
const BRAILLE: [u8; 8] = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];

impl Dots {
    /// Dots across and down in a cell.
    pub fn grid(self) -> (usize, usize) {
        match self {
            Dots::Braille | Dots::Octants => (2, 4),
            Dots::Quadrants => (2, 2),
        }
    }

    /// The character with these dots, a bit for each, row by row from the lowest bit on.
    pub fn symbol(self, bits: u8) -> char {
        match self {
            Dots::Braille => {
                let set = (0..8).filter(|at| bits & (1 << at) != 0).map(|at| BRAILLE[at]);
                char::from_u32(0x2800 + set.map(u32::from).sum::<u32>()).unwrap_or(' ')
            }
            Dots::Quadrants => QUADRANTS[usize::from(bits & 0xf)],
            Dots::Octants => OCTANTS[usize::from(bits)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthChar;

    #[test]
    fn every_pattern_has_a_character_of_one_cell() {
        for dots in [Dots::Braille, Dots::Quadrants, Dots::Octants] {
            let (across, down) = dots.grid();
            let all: Vec<char> = (0..1u16 << (across * down)).map(|bits| dots.symbol(bits as u8)).collect();
            for (at, symbol) in all.iter().enumerate() {
                assert_eq!(symbol.width(), Some(1), "{symbol:?}");
                assert!(!all[..at].contains(symbol), "{symbol:?} twice");
            }
        }
        assert_eq!([0b1, 0b10, 0b1100_0000].map(|bits| Dots::Braille.symbol(bits)), ['⠁', '⠈', '⣀']);
        assert_eq!([0b11, 0b1100].map(|bits| Dots::Quadrants.symbol(bits)), ['▀', '▄']);
        assert_eq!([0b1111, 0b0101_0101].map(|bits| Dots::Octants.symbol(bits)), ['▀', '▌']);
    }
}
