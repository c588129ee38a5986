//! Sequences that ask the terminal for more than drawing: to copy a text (OSC 52), to show a message (OSC 9), to ring its
//! bell. What is inserted in them can't end them.

use crate::printable::printable;

/// The terminal's bell.
pub(super) const BELL: &[u8] = b"\x07";
/// The most bytes of a text that is copied; xterm takes no more.
pub(super) const MOST_COPIED: usize = 74_994 / 4 * 3;

/// Copies a text to the clipboard of the terminal's user.
pub(super) fn copy(text: &str, in_tmux: bool) -> Vec<u8> {
    in_multiplexer(format!("\x1b]52;c;{}\x07", base64(text.as_bytes())), in_tmux)
}

/// Shows a message on the desktop of the terminal's user.
pub(super) fn message(text: &str, in_tmux: bool) -> Vec<u8> {
    in_multiplexer(format!("\x1b]9;{}\x07", printable(text)), in_tmux)
}

/// tmux obeys some sequences itself, or passes on those that are wrapped, depending on its settings; so it gets both.
fn in_multiplexer(sequence: String, in_tmux: bool) -> Vec<u8> {
    let wrapped = if in_tmux {
        format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b"))
    } else {
        String::new()
    };
    (sequence + &wrapped).into_bytes()
}

/// Base 64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
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
        assert_eq!(copy("f", false), b"\x1b]52;c;Zg==\x07");
        assert_eq!(copy("f", true), b"\x1b]52;c;Zg==\x07\x1bPtmux;\x1b\x1b]52;c;Zg==\x07\x1b\\");
    }

    #[test]
    fn a_message_cannot_end_its_sequence() {
        assert_eq!(message("a\x07\x1b[2Jb", false), "\x1b]9;a\u{fffd}\u{fffd}[2Jb\x07".as_bytes());
    }
}
