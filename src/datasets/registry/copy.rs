//! `copy`: symbols to be repeated, drawn from a seed. What a network must learn is to look back a fixed distance.
//!
//! A sequence has `length` symbols, a separator, and the same symbols again except for the last, which is only
//! predicted. Symbols are the tokens from 0 to `symbols - 1`, the separator is the one after. At the separator and
//! behind it, the label is the symbol that comes next. Such as for 3 of 16 symbols, with `.` where nothing is to be
//! predicted:
//!
//! ```text
//! tokens   7 0 12 | 7 0       numbers   7 0 12 16 7 0
//! labels   . . .  7 0 12                . . .  7  0 12
//! ```
//!
//! Where sequences are short, a test sequence can by chance be one of the training split.

use rand_xoshiro::Xoshiro256PlusPlus;

use crate::datasets::generated::{Streams, bytes_of_sequences, numbered};
use crate::datasets::source::{Source, settings};
use crate::datasets::{Dataset, DatasetError, NO_LABEL};
use crate::experiment::{Allowed, Data, DataKind, DatasetEntry, Key, Path, Settings};
use crate::random::below;
use crate::units::InputShape;

/// The generated data set.
pub(super) struct CopyTask;

fn keys() -> Vec<Key> {
    vec![
        Key::with_default("length", "symbols to be repeated", Allowed::Whole { least: 1, most: 512 }, 10),
        Key::with_default(
            "symbols",
            "different symbols, the classes",
            Allowed::Whole { least: 2, most: 256 },
            16,
        ),
    ]
}

fn length(settings: &Settings) -> usize {
    settings.whole("length").unwrap_or(10)
}

impl Source for CopyTask {
    fn entry(&self) -> DatasetEntry {
        DatasetEntry {
            name: "copy",
            summary: "sequences of symbols to be repeated, generated from the seed; needs no files",
            kind: DataKind::Sequences,
            path: Path::None,
            keys: keys(),
        }
    }

    fn generated_bytes(&self, data: &Data) -> u64 {
        bytes_of_sequences(data, 2 * length(&settings(data, &keys())))
    }

    fn load(&self, data: &Data, seed: u64) -> Result<Dataset, DatasetError> {
        Ok(generate(data, &settings(data, &keys()), seed))
    }
}

fn generate(data: &Data, settings: &Settings, seed: u64) -> Dataset {
    let (length, symbols) = (length(settings), settings.whole("symbols").unwrap_or(16));
    let context = 2 * length;
    let [train, test] = Streams::of(data, seed, ["copy/train", "copy/test"])
        .map(|streams| streams.sequences(context, |random| draw(length, symbols, random)));
    let shape = InputShape::Sequence { context, vocabulary: symbols + 1 };
    Dataset::new(shape, numbered(symbols), train, test)
}

/// Draws a sequence: tokens with their labels.
fn draw(length: usize, symbols: usize, random: &mut Xoshiro256PlusPlus) -> Vec<(u16, u16)> {
    let told: Vec<u16> = (0..length).map(|_| below(random, symbols as u64) as u16).collect();
    let separator_and_repeat = std::iter::once(symbols as u16).chain(told.iter().copied());
    let first = told.iter().map(|&symbol| (symbol, NO_LABEL));
    first.chain(separator_and_repeat.zip(told.iter().copied())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::Batch;
    use crate::datasets::generated::{check_streams, hash_of_first};

    fn copy(seed: u64, train: usize, test: usize, length: usize, symbols: usize) -> Dataset {
        let data = Data { train_images: Some(train), test_images: Some(test), ..Data::named("copy") };
        let settings = settings(&data, &keys());
        generate(&data, &settings.with("length", length.into()).with("symbols", symbols.into()), seed)
    }

    #[test]
    fn the_first_sequences_are_the_same_for_ever() {
        let dataset = copy(0, 64, 64, 10, 16);
        let expected = [
            "e54a3e42b8a16340456dd6fbf74abe2655327ce389c55a17bd9733d1c783a414",
            "277a581b1f6c95bc824ad56492747a8cff54d6f61c2c0b2555637c44e0b4b612",
        ];
        assert_eq!([&dataset.train, &dataset.test].map(hash_of_first), expected);
        check_streams(|seed, train, test| copy(seed, train, test, 10, 16));
    }

    #[test]
    fn the_repeat_is_what_was_told() {
        for (length, symbols) in [(10, 16), (1, 2), (512, 256)] {
            let dataset = copy(1, 20, 5, length, symbols);
            let context = 2 * length;
            assert_eq!(dataset.shape, InputShape::Sequence { context, vocabulary: symbols + 1 });
            assert_eq!(dataset.classes.len(), symbols);
            let mut batch = Batch::default();
            dataset.evaluation_batch(&dataset.train, 0..20, &mut batch);
            let sequences = batch.inputs.tokens().unwrap().chunks(context).zip(batch.labels.chunks(context));
            for (tokens, labels) in sequences {
                let (told, rest) = tokens.split_at(length);
                assert!(told.iter().all(|&symbol| usize::from(symbol) < symbols));
                assert_eq!(usize::from(rest[0]), symbols, "the separator");
                assert_eq!(rest[1..], told[..length - 1]);
                assert!(labels[..length].iter().all(|&label| label == NO_LABEL));
                assert_eq!(&labels[length..], told);
            }
        }
    }

    #[test]
    fn symbols_are_balanced() {
        let dataset = copy(0, 1600, 1, 10, 16);
        for class in 0..16 {
            let count = dataset.train.labels.iter().filter(|&&label| label == class).count();
            assert!((850..1150).contains(&count), "{count} of 16000 in class {class}");
        }
    }
}
