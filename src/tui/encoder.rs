//! Turns frames into bytes for a terminal: only what differs from what it shows, in the shortest sequences. It knows
//! cells, not what is drawn, and neither writes nor reads a clock.

use std::collections::HashMap;
use std::ops::Range;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use crate::theme::Rgb;

use pen::Pen;

mod moves;
mod pen;

/// How exactly a frame is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Fidelity {
    /// Every cell as it was drawn.
    #[default]
    Exact,
    /// A colour may differ by that much in Oklab from the one that was drawn: 0.02 is hardly seen.
    Within(f64),
}

/// What the terminal shows, and how to change it.
#[derive(Debug, Default)]
pub struct Encoder {
    /// What the terminal shows; none if that is unknown.
    shown: Option<Buffer>,
    tones: Tones,
    pen: Pen,
    /// Where the terminal's cursor is, if it is known.
    cursor: Option<(u16, u16)>,
    bytes: Vec<u8>,
    exact: bool,
    /// Of each row, whether the last frame wrote into it.
    touched: Vec<bool>,
    /// Of each row, whether all its symbols, before and after, take one cell; filled as rows are looked at.
    narrow: Vec<Option<bool>>,
}

/// A frame as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The bytes; empty if the terminal shows the frame already.
    pub bytes: Vec<u8>,
    /// Whether the terminal then shows exactly the frame.
    pub exact: bool,
}

/// The fewest blanks at the end of a row for which the row's end is erased instead.
const WORTH_ERASING: usize = 4;
/// A symbol that no cell has, as wide as one.
const NOTHING: &str = "\u{e000}";
/// The most known colours.
const MOST_TONES: usize = 4_096;

impl Encoder {
    /// Forgets what the terminal shows, so that the next frame erases it and draws every cell.
    pub fn forget(&mut self) {
        self.shown = None;
    }

    /// Has the cells of an area drawn again with the next frame, whatever they show.
    pub(super) fn doubt(&mut self, area: Rect) {
        let Some(shown) = &mut self.shown else { return };
        for at in area.intersection(shown.area).positions() {
            shown[at].set_symbol(NOTHING);
        }
    }

    /// Whether the last frame wrote into a row of an area.
    pub(super) fn has_touched(&self, area: Rect) -> bool {
        self.touched.iter().take(area.bottom().into()).skip(area.top().into()).any(|touched| *touched)
    }

    /// The bytes that make the terminal show a frame. The first one after [`forget`](Self::forget), and one of another
    /// size, is exact in any case.
    pub fn encode(&mut self, frame: &Buffer, fidelity: Fidelity) -> Encoded {
        self.bytes.clear();
        self.pen = Pen::default();
        self.cursor = None;
        self.exact = true;
        let (mut shown, fidelity) = match self.shown.take().filter(|shown| shown.area == frame.area) {
            Some(shown) => (shown, fidelity),
            None => {
                self.bytes.extend(b"\x1b[m\x1b[H\x1b[2J");
                self.cursor = Some((0, 0));
                (Buffer::empty(frame.area), Fidelity::Exact)
            }
        };
        self.narrow = vec![None; usize::from(frame.area.height)];
        self.touched = vec![false; usize::from(frame.area.height)];
        for y in 0..frame.area.height {
            self.row(y, &mut shown, frame, fidelity);
        }
        self.pen.change(&Pen::default(), &mut self.bytes);
        self.shown = Some(shown);
        Encoded { bytes: std::mem::take(&mut self.bytes), exact: self.exact }
    }

