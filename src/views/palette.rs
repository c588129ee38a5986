//! The palette: a line in which one types a part of the name of anything that can be done or chosen, and what is found.
//! It reads the state and the keys in force; what is chosen in it are commands, as of a key.

use nucleo_matcher::pattern::CaseMatching;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::Scene;
use super::bindings::{Command, Key};
use super::fuzzy::{self, Found};
use super::keymap::Keymap;
use super::typed_line::typed_line;
use crate::app::App;
use crate::runs_list::{self, Edit};
use crate::theme::Theme;
use crate::widgets::{self, Popup, clip, pad_left, pad_right};

mod entries;

use entries::{Entry, entries};

/// The longest line that can be typed, in bytes.
const LONGEST_LINE: usize = 200;
/// The widest text in the box, in cells.
const WIDEST: usize = 74;
/// The most rows of what is found.
const MOST_ROWS: usize = 14;
/// The rows besides: the typed line, and a description.
const OTHER_ROWS: usize = 2;
/// The cells of an entry's kind.
const KIND: usize = 10;

/// The open palette.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    line: runs_list::Line,
    /// The chosen one of what is found; past the end, the last.
    chosen: usize,
}

impl Palette {
    /// Types a character.
    pub fn insert(&mut self, c: char) {
        self.line.insert(c, LONGEST_LINE);
        self.chosen = 0;
    }

    /// Edits the typed line.
    pub fn edit(&mut self, edit: Edit) {
        let before = self.line.text();
        self.line.edit(edit);
        if self.line.text() != before {
            self.chosen = 0;
        }
    }

    /// Chooses the entry this many rows below the chosen one, around the end.
    pub fn turn(&mut self, app: &App, keymap: &Keymap, by: i64) {
        let len = self.found(app, keymap).len().max(1);
        let at = self.chosen.min(len - 1) as i64 + by;
        self.chosen = at.rem_euclid(len as i64) as usize;
    }

    /// What the chosen entry does; nothing if nothing is found.
    pub fn commands(&self, app: &App, keymap: &Keymap) -> Vec<Command> {
        let mut found = self.found(app, keymap);
        let at = self.chosen.min(found.len().saturating_sub(1));
        if at < found.len() { found.swap_remove(at).item.does } else { Vec::new() }
    }

    /// Chooses the entry in a place of what is found.
    pub fn choose(&mut self, place: usize) {
        self.chosen = place;
    }

    /// Everything that matches the typed line, the best first; all if nothing is typed.
    fn found(&self, app: &App, keymap: &Keymap) -> Vec<Found<Entry>> {
        let typed = self.line.text();
        let all = entries(app, keymap).into_iter();
        if typed.trim().is_empty() {
            return all.map(Found::unmatched).collect();
        }
        let step = entries::step(app, typed.trim()).map(Found::unmatched);
        let found = fuzzy::ranked(&typed, CaseMatching::Smart, all, |entry| entry.text.clone());
        step.into_iter().chain(found).collect()
    }
}

/// The size of the box's text, which does not depend on what is found, so that nothing jumps.
struct Shape {
    width: usize,
    rows: usize,
}

impl Shape {
    fn of(area: Rect) -> Shape {
        let rows = usize::from(area.height).saturating_sub(2 + OTHER_ROWS);
        Shape { width: WIDEST.min(usize::from(area.width).saturating_sub(4)), rows: rows.min(MOST_ROWS) }
    }
}

/// Draws the palette over the area's middle. A click does what an entry does, or closes the palette from outside.
pub(super) fn draw(
    palette: &Palette,
    app: &App,
    keymap: &Keymap,
    area: Rect,
    Scene { buffer, hits, .. }: &mut Scene<'_>,
    theme: &Theme,
) {
    let Shape { width, rows } = Shape::of(area);
    let found = palette.found(app, keymap);
    let (first, chosen) =
        (fuzzy::first_row(palette.chosen, found.len(), rows), palette.chosen.min(found.len().max(1) - 1));
    let mut typed = vec![Span::styled(": ", theme.accent())];
    typed.extend(typed_line(&palette.line, width.saturating_sub(2), theme));
    let mut lines = vec![Line::from(typed)];
    let shown = found.iter().enumerate().skip(first).take(rows);
    lines.extend(shown.map(|(at, found)| row(found, at == chosen, width, theme)));
    lines.resize(rows + 1, Line::default());
    let about = match found.get(chosen) {
        None => "nothing of this name; Esc closes".to_owned(),
        Some(Found { item, .. }) if item.about.is_empty() => "Enter does it, Esc closes".to_owned(),
        Some(Found { item, .. }) => item.about.clone(),
    };
    let about = pad_right(&clip(&about, width, theme), width);
    lines.push(Line::styled(about, theme.muted()));
    let title = format!("Palette: {} found", widgets::grouped(found.len() as u64));
    hits.does(area, vec![Command::Press(Key::Escape)]);
    let drawn = Popup { title: &title, lines: &lines, scroll: 0 }.render(area, buffer, theme);
    let len = found.len();
    hits.on(drawn.area, move |_, position| {
        // The first row is the typed line, the last one the description.
        let row = drawn.row_at(position.y).and_then(|row| row.checked_sub(1)).filter(|row| *row < rows);
        let at = row.map(|row| first + row).filter(|at| *at < len);
        at.map(Command::Choose).into_iter().collect()
    });
}

/// The kind, the text with what was typed marked, and the keys at the right.
fn row(found: &Found<Entry>, is_chosen: bool, width: usize, theme: &Theme) -> Line<'static> {
    let Found { item: entry, matched } = found;
    let keys = entry.keys(theme.is_ascii());
    let keys = if widgets::width(&keys) + KIND + 12 <= width { keys } else { String::new() };
    let room = width.saturating_sub(KIND + widgets::width(&keys) + 1);
    let (kind, name) = entry.text.split_at(entry.kind.len());
    let mut spans = marked(&pad_right(kind, KIND), kind, 0, matched, theme.muted());
    // Between the two is a blank.
    let name = name.strip_prefix(' ').unwrap_or(name);
    let offset = entry.text.chars().count() - name.chars().count();
    spans.extend(marked(&pad_right(&clip(name, room, theme), room), name, offset, matched, theme.text()));
    spans.push(Span::styled(pad_left(&keys, width.saturating_sub(KIND + room)), theme.accent()));
    let line = Line::from(spans);
    if is_chosen { line.patch_style(theme.selected_row()) } else { line }
}

/// A text as it is shown, with the typed characters underlined. `whole` is the text before it was cut or padded, and
/// begins at a character of what was searched.
fn marked(shown: &str, whole: &str, offset: usize, matched: &[u32], style: Style) -> Vec<Span<'static>> {
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut whole = whole.chars();
    for (at, c) in shown.chars().enumerate() {
        // A character that stands for those cut off matches nothing.
        let is_same = whole.next() == Some(c);
        let is_matched = is_same && matched.iter().any(|other| *other as usize == at + offset);
        let style =
            if is_matched { style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED) } else { style };
        match spans.last_mut().filter(|span| span.style == style) {
            Some(span) => span.content.to_mut().push(c),
            None => spans.push(Span::styled(c.to_string(), style)),
        }
    }
    spans
}

#[cfg(test)]
mod tests;
