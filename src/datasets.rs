//! Examples with labels: the data sets by name, their splits in memory, and the batches drawn from them. An example is
//! an image, a vector of numbers or a sequence of tokens. Knows nothing of networks or of how a batch is used.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::experiment::{Data, DatasetEntry};
use crate::random::hex;
use crate::units::{ImageShape, InputShape};

mod examples;
mod batch;
mod standardisation;
mod augmentation;
mod assembly;
mod order;
mod error;
mod files;
mod generated;
mod csv_table;
mod csv_columns;
mod cifar;
mod idx_folder;
mod idx_format;
mod source;
mod registry;

pub use augmentation::Augmentation;
pub use batch::{Batch, Inputs};
pub use error::{DatasetError, FileError};
pub use examples::{Examples, NO_LABEL, Stored};
pub use order::BatchOrder;

use standardisation::Standardisation;

/// A data set in memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The form and size of its examples.
    pub shape: InputShape,
    /// The names of its classes, in the order of the labels.
    pub classes: Vec<String>,
    /// Examples to train on.
    pub train: Examples,
    /// Examples to test on; none of them is in `train`.
    pub test: Examples,
    /// The standardisation by the moments of the training split.
    standardisation: Standardisation,
    /// See [`Dataset::hash`].
    hash: OnceLock<String>,
}

/// What the parser of experiments needs to know about every registered data set.
pub fn available() -> Vec<DatasetEntry> {
    registry::SOURCES.iter().map(|source| source.entry()).collect()
}

fn find(data: &Data) -> Option<&'static dyn source::Source> {
    registry::SOURCES.iter().copied().find(|source| source.entry().name == data.name)
}

/// The bytes that the examples of a generated data set will take; 0 for data sets from files, `u64::MAX` on overflow.
pub fn generated_bytes(data: &Data) -> u64 {
    find(data).map_or(0, |source| source.generated_bytes(data))
}

/// Generates or reads the data set of an experiment, with at most as many examples as it asks for.
///
/// # Errors
/// Where the name is not registered, or files are missing, unreadable or not as expected.
pub fn load(data: &Data, seed: u64) -> Result<Dataset, DatasetError> {
    let source = find(data).ok_or_else(|| DatasetError::UnknownName {
        name: data.name.clone(),
        known: available().iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
    })?;
    source.load(data, seed)
}

impl Dataset {
    /// Puts splits together and measures the training split, by which all pixels and features are standardised.
    ///
    /// # Panics
    /// If the splits don't hold whole examples of this shape, or if images have neither one channel nor three.
    pub fn new(
        shape: impl Into<InputShape>,
        classes: Vec<String>,
        train: Examples,
        test: Examples,
    ) -> Dataset {
        let shape = shape.into();
        assert!(train.are(shape) && test.are(shape), "expected whole examples of {shape} in both splits");
        let standardisation = Standardisation::of(&train, shape);
        Dataset { shape, classes, train, test, standardisation, hash: OnceLock::new() }
    }

    /// SHA-256, in hex, of all that a network sees: shape and classes, inputs and labels of both splits. Computed once,
    /// when first asked for: the 184 MB of CIFAR-10 take 130 ms with SHA instructions.
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            let mut hash = Sha256::new();
            hash_shape(&mut hash, self.shape);
            hash_number(&mut hash, self.classes.len());
            for class in &self.classes {
                hash_number(&mut hash, class.len());
                hash.update(class);
            }
            hash_examples(&mut hash, &self.train);
            hash_examples(&mut hash, &self.test);
            hex(hash)
        })
    }
}

fn hash_number(hash: &mut Sha256, number: usize) {
    hash.update((number as u64).to_le_bytes());
}

/// Images came first, and have no name of their form.
fn hash_shape(hash: &mut Sha256, shape: InputShape) {
    match shape {
        InputShape::Image(ImageShape { channels, height, width }) => {
            [channels, height, width].into_iter().for_each(|side| hash_number(hash, side));
        }
        InputShape::Sequence { context, vocabulary } => {
            hash.update("sequence");
            [context, vocabulary].into_iter().for_each(|number| hash_number(hash, number));
        }
        InputShape::Vector { features } => {
            hash.update("vector");
            hash_number(hash, features);
        }
    }
}

