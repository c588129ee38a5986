//! What generated data sets have in common: how many examples they have, and a random stream for each, by which an
//! example depends neither on their number nor on any other example. So the first examples of a split are the same
//! however many are asked for, and no training example is drawn from the stream of a test example.

use rand_xoshiro::Xoshiro256PlusPlus;

use super::Examples;
use crate::experiment::Data;
use crate::random::stream;

/// Training and test examples where an experiment doesn't say.
const COUNTS: [usize; 2] = [4000, 1000];

/// The streams of the examples of a split.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    /// What they are for, such as `spirals/train`.
    purpose: &'static str,
    seed: u64,
    count: usize,
}

impl Streams {
    /// The streams of training and test examples. `purposes` name them.
    pub(super) fn of(data: &Data, seed: u64, purposes: [&'static str; 2]) -> [Streams; 2] {
        let [train, test] = counts(data);
        [(purposes[0], train), (purposes[1], test)].map(|(purpose, count)| Streams { purpose, seed, count })
    }

    /// The examples in turn, each with its stream.
    pub(super) fn each(self) -> impl ExactSizeIterator<Item = (usize, Xoshiro256PlusPlus)> {
        (0..self.count).map(move |index| (index, stream(self.seed, self.purpose, index as u64)))
    }

    /// Vectors of which number `i` has class `i mod classes`, so that classes are balanced.
    pub(super) fn vectors<const FEATURES: usize>(
        self,
        classes: usize,
        draw: impl Fn(usize, &mut Xoshiro256PlusPlus) -> [f64; FEATURES],
    ) -> Examples {
        let (mut numbers, mut labels) = (Vec::with_capacity(self.count * FEATURES), Vec::new());
        for (index, mut random) in self.each() {
            let class = index % classes;
            numbers.extend(draw(class, &mut random).map(|number| number as f32));
            labels.push(class as u16);
        }
        Examples::vectors(numbers, labels)
    }

    /// Sequences of `context` tokens, each with its label.
    pub(super) fn sequences(
        self,
        context: usize,
        draw: impl Fn(&mut Xoshiro256PlusPlus) -> Vec<(u16, u16)>,
    ) -> Examples {
        let (tokens, labels) = self.each().flat_map(|(_, mut random)| draw(&mut random)).unzip();
        Examples::sequences(tokens, labels, context)
    }
}

/// The numbers of training and test examples.
fn counts(data: &Data) -> [usize; 2] {
    [data.train_images.unwrap_or(COUNTS[0]), data.test_images.unwrap_or(COUNTS[1])]
}

/// The bytes that vectors will take: each feature has four, each label two.
pub(super) fn bytes_of_vectors(data: &Data, features: usize) -> u64 {
    bytes(data, features.saturating_mul(size_of::<f32>()).saturating_add(size_of::<u16>()))
}

/// The bytes that sequences will take: token and label have two each, and the place of a sequence eight.
pub(super) fn bytes_of_sequences(data: &Data, context: usize) -> u64 {
    bytes(data, context.saturating_mul(2 * size_of::<u16>()).saturating_add(size_of::<usize>()))
}

fn bytes(data: &Data, each: usize) -> u64 {
    let [train, test] = counts(data);
    (train.saturating_add(test) as u64).saturating_mul(each as u64)
}

/// The names of classes that are numbered from 0.
pub(super) fn numbered(classes: usize) -> Vec<String> {
    (0..classes).map(|class| class.to_string()).collect()
}

/// SHA-256, in hex, of the first 64 examples. Numbers are rounded to thousandths, since sines, cosines and exponentials
/// may differ in their last bit between machines.
#[cfg(test)]
pub(super) fn hash_of_first(examples: &Examples) -> String {
    use sha2::{Digest, Sha256};

    use super::Stored;

    let mut hash = Sha256::new();
    let each = examples.labels.len() / examples.len() * 64;
    examples.labels[..each].iter().for_each(|label| hash.update(label.to_le_bytes()));
    match &examples.inputs {
        Stored::Numbers(numbers) => numbers[..numbers.len() / examples.len() * 64]
            .iter()
            .for_each(|number| hash.update(((number * 1000.0).round() as i32).to_le_bytes())),
        Stored::Tokens { tokens, .. } => {
            tokens[..each].iter().for_each(|token| hash.update(token.to_le_bytes()))
        }
        Stored::Pixels(pixels) => hash.update(&pixels[..pixels.len() / examples.len() * 64]),
    }
    crate::random::hex(hash)
}

/// Checks what holds for every generated data set: few examples are the first of many, and none is drawn twice in the
/// splits of two seeds.
#[cfg(test)]
pub(super) fn check_streams(load: impl Fn(u64, usize, usize) -> super::Dataset) {
    use std::collections::HashSet;

    use super::Batch;

    let (few, many) = (load(3, 20, 10), load(3, 50, 0));
    let mut batches = [Batch::default(), Batch::default()];
    for (dataset, batch) in [&few, &many].into_iter().zip(&mut batches) {
        // Unlike their standardised values, which depend on the split, inputs as they are stored can be compared.
        assert!(dataset.train.len() >= 20 && dataset.shape == few.shape && dataset.classes == few.classes);
        dataset.evaluation_batch(&dataset.train, 0..20, batch);
    }
    assert_eq!(batches[0].labels, batches[1].labels);
    assert_eq!(few.train.numbers(), &many.train.numbers()[..few.train.numbers().len()]);
    assert_eq!(batches[0].inputs.tokens(), batches[1].inputs.tokens());

    let (one, two) = (load(0, 500, 200), load(1, 500, 200));
    let mut distinct = HashSet::new();
    for split in [&one.train, &one.test, &two.train, &two.test] {
        for index in 0..split.len() {
            let (mut batch, len) = (Batch::default(), one.shape.len());
            let numbers = split.numbers().chunks(len).nth(index).unwrap_or_default();
            if numbers.is_empty() {
                one.evaluation_batch(split, index..index + 1, &mut batch);
            }
            let bits: Vec<u32> = numbers.iter().map(|number| number.to_bits()).collect();
            distinct.insert((bits, batch.inputs.tokens().unwrap_or_default().to_vec()));
        }
    }
    assert_eq!(distinct.len(), 1400, "an example occurs twice");
}