    fn row(&mut self, y: u16, shown: &mut Buffer, frame: &Buffer, fidelity: Fidelity) {
        let row = row_of(frame, y);
        let range = range_of(frame, y);
        let before = &mut shown.content[range.clone()];
        let Some(first) = (0..row.len()).find(|&x| self.differs(&before[x], &row[x], fidelity)) else {
            return;
        };
        self.touched[usize::from(y)] = true;
        if !self.is_narrow_row(y, before, row) {
            return self.whole_row(y, before, row);
        }
        let end = row.iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1);
        let rest = (end.max(first)..row.len()).filter(|&x| !is_blank(&before[x])).count();
        let end = if rest >= WORTH_ERASING { end } else { row.len() };
        for (x, cell) in row.iter().enumerate().take(end).skip(first) {
            if self.differs(&shown.content[range.start + x], cell, fidelity) {
                self.go(x as u16, y, &shown.content[range.clone()]);
                self.cell(x, y, shown, frame, fidelity);
                self.drip(x, y, shown, frame, fidelity);
            }
        }
        let before = &mut shown.content[range];
        if end < row.len() {
            // Only what is left of the erased part stays.
            let from = (end..row.len()).find(|&x| !is_blank(&before[x])).unwrap_or(end);
            self.go(from as u16, y, before);
            self.pen.change(&Pen::default(), &mut self.bytes);
            self.bytes.extend(b"\x1b[K");
            before[from..].iter_mut().for_each(Cell::reset);
        }
    }

    fn is_narrow_row(&mut self, y: u16, shown: &[Cell], row: &[Cell]) -> bool {
        let all_narrow = || shown.iter().chain(row).all(|cell| is_narrow(cell.symbol()));
        *self.narrow[usize::from(y)].get_or_insert_with(all_narrow)
    }

    /// After a cell, also draws those below it that take the same pen, unless their own row leads to them with that pen
    /// anyway: changing colours takes more bytes than moving.
    fn drip(&mut self, x: usize, y: u16, shown: &mut Buffer, frame: &Buffer, fidelity: Fidelity) {
        for below in y + 1..frame.area.height {
            let (row, at) = (row_of(frame, below), range_of(frame, below).start + x);
            let beside = [x.checked_sub(1), Some(x + 1)].into_iter().flatten().filter_map(|x| row.get(x));
            if self.cursor.is_none()
                || self.pen == Pen::default()
                || self.changes(&row[x], fidelity) > 0
                || beside.into_iter().any(|cell| self.changes(cell, fidelity) == 0)
                || !self.differs(&shown.content[at], &row[x], fidelity)
                || !self.is_narrow_row(below, row_of(shown, below), row)
            {
                return;
            }
            self.go(x as u16, below, &[]);
            self.cell(x, below, shown, frame, fidelity);
            self.touched[usize::from(below)] = true;
        }
    }

    /// How much of the pen must change for a cell.
    fn changes(&mut self, cell: &Cell, fidelity: Fidelity) -> usize {
        let straight = self.near(Pen::of(cell), fidelity).changes_from(&self.pen);
        let turned = turned(cell).map(|(_, pen)| self.near(pen, fidelity).changes_from(&self.pen));
        turned.map_or(straight, |turned| turned.min(straight))
    }

    /// Draws every cell of a row, each at its own place if a symbol's width is not that of one cell: terminals differ
    /// in what they do with the cells that it covers.
    fn whole_row(&mut self, y: u16, shown: &mut [Cell], row: &[Cell]) {
        self.go(0, y, shown);
        self.pen.change(&Pen::default(), &mut self.bytes);
        self.bytes.extend(b"\x1b[K");
        let mut x = 0;
        while x < row.len() {
            let (cell, width) = (&row[x], row[x].symbol().width());
            if !is_blank(cell) && x + width <= row.len() {
                self.go(x as u16, y, &[]);
                self.pen.change(&Pen::of(cell), &mut self.bytes);
                self.bytes.extend(cell.symbol().as_bytes());
                self.cursor = if is_narrow(cell.symbol()) { after(x, y, row.len()) } else { None };
            }
            x += width.max(1);
        }
        shown.clone_from_slice(row);
    }

    /// Draws a cell at the cursor.
    fn cell(&mut self, x: usize, y: u16, shown: &mut Buffer, frame: &Buffer, fidelity: Fidelity) {
        let at = range_of(frame, y).start + x;
        let cell = &frame.content[at];
        let mut symbol = cell.symbol();
        let mut pen = self.near(Pen::of(cell), fidelity);
        if let Some((other, turned)) = turned(cell) {
            let turned = self.near(turned, fidelity);
            if turned.changes_from(&self.pen) < pen.changes_from(&self.pen) {
                (symbol, pen) = (other, turned);
            }
        }
        self.pen.change(&pen, &mut self.bytes);
        self.bytes.extend(symbol.as_bytes());
        self.cursor = after(x, y, usize::from(frame.area.width));
        let (fg, bg) = if symbol == cell.symbol() {
            (pen.fg, pen.bg)
        } else {
            (Some(pen.bg), pen.fg.unwrap_or_default())
        };
        let (fg, bg) = (fg.unwrap_or(cell.fg), bg);
        self.exact &= fg == cell.fg && bg == cell.bg;
        shown.content[at].clone_from(cell);
        (shown.content[at].fg, shown.content[at].bg) = (fg, bg);
    }

    /// A pen with the present colours where they are near enough.
    fn near(&mut self, wanted: Pen, fidelity: Fidelity) -> Pen {
        let (fg, bg) = (self.pen.fg, self.pen.bg);
        let fg = match (wanted.fg, fg) {
            (Some(wanted), Some(now)) if self.tones.are_near(wanted, now, fidelity) => Some(now),
            (wanted, _) => wanted,
        };
        let bg = if self.tones.are_near(wanted.bg, bg, fidelity) { bg } else { wanted.bg };
        Pen { fg, bg, ..wanted }
    }

    /// Whether a cell must be drawn. Notes where one is not that should be, to be exact.
    fn differs(&mut self, shown: &Cell, cell: &Cell, fidelity: Fidelity) -> bool {
        if shown.symbol() != cell.symbol() || shown.modifier != cell.modifier {
            return true;
        }
        let has_ink = has_ink(cell);
        if shown.bg == cell.bg && (!has_ink || shown.fg == cell.fg) {
            return false;
        }
        let near = self.tones.are_near(shown.bg, cell.bg, fidelity)
            && (!has_ink || self.tones.are_near(shown.fg, cell.fg, fidelity));
        self.exact &= !near;
        !near
    }

    /// Moves the cursor by the fewest bytes: a sequence, or cells of the row that are drawn again as they are.
    fn go(&mut self, x: u16, y: u16, shown: &[Cell]) {
        if self.cursor == Some((x, y)) {
            return;
        }
        let sequence = moves::shortest(self.cursor, (x, y));
        let between = self.cursor.filter(|(from, row)| *row == y && *from < x);
        let again = between.and_then(|(from, _)| shown.get(usize::from(from)..usize::from(x)));
        match again.filter(|cells| self.is_cheaper(cells, sequence.len())) {
            Some(cells) => cells.iter().for_each(|cell| self.bytes.extend(cell.symbol().as_bytes())),
            None => self.bytes.extend(sequence),
        }
        self.cursor = Some((x, y));
    }

    /// Whether cells in the present pen take no more bytes than that.
    fn is_cheaper(&self, cells: &[Cell], bytes: usize) -> bool {
        cells.len() <= bytes
            && cells.iter().map(|cell| cell.symbol().len()).sum::<usize>() <= bytes
            && cells.iter().all(|cell| Pen::of(cell).changes_from(&self.pen) == 0)
    }
}

