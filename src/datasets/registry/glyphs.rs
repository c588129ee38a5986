//! `glyphs`: ten classes of pen strokes, drawn from a seed, so that a network can be trained without any
//! file. Easy enough that a shallow network learns it, so that a deep one failing to is a failure of optimisation.
//!
//! The generator, in coordinates from -1 to 1 over an image of 16x16 gray pixels:
//!
//! 1. A class is a polyline of five points, each uniform in the square of half-side 0.8, drawn from a fixed stream of
//!    its own: classes don't depend on a run's seed.
//! 2. Image `i` of a split has class `i mod 10` and a stream of its own for (seed, split, i), so that it
//!    depends neither on the number of images nor on any other image.
//! 3. Its points are jittered (normal, 0.05), sheared (x += s y, s within 0.3), scaled (0.7 to 1.15), rotated
//!    (within 0.6 rad) and shifted (within 0.25 each way), all uniform, in this order.
//! 4. The polyline is drawn with brightness 1, two distractor segments with ends anywhere with 0.8; a stroke
//!    has full brightness up to 0.05 from its centre line and falls to zero over the next 0.125, one pixel; where
//!    strokes cross, the brighter one wins.
//! 5. Noise of standard deviation 0.3 (the sum of four uniform numbers) is added to each pixel, and -1..2 is
//!    mapped to 0..255.
//!
//! Measured with one seed, 600 steps of the default experiment's training, width 8; eval-mode error on all
//! training images / on the test images:
//!
//! | depth | plain | residual |
//! |---|---|---|
//! | 8 | 0.139 / 0.201 | 0.128 / 0.224 |
//! | 20 | 0.143 / 0.236 | 0.057 / 0.197 |
//! | 44 | 0.624 / 0.665 | 0.050 / 0.193 |
//! | 56 | 0.823 / 0.824 | 0.083 / 0.197 |
//!
//! All arithmetic is f64, rounded alike on every machine, except for one sine and cosine per image.

use rand_xoshiro::Xoshiro256PlusPlus;

use crate::datasets::source::Source;
use crate::datasets::{Dataset, DatasetError, Examples};
use crate::experiment::{Data, DataKind, DatasetEntry, Path};
use crate::random::{between, normal, stream};
use crate::units::ImageShape;

const CLASSES: usize = 10;
const SIDE: usize = 16;
const POINTS: usize = 5;
/// The seed of the classes' polylines, independent of the run's seed.
const CLASS_SEED: u64 = 0;
const TRAIN_IMAGES: usize = 4000;
const TEST_IMAGES: usize = 1000;
/// Half the width of the full part of a stroke.
const STROKE_CORE: f64 = 0.05;
/// The width over which a stroke falls from full brightness to zero.
const STROKE_EDGE: f64 = 2.0 / SIDE as f64;
const NOISE: f64 = 0.3;

type Point = [f64; 2];
type Canvas = [f64; SIDE * SIDE];

/// The generated data set.
pub(super) struct Glyphs;

impl Source for Glyphs {
    fn entry(&self) -> DatasetEntry {
        DatasetEntry {
            name: "glyphs",
            summary: "ten classes of pen strokes, 16x16 gray, generated from the seed; needs no files",
            kind: DataKind::Images,
            path: Path::None,
            keys: Vec::new(),
        }
    }

    fn generated_bytes(&self, data: &Data) -> u64 {
        let train = data.train_images.unwrap_or(TRAIN_IMAGES);
        let images = train.saturating_add(data.test_images.unwrap_or(TEST_IMAGES)) as u64;
        // One byte per pixel and two for the label.
        images.saturating_mul((SIDE * SIDE + 2) as u64)
    }

    fn load(&self, data: &Data, seed: u64) -> Result<Dataset, DatasetError> {
        let classes: Vec<_> = (0..CLASSES).map(polyline).collect();
        Ok(Dataset::new(
            ImageShape { channels: 1, height: SIDE, width: SIDE },
            (0..CLASSES).map(|class| class.to_string()).collect(),
            split(&classes, seed, "glyphs/train", data.train_images.unwrap_or(TRAIN_IMAGES)),
            split(&classes, seed, "glyphs/test", data.test_images.unwrap_or(TEST_IMAGES)),
        ))
    }
}

fn polyline(class: usize) -> [Point; POINTS] {
    let mut random = stream(CLASS_SEED, "glyphs/class", class as u64);
    std::array::from_fn(|_| std::array::from_fn(|_| between(&mut random, -0.8, 0.8)))
}

fn split(classes: &[[Point; POINTS]], seed: u64, purpose: &str, images: usize) -> Examples {
    let (mut pixels, mut labels) = (Vec::with_capacity(images * SIDE * SIDE), Vec::with_capacity(images));
    for index in 0..images {
        let label = index % classes.len();
        let mut random = stream(seed, purpose, index as u64);
        labels.push(label as u8);
        pixels.extend(draw(&classes[label], &mut random));
    }
    Examples::images(pixels, &labels)
}

