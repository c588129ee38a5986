//! The one theme: every colour and every drawing character by its role, for truecolor, 256, 16 and no colours, on dark
//! and light backgrounds, with box and braille characters or in plain ASCII. It must not know what is drawn; nothing
//! outside this room names a colour.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

mod dots;
mod heat;
mod oklab;

pub use dots::Dots;
pub use heat::HeatCell;
pub use oklab::Rgb;

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Colors {
    /// None; roles are distinguished by bold, dim and reversed text, and by characters.
    None,
    /// The 16 colours of the terminal's palette.
    Sixteen,
    /// xterm's 256.
    TwoFiftySix,
    /// 24 bits.
    #[default]
    True,
}

/// The terminal's background.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Background {
    /// Light text on dark.
    #[default]
    Dark,
    /// Dark text on light.
    Light,
}

/// The characters that may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Characters {
    /// Box drawing, blocks and braille.
    #[default]
    Unicode,
    /// Printable ASCII only.
    Ascii,
}

/// Styles and characters by role.
#[derive(Clone, Debug)]
pub struct Theme {
    colors: Colors,
    background: Background,
    characters: Characters,
    dots: Dots,
    heat: Vec<HeatCell>,
    signed_heat: Vec<HeatCell>,
}

impl Default for Theme {
    fn default() -> Theme {
        Theme::new(Colors::True, Background::Dark, Characters::Unicode)
    }
}

/// Lane colours on dark and on light backgrounds, the first two after Okabe and Ito (2008); as distinct as eight can
/// be, with and without the common colour blindnesses. Of the 16 colours, only ones without another meaning.
const LANES: [(Rgb, Rgb, Color, Color); 8] = [
    (Rgb(0xf0, 0xa0, 0x30), Rgb(0xb4, 0x5f, 0x06), Color::LightMagenta, Color::Magenta),
    (Rgb(0x56, 0xb4, 0xe9), Rgb(0x00, 0x62, 0xa8), Color::LightCyan, Color::Cyan),
    (Rgb(0xc0, 0xff, 0x05), Rgb(0x0f, 0x5a, 0x1e), Color::White, Color::Black),
    (Rgb(0xc7, 0x66, 0x94), Rgb(0xa0, 0x26, 0x67), Color::Green, Color::LightBlue),
    (Rgb(0x63, 0x79, 0xe9), Rgb(0x89, 0x15, 0xff), Color::Magenta, Color::LightMagenta),
    (Rgb(0xff, 0xc5, 0xa3), Rgb(0x54, 0x00, 0x17), Color::Cyan, Color::LightRed),
    (Rgb(0xf7, 0x34, 0x36), Rgb(0x00, 0x07, 0xa6), Color::Red, Color::LightGreen),
    (Rgb(0x37, 0xf0, 0xff), Rgb(0x41, 0x0a, 0x5c), Color::Blue, Color::LightCyan),
];

/// The marks that distinguish lanes where colours alone do not; none has another meaning.
const UNICODE_MARKS: [char; LANES.len()] = ['•', '+', '◇', '*', '#', '%', '◦', '@'];
const ASCII_MARKS: [char; LANES.len()] = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'];

impl Theme {
    /// Builds the theme for a terminal's abilities.
    pub fn new(colors: Colors, background: Background, characters: Characters) -> Theme {
        let heat = heat::levels(colors, characters);
        let signed_heat = heat::signed_levels(colors, background, characters);
        Theme { colors, background, characters, dots: Dots::default(), heat, signed_heat }
    }

    /// With curves in other dots.
    #[must_use]
    pub fn with_dots(self, dots: Dots) -> Theme {
        Theme { dots, ..self }
    }

    /// What curves are drawn in, where [`Theme::has_dots`].
    pub fn dots(&self) -> Dots {
        self.dots
    }

    /// How many colours it uses.
    pub fn colors(&self) -> Colors {
        self.colors
    }

    /// The background it assumes.
    pub fn background(&self) -> Background {
        self.background
    }

    /// Whether it uses only ASCII.
    pub fn is_ascii(&self) -> bool {
        self.characters == Characters::Ascii
    }

    /// Whether this many curves may be drawn in dots smaller than a cell: if colours distinguish them, or there is only
    /// one.
    pub fn has_dots(&self, curves: usize) -> bool {
        !self.is_ascii() && (self.colors != Colors::None || curves <= 1)
    }

