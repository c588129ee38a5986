//! Wraps text at blanks.

use crate::widgets;

/// The lines of a text in a width; a word longer than a line has its own line, and is clipped.
pub(super) fn wrap(text: &str, cells: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if widgets::width(line) + 1 + widgets::width(word) <= cells => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn lines_break_at_blanks_and_hold_every_word() {
        assert_eq!(wrap("a bc def  gh", 4), ["a bc", "def", "gh"]);
        assert_eq!(wrap("", 4), Vec::<String>::new());
        assert_eq!(wrap("longer than", 3), ["longer", "than"]);
    }
}
