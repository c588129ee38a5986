//! `moons`: points of a plane on two half circles that reach into each other, a class each, drawn from a seed. Shallow
//! networks separate them: a check for what needs no depth.
//!
//! Point `i` of a split has class `i mod 2` and an angle t that is uniform in 0..pi: the first moon is (cos t, sin t),
//! the second (1 - cos t, 1/2 - sin t). Noise of a standard deviation is added to both coordinates.

use std::f64::consts::PI;

use crate::datasets::generated::{Streams, bytes_of_vectors, numbered};
use crate::datasets::source::{Source, settings};
use crate::datasets::{Dataset, DatasetError};
use crate::experiment::{Allowed, Data, DataKind, DatasetEntry, Key, Path, Settings};
use crate::random::{between, normal};
use crate::units::InputShape;

/// The generated data set.
pub(super) struct Moons;

fn keys() -> Vec<Key> {
    vec![Key::with_default(
        "noise",
        "the standard deviation of noise",
        Allowed::Number { least: 0.0, most: 1.0 },
        0.15,
    )]
}

impl Source for Moons {
    fn entry(&self) -> DatasetEntry {
        DatasetEntry {
            name: "moons",
            summary: "points of a plane on two half circles, generated from the seed; needs no files",
            kind: DataKind::Vectors,
            path: Path::None,
            keys: keys(),
        }
    }

    fn generated_bytes(&self, data: &Data) -> u64 {
        bytes_of_vectors(data, 2)
    }

    fn load(&self, data: &Data, seed: u64) -> Result<Dataset, DatasetError> {
        Ok(generate(data, &settings(data, &keys()), seed))
    }
}

fn generate(data: &Data, settings: &Settings, seed: u64) -> Dataset {
    let noise = settings.number("noise").unwrap_or(0.15);
    let [train, test] = Streams::of(data, seed, ["moons/train", "moons/test"]).map(|streams| {
        streams.vectors(2, |moon, random| {
            let angle = between(random, 0.0, PI);
            let [x, y] = [angle.cos(), angle.sin()];
            let point = if moon == 0 { [x, y] } else { [1.0 - x, 0.5 - y] };
            point.map(|coordinate| coordinate + noise * normal(random))
        })
    });
    Dataset::new(InputShape::Vector { features: 2 }, numbered(2), train, test)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::generated::{check_streams, hash_of_first};

    fn moons(seed: u64, train: usize, test: usize, noise: f64) -> Dataset {
        let data = Data { train_images: Some(train), test_images: Some(test), ..Data::named("moons") };
        generate(&data, &settings(&data, &keys()).with("noise", noise.into()), seed)
    }

    #[test]
    fn the_first_points_are_the_same_for_ever() {
        let dataset = moons(0, 64, 64, 0.15);
        let expected = [
            "0ee08b06f69901d2fae6d2cd82742cdff447b5405c70c818d59cf1d1b9c91d1f",
            "0137e990dd087d54f8bc88d5fceeffe6356162d9226d100eb26b4b7eaae59935",
        ];
        assert_eq!([&dataset.train, &dataset.test].map(hash_of_first), expected);
        check_streams(|seed, train, test| moons(seed, train, test, 0.15));
    }

    #[test]
    fn without_noise_each_point_is_on_its_own_half_circle() {
        let dataset = moons(5, 400, 100, 0.0);
        let points = dataset.train.numbers().as_chunks::<2>().0.iter();
        for (&[x, y], &label) in points.zip(&dataset.train.labels) {
            let (from_centre, is_own_half) =
                if label == 0 { (x.hypot(y), y > -1e-6) } else { ((x - 1.0).hypot(y - 0.5), y < 0.5 + 1e-6) };
            assert!((from_centre - 1.0).abs() < 1e-6 && is_own_half, "{x}, {y} in class {label}");
        }
        assert_eq!(dataset.train.labels.iter().filter(|&&label| label == 1).count(), 200);
    }
}
