//! Text to be shown: numbers as people read them, and text from files, logs and sockets made safe to print, without
//! control characters, escape sequences and characters that change the direction of a line.

mod number;

pub use number::{duration, grouped, percent, points, short};

use std::borrow::Cow;
use std::fmt::Write;

/// One line of text for people: every unsafe character is replaced by U+FFFD, so that a name from a file or a log can
/// never reach the terminal as a command.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_hostile(c) { '\u{fffd}' } else { c }).collect()
}

/// Lines of text for people: as [`printable`], but keeps newlines.
pub fn printable_lines(text: &str) -> String {
    text.chars().map(|c| if is_hostile(c) && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// Text for tables that both programs and people read: unsafe characters other than newlines are written as `\u{1b}`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    replaced(text, |c, out| write!(out, "{}", c.escape_unicode()))
}

/// Equivalent JSON or TOML with unsafe characters written as `\u001b`; they occur only within strings.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    // All of them are in the basic multilingual plane, so one unit is enough.
    replaced(json, |c, out| write!(out, "\\u{:04x}", u32::from(c)))
}

/// Whether [`printable`] would leave a text unchanged.
pub fn is_printable(text: &str) -> bool {
    !text.contains(is_hostile)
}

fn replaced(text: &str, escape: impl Fn(char, &mut String) -> std::fmt::Result) -> Cow<'_, str> {
    let is_replaced = |c: char| is_hostile(c) && c != '\n';
    if !text.contains(is_replaced) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_replaced(c) {
            // Writing to a String cannot fail.
            let _ = escape(c, &mut out);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn is_hostile(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_lose_their_escape() {
        assert_eq!(printable("a\x1b[31mb\u{9b}c\nd"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
        assert_eq!(printable_lines("a\x1b\r\nb\u{202e}"), "a\u{fffd}\u{fffd}\nb\u{fffd}");
        assert_eq!(escaped("a\x1b[31m\u{9b}\u{61c}\nb"), "a\\u{1b}[31m\\u{9b}\\u{61c}\nb");
    }

    #[test]
    fn ordinary_text_stays() {
        let text = "plain-56 überfit 層 👩‍🔬";
        assert_eq!([printable(text), printable_lines(text)], [text, text]);
        assert!(is_printable(text) && !is_printable("\u{2066}"));
        assert!(matches!(escaped(text), Cow::Borrowed(found) if found == text));
    }

    #[test]
    fn escaped_json_is_the_same_value() {
        let every: String = ('\0'..='\u{ffff}').filter(|c| is_hostile(*c)).chain("x\n\"\\".chars()).collect();
        let json = serde_json::to_string_pretty(&[&every]).unwrap();
        let escaped = escaped_json(&json);
        assert!(escaped.chars().all(|c| c == '\n' || !is_hostile(c)));
        assert_eq!(serde_json::from_str::<[String; 1]>(&escaped).unwrap(), [every]);
    }
}
