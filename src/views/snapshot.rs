//! Draws one frame without a terminal: as plain text, as text with colour sequences, or as an SVG picture.

use std::fmt::Write;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::{Status, draw};
use crate::app::App;
use crate::theme::Theme;

pub mod svg;

/// The format of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Characters only.
    #[default]
    Text,
    /// Characters with SGR sequences for a terminal.
    Ansi,
    /// A picture.
    Svg,
}

/// The most columns and rows of a frame.
const LARGEST: u16 = 1000;

/// Draws the current view in a frame of a size (columns, rows) and formats it, with a newline at the end.
pub fn snapshot(app: &App, size: (u16, u16), theme: &Theme, format: Format) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0.min(LARGEST), size.1.min(LARGEST)));
    let area = buffer.area;
    draw(app, &Status::default(), area, &mut buffer, theme);
    match format {
        Format::Text => text(&buffer),
        Format::Ansi => ansi(&buffer),
        Format::Svg => svg::picture(&buffer, theme),
    }
}

/// The rows' characters without trailing blanks.
fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in rows(buffer) {
        let line: String = row.iter().map(|(symbol, _)| *symbol).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn ansi(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in rows(buffer) {
        let mut last = Style::new();
        for (symbol, style) in row {
            if style != last {
                text.push_str(&sgr(style));
                last = style;
            }
            text.push_str(symbol);
        }
        text.push_str("\x1b[0m\n");
    }
    text
}

/// Each row's symbols with their styles; the cell after a wide character is left out.
fn rows(buffer: &Buffer) -> Vec<Vec<(&str, Style)>> {
    let width = usize::from(buffer.area.width).max(1);
    let row = |cells: &'_ [ratatui::buffer::Cell]| -> Vec<(usize, Style)> {
        let mut kept = Vec::with_capacity(cells.len());
        let mut skip = 0;
        for (x, cell) in cells.iter().enumerate() {
            if skip == 0 {
                kept.push((x, Style::new().fg(cell.fg).bg(cell.bg).add_modifier(cell.modifier)));
                skip = crate::widgets::width(cell.symbol()).saturating_sub(1);
            } else {
                skip -= 1;
            }
        }
        kept
    };
    let rows = buffer.content().chunks(width);
    rows.map(|cells| row(cells).into_iter().map(|(x, style)| (cells[x].symbol(), style)).collect()).collect()
}

/// The sequence that sets a style, whatever was set before.
fn sgr(style: Style) -> String {
    let mut codes = "0".to_owned();
    let modifiers =
        [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::UNDERLINED, 4), (Modifier::REVERSED, 7)];
    for (_, code) in modifiers.iter().filter(|(modifier, _)| style.add_modifier.contains(*modifier)) {
        _ = write!(codes, ";{code}");
    }
    push_color(&mut codes, style.fg, 30);
    push_color(&mut codes, style.bg, 40);
    format!("\x1b[{codes}m")
}

fn push_color(codes: &mut String, color: Option<Color>, base: u8) {
    _ = match color {
        None | Some(Color::Reset) => Ok(()),
        Some(Color::Rgb(r, g, b)) => write!(codes, ";{};2;{r};{g};{b}", base + 8),
        Some(Color::Indexed(index)) => write!(codes, ";{};5;{index}", base + 8),
        Some(named) => {
            let index = sixteen(named);
            write!(codes, ";{}", if index < 8 { base + index } else { base + 52 + index })
        }
    };
}

/// The index of a named colour among the sixteen.
fn sixteen(color: Color) -> u8 {
    match color {
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_those_of_ecma_48() {
        let style = Style::new().fg(Color::LightYellow).bg(Color::Indexed(17)).add_modifier(Modifier::BOLD);
        assert_eq!(sgr(style), "\x1b[0;1;93;48;5;17m");
        assert_eq!(sgr(Style::new().fg(Color::Rgb(1, 2, 3)).bg(Color::Blue)), "\x1b[0;38;2;1;2;3;44m");
        assert_eq!(sgr(Style::new().fg(Color::Reset).bg(Color::Gray)), "\x1b[0;47m");
    }
}
