//! A frame as SVG. Blocks, box lines and braille are drawn as shapes and text is fitted to its cells, so that
//! everything is placed as on a terminal, with any font.

use std::collections::BTreeMap;
use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use crate::theme::{Rgb, Theme};

/// A cell's width and height in pixels, divisible by the dots of braille and the eighths of blocks.
const CELL: (usize, usize) = (8, 16);
/// The margin around the frame.
const MARGIN: usize = 12;

/// The picture.
pub(super) fn picture(buffer: &Buffer, theme: &Theme) -> String {
    let (ink, paper) = theme.paper();
    let (columns, rows) = (usize::from(buffer.area.width), usize::from(buffer.area.height));
    let (width, height) = (columns * CELL.0, rows * CELL.1);
    let (outer_width, outer_height) = (width + 2 * MARGIN, height + 2 * MARGIN);
    let mut shapes = Shapes::default();
    let mut texts = String::new();
    for (y, cells) in buffer.content().chunks(columns.max(1)).enumerate() {
        draw_row(cells, y, (ink, paper), &mut shapes, &mut texts);
    }
    let mut svg = String::new();
    _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{outer_width}\" height=\"{outer_height}\" \
         viewBox=\"0 0 {outer_width} {outer_height}\" role=\"img\">"
    );
    _ = writeln!(svg, "<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{}\"/>", hex(paper));
    _ = writeln!(
        svg,
        "<g transform=\"translate({MARGIN} {MARGIN})\" font-size=\"13\" font-family=\"ui-monospace,SFMono-Regular,\
         Menlo,Consolas,'DejaVu Sans Mono',monospace\">"
    );
    shapes.write(&mut svg);
    svg.push_str(&texts);
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// Rectangles by their colour, so that each colour is one path.
#[derive(Default)]
struct Shapes {
    fills: BTreeMap<[u8; 3], String>,
    inks: BTreeMap<[u8; 3], String>,
}

impl Shapes {
    fn write(&self, svg: &mut String) {
        for (layer, edges) in [(&self.fills, " shape-rendering=\"crispEdges\""), (&self.inks, "")] {
            for ([r, g, b], path) in layer {
                _ = writeln!(svg, "<path{edges} fill=\"#{r:02x}{g:02x}{b:02x}\" d=\"{path}\"/>");
            }
        }
    }

    fn fill(&mut self, color: Rgb, x: usize, y: usize, width: usize, height: usize) {
        let path = self.fills.entry([color.0, color.1, color.2]).or_default();
        _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
    }

    fn ink(&mut self, color: Rgb, x: f64, y: f64, width: f64, height: f64) {
        let path = self.inks.entry([color.0, color.1, color.2]).or_default();
        _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
    }
}

/// Foreground and background of a cell after reversal and dimming.
fn colors(cell: &Cell, (ink, paper): (Rgb, Rgb)) -> (Rgb, Option<Rgb>) {
    let mut front = rgb(cell.fg).unwrap_or(ink);
    let mut back = rgb(cell.bg);
    if cell.modifier.contains(Modifier::REVERSED) {
        (front, back) = (back.unwrap_or(paper), Some(front));
    }
    if cell.modifier.contains(Modifier::DIM) {
        front = front.toward(back.unwrap_or(paper), 0.45);
    }
    (front, back)
}

fn draw_row(cells: &[Cell], y: usize, page: (Rgb, Rgb), shapes: &mut Shapes, texts: &mut String) {
    let mut x = 0;
    while x < cells.len() {
        let cell = &cells[x];
        let (front, back) = colors(cell, page);
        // Neighbours with the same background share a rectangle.
        let run = cells[x..].iter().take_while(|other| colors(other, page).1 == back).count();
        let fresh = x == 0 || colors(&cells[x - 1], page).1 != back;
        if let Some(back) = back.filter(|_| fresh) {
            shapes.fill(back, x * CELL.0, y * CELL.1, run * CELL.0, CELL.1);
        }
        if draw_shape(cell.symbol(), (x * CELL.0) as f64, (y * CELL.1) as f64, front, shapes) {
            x += 1;
            continue;
        }
        let word = word(&cells[x..], page);
        write_word(&cells[x..x + word], x, y, front, texts);
        x += word;
    }
}

/// The number of cells of a word in one style; blanks and shapes end it.
fn word(cells: &[Cell], page: (Rgb, Rgb)) -> usize {
    let style = |cell: &Cell| (colors(cell, page), cell.modifier);
    let first = style(&cells[0]);
    let is_text = |cell: &Cell| !cell.symbol().trim().is_empty() && !is_shape(cell.symbol());
    cells.iter().take_while(|cell| style(cell) == first && is_text(cell)).count().max(1)
}

fn write_word(cells: &[Cell], x: usize, y: usize, front: Rgb, texts: &mut String) {
    let word: String = cells.iter().map(Cell::symbol).collect();
    if word.trim().is_empty() {
        return;
    }
    let weight = if cells[0].modifier.contains(Modifier::BOLD) { " font-weight=\"700\"" } else { "" };
    let (left, base) = (x * CELL.0, y * CELL.1 + 12);
    _ = writeln!(
        texts,
        "<text x=\"{left}\" y=\"{base}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{weight}>{}</text>",
        cells.len() * CELL.0,
        hex(front),
        escaped(&word),
    );
}

