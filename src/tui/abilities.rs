//! What the terminal can show: colours, background, characters, from the user's choices, the environment and, for the
//! background, the terminal itself.

use std::io::{self, IsTerminal};
use std::time::Duration;

use crate::theme::{Background, Characters, Colors, Theme};

/// The user's choices; the others are detected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appearance {
    /// The colours to use.
    pub colors: Option<Colors>,
    /// The background to suit.
    pub background: Option<Background>,
    /// The characters to use.
    pub characters: Option<Characters>,
}

/// How long the terminal may take to report its background.
const ANSWER: Duration = Duration::from_millis(150);

/// The theme for the terminal of this process. Asks the terminal for its background only if input and output are
/// terminals, and waits at most 150 ms for the answer.
pub fn detect(said: Appearance) -> Theme {
    let variable = |name: &str| std::env::var(name).ok();
    let colors = said.colors.unwrap_or_else(|| {
        let level = supports_color::on(supports_color::Stream::Stdout);
        colors_of(&variable, level.map(|level| (level.has_16m, level.has_256)))
    });
    let background = said.background.or_else(|| background_of(&variable)).unwrap_or_else(ask_background);
    let characters = said.characters.unwrap_or_else(|| characters_of(&variable));
    Theme::new(colors, background, characters)
}

/// Whether the terminal of this process can show a screen: one that calls itself dumb shows lines only.
pub fn has_screen() -> bool {
    has_screen_of(&|name| std::env::var(name).ok())
}

fn has_screen_of(variable: &dyn Fn(&str) -> Option<String>) -> bool {
    variable("TERM").is_none_or(|term| term != "dumb")
}

/// A line that describes what a theme uses.
pub fn describe(theme: &Theme) -> String {
    let colors = match theme.colors() {
        Colors::None => "no colours",
        Colors::Sixteen => "16 colours",
        Colors::TwoFiftySix => "256 colours",
        Colors::True => "24-bit colours",
    };
    let background = match theme.background() {
        Background::Dark => "dark",
        Background::Light => "light",
    };
    let characters = if theme.is_ascii() { "ASCII" } else { "Unicode" };
    format!("{colors}, {background} background, {characters}")
}

/// `NO_COLOR` (any non-empty value, no-color.org) takes precedence; else what was detected: whether 24 bits, whether
/// 256.
fn colors_of(variable: &dyn Fn(&str) -> Option<String>, detected: Option<(bool, bool)>) -> Colors {
    if variable("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return Colors::None;
    }
    match detected {
        None => Colors::None,
        Some((true, _)) => Colors::True,
        Some((_, true)) => Colors::TwoFiftySix,
        Some(_) => Colors::Sixteen,
    }
}

/// `SKIPLANE_BACKGROUND`, else the last number of `COLORFGBG`, which rxvt and Konsole set.
fn background_of(variable: &dyn Fn(&str) -> Option<String>) -> Option<Background> {
    match variable("SKIPLANE_BACKGROUND").as_deref() {
        Some("light") => return Some(Background::Light),
        Some("dark") => return Some(Background::Dark),
        _ => {}
    }
    let last: u8 = variable("COLORFGBG")?.rsplit(';').next()?.parse().ok()?;
    Some(if last == 7 || last == 15 { Background::Light } else { Background::Dark })
}

fn ask_background() -> Background {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Background::Dark;
    }
    let mut options = terminal_colorsaurus::QueryOptions::default();
    options.timeout = ANSWER;
    match terminal_colorsaurus::theme_mode(options) {
        Ok(terminal_colorsaurus::ThemeMode::Light) => Background::Light,
        _ => Background::Dark,
    }
}

/// ASCII on the Linux console, whose fonts lack braille, on old terminals, and if the locale's encoding is not UTF-8.
fn characters_of(variable: &dyn Fn(&str) -> Option<String>) -> Characters {
    if variable("TERM").is_some_and(|term| matches!(term.as_str(), "linux" | "dumb" | "vt100" | "vt220")) {
        return Characters::Ascii;
    }
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    let is_utf8 = |locale: String| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    };
    // Without a locale, the terminal is more likely a modern one than one that cannot show Unicode.
    if locale.is_none_or(is_utf8) { Characters::Unicode } else { Characters::Ascii }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn no_color_wins() {
        assert_eq!(colors_of(&of(&[("NO_COLOR", "1")]), Some((true, true))), Colors::None);
        assert_eq!(colors_of(&of(&[("NO_COLOR", "")]), Some((true, true))), Colors::True);
        assert_eq!(colors_of(&of(&[]), Some((false, true))), Colors::TwoFiftySix);
        assert_eq!(colors_of(&of(&[]), None), Colors::None);
    }

    #[test]
    fn a_dumb_terminal_has_no_screen() {
        assert!(!has_screen_of(&of(&[("TERM", "dumb")])));
        for term in ["linux", "screen", "tmux-256color", "xterm-256color"] {
            assert!(has_screen_of(&|_| Some(term.to_owned())), "{term}");
        }
        assert!(has_screen_of(&of(&[])));
    }

    #[test]
    fn the_environment_may_tell_the_background() {
        assert_eq!(background_of(&of(&[("COLORFGBG", "0;15")])), Some(Background::Light));
        assert_eq!(background_of(&of(&[("COLORFGBG", "15;default;0")])), Some(Background::Dark));
        let both = of(&[("COLORFGBG", "0;15"), ("SKIPLANE_BACKGROUND", "dark")]);
        assert_eq!(background_of(&both), Some(Background::Dark));
        assert_eq!(background_of(&of(&[])), None);
    }

    #[test]
    fn a_locale_without_utf8_means_ascii() {
        assert_eq!(characters_of(&of(&[("LANG", "en_US.UTF-8")])), Characters::Unicode);
        assert_eq!(characters_of(&of(&[("LANG", "de_DE.ISO-8859-1")])), Characters::Ascii);
        assert_eq!(characters_of(&of(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")])), Characters::Ascii);
        assert_eq!(characters_of(&of(&[("TERM", "linux"), ("LANG", "en_US.UTF-8")])), Characters::Ascii);
        assert_eq!(characters_of(&of(&[])), Characters::Unicode);
    }
}
