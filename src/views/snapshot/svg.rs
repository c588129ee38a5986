//! A frame as SVG. Blocks, box lines and braille are drawn as shapes and text is fitted to its cells, so that
//! everything is placed as on a terminal, with any font. Rows are also drawn one by one, for films.

use std::collections::BTreeMap;
use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use crate::theme::{Rgb, Theme};

/// A cell's width and height in pixels, divisible by the dots of braille and the eighths of blocks.
pub const CELL: (usize, usize) = (8, 16);
/// The margin around the frame.
const MARGIN: usize = 12;

/// The picture.
pub(super) fn picture(buffer: &Buffer, theme: &Theme) -> String {
    let (columns, rows) = (usize::from(buffer.area.width), usize::from(buffer.area.height));
    let mut shapes = Shapes::default();
    let mut texts = String::new();
    for (y, cells) in buffer.content().chunks(columns.max(1)).enumerate() {
        draw_row(cells, y, theme.paper(), &mut shapes, &mut texts);
    }
    let (mut svg, closing) = frame((columns, rows), 0, theme);
    shapes.write(&mut svg);
    svg.push_str(&texts);
    svg.push_str(closing);
    svg
}

/// What stands before and after the rows of a picture of so many columns and rows, with room for something of a height
/// below them.
pub fn frame((columns, rows): (usize, usize), below: usize, theme: &Theme) -> (String, &'static str) {
    let (width, height) = (columns * CELL.0 + 2 * MARGIN, rows * CELL.1 + below + 2 * MARGIN);
    let paper = hex(theme.paper().1);
    let opening = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{paper}\"/>\n\
         <g transform=\"translate({MARGIN} {MARGIN})\" font-size=\"13\" font-family=\"ui-monospace,SFMono-Regular,\
         Menlo,Consolas,'DejaVu Sans Mono',monospace\">\n"
    );
    (opening, "</g>\n</svg>\n")
}

/// A row of cells, as the first one of a picture; empty if nothing is to be seen.
pub fn row(cells: &[Cell], theme: &Theme) -> String {
    let (mut shapes, mut svg, mut texts) = (Shapes::default(), String::new(), String::new());
    draw_row(cells, 0, theme.paper(), &mut shapes, &mut texts);
    shapes.write(&mut svg);
    (svg + &texts).replace('\n', "")
}

/// Bars by their colour and thickness, so that all alike are one path: a stroke through their middle.
#[derive(Default)]
struct Shapes {
    fills: BTreeMap<Bar, Vec<[f64; 3]>>,
    inks: BTreeMap<Bar, Vec<[f64; 3]>>,
}

/// The colour of bars and their height in tenths of a pixel.
type Bar = ([u8; 3], u32);

impl Shapes {
    fn write(&self, svg: &mut String) {
        for (layer, edges) in [(&self.fills, " shape-rendering=\"crispEdges\""), (&self.inks, "")] {
            for (([r, g, b], height), bars) in layer {
                let height = f64::from(*height) / 10.0;
                _ = write!(
                    svg,
                    "<path{edges} stroke=\"#{r:02x}{g:02x}{b:02x}\" stroke-width=\"{height}\" d=\""
                );
                for [x, y, width] in bars {
                    _ = write!(svg, "M{x} {y}h{width}");
                }
                svg.push_str("\"/>\n");
            }
        }
    }

    fn fill(&mut self, color: Rgb, x: usize, y: usize, width: usize, height: usize) {
        let [x, y, width, height] = [x, y, width, height].map(|number| number as f64);
        push(&mut self.fills, color, [x, y, width, height]);
    }

    fn ink(&mut self, color: Rgb, x: f64, y: f64, width: f64, height: f64) {
        push(&mut self.inks, color, [x, y, width, height]);
    }
}

/// Adds a bar, or makes the last one longer if it goes on there.
fn push(layer: &mut BTreeMap<Bar, Vec<[f64; 3]>>, color: Rgb, [x, y, width, height]: [f64; 4]) {
    let bars = layer.entry(([color.0, color.1, color.2], (height * 10.0).round() as u32)).or_default();
    // Tenths of a pixel are exact enough, and short.
    let middle = ((y + height / 2.0) * 100.0).round() / 100.0;
    let x = (x * 10.0).round() / 10.0;
    match bars.last_mut() {
        Some([from, at, long]) if *at == middle && *from + *long == x => *long += width,
        _ => bars.push([x, middle, width]),
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
        let count = words(&cells[x..], page);
        write_words(&cells[x..x + count], x, y, front, texts);
        x += count;
    }
}

/// The number of cells of words in one style; shapes and more than one blank end them.
fn words(cells: &[Cell], page: (Rgb, Rgb)) -> usize {
    let style = |cell: &Cell| (colors(cell, page), cell.modifier);
    let first = style(&cells[0]);
    let is_blank = |at: usize| cells.get(at).is_none_or(|cell| cell.symbol().trim().is_empty());
    let is_text = |at: usize| match is_blank(at) {
        true => at > 0 && !is_blank(at - 1) && !is_blank(at + 1) && style(&cells[at + 1]) == first,
        false => !is_shape(cells[at].symbol()),
    };
    let count = (0..cells.len()).take_while(|at| style(&cells[*at]) == first && is_text(*at)).count();
    // A blank between a word and a shape belongs to neither.
    if count > 1 && is_blank(count - 1) { count - 1 } else { count.max(1) }
}

fn write_words(cells: &[Cell], x: usize, y: usize, front: Rgb, texts: &mut String) {
    let words: String = cells.iter().map(Cell::symbol).collect();
    if words.trim().is_empty() {
        return;
    }
    let weight = if cells[0].modifier.contains(Modifier::BOLD) { " font-weight=\"700\"" } else { "" };
    let (left, base) = (x * CELL.0, y * CELL.1 + 12);
    _ = writeln!(
        texts,
        "<text x=\"{left}\" y=\"{base}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{weight}>{}</text>",
        cells.len() * CELL.0,
        hex(front),
        escaped(&words),
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

/// A text without what means something in SVG.
pub fn escaped(text: &str) -> String {
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
        assert!(svg.contains("stroke=\"#010203\" stroke-width=\"16\" d=\"M0 8h24\""), "{svg}");
        assert!(!svg.contains('⣿') && !svg.contains('▄') && !svg.contains('│'), "{svg}");
        assert_eq!(svg.matches("textLength=\"24\"").count(), 1);
    }
}