/// Labels of images are hashed as bytes, which they were when the first hashes were written to logs.
fn hash_examples(hash: &mut Sha256, examples: &Examples) {
    hash_number(hash, examples.len());
    match &examples.inputs {
        Stored::Pixels(pixels) => {
            hash_each(hash, &examples.labels, |label| [label as u8]);
            hash.update(pixels);
        }
        Stored::Numbers(numbers) => {
            hash_each(hash, &examples.labels, u16::to_le_bytes);
            hash_each(hash, numbers, f32::to_le_bytes);
        }
        Stored::Tokens { tokens, starts } => {
            hash_each(hash, &examples.labels, u16::to_le_bytes);
            hash_each(hash, tokens, u16::to_le_bytes);
            hash_each(hash, starts, |start| (start as u64).to_le_bytes());
        }
    }
}

fn hash_each<T: Copy, const BYTES: usize>(hash: &mut Sha256, items: &[T], bytes: impl Fn(T) -> [u8; BYTES]) {
    // In parts, so that no copy of everything is made.
    for items in items.chunks(4096) {
        hash.update(items.iter().flat_map(|&item| bytes(item)).collect::<Vec<u8>>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tells_of_every_pixel_label_and_split() {
        let shape = ImageShape { channels: 1, height: 2, width: 2 };
        let images =
            |labels: &[u8]| Examples::images((0..4 * labels.len()).map(|at| at as u8).collect(), labels);
        let classes: Vec<String> = ["a", "b"].map(str::to_owned).to_vec();
        let of = |train: &Examples, test: &Examples| {
            Dataset::new(shape, classes.clone(), train.clone(), test.clone()).hash().to_owned()
        };
        let (train, test) = (images(&[0, 1, 1]), images(&[1]));
        let hash = of(&train, &test);
        // As in logs of earlier versions, whose labels were bytes.
        assert_eq!(hash, "61775d422d3f9c3d5d0ca2a23d58f93356d394375af75ac72d15077b9ffec77a");
        assert_eq!(hash, of(&train, &test));
        let mut others = vec![of(&test, &train), of(&images(&[0, 1]), &test)];
        for at in 0..train.pixels().len() {
            let mut pixels = train.pixels().to_vec();
            pixels[at] ^= 1;
            others.push(of(&Examples::images(pixels, &[0, 1, 1]), &test));
        }
        let mut relabelled = test.clone();
        relabelled.labels[0] = 0;
        others.push(of(&train, &relabelled));
        let renamed = ["a", "c"].map(str::to_owned).to_vec();
        others.push(Dataset::new(shape, renamed, train, test).hash().to_owned());
        assert!(!others.contains(&hash));
    }

    #[test]
    fn the_hash_tells_of_every_number_token_and_start() {
        let numbers = |numbers: &[f32], labels: &[u16]| {
            let of = || Examples::vectors(numbers.to_vec(), labels.to_vec());
            Dataset::new(InputShape::Vector { features: 1 }, Vec::new(), of(), of()).hash().to_owned()
        };
        let tokens = |context, tokens: &[u16], labels: &[u16], starts: &[usize]| {
            let inputs = Stored::Tokens { tokens: tokens.to_vec(), starts: starts.to_vec() };
            let of = || Examples { inputs: inputs.clone(), labels: labels.to_vec() };
            let shape = InputShape::Sequence { context, vocabulary: 9 };
            Dataset::new(shape, Vec::new(), of(), of()).hash().to_owned()
        };
        let hashes = [
            numbers(&[1.0, 2.0], &[0, 1]),
            numbers(&[1.0, 2.5], &[0, 1]),
            numbers(&[1.0, 2.0], &[0, 256]),
            tokens(2, &[1, 2, 3], &[1, 2, NO_LABEL], &[0]),
            tokens(1, &[1, 2, 3], &[1, 2, NO_LABEL], &[0]),
            tokens(2, &[1, 2, 4], &[1, 2, NO_LABEL], &[0]),
            tokens(2, &[1, 2, 3], &[1, 2, 0], &[0]),
            tokens(2, &[1, 2, 3], &[1, 2, NO_LABEL], &[1]),
        ];
        let distinct: std::collections::BTreeSet<&String> = hashes.iter().collect();
        assert_eq!(distinct.len(), hashes.len());
        assert_eq!(hashes[0], numbers(&[1.0, 2.0], &[0, 1]));
    }
}
