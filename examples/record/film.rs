//! A film as SVG: a group for each shot, of which the style sheet shows one at a time, over and over. Rows that shots have
//! in common are drawn once. It needs no script, so that it moves as an image, too; whoever asks for less motion sees the
//! first shot.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use ratatui::buffer::Buffer;
use skiplane::theme::Theme;
use skiplane::views::svg;

use super::play::Shot;

/// The height of the caption below the screen.
const CAPTION: usize = 28;

/// The film of shots on screens of one size.
pub(crate) fn film(shots: &[Shot]) -> String {
    let theme = Theme::default();
    let Some(first) = shots.first() else { return String::new() };
    let (columns, rows) = (usize::from(first.screen.area.width), usize::from(first.screen.area.height));
    let mut drawn = Rows::default();
    let mut groups = String::new();
    for (at, shot) in shots.iter().enumerate() {
        _ = write!(groups, "<g class=\"shot\" id=\"s{at}\">");
        drawn.place(&shot.screen, columns, &theme, &mut groups);
        caption(&shot.caption, rows, &mut groups);
        groups.push_str("</g>\n");
    }
    let (opening, closing) = svg::frame((columns, rows), CAPTION, &theme);
    let style = style(shots) + &drawn.classes.style;
    format!("{opening}<style>\n{style}</style>\n<defs>\n{}</defs>\n{groups}{closing}", drawn.defs)
}

/// The rows that were drawn, each once.
#[derive(Default)]
struct Rows {
    known: HashMap<String, usize>,
    defs: String,
    classes: Classes,
}

/// Classes for strokes, which are shorter than what they stand for.
#[derive(Default)]
struct Classes {
    known: HashMap<String, usize>,
    style: String,
}

impl Classes {
    /// A row with classes. The glyphs of fonts for terminals differ so little in width that spacing makes up for it, and
    /// bars as high as a cell, or half of it, are sharp by the style sheet.
    fn shorten(&mut self, row: &str) -> String {
        let row = row
            .replace(" lengthAdjust=\"spacingAndGlyphs\"", "")
            .replace(" shape-rendering=\"crispEdges\"", "");
        let mut parts = row.split("<path stroke=\"");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let Some((color, rest)) = part.split_once("\" stroke-width=\"") else { continue };
            let Some((height, rest)) = rest.split_once('"') else { continue };
            let sharp = if ["8", "16"].contains(&height) { ";shape-rendering:crispEdges" } else { "" };
            let rule = format!("{{stroke:{color};stroke-width:{height}{sharp}}}");
            let count = self.known.len();
            let class = *self.known.entry(rule).or_insert_with_key(|rule| {
                _ = writeln!(self.style, ".c{count}{rule}");
                count
            });
            _ = write!(text, "<path class=\"c{class}\"{rest}");
        }
        text
    }
}

impl Rows {
    /// Puts the rows of a screen in their places.
    fn place(&mut self, screen: &Buffer, columns: usize, theme: &Theme, out: &mut String) {
        for (y, cells) in screen.content().chunks(columns).enumerate() {
            let row = self.classes.shorten(&svg::row(cells, theme));
            if row.is_empty() {
                continue;
            }
            let count = self.known.len();
            let id = *self.known.entry(row).or_insert_with_key(|row| {
                _ = writeln!(self.defs, "<g id=\"r{count}\">{row}</g>");
                count
            });
            _ = write!(out, "<use href=\"#r{id}\" y=\"{}\"/>", y * svg::CELL.1);
        }
    }
}

/// What was pressed, on a key of its own.
fn caption(text: &str, rows: usize, out: &mut String) {
    if text.is_empty() {
        return;
    }
    let width = svg::CELL.0 * (text.chars().count() + 2);
    let top = rows * svg::CELL.1 + 6;
    _ = write!(
        out,
        "<rect class=\"key\" x=\".5\" y=\"{top}.5\" width=\"{width}\" height=\"21\" rx=\"4\"/>\
         <text class=\"pressed\" x=\"{}\" y=\"{}\" textLength=\"{}\">{}</text>",
        svg::CELL.0,
        top + 15,
        width - 2 * svg::CELL.0,
        svg::escaped(text),
    );
}

/// When each shot is visible, in shares of the whole.
fn style(shots: &[Shot]) -> String {
    let whole: Duration = shots.iter().map(|shot| shot.shown).sum();
    let share = |time: Duration| 100.0 * time.as_secs_f64() / whole.as_secs_f64().max(0.001);
    let mut text = format!(
        ".key{{fill:#2a2e37;stroke:#565d6b}}.pressed{{fill:#d6dae2}}\
         .shot{{visibility:hidden;animation:{:.2}s step-end infinite}}\n#s0{{visibility:visible}}\n",
        whole.as_secs_f64()
    );
    let mut from = Duration::ZERO;
    for (at, shot) in shots.iter().enumerate() {
        let to = from + shot.shown;
        let begin = if at == 0 { String::new() } else { "0%{visibility:hidden}".to_owned() };
        let end = if at + 1 == shots.len() {
            String::new()
        } else {
            format!("{:.3}%{{visibility:hidden}}", share(to))
        };
        _ = writeln!(
            text,
            "#s{at}{{animation-name:k{at}}}@keyframes k{at}{{{begin}{:.3}%{{visibility:visible}}{end}}}",
            share(from)
        );
        from = to;
    }
    text + "@media(prefers-reduced-motion:reduce){.shot{animation:none!important}}\n"
}
