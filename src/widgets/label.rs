//! Writes text into a buffer by its width on screen, clipped to a rectangle.

use std::collections::BTreeSet;
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::theme::{Glyph, Theme};

/// The width of a text in cells.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text if it fits, else its beginning and an ellipsis; numbers are not cut.
pub fn clip(text: &str, cells: usize, theme: &Theme) -> String {
    if text.width() <= cells {
        return text.to_owned();
    }
    let Some(room) = cells.checked_sub(1) else { return String::new() };
    format!("{}{}", beginning(text, room), theme.glyph(Glyph::Ellipsis))
}

/// As much of a text's beginning as fits. A number that does not fit is left out whole: a part of it would be
/// another number.
fn beginning(text: &str, cells: usize) -> &str {
    let mut used = 0;
    let beyond = text.char_indices().find(|(_, c)| {
        used += c.width().unwrap_or(0);
        used > cells
    });
    let Some((cut, _)) = beyond else { return text };
    let split = numbers(text).find(|number| number.start < cut && cut < number.end);
    &text[..split.map_or(cut, |number| number.start)]
}

/// The text if it fits, else an ellipsis and its end, for names whose end is most significant; numbers are not cut.
pub fn clip_start(text: &str, cells: usize, theme: &Theme) -> String {
    if text.width() <= cells {
        return text.to_owned();
    }
    let Some(room) = cells.checked_sub(1) else { return String::new() };
    let cut = text.len() - ending(text, room).len();
    let split = numbers(text).find(|number| number.start < cut && cut < number.end);
    format!("{}{}", theme.glyph(Glyph::Ellipsis), &text[split.map_or(cut, |number| number.end)..])
}

/// A name within a width in cells. If too long, it is shortened so that no two different ones of `all`, which includes
/// it, look the same: as little of its beginning as necessary, and as much of its end as possible; none if there is no
/// room.
pub fn name_among(name: &str, all: &BTreeSet<String>, cells: usize, ellipsis: &str) -> Option<String> {
    if name.width() <= cells {
        return Some(name.to_owned());
    }
    let room = cells.saturating_sub(ellipsis.width());
    let long: Vec<&String> = all.iter().filter(|name| name.width() > cells).collect();
    (0..room).find_map(|head| {
        let cut = |name: &str| format!("{}{ellipsis}{}", starting(name, head), ending(name, room - head));
        let cuts: BTreeSet<String> = long.iter().map(|name| cut(name)).collect();
        (cuts.len() == long.len()).then(|| cut(name))
    })
}

/// The beginning of a text that takes at most this many cells.
fn starting(text: &str, cells: usize) -> &str {
    let fits = |end: &usize| text[..*end].width() <= cells;
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    &text[..ends.take_while(fits).last().unwrap_or(0)]
}

/// The end of a text that takes at most this many cells.
pub fn ending(text: &str, cells: usize) -> &str {
    let fits = |start: &usize| text[*start..].width() <= cells;
    let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    &text[starts.find(fits).unwrap_or(text.len())..]
}

/// The ranges of numbers in a text, each with its sign, exponent and unit: `-1.2e-5`, `12,345`, `3m05s`, `8x32x32`,
/// `82.4%`.
fn numbers(text: &str) -> impl Iterator<Item = Range<usize>> {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let at = move |i: usize| chars.get(i).map(|(_, c)| *c);
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let places: Vec<usize> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
    let mut from = 0;
    std::iter::from_fn(move || {
        let first = (from..).take_while(|i| at(*i).is_some()).find(|i| is_digit(at(*i)))?;
        let goes_on = |i: usize| match at(i) {
            Some('.' | ',' | '^') => is_digit(at(i + 1)) || at(i + 1) == Some('-'),
            Some('+' | '-') => matches!(at(i - 1), Some('e' | 'E' | '^')) && is_digit(at(i + 1)),
            Some('%') => true,
            c => c.is_some_and(char::is_alphanumeric),
        };
        from = (first + 1..).find(|i| !goes_on(*i))?;
        let signed = first > 0 && matches!(at(first - 1), Some('+' | '-'));
        let free = first < 2 || at(first - 2).is_some_and(|c| !c.is_alphanumeric());
        Some(places[first - usize::from(signed && free)]..places[from])
    })
}

