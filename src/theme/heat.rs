//! The heat scales: one from deep violet over blue and green to pale yellow, its lightness rising evenly, in the
//! manner of viridis (van der Walt and Smith, 2015), and one for either side of zero, from blue over the background's
//! gray to orange, in the manner of berlin and vik (Crameri, 2018). It must not know what is measured.

use ratatui::style::{Color, Style};

use super::oklab::Rgb;
use super::{Background, Characters, Colors};

/// One level of the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeatCell {
    /// The character of a whole cell.
    pub symbol: char,
    /// Its style.
    pub style: Style,
    /// The colour of a cell filled by colour alone, from which half cells are made; none if the level is shown by its
    /// character.
    pub fill: Option<Color>,
}

/// Levels by character alone, from light to dense; a blank is reserved for missing values.
const INK: [char; 9] = ['.', ':', '-', '=', '+', '*', '#', '%', '@'];

/// The same for both sides of zero: horizontal strokes are below it.
const SIGNED_INK: [char; 9] = ['%', '=', '~', '-', '.', ':', '+', '*', '#'];

/// Shades of 16 colours: foreground, background, character, rising in lightness.
const SIXTEEN: [(Color, Color, char); 10] = [
    (Color::Blue, Color::Black, '░'),
    (Color::Blue, Color::Black, '▒'),
    (Color::Blue, Color::Black, '▓'),
    (Color::Cyan, Color::Blue, ' '),
    (Color::Cyan, Color::Blue, '▒'),
    (Color::Cyan, Color::Blue, '▓'),
    (Color::LightYellow, Color::Cyan, ' '),
    (Color::LightYellow, Color::Cyan, '▒'),
    (Color::LightYellow, Color::Cyan, '▓'),
    (Color::LightYellow, Color::LightYellow, ' '),
];

/// The same for both sides of zero.
const SIGNED_SIXTEEN: [(Color, Color, char); 9] = [
    (Color::LightBlue, Color::LightBlue, ' '),
    (Color::LightBlue, Color::Black, '▓'),
    (Color::LightBlue, Color::Black, '▒'),
    (Color::LightBlue, Color::Black, '░'),
    (Color::DarkGray, Color::Black, '·'),
    (Color::Yellow, Color::Black, '░'),
    (Color::Yellow, Color::Black, '▒'),
    (Color::Yellow, Color::Black, '▓'),
    (Color::Yellow, Color::Yellow, ' '),
];

/// xterm's colours that approximate the scale: lightness rises monotonically while the hue goes from blue to yellow.
/// The nearest colours would sometimes be gray.
const INDEXED: [u8; 13] = [17, 18, 19, 20, 25, 26, 31, 37, 43, 114, 150, 186, 192];

/// Zero, then the negative and the positive side outwards, on dark and on light backgrounds.
const SIGNED_INDEXED: [(u8, [u8; 8], [u8; 8]); 2] = [
    (235, [19, 20, 25, 26, 32, 74, 75, 81], [52, 88, 124, 130, 166, 172, 208, 215]),
    (255, [189, 153, 111, 75, 69, 32, 26, 20], [223, 216, 209, 208, 202, 166, 130, 124]),
];

/// The most levels of a colour scale; odd, so that one is in the middle.
const LEVELS: usize = 65;

/// All levels from the lowest to the highest; never empty.
pub(super) fn levels(colors: Colors, characters: Characters) -> Vec<HeatCell> {
    let each = |level: fn(f64) -> HeatCell| (0..LEVELS).map(|i| level(fraction_of(i))).collect();
    match (colors, characters) {
        (Colors::True, _) => each(|fraction| filled(rgb_of(fraction))),
        (Colors::TwoFiftySix, _) => each(|fraction| indexed(nearest(&INDEXED, rgb_of(fraction)))),
        (Colors::Sixteen, Characters::Unicode) => shaded(&SIXTEEN),
        (Colors::Sixteen, Characters::Ascii) | (Colors::None, _) => inked(&INK),
    }
}

/// All levels of the scale for both sides of zero, which is in the middle.
pub(super) fn signed_levels(colors: Colors, background: Background, characters: Characters) -> Vec<HeatCell> {
    let each = |level: &dyn Fn(f64) -> HeatCell| (0..LEVELS).map(|i| level(fraction_of(i))).collect();
    match (colors, characters) {
        (Colors::True, _) => each(&|fraction| filled(signed_rgb_of(fraction, background))),
        (Colors::TwoFiftySix, _) => each(&|fraction| indexed(signed_index_of(fraction, background))),
        (Colors::Sixteen, Characters::Unicode) => shaded(&SIGNED_SIXTEEN),
        (Colors::Sixteen, Characters::Ascii) | (Colors::None, _) => inked(&SIGNED_INK),
    }
}

fn fraction_of(level: usize) -> f64 {
    level as f64 / (LEVELS - 1) as f64
}

/// The scale's colour at a fraction from 0 to 1. Lightness is linear in it; the hue goes from violet to yellow, and the
/// chroma is the largest that sRGB allows throughout.
fn rgb_of(fraction: f64) -> Rgb {
    let lightness = 0.25 + 0.68 * fraction;
    let hue = 305.0 - 200.0 * fraction;
    let chroma = 0.105 + 0.05 * (fraction * std::f64::consts::PI).sin().powi(2).min(1.0) * fraction;
    Rgb::from_lightness_chroma_hue(lightness, chroma, hue)
}

