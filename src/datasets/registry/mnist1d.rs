//! `mnist1d`: ten classes of short signals, in the style of MNIST-1D (Greydanus 2020, "Scaling down deep learning"),
//! drawn from a seed. It has the recipe and sizes of that data set but templates and random numbers of its own, so
//! results are not those of MNIST-1D, if similar in kind.
//!
//! 1. A class is a template of twelve numbers: by eye, the way from left to right of a pen that writes the digit from
//!    top to bottom.
//! 2. Signal `i` of a split has class `i mod 10`. Its template is continued by 36 to 60 zeros and stretched to 72
//!    numbers (linear interpolation), scaled by 0.8 to 1.2, and shifted in a circle by up to 47 places.
//! 3. Where it is zero, noise is added that is correlated between neighbours: normal numbers of standard deviation
//!    `noise` under a Gaussian window of standard deviation 2. Everywhere, independent noise of 0.02 is added.
//! 4. It is sheared by a line through its middle whose ends are within 0.1875 of zero, and reduced to 40 numbers.

use rand_xoshiro::Xoshiro256PlusPlus;

use crate::datasets::generated::{Streams, bytes_of_vectors, numbered};
use crate::datasets::source::{Source, settings};
use crate::datasets::{Dataset, DatasetError};
use crate::experiment::{Allowed, Data, DataKind, DatasetEntry, Key, Path, Settings};
use crate::random::{below, between, normal};
use crate::units::InputShape;

const FEATURES: usize = 40;
/// Numbers of a signal before it is reduced.
const LENGTH: usize = 72;
/// The fewest and the most zeros after a template.
const PADDING: [u64; 2] = [36, 60];
const SHIFTS: u64 = 48;
const SCALES: [f64; 2] = [0.8, 1.2];
const INDEPENDENT_NOISE: f64 = 0.02;
const SHEAR: f64 = 0.75;
/// The standard deviation of the window of correlated noise, and the places to either side that it covers.
const WINDOW: (f64, usize) = (2.0, 8);

#[rustfmt::skip]
const TEMPLATES: [[f64; 12]; 10] = [
    [0.0, 0.5, 0.87, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.87, 0.5, 0.0],
    [-0.7, -0.4, -0.1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2],
    [-0.4, 0.3, 0.8, 0.9, 0.6, 0.2, -0.2, -0.6, -0.9, -0.3, 0.4, 0.9],
    [-0.3, 0.6, 0.9, 0.6, 0.1, 0.0, 0.1, 0.6, 0.9, 0.9, 0.4, -0.4],
    [0.2, 0.0, -0.3, -0.6, -0.9, -0.9, 0.9, 0.5, 0.4, 0.4, 0.4, 0.4],
    [0.9, 0.2, -0.7, -0.8, -0.7, 0.1, 0.7, 0.9, 0.8, 0.5, 0.0, -0.6],
    [0.6, 0.1, -0.4, -0.8, -1.0, -1.0, -0.9, 0.2, 0.7, 0.7, 0.1, -0.6],
    [-0.8, -0.2, 0.4, 0.9, 0.8, 0.6, 0.4, 0.2, 0.0, -0.1, -0.2, -0.3],
    [0.1, 0.7, 0.7, 0.2, -0.4, -0.6, -0.2, 0.5, 0.9, 0.8, 0.4, 0.1],
    [0.1, 0.7, 0.9, 0.8, 0.3, -0.3, -0.5, 0.9, 0.9, 0.8, 0.7, 0.6],
];

/// The generated data set.
pub(super) struct Mnist1d;

fn keys() -> Vec<Key> {
    let about = "the standard deviation of correlated noise, before it is smoothed";
    vec![Key::with_default("noise", about, Allowed::Number { least: 0.0, most: 2.0 }, 0.25)]
}

impl Source for Mnist1d {
    fn entry(&self) -> DatasetEntry {
        DatasetEntry {
            name: "mnist1d",
            summary: "ten classes of signals of 40 numbers, in the style of MNIST-1D, generated from the seed",
            kind: DataKind::Vectors,
            path: Path::None,
            keys: keys(),
        }
    }

    fn generated_bytes(&self, data: &Data) -> u64 {
        bytes_of_vectors(data, FEATURES)
    }

    fn load(&self, data: &Data, seed: u64) -> Result<Dataset, DatasetError> {
        Ok(generate(data, &settings(data, &keys()), seed))
    }
}

fn generate(data: &Data, settings: &Settings, seed: u64) -> Dataset {
    let noise = settings.number("noise").unwrap_or(0.25);
    let window = window();
    let [train, test] = Streams::of(data, seed, ["mnist1d/train", "mnist1d/test"]).map(|streams| {
        streams.vectors(TEMPLATES.len(), |class, random| signal(&TEMPLATES[class], noise, &window, random))
    });
    Dataset::new(InputShape::Vector { features: FEATURES }, numbered(TEMPLATES.len()), train, test)
}

