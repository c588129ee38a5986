//! Makes text from files and logs safe to show: no control characters, no escape sequences.

/// Replaces every control, bidirectional-override and line-separator character by U+FFFD, so that a name
/// from a file or a log can never reach the terminal as a command.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_hostile(c) { '\u{fffd}' } else { c }).collect()
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn escape_sequences_lose_their_escape() {
        assert_eq!(printable("a\x1b[31mb\u{9b}c\nd"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
    }

    #[test]
    fn ordinary_text_stays() {
        assert_eq!(printable("plain-56 überfit 層"), "plain-56 überfit 層");
    }
}