/// The text padded with blanks on the right, to a width.
pub fn pad_right(text: &str, cells: usize) -> String {
    let blanks = cells.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(blanks))
}

/// The text padded with blanks on the left, to a width.
pub fn pad_left(text: &str, cells: usize) -> String {
    let blanks = cells.saturating_sub(text.width());
    format!("{}{text}", " ".repeat(blanks))
}

/// Writes a text at a place inside a rectangle, clipped at its right edge, but never within a number; returns the
/// column after it. Does nothing if the place is outside the rectangle.
pub fn put(buffer: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
    let area = area.intersection(buffer.area);
    if x < area.left() || x >= area.right() || y < area.top() || y >= area.bottom() {
        return x;
    }
    let room = usize::from(area.right() - x);
    buffer.set_stringn(x, y, beginning(text, room), room, style).0
}

/// Writes a styled line into a row of a rectangle, from its left edge; returns the column after it.
pub fn put_line(buffer: &mut Buffer, area: Rect, row: u16, line: &Line<'_>) -> u16 {
    let (mut x, y) = (area.x, area.y.saturating_add(row));
    for span in &line.spans {
        x = put(buffer, area, x, y, &span.content, line.style.patch(span.style));
    }
    x
}

/// Writes a text at the right edge of a row; returns its first column.
pub fn put_right(buffer: &mut Buffer, area: Rect, row: u16, text: &str, style: Style) -> u16 {
    let cells = text.width().min(usize::from(area.width)) as u16;
    let x = area.right() - cells;
    put(buffer, area, x, area.y.saturating_add(row), text, style);
    x
}

/// Writes a text into the middle of a row.
pub fn put_centered(buffer: &mut Buffer, area: Rect, row: u16, text: &str, style: Style) {
    let cells = text.width().min(usize::from(area.width)) as u16;
    put(buffer, area, area.x + (area.width - cells) / 2, area.y.saturating_add(row), text, style);
}

