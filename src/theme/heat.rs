//! The heat scale: from deep violet over blue and green to pale yellow, its lightness rising evenly, in the
//! manner of viridis (van der Walt and Smith, 2015). It must not know what is measured.

use ratatui::style::{Color, Style};

use super::oklab::Rgb;
use super::{Characters, Colors};

/// One level of the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeatCell {
    /// The character of a whole cell.
    pub symbol: char,
    /// Its style.
    pub style: Style,
    /// The colour of a cell filled by colour alone, from which half cells are made; none where the level is
    /// shown by its character.
    pub fill: Option<Color>,
}

/// Levels by character alone, rising in ink; a blank is kept for missing values.
const INK: [char; 9] = ['.', ':', '-', '=', '+', '*', '#', '%', '@'];

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

/// All levels from the lowest to the highest; never empty.
pub(super) fn levels(colors: Colors, characters: Characters) -> Vec<HeatCell> {
    match (colors, characters) {
        (Colors::True, _) => (0..64).map(|i| filled(rgb_of(f64::from(i) / 63.0))).collect(),
        (Colors::TwoFiftySix, _) => indexed_levels(),
        (Colors::Sixteen, Characters::Unicode) => SIXTEEN
            .iter()
            .map(|&(fg, bg, symbol)| HeatCell { symbol, style: Style::new().fg(fg).bg(bg), fill: None })
            .collect(),
        (Colors::Sixteen, Characters::Ascii) | (Colors::None, _) => {
            INK.iter().map(|&symbol| HeatCell { symbol, style: Style::new(), fill: None }).collect()
        }
    }
}

/// The scale's colour at a fraction from 0 to 1. Lightness is linear in it; the hue turns from violet to
/// yellow, and the chroma is the largest that sRGB holds all along.
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

/// The nearest of xterm's colours to each level, without repetitions and without steps back in lightness.
fn indexed_levels() -> Vec<HeatCell> {
    let mut chosen: Vec<u8> = Vec::new();
    for i in 0..40 {
        let index = rgb_of(f64::from(i) / 39.0).nearest_indexed();
        let rises =
            chosen.last().is_none_or(|&last| Rgb::indexed(last).oklab()[0] < Rgb::indexed(index).oklab()[0]);
        if rises {
            chosen.push(index);
        }
    }
    let cell = |index| {
        let color = Color::Indexed(index);
        HeatCell { symbol: ' ', style: Style::new().bg(color), fill: Some(color) }
    };
    chosen.into_iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lightness_rises_evenly() {
        let lightness: Vec<f64> = (0..=20).map(|i| rgb_of(f64::from(i) / 20.0).oklab()[0]).collect();
        for pair in lightness.windows(2) {
            let rise = pair[1] - pair[0];
            assert!((0.02..0.05).contains(&rise), "{lightness:?}");
        }
    }

    #[test]
    fn two_hundred_fifty_six_colours_keep_enough_levels() {
        let levels = levels(Colors::TwoFiftySix, Characters::Unicode);
        assert!(levels.len() >= 12, "{}", levels.len());
    }
}