fn filled(rgb: Rgb) -> HeatCell {
    let color = Color::Rgb(rgb.0, rgb.1, rgb.2);
    HeatCell { symbol: ' ', style: Style::new().bg(color), fill: Some(color) }
}

/// The colour at a fraction from 0 to 1 of the scale for both sides of zero: the farther from the middle, the farther
/// from the background's lightness, and the more colour.
fn signed_rgb_of(fraction: f64, background: Background) -> Rgb {
    let distance = (2.0 * fraction - 1.0).abs();
    let (middle, end) = match background {
        Background::Dark => (0.28, 0.82),
        Background::Light => (0.95, 0.45),
    };
    let hue = if fraction < 0.5 { 252.0 } else { 58.0 };
    Rgb::from_lightness_chroma_hue(middle + (end - middle) * distance, 0.125 * distance.powf(0.7), hue)
}

fn signed_index_of(fraction: f64, background: Background) -> u8 {
    let (zero, negative, positive) = SIGNED_INDEXED[usize::from(background == Background::Light)];
    let side = if fraction < 0.5 { negative } else { positive };
    // The middle is only for zero, so that any other value is visibly different.
    if fraction == 0.5 { zero } else { nearest(&side, signed_rgb_of(fraction, background)) }
}

/// The one of some xterm colours with the nearest lightness.
fn nearest(of: &[u8], rgb: Rgb) -> u8 {
    let lightness = rgb.oklab()[0];
    let away = |index: &u8| (Rgb::indexed(*index).oklab()[0] - lightness).abs();
    of.iter().copied().min_by(|a, b| away(a).total_cmp(&away(b))).unwrap_or(16)
}

fn indexed(index: u8) -> HeatCell {
    let color = Color::Indexed(index);
    HeatCell { symbol: ' ', style: Style::new().bg(color), fill: Some(color) }
}

fn shaded(levels: &[(Color, Color, char)]) -> Vec<HeatCell> {
    let level = |&(fg, bg, symbol)| HeatCell { symbol, style: Style::new().fg(fg).bg(bg), fill: None };
    levels.iter().map(level).collect()
}

fn inked(levels: &[char]) -> Vec<HeatCell> {
    levels.iter().map(|&symbol| HeatCell { symbol, style: Style::new(), fill: None }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::oklab::{Vision, distance};
    use super::*;

    const BACKGROUNDS: [Background; 2] = [Background::Dark, Background::Light];

    /// The colours of a scale, without repetitions in a row.
    fn colors(levels: &[HeatCell]) -> Vec<Rgb> {
        let mut colors: Vec<Rgb> = levels.iter().map(|level| Rgb::of(level.fill.unwrap()).unwrap()).collect();
        colors.dedup();
        colors
    }

    #[test]
    fn lightness_rises_evenly() {
        let lightness: Vec<f64> = (0..=20).map(|i| rgb_of(f64::from(i) / 20.0).oklab()[0]).collect();
        for pair in lightness.windows(2) {
            let rise = pair[1] - pair[0];
            assert!((0.02..0.05).contains(&rise), "{lightness:?}");
        }
    }

    #[test]
    fn two_hundred_fifty_six_colours_rise_in_lightness_and_are_never_gray() {
        let colors = colors(&levels(Colors::TwoFiftySix, Characters::Unicode));
        assert!(colors.len() >= 12, "{}", colors.len());
        let lab: Vec<[f64; 3]> = colors.iter().map(|color| color.oklab()).collect();
        for pair in lab.windows(2) {
            assert!(pair[1][0] > pair[0][0] + 0.02, "{pair:?}");
        }
        assert!(lab.iter().all(|[_, a, b]| a.hypot(*b) > 0.09), "{lab:?}");
    }

    #[test]
    fn both_sides_of_zero_move_away_from_the_background_and_differ_for_every_eye() {
        for (background, colors_of) in BACKGROUNDS
            .into_iter()
            .flat_map(|background| [(background, Colors::True), (background, Colors::TwoFiftySix)])
        {
            let levels = signed_levels(colors_of, background, Characters::Unicode);
            let middle = levels.len() / 2;
            let zero = Rgb::of(levels[middle].fill.unwrap()).unwrap();
            let [_, a, b] = zero.oklab();
            assert!(a.hypot(b) < 0.01, "zero is gray: {zero:?}");
            let away = |color: &Rgb| (color.oklab()[0] - zero.oklab()[0]).abs();
            let mut negative = colors(&levels[..=middle]);
            negative.reverse();
            for side in [negative, colors(&levels[middle..])] {
                assert!(side.len() >= 7, "{side:?}");
                assert!(side.windows(2).all(|pair| away(&pair[1]) > away(&pair[0])), "{side:?}");
            }
            for level in levels.len() * 2 / 3..levels.len() {
                let sides =
                    [level, levels.len() - 1 - level].map(|at| Rgb::of(levels[at].fill.unwrap()).unwrap());
                for vision in Vision::ALL {
                    let apart = distance(sides[0].seen_by(vision), sides[1].seen_by(vision));
                    assert!(apart > 0.08, "{background:?} {sides:?} {vision:?} {apart}");
                }
            }
        }
    }

    #[test]
    fn without_colours_every_level_has_a_sign_of_its_own() {
        for colors in [Colors::None, Colors::Sixteen] {
            for characters in [Characters::Unicode, Characters::Ascii] {
                let levels = signed_levels(colors, Background::Dark, characters);
                for (at, level) in levels.iter().enumerate() {
                    assert!(levels[..at].iter().all(|other| other != level), "{level:?}");
                }
            }
        }
    }
}