    /// Whether a cell may show two heat colours, one above the other.
    pub fn has_half_cells(&self) -> bool {
        !self.is_ascii() && matches!(self.colors, Colors::True | Colors::TwoFiftySix)
    }

    /// The colours to assume for ordinary text and background in a picture of a terminal.
    pub fn paper(&self) -> (Rgb, Rgb) {
        match self.background {
            Background::Dark => (Rgb(0xd6, 0xda, 0xe2), Rgb(0x16, 0x18, 0x1d)),
            Background::Light => (Rgb(0x1c, 0x1f, 0x26), Rgb(0xff, 0xff, 0xff)),
        }
    }

    /// Ordinary text: the terminal's own colour.
    pub fn text(&self) -> Style {
        Style::new()
    }

    /// Less prominent text: units, captions, key hints.
    pub fn muted(&self) -> Style {
        let style = self.paint(Rgb(0x8b, 0x93, 0xa1), Rgb(0x66, 0x6c, 0x78), Color::Gray, Color::DarkGray);
        if self.colors == Colors::None { style.add_modifier(Modifier::DIM) } else { style }
    }

    /// Axes, frames and separators.
    pub fn axis(&self) -> Style {
        let style = self.paint(Rgb(0x56, 0x5d, 0x6b), Rgb(0xa4, 0xa9, 0xb3), Color::DarkGray, Color::Gray);
        if self.colors == Colors::None { style.add_modifier(Modifier::DIM) } else { style }
    }