fn is_shape(symbol: &str) -> bool {
    draw_shape(symbol, 0.0, 0.0, Rgb(0, 0, 0), &mut Shapes::default())
}

/// Draws a block, a box line or braille; false for everything else.
fn draw_shape(symbol: &str, x: f64, y: f64, color: Rgb, shapes: &mut Shapes) -> bool {
    let (w, h) = (CELL.0 as f64, CELL.1 as f64);
    let Some(c) = symbol.chars().next() else { return false };
    let mut ink = |dx, dy, width, height| shapes.ink(color, x + dx, y + dy, width, height);
    match c {
        '\u{2800}'..='\u{28ff}' => {
            for (bit, (column, row)) in
                [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)].into_iter().enumerate()
            {
                if (c as u32 - 0x2800) >> bit & 1 == 1 {
                    ink(f64::from(column) * 4.0 + 0.6, f64::from(row) * 4.0 + 0.6, 2.8, 2.8);
                }
            }
        }
        '▀' => ink(0.0, 0.0, w, h / 2.0),
        '▁'..='█' => {
            let height = h * f64::from(c as u32 - 0x2580) / 8.0;
            ink(0.0, h - height, w, height);
        }
        '░' | '▒' | '▓' => {
            let share = f64::from(c as u32 - 0x2590) / 4.0;
            for stripe in 0..8 {
                ink(0.0, f64::from(stripe) * 2.0, w, 2.0 * share);
            }
        }
        '■' => ink(1.0, h / 2.0 - 3.0, 6.0, 6.0),
        '━' => ink(0.0, h / 2.0 - 1.0, w, 2.0),
        '╌' => [0.5, 4.5].into_iter().for_each(|dx| ink(dx, h / 2.0 - 0.5, 3.0, 1.0)),
        '┊' => [1.0, 5.0, 9.0, 13.0].into_iter().for_each(|dy| ink(w / 2.0 - 0.5, dy, 1.0, 2.0)),
        _ => return draw_box_line(c, x, y, color, shapes),
    }
    true
}

/// Draws a light box line by its arms: left, right, up, down.
fn draw_box_line(c: char, x: f64, y: f64, color: Rgb, shapes: &mut Shapes) -> bool {
    let [left, right, up, down] = match c {
        '─' => [1, 1, 0, 0],
        '│' => [0, 0, 1, 1],
        '└' | '╰' => [0, 1, 1, 0],
        '┘' | '╯' => [1, 0, 1, 0],
        '┌' | '╭' => [0, 1, 0, 1],
        '┐' | '╮' => [1, 0, 0, 1],
        '┴' => [1, 1, 1, 0],
        '┤' => [1, 0, 1, 1],
        '┼' => [1, 1, 1, 1],
        _ => return false,
    };
    let (w, h) = (CELL.0 as f64, CELL.1 as f64);
    let (mid_x, mid_y) = (w / 2.0 - 0.5, h / 2.0 - 0.5);
    let mut ink = |arm: u8, dx: f64, dy: f64, width: f64, height: f64| {
        if arm == 1 {
            shapes.ink(color, x + dx, y + dy, width, height);
        }
    };
    ink(left, 0.0, mid_y, mid_x + 1.0, 1.0);
    ink(right, mid_x, mid_y, w - mid_x, 1.0);
    ink(up, mid_x, 0.0, 1.0, mid_y + 1.0);
    ink(down, mid_x, mid_y, 1.0, h - mid_y);
    true
}

/// A colour as common terminals show it; none for the terminal's default.
fn rgb(color: Color) -> Option<Rgb> {
    const SIXTEEN: [u32; 16] = [
        0x000000, 0xcd3131, 0x0dbc79, 0xc5a500, 0x2472c8, 0xbc3fbc, 0x11a8cd, 0xc0c4cc, 0x6b7280, 0xf14c4c,
        0x23d18b, 0xf5e943, 0x3b8eea, 0xd670d6, 0x29b8db, 0xffffff,
    ];
    match color {
        Color::Reset => None,
        Color::Rgb(r, g, b) => Some(Rgb(r, g, b)),
        Color::Indexed(index) if index >= 16 => Some(Rgb::indexed(index)),
        named => {
            let index = if let Color::Indexed(index) = named { index } else { super::sixteen(named) };
            let [_, r, g, b] = SIXTEEN[usize::from(index % 16)].to_be_bytes();
            Some(Rgb(r, g, b))
        }
    }
}

fn hex(color: Rgb) -> String {
    format!("#{:02x}{:02x}{:02x}", color.0, color.1, color.2)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    #[test]
    fn text_is_escaped_and_shapes_are_drawn() {
        let mut buffer = Buffer::with_lines(["a<b ⣿▄│"]);
        buffer.set_style(ratatui::layout::Rect::new(0, 0, 3, 1), Style::new().bg(Color::Rgb(1, 2, 3)));
        let svg = picture(&buffer, &Theme::default());
        assert!(svg.contains(">a&lt;b</text>"), "{svg}");
        assert!(svg.contains("fill=\"#010203\" d=\"M0 0h24v16h-24z\""), "{svg}");
        assert!(!svg.contains('⣿') && !svg.contains('▄') && !svg.contains('│'), "{svg}");
        assert_eq!(svg.matches("textLength=\"24\"").count(), 1);
    }
}
