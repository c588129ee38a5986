//! `spirals`: points of a plane on spiral arms that wind around each other, a class per arm, drawn from a seed.
//!
//! Point `i` of a split is on arm `i mod arms`, at a radius r that is uniform in 0.1..1 and an angle, in turns, of
//! `arm / arms + turns * r`; noise of a standard deviation is added to both coordinates. Radially, arms are
//! `1 / (arms * turns)` apart: with the defaults 0.22, so that about 3 % of the points are nearer to another arm.

use std::f64::consts::TAU;

use crate::datasets::generated::{Streams, bytes_of_vectors, numbered};
use crate::datasets::source::{Source, settings};
use crate::datasets::{Dataset, DatasetError};
use crate::experiment::{Allowed, Data, DataKind, DatasetEntry, Key, Path, Settings};
use crate::random::{between, normal};
use crate::units::InputShape;

/// The radii of points without noise.
const RADII: [f64; 2] = [0.1, 1.0];

/// The generated data set.
pub(super) struct Spirals;

fn keys() -> Vec<Key> {
    vec![
        Key::with_default("arms", "arms, each a class", Allowed::Whole { least: 2, most: 16 }, 3),
        Key::with_default(
            "turns",
            "turns of an arm around the centre",
            Allowed::Number { least: 0.25, most: 4.0 },
            1.5,
        ),
        Key::with_default(
            "noise",
            "the standard deviation of noise",
            Allowed::Number { least: 0.0, most: 1.0 },
            0.05,
        ),
    ]
}

impl Source for Spirals {
    fn entry(&self) -> DatasetEntry {
        DatasetEntry {
            name: "spirals",
            summary: "points of a plane on spiral arms, generated from the seed; needs no files",
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
    let arms = settings.whole("arms").unwrap_or(3);
    let turns = settings.number("turns").unwrap_or(1.5);
    let noise = settings.number("noise").unwrap_or(0.05);
    let streams = Streams::of(data, seed, ["spirals/train", "spirals/test"]);
    let [train, test] = streams.map(|streams| {
        streams.vectors(arms, |arm, random| {
            let radius = between(random, RADII[0], RADII[1]);
            let angle = TAU * (arm as f64 / arms as f64 + turns * radius);
            [angle.cos(), angle.sin()].map(|direction| radius * direction + noise * normal(random))
        })
    });
    Dataset::new(InputShape::Vector { features: 2 }, numbered(arms), train, test)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::generated::{check_streams, hash_of_first};
    use crate::experiment::Setting;

    fn spirals(seed: u64, train: usize, test: usize, set: &[(&str, Setting)]) -> Dataset {
        let data = Data { train_images: Some(train), test_images: Some(test), ..Data::named("spirals") };
        let mut settings = settings(&data, &keys());
        set.iter().for_each(|(key, value)| settings.set(key, value.clone()));
        generate(&data, &settings, seed)
    }

    /// The share of points whose nearest arm, by radius and angle, is another than their own.
    fn astray(dataset: &Dataset, arms: usize, turns: f64) -> f64 {
        let points = dataset.train.numbers().as_chunks::<2>().0;
        let wrong = points.iter().zip(&dataset.train.labels).filter(|(point, label)| {
            let [x, y] = point.map(f64::from);
            let own = (y.atan2(x) / TAU - turns * x.hypot(y)).rem_euclid(1.0) * arms as f64;
            (own.round() as usize) % arms != usize::from(**label)
        });
        wrong.count() as f64 / points.len() as f64
    }

    #[test]
    fn the_first_points_are_the_same_for_ever() {
        let dataset = spirals(0, 64, 64, &[]);
        let expected = [
            "2e707997d7792dd37426a619223a836ebc6b0eef15e5139c6199c04cadc24cb6",
            "f4392bc4d6ef33b53c8815d77efc6bdfc1c4667ba15c5d21719735040a6a00d9",
        ];
        assert_eq!([&dataset.train, &dataset.test].map(hash_of_first), expected);
        check_streams(|seed, train, test| spirals(seed, train, test, &[]));
    }

    #[test]
    fn radius_and_angle_tell_the_arm_and_noise_blurs_it() {
        for (arms, turns) in [(3, 1.5), (2, 0.25), (7, 4.0)] {
            let set = [("arms", arms.into()), ("turns", turns.into()), ("noise", 0.0.into())];
            let dataset = spirals(0, 700, 1, &set);
            assert_eq!(astray(&dataset, arms, turns), 0.0);
            assert_eq!(dataset.classes.len(), arms);
            let of_first = dataset.train.labels.iter().filter(|&&label| label == 0).count();
            assert!(of_first == 700_usize.div_ceil(arms), "{of_first} of 700 in one of {arms} classes");
            let radii = dataset.train.numbers().as_chunks::<2>().0.iter().map(|[x, y]| x.hypot(*y));
            assert!(radii.into_iter().all(|radius| (0.0999..1.0001).contains(&radius)));
        }
        let noisy = astray(&spirals(0, 4000, 1, &[]), 3, 1.5);
        assert!((0.01..0.06).contains(&noisy), "{noisy} are astray");
    }
}