    /// Titles.
    pub fn heading(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The open tab and the key of a key hint.
    pub fn accent(&self) -> Style {
        self.paint(Rgb(0xc3, 0xb1, 0xf7), Rgb(0x5f, 0x3d, 0xc4), Color::LightBlue, Color::Blue)
            .add_modifier(Modifier::BOLD)
    }

    /// The open tab, filled.
    pub fn selected_tab(&self) -> Style {
        self.accent().add_modifier(Modifier::REVERSED)
    }

    /// The cursor's line where nothing else is drawn, and its read-outs.
    pub fn cursor(&self) -> Style {
        self.paint(Rgb(0xc3, 0xb1, 0xf7), Rgb(0x5f, 0x3d, 0xc4), Color::LightBlue, Color::Blue)
    }

    /// The selected row of a table, applied over the styles of its cells.
    pub fn selected_row(&self) -> Style {
        match (self.colors, self.background) {
            (Colors::None | Colors::Sixteen, _) => Style::new().add_modifier(Modifier::REVERSED),
            (_, Background::Dark) => Style::new().bg(self.color(Rgb(0x2c, 0x31, 0x3c))),
            (_, Background::Light) => Style::new().bg(self.color(Rgb(0xe3, 0xe6, 0xec))),
        }
    }

    /// Something is as it should be.
    pub fn good(&self) -> Style {
        self.paint(Rgb(0x2f, 0xbf, 0x8f), Rgb(0x00, 0x75, 0x55), Color::LightGreen, Color::Green)
    }

    /// Something needs attention.
    pub fn warning(&self) -> Style {
        let style =
            self.paint(Rgb(0xf2, 0xc5, 0x4b), Rgb(0x8f, 0x63, 0x00), Color::LightYellow, Color::Yellow);
        if self.colors == Colors::None { style.add_modifier(Modifier::BOLD) } else { style }
    }

    /// Something is broken: a NaN, a lane that diverged.
    pub fn error(&self) -> Style {
        self.paint(Rgb(0xff, 0x6b, 0x7a), Rgb(0xc0, 0x10, 0x30), Color::LightRed, Color::Red)
            .add_modifier(Modifier::BOLD)
    }

    /// A lane's colour.
    pub fn lane(&self, lane: usize) -> Style {
        let (dark, light, dark16, light16) = LANES[lane % LANES.len()];
        self.paint(dark, light, dark16, light16)
    }

    /// A lane's colour, faded: raw values behind a smoothed curve, fitted lines.
    pub fn lane_faded(&self, lane: usize) -> Style {
        let (dark, light, dark16, light16) = LANES[lane % LANES.len()];
        let style = self.paint(
            dark.toward(Rgb(0x16, 0x18, 0x1d), 0.55),
            light.toward(Rgb(0xff, 0xff, 0xff), 0.60),
            dark16,
            light16,
        );
        match self.colors {
            Colors::None | Colors::Sixteen => style.add_modifier(Modifier::DIM),
            _ => style,
        }
    }

    /// The character of a lane: in legends, and for its points if dots cannot be coloured.
    pub(crate) fn lane_mark(&self, lane: usize) -> char {
        let marks = if self.is_ascii() { ASCII_MARKS } else { UNICODE_MARKS };
        marks[lane % marks.len()]
    }

    /// The swatch before a lane's name in a legend.
    pub fn lane_swatch(&self, lane: usize) -> char {
        let colored = matches!(self.colors, Colors::True | Colors::TwoFiftySix);
        if colored && !self.is_ascii() { '■' } else { self.lane_mark(lane) }
    }

    /// A value's place on the shared scale, 0 to 1, as colour and character. A heat cell is one level of a scale of
    /// evenly rising lightness, so that it can be read in gray and with colour blindness.
    pub fn heat(&self, fraction: f64) -> HeatCell {
        level_at(&self.heat, fraction)
    }

    /// A value's place on a shared scale about zero, which is at 0.5: blue below, orange above.
    pub fn signed_heat(&self, fraction: f64) -> HeatCell {
        level_at(&self.signed_heat, fraction)
    }

    /// A pixel of a picture: its colour, or as near to it as the terminal gets; by lightness where it has few or no colours.
    pub fn pixel(&self, rgb: Rgb) -> HeatCell {
        match self.colors {
            Colors::True | Colors::TwoFiftySix => {
                let color = self.color(rgb);
                HeatCell { symbol: ' ', style: Style::new().bg(color), fill: Some(color) }
            }
            Colors::None | Colors::Sixteen => {
                let lightness = rgb.oklab()[0];
                // Without colours, dense characters are as light as the text.
                let is_inverted = self.colors == Colors::None && self.background == Background::Light;
                self.heat(if is_inverted { 1.0 - lightness } else { lightness })
            }
        }
    }

    /// An outline among others, by its place in time, from 0, the oldest, to 1: in the part of the heat scale that stands out
    /// from the background, or in a few of the 16 colours.
    pub fn over_time(&self, place: f64) -> Style {
        let place = place.clamp(0.0, 1.0);
        let scale = match self.background {
            Background::Dark => 0.35 + 0.65 * place,
            Background::Light => 0.7 * (1.0 - place),
        };
        let of_sixteen = match self.background {
            Background::Dark => [Color::Blue, Color::Cyan, Color::LightYellow],
            Background::Light => [Color::Cyan, Color::Blue, Color::Black],
        };
        match self.colors {
            Colors::None => self.text(),
            Colors::Sixteen => Style::new().fg(of_sixteen[((place * 3.0) as usize).min(2)]),
            _ => self.heat(scale).fill.map_or(self.text(), |color| Style::new().fg(color)),
        }
    }

    /// The style of a character that must be readable on a heat cell.
    pub fn on_heat(&self, cell: HeatCell) -> Style {
        let Some(fill) = cell.fill else {
            return self.heading().add_modifier(Modifier::REVERSED);
        };
        let is_light = Rgb::of(fill).is_some_and(|rgb| rgb.oklab()[0] > 0.6);
        let ink = if is_light { Rgb(0, 0, 0) } else { Rgb(0xff, 0xff, 0xff) };
        Style::new().fg(self.color(ink)).bg(fill).add_modifier(Modifier::BOLD)
    }

    /// The cell of a NaN or infinite value: outside the heat scale, with its own mark.
    pub fn heat_non_finite(&self) -> HeatCell {
        let symbol = self.glyph(Glyph::NonFinite);
        let style = match self.colors {
            Colors::None => Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
            Colors::Sixteen => Style::new().fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD),
            _ => Style::new().fg(self.color(Rgb(0xff, 0xff, 0xff))).bg(self.color(Rgb(0xd0, 0x20, 0x40))),
        };
        HeatCell { symbol, style, fill: style.bg }
    }