/// Draws one image of a class.
fn draw(class: &[Point; POINTS], random: &mut Xoshiro256PlusPlus) -> [u8; SIDE * SIDE] {
    let mut canvas = [0.0; SIDE * SIDE];
    let points = distort(class, random);
    for ends in points.windows(2) {
        stroke(&mut canvas, ends[0], ends[1], 1.0);
    }
    for _ in 0..2 {
        let [from, to] = std::array::from_fn(|_| std::array::from_fn(|_| between(random, -1.0, 1.0)));
        stroke(&mut canvas, from, to, 0.8);
    }
    canvas.map(|brightness| {
        let noisy = brightness + NOISE * normal(random);
        // Casts saturate, so that values outside -1..2 become 0 or 255.
        ((noisy + 1.0) * 85.0 + 0.5) as u8
    })
}

/// Jitters, shears, scales, rotates and shifts a class's points.
fn distort(class: &[Point; POINTS], random: &mut Xoshiro256PlusPlus) -> [Point; POINTS] {
    let (sin, cos) = between(random, -0.6, 0.6).sin_cos();
    let scale = between(random, 0.7, 1.15);
    let shear = between(random, -0.3, 0.3);
    let shift: Point = std::array::from_fn(|_| between(random, -0.25, 0.25));
    class.map(|[x, y]| {
        let [x, y] = [x + 0.05 * normal(random), y + 0.05 * normal(random)];
        let x = x + shear * y;
        [scale * (cos * x - sin * y) + shift[0], scale * (sin * x + cos * y) + shift[1]]
    })
}

/// Draws a segment, keeping the brighter of old and new pixels.
fn stroke(canvas: &mut Canvas, from: Point, to: Point, brightness: f64) {
    let along = [to[0] - from[0], to[1] - from[1]];
    let length_squared = (along[0] * along[0] + along[1] * along[1]).max(f64::MIN_POSITIVE);
    let [columns, rows] = [0, 1].map(|axis| pixels_near(from[axis], to[axis]));
    for row in rows {
        for column in columns.clone() {
            let off = [centre(column) - from[0], centre(row) - from[1]];
            let share = ((off[0] * along[0] + off[1] * along[1]) / length_squared).clamp(0.0, 1.0);
            let apart = [off[0] - share * along[0], off[1] - share * along[1]];
            let distance = (apart[0] * apart[0] + apart[1] * apart[1]).sqrt();
            let ink = brightness * (1.0 - (distance - STROKE_CORE) / STROKE_EDGE).clamp(0.0, 1.0);
            let pixel = &mut canvas[row * SIDE + column];
            *pixel = pixel.max(ink);
        }
    }
}

/// The coordinate of a pixel's centre.
fn centre(pixel: usize) -> f64 {
    (pixel as f64 + 0.5) * (2.0 / SIDE as f64) - 1.0
}

/// The pixels along one axis that a stroke between two coordinates can touch.
fn pixels_near(from: f64, to: f64) -> std::ops::Range<usize> {
    let reach = STROKE_CORE + STROKE_EDGE;
    let pixel = |coordinate: f64| (coordinate + 1.0) * (SIDE as f64 / 2.0);
    // Casting saturates, so that coordinates left of the image become 0.
    let first = pixel(from.min(to) - reach) as usize;
    let end = pixel(from.max(to) + reach).ceil() as usize;
    first.min(SIDE)..end.min(SIDE)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::random::hex;

    fn glyphs(seed: u64, train: usize, test: usize) -> Dataset {
        let data = Data { train_images: Some(train), test_images: Some(test), ..Data::named("glyphs") };
        Glyphs.load(&data, seed).unwrap()
    }

    #[test]
    fn the_first_images_are_the_same_for_ever() {
        let dataset = glyphs(0, 64, 64);
        let hash = |images: &Examples| hex(Sha256::new().chain_update(images.pixels()));
        assert_eq!(hash(&dataset.train), "6ff552d948ec5296befdf8bc63b5ab9265a4b68141d0d682bce436fd526cf9b0");
        assert_eq!(hash(&dataset.test), "200daf2ba9baa5df09d11ed63f2a6fec828788d50c1069d8d06213e50d36ae98");
    }

    #[test]
    fn an_image_depends_on_no_other() {
        let few = glyphs(3, 20, 10);
        let many = glyphs(3, 50, 0);
        assert_eq!(few.train.pixels(), &many.train.pixels()[..few.train.pixels().len()]);
    }

    #[test]
    fn no_image_is_drawn_twice() {
        let dataset = glyphs(0, 2000, 1000);
        let other = glyphs(1, 1000, 0);
        let all = [&dataset.train, &dataset.test, &other.train];
        let distinct: HashSet<&[u8]> = all.iter().flat_map(|split| split.pixels().chunks(256)).collect();
        assert_eq!(distinct.len(), 4000);
    }

    #[test]
    fn classes_are_balanced_and_look_different() {
        let dataset = glyphs(0, 1000, 0);
        let mut means = [[0.0; 256]; CLASSES];
        for (image, &label) in dataset.train.pixels().chunks(256).zip(&dataset.train.labels) {
            for (mean, &pixel) in means[usize::from(label)].iter_mut().zip(image) {
                *mean += f64::from(pixel) / 100.0;
            }
        }
        for a in 0..CLASSES {
            for b in 0..a {
                let square: f64 = means[a].iter().zip(&means[b]).map(|(x, y)| (x - y).powi(2)).sum();
                // Noise alone would leave 25.5 * sqrt(2 / 100) = 3.6.
                assert!((square / 256.0).sqrt() > 6.0, "classes {a} and {b} look alike");
            }
        }
    }
}
