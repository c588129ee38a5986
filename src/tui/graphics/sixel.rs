//! Pictures as sixels (DEC STD 070, chapter 9): for each band of six rows, and each colour in it, which of the six pixels
//! below each other have it. At most 256 colours; if there are more, near ones become one.

use std::collections::BTreeMap;

use ratatui::layout::Rect;

use super::go;
use crate::theme::Rgb;
use crate::widgets::Raster;

/// The most colours that terminals take.
const MOST_COLOURS: usize = 256;
/// The rows of a band.
const BAND: usize = 6;
/// The longest run that is not counted.
const SHORT: usize = 3;

/// Draws a picture with its upper left corner in that of an area, each of its pixels as a square of so many.
pub(super) fn draw(raster: &Raster, zoom: usize, area: Rect) -> Vec<u8> {
    (go(area) + &encoded(raster, zoom)).into_bytes()
}

pub(super) fn encoded(raster: &Raster, zoom: usize) -> String {
    let (width, height) = (raster.columns * zoom, raster.rows * zoom);
    let (colours, pixels) = palette(&raster.pixels);
    // Pixels that no colour has stay as they are (1), and a pixel is as wide as high.
    let mut text = format!("\x1bP0;1;0q\"1;1;{width};{height}");
    for (at, colour) in colours.iter().enumerate() {
        let [r, g, b] = [colour.0, colour.1, colour.2].map(|x| (u32::from(x) * 100 + 127) / 255);
        text += &format!("#{at};2;{r};{g};{b}");
    }
    for top in (0..height).step_by(BAND) {
        let rows: Vec<&[u8]> = (top..height.min(top + BAND))
            .filter_map(|y| pixels.chunks(raster.columns.max(1)).nth(y / zoom.max(1)))
            .collect();
        let mut used: Vec<u8> = rows.iter().flat_map(|row| row.iter().copied()).collect();
        used.sort_unstable();
        used.dedup();
        for colour in used {
            text += &format!("#{colour}");
            line(&rows, colour, raster.columns, zoom, &mut text);
            text.push('$');
        }
        text.push('-');
    }
    text + "\x1b\\"
}

/// The colours, and the number of each pixel's. With too many, as few as necessary of the last bits are left out.
fn palette(pixels: &[Rgb]) -> (Vec<Rgb>, Vec<u8>) {
    for bits in 0.. {
        let rounded = |x: u8| (x >> bits) << bits;
        let mut numbers: BTreeMap<[u8; 3], u8> = BTreeMap::new();
        let mut colours = Vec::new();
        let of_pixel = |rgb: &Rgb| {
            let key = [rgb.0, rgb.1, rgb.2].map(rounded);
            if let Some(number) = numbers.get(&key) {
                return Some(*number);
            }
            let number = u8::try_from(colours.len()).ok().filter(|_| colours.len() < MOST_COLOURS)?;
            colours.push(Rgb(key[0], key[1], key[2]));
            numbers.insert(key, number);
            Some(number)
        };
        if let Some(all) = pixels.iter().map(of_pixel).collect() {
            return (colours, all);
        }
    }
    unreachable!("with one bit a channel there are eight colours")
}

/// Which pixels of a band have a colour, from the left to the last one.
fn line(rows: &[&[u8]], colour: u8, columns: usize, zoom: usize, text: &mut String) {
    let bits = |column: usize| {
        let has = |(at, row): (usize, &&[u8])| u8::from(row.get(column) == Some(&colour)) << at;
        rows.iter().enumerate().map(has).fold(0, |sum, bit| sum | bit)
    };
    let mut runs: Vec<(u8, usize)> = Vec::new();
    for sixel in (0..columns).map(bits) {
        match runs.last_mut() {
            Some((last, count)) if *last == sixel => *count += zoom,
            _ => runs.push((sixel, zoom)),
        }
    }
    if runs.last().is_some_and(|(last, _)| *last == 0) {
        runs.pop();
    }
    for (sixel, count) in runs {
        let c = char::from(b'?' + sixel);
        match count {
            0..=SHORT => text.extend(std::iter::repeat_n(c, count)),
            _ => *text += &format!("!{count}{c}"),
        }
    }
}