    /// The frames' characters.
    pub fn border(&self) -> border::Set<'static> {
        if self.is_ascii() { ASCII_BORDER } else { border::ROUNDED }
    }

    /// A drawing character, or its ASCII replacement.
    pub fn glyph(&self, glyph: Glyph) -> char {
        let (unicode, ascii) = match glyph {
            Glyph::Vertical => ('│', '|'),
            Glyph::Horizontal => ('─', '-'),
            Glyph::Corner => ('└', '+'),
            Glyph::TickBelow => ('┴', '+'),
            Glyph::TickLeft => ('┤', '+'),
            Glyph::CursorLine => ('┊', ':'),
            Glyph::CursorUp => ('▲', '^'),
            Glyph::Mark => ('△', 'A'),
            Glyph::CursorRight => ('▶', '>'),
            Glyph::CursorDown => ('▼', 'v'),
            Glyph::NonFinite => ('×', 'N'),
            Glyph::AboveRange => ('▴', '^'),
            Glyph::BelowRange => ('▾', 'v'),
            Glyph::Ellipsis => ('…', '~'),
            Glyph::Running => ('▶', '>'),
            Glyph::Paused => ('‖', '='),
            Glyph::Check => ('✓', '+'),
            Glyph::Warning => ('▲', '!'),
            Glyph::Error => ('✗', 'x'),
            Glyph::Separator => ('·', '|'),
            Glyph::ArrowLeft => ('←', '<'),
            Glyph::ArrowRight => ('→', '>'),
            Glyph::ArrowUp => ('↑', '^'),
            Glyph::ArrowDown => ('↓', 'v'),
            Glyph::Missing => ('·', ' '),
            Glyph::Done => ('━', '='),
            Glyph::Ahead => ('╌', '-'),
            Glyph::Here => ('●', 'O'),
            Glyph::Stopped => ('■', '#'),
            Glyph::Closed => ('▸', '>'),
            Glyph::Open => ('▾', 'v'),
            Glyph::Branch => ('├', '|'),
            Glyph::LastBranch => ('└', '`'),
            Glyph::Caret => ('▏', '_'),
            Glyph::Dash => ('–', '-'),
            Glyph::Shade => ('·', '.'),
            Glyph::TrainPoint => ('●', '*'),
            Glyph::TestPoint => ('○', 'o'),
            Glyph::Difference => ('■', '*'),
            Glyph::Order => ('◆', '@'),
            Glyph::RailTop => ('╭', '/'),
            Glyph::RailTopRight => ('╮', '\\'),
            Glyph::RailBottom => ('╰', '`'),
            Glyph::RailDashed => ('╎', ':'),
            Glyph::RailDouble => ('║', 'H'),
        };
        if self.is_ascii() { ascii } else { unicode }
    }

    /// A colour as this terminal can show it.
    fn paint(&self, dark: Rgb, light: Rgb, dark16: Color, light16: Color) -> Style {
        let is_dark = self.background == Background::Dark;
        match self.colors {
            Colors::None => Style::new(),
            Colors::Sixteen => Style::new().fg(if is_dark { dark16 } else { light16 }),
            _ => Style::new().fg(self.color(if is_dark { dark } else { light })),
        }
    }

    fn color(&self, rgb: Rgb) -> Color {
        match self.colors {
            Colors::TwoFiftySix => Color::Indexed(rgb.nearest_indexed()),
            _ => Color::Rgb(rgb.0, rgb.1, rgb.2),
        }
    }
}

fn level_at(levels: &[HeatCell], fraction: f64) -> HeatCell {
    let top = levels.len() - 1;
    let level = (fraction.clamp(0.0, 1.0) * top as f64).round() as usize;
    levels[level.min(top)]
}

/// Single drawing characters by role; see [`Theme::glyph`].
#[expect(missing_docs, reason = "the names say all there is to say")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Glyph {
    Vertical,
    Horizontal,
    Corner,
    TickBelow,
    TickLeft,
    CursorLine,
    CursorUp,
    Mark,
    CursorRight,
    CursorDown,
    NonFinite,
    AboveRange,
    BelowRange,
    Ellipsis,
    Running,
    Paused,
    Check,
    Warning,
    Error,
    Separator,
    ArrowLeft,
    ArrowRight,
    ArrowUp,
    ArrowDown,
    Missing,
    Done,
    Ahead,
    Here,
    Stopped,
    Closed,
    Open,
    Branch,
    LastBranch,
    Caret,
    Dash,
    Shade,
    TrainPoint,
    TestPoint,
    Difference,
    Order,
    RailTop,
    RailTopRight,
    RailBottom,
    RailDashed,
    RailDouble,
}

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

#[cfg(test)]
mod tests {
    use super::oklab::{Vision, distance};
    use super::*;

    const ALL_COLORS: [Colors; 4] = [Colors::None, Colors::Sixteen, Colors::TwoFiftySix, Colors::True];

