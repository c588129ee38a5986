//! `recall`: associative recall (Arora et al. 2023, "Zoology"): pairs of a key and a value, then some of the keys
//! again, for each of which its value is to be told. Drawn from a seed.
//!
//! A sequence has `pairs` different keys, each followed by a value, then `queries` keys out of these; keys may be asked
//! for twice, and values may repeat. Keys are the tokens from 0 to `keys - 1`, values those that follow. Only queries
//! have labels: the value that stands after the same key among the pairs, counted from 0. Such as for 3 pairs, 2
//! queries, 8 keys and 8 values, with `.` where nothing is to be predicted:
//!
//! ```text
//! tokens   k5 v2 k0 v7 k3 v2 | k3 k5       numbers   5 10 0 15 3 10 3 5
//! labels   .  .  .  .  .  .    v2 v2                 .  .  . .  . .  2 2
//! ```
//!
//! A causal network needs two layers of attention for it: one that sees which key a value follows, and one that looks
//! for the key that is asked for. Where pairs are few, a test sequence can by chance be one of the training split.

use rand_xoshiro::Xoshiro256PlusPlus;

use crate::datasets::generated::{Streams, bytes_of_sequences, numbered};
use crate::datasets::source::{Source, settings};
use crate::datasets::{Dataset, DatasetError, NO_LABEL};
use crate::experiment::{Allowed, Data, DataKind, DatasetEntry, Key, Path, Settings};
use crate::random::{below, shuffle};
use crate::units::InputShape;

/// The generated data set.
pub(super) struct Recall;

fn keys() -> Vec<Key> {
    let up_to = |most| Allowed::Whole { least: 1, most };
    vec![
        Key::with_default("pairs", "pairs of a key and a value, at most as many as keys", up_to(256), 4),
        Key::with_default("queries", "keys that are asked for", up_to(256), 4),
        Key::with_default("keys", "different keys", up_to(1024), 8),
        Key::with_default(
            "values",
            "different values, the classes",
            Allowed::Whole { least: 2, most: 256 },
            8,
        ),
    ]
}

/// The sizes of a sequence.
#[derive(Clone, Copy)]
struct Sizes {
    pairs: usize,
    queries: usize,
    keys: usize,
    values: usize,
}

impl Sizes {
    fn of(settings: &Settings) -> Sizes {
        let size = |key, default| settings.whole(key).unwrap_or(default);
        Sizes {
            pairs: size("pairs", 4),
            queries: size("queries", 4),
            keys: size("keys", 8),
            values: size("values", 8),
        }
    }

    fn context(self) -> usize {
        2 * self.pairs + self.queries
    }
}

impl Source for Recall {
    fn entry(&self) -> DatasetEntry {
        DatasetEntry {
            name: "recall",
            summary: "sequences of keys with values, of which some are asked for, generated from the seed",
            kind: DataKind::Sequences,
            path: Path::None,
            keys: keys(),
        }
    }

    fn generated_bytes(&self, data: &Data) -> u64 {
        bytes_of_sequences(data, Sizes::of(&settings(data, &keys())).context())
    }

    fn load(&self, data: &Data, seed: u64) -> Result<Dataset, DatasetError> {
        generate(data, &settings(data, &keys()), seed)
    }
}

fn generate(data: &Data, settings: &Settings, seed: u64) -> Result<Dataset, DatasetError> {
    let sizes = Sizes::of(settings);
    if sizes.pairs > sizes.keys {
        let (expected, found) = (format!("at most {}, the number of keys", sizes.keys), sizes.pairs);
        return Err(DatasetError::key("pairs", expected, found.to_string(), "lower it or raise data.keys"));
    }
    let streams = Streams::of(data, seed, ["recall/train", "recall/test"]);
    let [train, test] =
        streams.map(|streams| streams.sequences(sizes.context(), |random| draw(sizes, random)));
    let shape = InputShape::Sequence { context: sizes.context(), vocabulary: sizes.keys + sizes.values };
    Ok(Dataset::new(shape, numbered(sizes.values), train, test))
}

