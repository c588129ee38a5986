use std::io::Read as _;

use flate2::read::ZlibDecoder;
use proptest::prelude::*;
use ratatui::buffer::Buffer;

use super::*;
use crate::theme::{Rgb, Theme};
use crate::views::Scene;
use crate::widgets::Picture;

fn raster(rows: usize, columns: usize, pixel: impl Fn(usize) -> Rgb) -> Raster {
    Raster { rows, columns, pixels: (0..rows * columns).map(pixel).collect() }
}

/// What a picture looks like, enlarged.
fn enlarged(raster: &Raster, zoom: usize) -> Vec<Rgb> {
    let (height, width) = (raster.rows * zoom, raster.columns * zoom);
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (y / zoom, x / zoom)));
    places.map(|(row, column)| raster.pixels[row * raster.columns + column]).collect()
}

/// The commands of kitty in some bytes: what is before the semicolon, and after it.
fn commands(bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let of = |part: &str| {
        let command = part.split("\x1b\\").next().unwrap();
        let (head, load) = command.split_once(';').unwrap_or((command, ""));
        (head.to_owned(), load.to_owned())
    };
    text.split("\x1b_G").skip(1).map(of).collect()
}

fn base64_decoded(text: &str) -> Vec<u8> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = text.trim_end_matches('=').chars().map(|c| digits.find(c).unwrap());
    let (mut sum, mut count, mut bytes) = (0u32, 0, Vec::new());
    for six in bits {
        (sum, count) = (sum << 6 | six as u32, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((sum >> count) as u8);
        }
    }
    bytes
}

/// A small terminal's sixels: the size, and the pixels in hundredths of each channel; none where nothing was drawn.
fn sixels_decoded(text: &str) -> (usize, usize, Vec<Option<[u32; 3]>>) {
    let body = text.strip_prefix("\x1bP0;1;0q\"1;1;").unwrap().strip_suffix("\x1b\\").unwrap();
    let mut rest = body.chars().peekable();
    let number = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        let mut sum = 0;
        while let Some(digit) = rest.peek().and_then(|c| c.to_digit(10)) {
            (sum, _) = (10 * sum + digit as usize, rest.next());
        }
        sum
    };
    let width = number(&mut rest);
    rest.next();
    let height = number(&mut rest);
    let mut colours = std::collections::HashMap::new();
    let mut pixels = vec![None; width * height];
    let (mut x, mut y, mut colour, mut count) = (0, 0, [0; 3], 1);
    while let Some(c) = rest.next() {
        match c {
            '#' => {
                let at = number(&mut rest);
                if rest.peek() == Some(&';') {
                    let values: Vec<usize> = (0..4).map(|_| (rest.next(), number(&mut rest)).1).collect();
                    colours.insert(at, [values[1], values[2], values[3]].map(|x| x as u32));
                } else {
                    colour = colours[&at];
                }
            }
            '!' => count = number(&mut rest),
            '$' => x = 0,
            '-' => (x, y) = (0, y + 6),
            c => {
                let bits = c as u32 - '?' as u32;
                for x in x..x + count {
                    for row in (0..6).filter(|row| bits >> row & 1 == 1) {
                        pixels[(y + row) * width + x] = Some(colour);
                    }
                }
                (x, count) = (x + count, 1);
            }
        }
    }
    (width, height, pixels)
}

proptest! {
    #[test]
    fn kitty_gets_the_same_pixels_in_parts_that_it_takes(
        rows in 1usize..9, columns in 1usize..9, zoom in 1usize..40, seed: u32,
    ) {
        let noise = |at: usize| (at as u32 ^ seed).wrapping_mul(0x9e37_79b9).to_be_bytes();
        let picture = raster(rows, columns, |at| { let [r, g, b, _] = noise(at); Rgb(r, g, b) });
        let parts = commands(&kitty::give(&picture, zoom, 7));
        let size = format!("a=t,f=24,o=z,s={},v={},i=7,q=2,", columns * zoom, rows * zoom);
        prop_assert!(parts[0].0.starts_with(&size), "{}", parts[0].0);
        for (at, (head, load)) in parts.iter().enumerate() {
            let is_last = at + 1 == parts.len();
            let more = if is_last { "m=0" } else { "m=1" };
            prop_assert!(head.ends_with(more) && load.len() <= kitty::MOST_OF_PART);
            prop_assert!(is_last || load.len() % 4 == 0);
        }
        let text: String = parts.into_iter().map(|(_, load)| load).collect();
        let mut bytes = Vec::new();
        ZlibDecoder::new(&base64_decoded(&text)[..]).read_to_end(&mut bytes).unwrap();
        let expected: Vec<u8> = enlarged(&picture, zoom).iter().flat_map(|rgb| [rgb.0, rgb.1, rgb.2]).collect();
        prop_assert_eq!(bytes, expected);
    }

    #[test]
    fn sixels_are_the_same_pixels_to_a_hundredth(
        rows in 1usize..9, columns in 1usize..9, zoom in 1usize..20, shades in 1usize..200, seed: usize,
    ) {
        let shade = |at: usize| ((at.wrapping_mul(seed | 1) % shades) * 255 / shades) as u8;
        let picture = raster(rows, columns, |at| Rgb(shade(at), shade(at + 1), shade(at + 2)));
        let (width, height, pixels) = sixels_decoded(&sixel::encoded(&picture, zoom));
        prop_assert_eq!((width, height), (columns * zoom, rows * zoom));
        for (found, wanted) in pixels.into_iter().zip(enlarged(&picture, zoom)) {
            let wanted = [wanted.0, wanted.1, wanted.2].map(|x| (u32::from(x) * 100 + 127) / 255);
            prop_assert_eq!(found, Some(wanted));
        }
    }
}