/// Draws a title with a rule after it into the first row, and returns the area below.
pub fn block_title(buffer: &mut Buffer, area: Rect, title: &str, style: Style, theme: &Theme) -> Rect {
    if area.height == 0 {
        return area;
    }
    let rule: String = theme.glyph(Glyph::Horizontal).to_string().repeat(usize::from(area.width));
    put(buffer, area, area.x, area.y, &rule, theme.axis());
    let title = clip(title, usize::from(area.width).saturating_sub(1), theme);
    let end = put(buffer, area, area.x, area.y, &title, style);
    put(buffer, area, end, area.y, " ", Style::new());
    Rect { y: area.y + 1, height: area.height - 1, ..area }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printable;
    use proptest::prelude::*;

    #[test]
    fn clipping_counts_cells_not_characters() {
        let theme = Theme::default();
        assert_eq!(clip("層層層層", 5, &theme), "層層…");
        assert_eq!(clip("plain", 5, &theme), "plain");
        assert_eq!(clip("plain", 0, &theme), "");
        assert_eq!(pad_left("層", 4), "  層");
    }

    #[test]
    fn numbers_are_found_with_all_that_belongs_to_them() {
        let text = "layer 29: -1.2e-5 to +3, 12,345 of 8x32x32 in 3m05s. plain-56 (82.4%) 2^-24 -2^3";
        let found: Vec<&str> = numbers(text).map(|number| &text[number]).collect();
        let expected = ["29", "-1.2e-5", "+3", "12,345", "8x32x32", "3m05s", "56", "82.4%", "2^-24", "-2^3"];
        assert_eq!(found, expected);
        assert_eq!(beginning("plain 0.1885", 10), "plain ");
        assert_eq!(clip("at block 27 over time", 11, &Theme::default()), "at block …");
        assert_eq!(clip("plain 0.1885", 12, &Theme::default()), "plain 0.1885");
    }

    #[test]
    fn a_name_that_is_cut_at_its_start_keeps_its_end() {
        let theme = Theme::default();
        let name = "20261124-182951-plain-vs-residual";
        assert_eq!(clip_start(name, 40, &theme), name);
        assert_eq!(clip_start(name, 25, &theme), "…182951-plain-vs-residual");
        assert_eq!(clip_start(name, 23, &theme), "…-plain-vs-residual", "no part of a number");
        assert_eq!(clip_start(name, 9, &theme), "…residual");
        assert_eq!(clip_start(name, 1, &theme), "…");
        assert_eq!(clip_start(name, 0, &theme), "");
        assert_eq!(clip_start("層層層層", 5, &theme), "…層層");
    }

    #[test]
    fn names_are_cut_where_they_do_not_differ() {
        let cut = |names: &[&str], cells| {
            let all = names.iter().map(|name| (*name).to_owned()).collect();
            names.iter().map(|name| name_among(name, &all, cells, "…")).collect::<Option<Vec<_>>>()
        };
        assert_eq!(cut(&["rates-of-plain-1", "rates-of-plain-2"], 8).unwrap(), ["…plain-1", "…plain-2"]);
        assert_eq!(cut(&["a-with-shortcut", "b-with-shortcut"], 8).unwrap(), ["a…ortcut", "b…ortcut"]);
        assert_eq!(cut(&["rates-of-plain-1", "short"], 8).unwrap(), ["…plain-1", "short"]);
        assert_eq!(cut(&["plain-one-same", "plain-two-same"], 3), None, "no room to tell them apart");
    }

    /// Words and numbers as titles have them.
    fn any_text() -> impl Strategy<Value = String> {
        let number = any::<f32>().prop_map(|value| printable::short(value.into()));
        let count = any::<u32>().prop_map(|count| printable::grouped(count.into()));
        let word = prop::sample::select(vec!["plain-56", "層", "|dw| / |w|", "layer", "%", ":"]);
        prop::collection::vec(prop_oneof![number, count, word.prop_map(str::to_owned)], 1..6)
            .prop_map(|parts| parts.join(" "))
    }

    proptest! {
        #[test]
        fn no_width_shows_a_part_of_a_number(text in any_text(), cells in 0u16..60, right: bool) {
            let mut buffer = Buffer::empty(Rect::new(0, 0, cells.max(1), 1));
            let area = Rect { width: cells, ..buffer.area };
            match right {
                true => _ = put_right(&mut buffer, area, 0, &text, Style::new()),
                false => _ = put(&mut buffer, area, 0, 0, &text, Style::new()),
            }
            let put: String = buffer.content().iter().map(|cell| cell.symbol()).collect();
            let theme = Theme::default();
            let clipped = clip(&text, cells.into(), &theme);
            prop_assert!(width(&clipped) <= usize::from(cells));
            let words: Vec<&str> = text.split(' ').collect();
            // Numbers are shown whole or not at all: every shown word with a digit is a word of the text or, for a
            // name, its beginning without its number.
            for shown in [put.as_str(), clipped.trim_end_matches('…')] {
                for word in shown.split_whitespace().filter(|word| word.contains(|c: char| c.is_ascii_digit())) {
                    prop_assert!(words.contains(&word), "{:?} of {:?}", shown, text);
                }
            }
        }
    }

    #[test]
    fn nothing_is_put_outside() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        let area = Rect::new(0, 0, 9, 9);
        assert_eq!(put(&mut buffer, area, 2, 0, "abc", Style::new()), 4);
        assert_eq!(put(&mut buffer, area, 2, 5, "abc", Style::new()), 2);
        assert_eq!(buffer, Buffer::with_lines(["  ab"]));
    }
}
