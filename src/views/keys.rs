//! The names of keys: in `config.toml`, such as `ctrl-p`, and on screen, such as `Ctrl-P`.

use super::bindings::Key;

/// Keys with words for names, and what they are called on screen; the last two in Unicode and in ASCII.
const WORDS: &[(&str, Key, &str, &str)] = &[
    ("space", Key::Char(' '), "Space", "Space"),
    ("up", Key::Up, "↑", "Up"),
    ("down", Key::Down, "↓", "Down"),
    ("left", Key::Left, "←", "Left"),
    ("right", Key::Right, "→", "Right"),
    ("shift-left", Key::ShiftLeft, "Shift-←", "Shift-Left"),
    ("shift-right", Key::ShiftRight, "Shift-→", "Shift-Right"),
    ("home", Key::Home, "Home", "Home"),
    ("end", Key::End, "End", "End"),
    ("page-up", Key::PageUp, "PgUp", "PgUp"),
    ("page-down", Key::PageDown, "PgDn", "PgDn"),
    ("tab", Key::Tab, "Tab", "Tab"),
    ("shift-tab", Key::BackTab, "Shift-Tab", "Shift-Tab"),
    ("enter", Key::Enter, "Enter", "Enter"),
    ("esc", Key::Escape, "Esc", "Esc"),
    ("backspace", Key::Backspace, "Backspace", "Backspace"),
    ("delete", Key::Delete, "Delete", "Delete"),
];

/// Keys with Control that a terminal does not tell from others, or that mean the same in every view.
const TAKEN: &[(char, &str)] = &[
    ('c', "is always for quitting"),
    ('z', "is always for suspending"),
    ('i', "is the same as `tab` to a terminal"),
    ('m', "is the same as `enter` to a terminal"),
    ('[', "is the same as `esc` to a terminal"),
    ('h', "is the same as `backspace` to many terminals"),
];

/// The last function key.
const LAST_F: u8 = 12;

impl Key {
    /// The key of this name: one character, a word such as `left` or `f1`, or one of them after `ctrl-`, `alt-` or `shift-`.
    ///
    /// # Errors
    /// Why it is the name of no key, or of one that cannot be bound.
    pub fn named(name: &str) -> Result<Key, String> {
        if let Some(c) = only(name) {
            return Ok(Key::Char(c));
        }
        let lower = name.to_lowercase();
        if let Some((_, key, _, _)) = WORDS.iter().find(|(word, ..)| *word == lower) {
            return Ok(*key);
        }
        if let Some(c) = lower.strip_prefix("ctrl-").and_then(only) {
            return match TAKEN.iter().find(|(taken, _)| *taken == c) {
                Some((_, why)) => Err(format!("`ctrl-{c}` {why}")),
                None => Ok(Key::Control(c)),
            };
        }
        // Letters with Alt have two cases.
        if let Some(c) = name.get(4..).and_then(only).filter(|_| lower.starts_with("alt-")) {
            return Ok(Key::Alt(c));
        }
        if let Some(c) = name.get(6..).and_then(only).filter(|_| lower.starts_with("shift-"))
            && c.is_ascii_alphabetic()
        {
            return Ok(Key::Char(c.to_ascii_uppercase()));
        }
        match lower.strip_prefix('f').and_then(|number| number.parse().ok()) {
            Some(number @ 1..=LAST_F) => Ok(Key::F(number)),
            _ => Err(unknown(name)),
        }
    }

    /// Its name in `config.toml`.
    pub fn name(self) -> String {
        if let Some((word, ..)) = WORDS.iter().find(|(_, key, ..)| *key == self) {
            return (*word).to_owned();
        }
        match self {
            Key::Char(c) => c.to_string(),
            Key::Control(c) => format!("ctrl-{c}"),
            Key::Alt(c) => format!("alt-{c}"),
            Key::F(number) => format!("f{number}"),
            // The others have words.
            _ => String::new(),
        }
    }

    /// What it is called on screen.
    pub(super) fn label(self, ascii: bool) -> String {
        if let Some((_, _, unicode, plain)) = WORDS.iter().find(|(_, key, ..)| *key == self) {
            return (if ascii { *plain } else { *unicode }).to_owned();
        }
        match self {
            Key::Char(c) if !ascii || c.is_ascii() => crate::printable::printable(&c.to_string()),
            Key::Char(_) => "?".to_owned(),
            Key::Control(c) => format!("Ctrl-{}", Key::Char(c.to_ascii_uppercase()).label(ascii)),
            Key::Alt(c) => format!("Alt-{}", Key::Char(c).label(ascii)),
            Key::F(number) => format!("F{number}"),
            _ => String::new(),
        }
    }
}

/// The only character of a text, if it can be typed.
fn only(text: &str) -> Option<char> {
    let mut chars = text.chars();
    let first = chars.next().filter(|c| !c.is_control())?;
    chars.next().is_none().then_some(first)
}

fn unknown(name: &str) -> String {
    let likeness = |word: &str| strsim::normalized_damerau_levenshtein(&name.to_lowercase(), word);
    let nearest = WORDS.iter().map(|(word, ..)| *word).max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    format!(
        "expected a key such as `p`, `ctrl-p` or `f5`, found `{name}`; the nearest is `{}`",
        nearest.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::BINDINGS;
    use proptest::prelude::*;

    #[test]
    fn every_key_of_the_table_is_found_by_its_name() {
        for (key, _) in BINDINGS.iter().flat_map(|binding| binding.keys) {
            let found = Key::named(&key.name());
            assert!(found == Ok(*key) || *key == Key::Control('c'), "{key:?}: {found:?}");
            assert!(!key.label(true).is_empty() && key.label(true).is_ascii());
        }
    }

    #[test]
    fn spellings_of_a_key_are_one_key() {
        assert_eq!(Key::named("Ctrl-P"), Ok(Key::Control('p')));
        assert_eq!(Key::named("shift-d"), Key::named("D"));
        assert_eq!(Key::named("F12"), Ok(Key::F(12)));
        assert_eq!(Key::named("-"), Ok(Key::Char('-')));
        assert_eq!(Key::named("ctrl--"), Ok(Key::Control('-')));
        assert_eq!([Key::named("Alt-x"), Key::named("alt-X")], [Ok(Key::Alt('x')), Ok(Key::Alt('X'))]);
        for wrong in ["", "ctrl-", "f0", "f13", "ctrl-c", "ctrl-i", "\u{1b}", "shift-é", "pgup"] {
            assert!(Key::named(wrong).is_err(), "{wrong:?}");
        }
        assert!(Key::named("page-upp").unwrap_err().ends_with("the nearest is `page-up`"));
    }

    proptest! {
        #[test]
        fn any_name_is_a_key_or_a_reason(name in "\\PC{0,12}|(ctrl-|alt-|shift-|f).{0,3}") {
            if let Ok(key) = Key::named(&name) {
                prop_assert_eq!(Key::named(&key.name()), Ok(key));
            }
        }
    }
}