#[test]
fn of_more_colours_than_sixels_have_near_ones_become_one() {
    let picture = raster(40, 40, |at| Rgb((at % 256) as u8, (at / 256 * 8) as u8, (at * 7 % 256) as u8));
    let (_, _, pixels) = sixels_decoded(&sixel::encoded(&picture, 1));
    let mut found: Vec<[u32; 3]> = pixels.iter().map(|pixel| pixel.unwrap()).collect();
    for (found, wanted) in found.iter().zip(&picture.pixels) {
        let wanted = [wanted.0, wanted.1, wanted.2].map(|x| u32::from(x) * 100 / 255);
        assert!(found.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 26), "{found:?} {wanted:?}");
    }
    found.sort_unstable();
    found.dedup();
    assert!((32..=256).contains(&found.len()), "{}", found.len());
}

/// A screen of 20 columns and 10 rows with gray pictures, by place and lightness.
fn graphics(pictures: &[(u16, u16, u8)]) -> Vec<Graphic> {
    let theme = Theme::default();
    let mut buffer = Buffer::empty(SCREEN);
    let mut scene = Scene::new(&mut buffer);
    for (x, y, shade) in pictures {
        let pixel = |row: usize, column: usize| Some(theme.pixel(Rgb(*shade, row as u8, column as u8)));
        scene.picture(&Picture { rows: 2, columns: 2, pixel: &pixel }, Rect::new(*x, *y, 2, 1), &theme);
    }
    scene.drawn().graphics
}

const SCREEN: Rect = Rect { x: 0, y: 0, width: 20, height: 10 };

/// What the terminal gets for the next pictures.
fn update(painter: &mut Painter, protocol: Protocol, pictures: &[(u16, u16, u8)], touched: bool) -> String {
    let graphics = graphics(pictures);
    let fit = |graphic| Fitted::new(graphic, protocol, (10, 20), SCREEN);
    let fitted: Vec<Fitted<'_>> = graphics.iter().filter_map(fit).collect();
    String::from_utf8(painter.update(&fitted, |_| touched)).unwrap()
}

#[test]
fn kitty_is_sent_only_what_has_changed() {
    let mut painter = Painter::default();
    let mut next = |pictures: &[(u16, u16, u8)]| {
        let text = update(&mut painter, Protocol::Kitty, pictures, true);
        ["a=t,", "a=p,", "d=i,", "d=I,"].map(|command| text.matches(command).count())
    };
    assert_eq!(next(&[(0, 0, 10), (4, 0, 20)]), [2, 2, 0, 0]);
    assert_eq!(next(&[(0, 0, 10), (4, 0, 20)]), [0; 4], "nothing when idle");
    assert_eq!(next(&[(0, 0, 10), (4, 0, 30)]), [1, 1, 1, 0], "another picture");
    assert_eq!(next(&[(0, 0, 10), (6, 2, 30)]), [0, 1, 1, 0], "moved");
    assert_eq!(next(&[]), [0, 0, 2, 0], "covered");
    assert_eq!(next(&[(0, 0, 10), (6, 2, 10)]), [0, 2, 0, 0], "again, twice");
    painter.forget();
    let text = update(&mut painter, Protocol::Kitty, &[(0, 0, 10)], true);
    assert_eq!((text.matches("d=I,").count(), text.matches("a=t,").count()), (3, 1), "{text:?}");
    for shade in 0..=255 {
        for y in [0, 1] {
            update(&mut painter, Protocol::Kitty, &[(y * 2, y, shade)], true);
        }
    }
    assert!(painter.given().count() <= MOST_KEPT);
}

#[test]
fn sixels_are_sent_again_where_cells_were_written_and_erased_by_cells() {
    let mut painter = Painter::default();
    let count = |text: String| text.matches("\x1bP").count();
    let both = [(0, 0, 10), (4, 0, 20)];
    assert_eq!(count(update(&mut painter, Protocol::Sixel, &both, false)), 2);
    assert_eq!(update(&mut painter, Protocol::Sixel, &both, false), "");
    assert_eq!(count(update(&mut painter, Protocol::Sixel, &both, true)), 2);

    let mut encoder = Encoder::default();
    let frame = Buffer::empty(SCREEN);
    encoder.encode(&frame, crate::tui::Fidelity::Exact);
    painter.uncover(&[], &mut encoder);
    let bytes = encoder.encode(&frame, crate::tui::Fidelity::Exact).bytes;
    assert!(encoder.has_touched(Rect::new(0, 0, 6, 1)) && !encoder.has_touched(Rect::new(0, 1, 6, 5)));
    assert_eq!(String::from_utf8(bytes).unwrap(), "\x1b[H\x1b[K");
}

#[test]
fn pictures_are_squares_within_their_cells_and_not_on_the_last_row() {
    let [graphic] = &graphics(&[(3, 8, 0)])[..] else { panic!("one") };
    let zoom = |cell, screen| Fitted::new(graphic, Protocol::Sixel, cell, screen).map(|fitted| fitted.zoom);
    assert_eq!(zoom((10, 20), SCREEN), Some(10));
    assert_eq!(zoom((9, 20), SCREEN), Some(9));
    assert_eq!(zoom((11, 20), SCREEN), Some(10));
    assert_eq!(zoom((0, 20), SCREEN), None);
    assert_eq!(zoom((10, 20), Rect { height: 9, ..SCREEN }), None);
}