    #[test]
    fn no_colors_means_no_colors() {
        let theme = Theme::new(Colors::None, Background::Dark, Characters::Unicode);
        let mut styles = vec![theme.text(), theme.muted(), theme.axis(), theme.accent(), theme.error()];
        styles.extend((0..8).flat_map(|lane| [theme.lane(lane), theme.lane_faded(lane)]));
        styles.extend((0..=20).map(|i| theme.heat(f64::from(i) / 20.0).style));
        styles.extend([theme.heat_non_finite().style, theme.selected_row(), theme.warning(), theme.good()]);
        for style in styles {
            assert_eq!((style.fg, style.bg), (None, None), "{style:?}");
        }
    }

    #[test]
    fn ascii_means_ascii() {
        for colors in ALL_COLORS {
            let theme = Theme::new(colors, Background::Dark, Characters::Ascii);
            for i in 0..=100 {
                assert!(theme.heat(f64::from(i) / 100.0).symbol.is_ascii());
            }
            for lane in 0..8 {
                assert!(theme.lane_mark(lane).is_ascii() && theme.lane_swatch(lane).is_ascii());
            }
            assert!(theme.heat_non_finite().symbol.is_ascii());
        }
    }

    fn pairs() -> impl Iterator<Item = (usize, usize)> {
        (0..LANES.len()).flat_map(|a| (0..a).map(move |b| (a, b)))
    }

    #[test]
    fn eight_lanes_differ_for_every_eye() {
        for (colors, least) in [(Colors::True, 0.08), (Colors::TwoFiftySix, 0.06)] {
            for background in [Background::Dark, Background::Light] {
                let theme = Theme::new(colors, background, Characters::Unicode);
                let color = |lane| theme.lane(lane).fg.and_then(Rgb::of).unwrap();
                for ((a, b), vision) in pairs().flat_map(|pair| Vision::ALL.map(|vision| (pair, vision))) {
                    let apart = distance(color(a).seen_by(vision), color(b).seen_by(vision));
                    assert!(apart >= least, "{a} and {b}, {colors:?} {background:?} {vision:?}: {apart}");
                }
            }
        }
    }

    #[test]
    fn where_colours_are_few_lanes_have_marks_of_their_own_and_no_colour_that_says_something_else() {
        for background in [Background::Dark, Background::Light] {
            let theme = Theme::new(Colors::Sixteen, background, Characters::Unicode);
            let taken =
                [theme.warning(), theme.error(), theme.good(), theme.accent(), theme.muted(), theme.axis()];
            for lane in 0..LANES.len() {
                assert!(taken.iter().all(|style| style.fg != theme.lane(lane).fg), "{lane} {background:?}");
            }
            for (a, b) in pairs() {
                assert_ne!(theme.lane(a), theme.lane(b));
                assert_ne!(theme.lane_swatch(a), theme.lane_swatch(b));
            }
        }
    }

    #[test]
    fn one_sign_has_one_meaning() {
        let states =
            [Glyph::Check, Glyph::Warning, Glyph::Error, Glyph::NonFinite, Glyph::Paused, Glyph::Here];
        for characters in [Characters::Unicode, Characters::Ascii] {
            let theme = Theme::new(Colors::None, Background::Dark, characters);
            let points = [Glyph::TestPoint, Glyph::Difference];
            let mut signs: Vec<char> =
                states.into_iter().chain(points).map(|glyph| theme.glyph(glyph)).collect();
            signs.extend((0..LANES.len()).map(|lane| theme.lane_mark(lane)));
            for (at, sign) in signs.iter().enumerate() {
                assert!(!signs[..at].contains(sign), "{sign} of {characters:?}");
            }
            assert_eq!(theme.heat_non_finite().symbol, theme.glyph(Glyph::NonFinite));
        }
    }

    #[test]
    fn lane_colours_can_be_read_on_their_background() {
        // WCAG 2.1, 1.4.11: graphical objects need a contrast of 3 to 1.
        for (dark, light, _, _) in LANES {
            assert!(dark.contrast(Rgb(0x16, 0x18, 0x1d)) > 4.5, "{dark:?}");
            assert!(light.contrast(Rgb(0xff, 0xff, 0xff)) > 4.5, "{light:?}");
        }
    }

    #[test]
    fn heat_takes_any_number() {
        for colors in ALL_COLORS {
            let theme = Theme::new(colors, Background::Dark, Characters::Unicode);
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1.0, 2.0] {
                theme.heat(value);
            }
        }
    }
}
