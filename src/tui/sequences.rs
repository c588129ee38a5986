//! Sequences that ask the terminal for more than drawing: to copy a text (OSC 52), to show a message (OSC 9), to ring its
//! bell. What is inserted in them can't end them.

use crate::printable::printable;

/// The terminal's bell.
pub(super) const BELL: &[u8] = b"\x07";
/// The most bytes of a text that is copied; xterm takes no more.
pub(super) const MOST_COPIED: usize = 74_994 / 4 * 3;

/// What stands between this program and the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Multiplexer {
    Tmux,
    /// GNU screen.
    Screen,
}

impl Multiplexer {
    /// The one that this process runs in, by the variables that they set.
    pub(super) fn detect() -> Option<Multiplexer> {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let of = [("TMUX", Multiplexer::Tmux), ("STY", Multiplexer::Screen)];
        of.into_iter().find(|(name, _)| is_set(name)).map(|(_, found)| found)
    }
}

/// Copies a text to the clipboard of the terminal's user.
pub(super) fn copy(text: &str, within: Option<Multiplexer>) -> Vec<u8> {
    passed_on(format!("\x1b]52;c;{}\x07", base64(text.as_bytes())), within)
}

/// Shows a message on the desktop of the terminal's user.
pub(super) fn message(text: &str, within: Option<Multiplexer>) -> Vec<u8> {
    passed_on(format!("\x1b]9;{}\x07", printable(text)), within)
}

/// The most bytes that GNU screen passes on at a time.
const MOST_IN_SCREEN: usize = 240;

/// tmux obeys some sequences itself, or passes on those that are wrapped, depending on its settings; so it gets both. GNU
/// screen passes on what is wrapped, in short pieces.
fn passed_on(sequence: String, within: Option<Multiplexer>) -> Vec<u8> {
    match within {
        None => sequence.into_bytes(),
        Some(Multiplexer::Tmux) => {
            let wrapped = sequence.replace('\x1b', "\x1b\x1b");
            format!("{sequence}\x1bPtmux;{wrapped}\x1b\\").into_bytes()
        }
        Some(Multiplexer::Screen) => {
            let pieces = sequence.as_bytes().chunks(MOST_IN_SCREEN);
            pieces.flat_map(|piece| [b"\x1bP", piece, b"\x1b\\"].concat()).collect()
        }
    }
}

/// Base 64 with padding (RFC 4648, section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_the_standard() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, encoded) in vectors {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xff, 0xef]), "/+8=");
    }

    #[test]
    fn tmux_gets_the_sequence_for_itself_and_for_passing_on() {
        assert_eq!(copy("f", None), b"\x1b]52;c;Zg==\x07");
        let in_tmux = copy("f", Some(Multiplexer::Tmux));
        assert_eq!(in_tmux, b"\x1b]52;c;Zg==\x07\x1bPtmux;\x1b\x1b]52;c;Zg==\x07\x1b\\");
    }

    #[test]
    fn screen_passes_on_the_sequence_in_pieces() {
        assert_eq!(copy("f", Some(Multiplexer::Screen)), b"\x1bP\x1b]52;c;Zg==\x07\x1b\\");
        let text = "long ".repeat(200);
        let wrapped = String::from_utf8(copy(&text, Some(Multiplexer::Screen))).unwrap();
        let pieces: Vec<&str> = wrapped.split_inclusive("\x1b\\").collect();
        assert!(pieces.len() > 4 && pieces.iter().all(|piece| piece.len() <= MOST_IN_SCREEN + 4));
        let inner = pieces.iter().map(|piece| &piece[2..piece.len() - 2]).collect::<String>();
        assert_eq!(inner.into_bytes(), copy(&text, None));
    }

    #[test]
    fn a_message_cannot_end_its_sequence() {
        assert_eq!(message("a\x07\x1b[2Jb", None), "\x1b]9;a\u{fffd}\u{fffd}[2Jb\x07".as_bytes());
    }
}