/// Where the cells of a row are.
fn range_of(buffer: &Buffer, y: u16) -> Range<usize> {
    let width = usize::from(buffer.area.width);
    usize::from(y) * width..(usize::from(y) + 1) * width
}

fn row_of(buffer: &Buffer, y: u16) -> &[Cell] {
    &buffer.content[range_of(buffer, y)]
}

/// The place of the cursor after a cell; unknown after the last one, where terminals differ.
fn after(x: usize, y: u16, width: usize) -> Option<(u16, u16)> {
    (x + 1 < width).then_some((x as u16 + 1, y))
}

/// Whether a symbol takes one cell.
fn is_narrow(symbol: &str) -> bool {
    match symbol.as_bytes() {
        [b' '..=b'~'] => true,
        // Lines, blocks and braille.
        [0xe2, 0x94..=0x95 | 0xa0..=0xa3, _] | [0xe2, 0x96, 0x80..=0x9f] => true,
        _ => symbol.width() == 1,
    }
}

/// Whether a cell's foreground shows.
fn has_ink(cell: &Cell) -> bool {
    let shows = Modifier::UNDERLINED | Modifier::CROSSED_OUT | Modifier::REVERSED;
    cell.symbol() != " " || cell.modifier.intersects(shows)
}

/// Whether erasing gives the cell.
fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && cell.bg == Color::Reset && cell.modifier.is_empty()
}

/// The other half block that shows the same two colours, with its pen.
fn turned(cell: &Cell) -> Option<(&'static str, Pen)> {
    let other = match cell.symbol() {
        "▀" => "▄",
        "▄" => "▀",
        _ => return None,
    };
    let fixed = cell.fg != Color::Reset && cell.bg != Color::Reset && cell.modifier.is_empty();
    fixed.then_some((other, Pen { fg: Some(cell.bg), bg: cell.fg, modifier: Modifier::empty() }))
}

/// Colours as the eye compares them, kept because roots take long.
#[derive(Debug, Default)]
struct Tones(HashMap<Rgb, [f64; 3]>);

impl Tones {
    /// Whether a colour may stand for another.
    fn are_near(&mut self, a: Color, b: Color, fidelity: Fidelity) -> bool {
        if a == b {
            return true;
        }
        let Fidelity::Within(most) = fidelity else { return false };
        let (Some(a), Some(b)) = (Rgb::of(a), Rgb::of(b)) else { return false };
        let (a, b) = (self.tone(a), self.tone(b));
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() <= most * most
    }

    fn tone(&mut self, color: Rgb) -> [f64; 3] {
        if self.0.len() >= MOST_TONES {
            self.0.clear();
        }
        *self.0.entry(color).or_insert_with(|| color.oklab())
    }
}

#[cfg(test)]
mod tests;