/// Draws a sequence: tokens with their labels.
fn draw(sizes: Sizes, random: &mut Xoshiro256PlusPlus) -> Vec<(u16, u16)> {
    let mut keys: Vec<u16> = (0..sizes.keys as u16).collect();
    shuffle(random, &mut keys);
    let mut value = || below(random, sizes.values as u64) as u16;
    let pairs: Vec<(u16, u16)> = keys.iter().take(sizes.pairs).map(|&key| (key, value())).collect();
    let tokens = pairs.iter().flat_map(|&(key, value)| [key, sizes.keys as u16 + value]);
    let mut sequence: Vec<(u16, u16)> = tokens.map(|token| (token, NO_LABEL)).collect();
    sequence.extend((0..sizes.queries).map(|_| pairs[below(random, pairs.len() as u64) as usize]));
    sequence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::Batch;
    use crate::datasets::generated::{check_streams, hash_of_first};
    use crate::experiment::Setting;

    fn recall(seed: u64, train: usize, test: usize, set: &[(&str, usize)]) -> Result<Dataset, DatasetError> {
        let data = Data { train_images: Some(train), test_images: Some(test), ..Data::named("recall") };
        let mut settings = settings(&data, &keys());
        set.iter().for_each(|&(key, value)| settings.set(key, Setting::Whole(value)));
        generate(&data, &settings, seed)
    }

    #[test]
    fn the_first_sequences_are_the_same_for_ever() {
        let dataset = recall(0, 64, 64, &[]).unwrap();
        let expected = [
            "ddaa6d71564ab06f41bfb78e50f3744fde932be1851e9951395f8b4a74cc370a",
            "11a5abd823082c53157f157e4a2e72671efa452b7c16bf843bc554249f3ee16b",
        ];
        assert_eq!([&dataset.train, &dataset.test].map(hash_of_first), expected);
        // With more pairs, since of few some would occur twice by chance.
        let many = [("pairs", 16), ("keys", 40), ("values", 40)];
        check_streams(|seed, train, test| recall(seed, train, test, &many).unwrap());
    }

    #[test]
    fn every_answer_follows_from_the_pairs() {
        for (pairs, queries, keys, values) in [(4, 4, 8, 8), (1, 1, 1, 2), (8, 3, 8, 5), (256, 9, 300, 256)] {
            let set = [("pairs", pairs), ("queries", queries), ("keys", keys), ("values", values)];
            let dataset = recall(1, 40, 10, &set).unwrap();
            let context = 2 * pairs + queries;
            assert_eq!(dataset.shape, InputShape::Sequence { context, vocabulary: keys + values });
            let mut batch = Batch::default();
            dataset.evaluation_batch(&dataset.train, 0..40, &mut batch);
            let sequences = batch.inputs.tokens().unwrap().chunks(context).zip(batch.labels.chunks(context));
            for (tokens, labels) in sequences {
                let (told, asked) = tokens.split_at(2 * pairs);
                assert!(labels[..2 * pairs].iter().all(|&label| label == NO_LABEL));
                let found = told.as_chunks::<2>().0;
                assert!(found.iter().all(|[key, value]| usize::from(*key) < keys
                    && (keys..keys + values).contains(&usize::from(*value))));
                for (query, label) in asked.iter().zip(&labels[2 * pairs..]) {
                    let answers: Vec<u16> =
                        found.iter().filter(|[key, _]| key == query).map(|[_, value]| *value).collect();
                    assert_eq!(answers, [label + keys as u16], "one pair has the key that is asked for");
                }
            }
        }
    }

    #[test]
    fn answers_are_balanced() {
        let dataset = recall(0, 2000, 10, &[]).unwrap();
        let labels: Vec<u16> =
            dataset.train.labels.iter().copied().filter(|&label| label != NO_LABEL).collect();
        assert_eq!(labels.len(), 8000);
        for class in 0..8 {
            let count = labels.iter().filter(|&&label| label == class).count();
            assert!((850..1150).contains(&count), "{count} of 8000 in class {class}");
        }
    }

    #[test]
    fn more_pairs_than_keys_are_refused() {
        let message = recall(0, 4, 4, &[("pairs", 9)]).unwrap_err().to_string();
        assert_eq!(message, "expected at most 8, the number of keys, found 9; lower it or raise data.keys");
    }
}