/// Draws one signal of a class.
fn signal(template: &[f64], noise: f64, window: &[f64], random: &mut Xoshiro256PlusPlus) -> [f64; FEATURES] {
    let mut padded = template.to_vec();
    let zeros = PADDING[0] + below(random, PADDING[1] - PADDING[0] + 1);
    padded.resize(template.len() + zeros as usize, 0.0);
    let mut signal: [f64; LENGTH] = stretched(&padded);
    let scale = between(random, SCALES[0], SCALES[1]);
    signal.iter_mut().for_each(|number| *number *= scale);
    signal.rotate_right(below(random, SHIFTS) as usize);

    let drawn: [f64; LENGTH] = std::array::from_fn(|_| noise * normal(random));
    for (number, correlated) in signal.iter_mut().zip(smoothed(&drawn, window)) {
        let background = if *number == 0.0 { correlated } else { 0.0 };
        *number += background + INDEPENDENT_NOISE * normal(random);
    }
    let slope = SHEAR * between(random, -0.5, 0.5);
    for (place, number) in signal.iter_mut().enumerate() {
        *number -= slope * (place as f64 / (LENGTH - 1) as f64 - 0.5);
    }
    stretched(&signal)
}

/// The numbers at places spread evenly from first to last, between neighbours by linear interpolation.
fn stretched<const TO: usize>(from: &[f64]) -> [f64; TO] {
    let last = from.len() - 1;
    std::array::from_fn(|to| {
        // In whole numbers, so that a place that exists is hit exactly.
        let (before, rest) = (to * last / (TO - 1), to * last % (TO - 1));
        let share = rest as f64 / (TO - 1) as f64;
        from[before] + share * (from[(before + 1).min(last)] - from[before])
    })
}

/// The weights of the window, whose sum is 1.
fn window() -> Vec<f64> {
    let (deviation, reach) = WINDOW;
    let weight = |place: usize| (-0.5 * ((place as f64 - reach as f64) / deviation).powi(2)).exp();
    let weights: Vec<f64> = (0..=2 * reach).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// Each number becomes the mean of its neighbours under the window; beyond the ends the numbers are mirrored.
fn smoothed(numbers: &[f64; LENGTH], window: &[f64]) -> [f64; LENGTH] {
    let reach = window.len() / 2;
    let mirrored = |place: usize| match place.checked_sub(reach) {
        None => numbers[reach - 1 - place],
        Some(place) if place < LENGTH => numbers[place],
        Some(place) => numbers[2 * LENGTH - 1 - place],
    };
    std::array::from_fn(|to| window.iter().enumerate().map(|(at, weight)| weight * mirrored(to + at)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::generated::{check_streams, hash_of_first};
    use crate::random::stream;

    fn mnist1d(seed: u64, train: usize, test: usize) -> Dataset {
        let data = Data { train_images: Some(train), test_images: Some(test), ..Data::named("mnist1d") };
        Mnist1d.load(&data, seed).unwrap()
    }

    #[test]
    fn the_first_signals_are_the_same_for_ever() {
        let dataset = mnist1d(0, 64, 64);
        let expected = [
            "d29033adb6812d7d50d582bc6b55ed20eae75600476c516232b18cca3696cb4a",
            "51ae58fb474a27b6bf50efbd670c2b4e71f9589cab6b1369eb99ac0c5794eed9",
        ];
        assert_eq!([&dataset.train, &dataset.test].map(hash_of_first), expected);
        check_streams(mnist1d);
    }

    #[test]
    fn stretching_keeps_the_ends_and_lines() {
        assert_eq!(stretched::<5>(&[0.0, 2.0]), [0.0, 0.5, 1.0, 1.5, 2.0]);
        assert_eq!(stretched::<3>(&[4.0, 9.0, 6.0, 9.0, 8.0]), [4.0, 6.0, 8.0]);
        let line: Vec<f64> = (0..72).map(f64::from).collect();
        let fewer: [f64; 40] = stretched(&line);
        assert!(fewer.iter().enumerate().all(|(at, x)| (x - at as f64 * 71.0 / 39.0).abs() < 1e-12));
    }

    #[test]
    fn smoothing_keeps_a_constant_and_correlates_neighbours() {
        let window = window();
        assert!(smoothed(&[3.0; LENGTH], &window).iter().all(|x| (x - 3.0).abs() < 1e-12));
        let mut random = stream(0, "smoothing", 0);
        let (mut product, mut square) = (0.0, 0.0);
        for _ in 0..200 {
            let drawn: [f64; LENGTH] = std::array::from_fn(|_| normal(&mut random));
            let smooth = smoothed(&drawn, &window);
            product += smooth.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>();
            square += smooth.iter().map(|x| x * x).sum::<f64>();
        }
        // A Gaussian window of 2 correlates neighbours by exp(-1/16) = 0.94.
        assert!((product / square - 0.93).abs() < 0.03, "{}", product / square);
    }

    #[test]
    fn classes_are_balanced_and_the_nearest_signal_tells_the_class_better_than_chance() {
        let dataset = mnist1d(0, 4000, 500);
        assert!((0..10).all(|c| dataset.train.labels.iter().filter(|&&label| label == c).count() == 400));
        assert!(dataset.train.numbers().iter().all(|number| number.abs() < 4.0));
        let signals =
            |examples: &crate::datasets::Examples| examples.numbers().as_chunks::<FEATURES>().0.to_vec();
        let known = signals(&dataset.train);
        let right = signals(&dataset.test).into_iter().zip(&dataset.test.labels).filter(|(signal, label)| {
            let distance =
                |other: &[f32; FEATURES]| other.iter().zip(signal).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
            let nearest =
                (0..known.len()).min_by(|&a, &b| distance(&known[a]).total_cmp(&distance(&known[b])));
            nearest.map(|at| dataset.train.labels[at]) == Some(**label)
        });
        let right = right.count() as f64 / 500.0;
        assert!((0.4..0.98).contains(&right), "{right} are right");
    }
}
