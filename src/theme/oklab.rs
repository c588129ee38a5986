//! Perceptual colours: conversions between sRGB and Oklab (Ottosson, "A perceptual color space for
//! image processing", 2020), and the nearest of xterm's 256 colours. It must not know any role.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use ratatui::style::Color;

/// The most cached colours with their nearest xterm colours.
const KNOWN_COLOURS: usize = 4_096;

/// All xterm colours in Oklab: finding the nearest would be too slow if their roots were computed each time.
static INDEXED: LazyLock<Vec<[f64; 3]>> =
    LazyLock::new(|| (0..=255).map(|index| Rgb::indexed(index).oklab()).collect());

/// An sRGB colour with 8 bits per channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// The colour of a lightness (0 to 1), chroma (0 to about 0.3) and hue (degrees) in Oklab, clipped to sRGB.
    pub(crate) fn from_lightness_chroma_hue(lightness: f64, chroma: f64, hue: f64) -> Rgb {
        let (a, b) = (chroma * hue.to_radians().cos(), chroma * hue.to_radians().sin());
        let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
        let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
        let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
        Rgb(
            encode(4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s),
            encode(-1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s),
            encode(-0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s),
        )
    }

    /// Lightness and the two opponent axes.
    pub(crate) fn oklab(self) -> [f64; 3] {
        let (r, g, b) = (decode(self.0), decode(self.1), decode(self.2));
        let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
        let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
        let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
        [
            0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
            1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
            0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
        ]
    }

    /// The RGB value of a terminal colour, if it is fixed.
    pub fn of(color: Color) -> Option<Rgb> {
        match color {
            Color::Rgb(r, g, b) => Some(Rgb(r, g, b)),
            Color::Indexed(index) => Some(Rgb::indexed(index)),
            _ => None,
        }
    }

    /// The mixture with another colour; `share` is the other's, 0 to 1.
    pub fn toward(self, other: Rgb, share: f64) -> Rgb {
        let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
        Rgb(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// The contrast ratio of WCAG 2.1, 1 to 21.
    pub fn contrast(self, other: Rgb) -> f64 {
        let luminance = |c: Rgb| 0.2126 * decode(c.0) + 0.7152 * decode(c.1) + 0.0722 * decode(c.2);
        let (a, b) = (luminance(self), luminance(other));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// The nearest of xterm's colours 16 to 255, which terminal themes cannot change. Cached, because all cells of a
    /// screen use a few colours.
    pub(crate) fn nearest_indexed(self) -> u8 {
        static KNOWN: LazyLock<Mutex<HashMap<Rgb, u8>>> = LazyLock::new(Mutex::default);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == KNOWN_COLOURS {
            known.clear();
        }
        *known.entry(self).or_insert_with(|| self.look_for_indexed())
    }

    fn look_for_indexed(self) -> u8 {
        let target = self.oklab();
        let indexed = &*INDEXED;
        let distance = |index: u8| {
            let other = &indexed[usize::from(index)];
            target.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
        };
        (16..=255).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap_or(16)
    }

    /// One of xterm's colours 16 to 255: a cube of six steps per channel, then 24 grays.
    pub fn indexed(index: u8) -> Rgb {
        let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
        match index {
            0..=15 => Rgb(0, 0, 0),
            16..=231 => Rgb(step((index - 16) / 36), step((index - 16) / 6 % 6), step((index - 16) % 6)),
            232..=255 => {
                let gray = 8 + 10 * (index - 232);
                Rgb(gray, gray, gray)
            }
        }
    }
}

/// Linear light, 0 to 1, to an sRGB byte.
fn encode(linear: f64) -> u8 {
    let x = linear.clamp(0.0, 1.0);
    let encoded = if x <= 0.003_130_8 { 12.92 * x } else { 1.055 * x.powf(1.0 / 2.4) - 0.055 };
    (encoded * 255.0).round() as u8
}

/// An sRGB byte to linear light, 0 to 1.
fn decode(byte: u8) -> f64 {
    let x = f64::from(byte) / 255.0;
    if x <= 0.040_45 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) }
}

/// Kinds of colour vision.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vision {
    Full,
    WithoutRed,
    WithoutGreen,
    WithoutBlue,
}

#[cfg(test)]
impl Vision {
    pub(super) const ALL: [Vision; 4] =
        [Vision::Full, Vision::WithoutRed, Vision::WithoutGreen, Vision::WithoutBlue];

    /// Linear light as perceived (Machado, Oliveira and Fernandes, 2009, at full severity).
    fn matrix(self) -> [[f64; 3]; 3] {
        match self {
            Vision::Full => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            Vision::WithoutRed => [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
            Vision::WithoutGreen => [
                [0.367_322, 0.860_646, -0.227_968],
                [0.280_085, 0.672_501, 0.047_413],
                [-0.011_820, 0.042_940, 0.968_881],
            ],
            Vision::WithoutBlue => [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_900],
            ],
        }
    }
}

#[cfg(test)]
impl Rgb {
    pub(super) fn seen_by(self, vision: Vision) -> Rgb {
        let light = [self.0, self.1, self.2].map(decode);
        let [r, g, b] = vision.matrix().map(|row| encode(row.iter().zip(light).map(|(m, x)| m * x).sum()));
        Rgb(r, g, b)
    }
}

/// The perceptual distance of two colours: in Oklab, where black and white are 1 apart.
#[cfg(test)]
pub(super) fn distance(a: Rgb, b: Rgb) -> f64 {
    a.oklab().iter().zip(b.oklab()).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::Rgb;

    #[test]
    fn published_pairs_hold() {
        // sRGB white, red and blue in Oklab, from the definition's reference implementation.
        let near = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(x, y)| (x - y).abs() < 2e-3);
        assert!(near(Rgb(255, 255, 255).oklab(), [1.0, 0.0, 0.0]));
        assert!(near(Rgb(255, 0, 0).oklab(), [0.628, 0.225, 0.126]));
        assert!(near(Rgb(0, 0, 255).oklab(), [0.452, -0.032, -0.312]));
    }

    #[test]
    fn conversion_goes_both_ways() {
        for color in [Rgb(240, 160, 48), Rgb(10, 200, 130), Rgb(128, 128, 128)] {
            let [l, a, b] = color.oklab();
            let back = Rgb::from_lightness_chroma_hue(l, a.hypot(b), b.atan2(a).to_degrees());
            assert_eq!(color, back);
        }
    }

    #[test]
    fn cube_colours_are_their_own_nearest() {
        assert_eq!(Rgb(95, 135, 175).nearest_indexed(), 67);
        assert_eq!(Rgb(255, 0, 0).nearest_indexed(), 196);
        assert_eq!(Rgb(8, 8, 8).nearest_indexed(), 232);
    }
}
