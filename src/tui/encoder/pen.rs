//! What a terminal draws with, colours and modifiers, and the shortest sequence that changes it (ECMA-48, SGR).

use std::fmt::Write;

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};

/// What is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pen {
    /// The foreground; none if it does not show.
    pub(super) fg: Option<Color>,
    pub(super) bg: Color,
    pub(super) modifier: Modifier,
}

impl Default for Pen {
    fn default() -> Pen {
        Pen { fg: Some(Color::Reset), bg: Color::Reset, modifier: Modifier::empty() }
    }
}

/// The modifiers with the parameters that set and unset them. Bold and dim are unset together.
const MODIFIERS: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

impl Pen {
    /// The pen of a cell.
    pub(super) fn of(cell: &Cell) -> Pen {
        Pen { fg: super::has_ink(cell).then_some(cell.fg), bg: cell.bg, modifier: cell.modifier }
    }

    /// How many of foreground, background and modifiers must change.
    pub(super) fn changes_from(&self, other: &Pen) -> usize {
        let fg = self.fg.is_some() && self.fg != other.fg;
        usize::from(fg) + usize::from(self.bg != other.bg) + usize::from(self.modifier != other.modifier)
    }

    /// Writes the shortest sequence that makes it the wanted one.
    pub(super) fn change(&mut self, wanted: &Pen, bytes: &mut Vec<u8>) {
        if wanted.changes_from(self) == 0 {
            return;
        }
        // A foreground that does not show stays, or is the default.
        let kept = Pen { fg: wanted.fg.or(self.fg), ..*wanted };
        let fresh = Pen { fg: wanted.fg.or(Pen::default().fg), ..*wanted };
        let (by_change, anew) = (parameters(self, &kept), parameters(&Pen::default(), &fresh));
        let anew = if anew.is_empty() { anew } else { format!("0;{anew}") };
        let (shorter, pen) = if anew.len() < by_change.len() { (anew, fresh) } else { (by_change, kept) };
        bytes.extend(b"\x1b[");
        bytes.extend(shorter.as_bytes());
        bytes.push(b'm');
        *self = pen;
    }
}

/// The parameters that change one pen into another.
fn parameters(from: &Pen, to: &Pen) -> String {
    let mut all = String::new();
    let mut has = from.modifier;
    for (modifier, _, unset) in MODIFIERS {
        if has.contains(modifier) && !to.modifier.contains(modifier) {
            push(&mut all, format_args!("{unset}"));
            MODIFIERS.iter().filter(|other| other.2 == unset).for_each(|other| has.remove(other.0));
        }
    }
    for (modifier, set, _) in MODIFIERS {
        if to.modifier.contains(modifier) && !has.contains(modifier) {
            push(&mut all, format_args!("{set}"));
        }
    }
    if let Some(fg) = to.fg.filter(|fg| from.fg != Some(*fg)) {
        color(&mut all, fg, 30);
    }
    if from.bg != to.bg {
        color(&mut all, to.bg, 40);
    }
    all
}

fn push(all: &mut String, parameter: std::fmt::Arguments<'_>) {
    if !all.is_empty() {
        all.push(';');
    }
    // Writing to a string does not fail.
    let _ = all.write_fmt(parameter);
}

/// The parameters of a colour; `base` is 30 for the foreground and 40 for the background.
fn color(all: &mut String, color: Color, base: u8) {
    let dark = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
    ];
    let light = [
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    let place = |of: &[Color; 8]| of.iter().position(|one| *one == color);
    match color {
        Color::Rgb(r, g, b) => push(all, format_args!("{};2;{r};{g};{b}", base + 8)),
        Color::Indexed(index) => push(all, format_args!("{};5;{index}", base + 8)),
        _ => match (place(&dark), place(&light)) {
            (Some(at), _) => push(all, format_args!("{}", base + at as u8)),
            (_, Some(at)) => push(all, format_args!("{}", base + 60 + at as u8)),
            _ => push(all, format_args!("{}", base + 9)),
        },
    }
}
