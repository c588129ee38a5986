//! Images with labels: the data sets by name, their splits in memory, and the batches drawn from them. Knows nothing of
//! networks or of how a batch is used.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::experiment::{Data, DatasetEntry};
use crate::random::hex;
use crate::units::ImageShape;

mod assembly;
mod cifar;
mod error;
mod files;
mod idx_folder;
mod idx_format;
mod order;
mod registry;
mod source;
mod standardisation;

pub use assembly::Augmentation;
pub use error::{DatasetError, FileError};
pub use order::BatchOrder;

use standardisation::Standardisation;

/// A data set in memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The shape of its images.
    pub shape: ImageShape,
    /// The names of its classes, in the order of the labels.
    pub classes: Vec<String>,
    /// Images to train on.
    pub train: Images,
    /// Images to test on; none of them is in `train`.
    pub test: Images,
    /// The standardisation by the moments of the training split.
    standardisation: Standardisation,
    /// See [`Dataset::hash`].
    hash: OnceLock<String>,
}

/// A split: images of one shape, row after row of pixels with their channels together (NHWC), and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// `labels.len()` images.
    pub pixels: Vec<u8>,
    /// One label per image, below the number of classes.
    pub labels: Vec<u8>,
}

/// A batch as networks read it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Standardised pixels, NHWC.
    pub images: Vec<f32>,
    /// One label per image.
    pub labels: Vec<u8>,
}

/// What the parser of experiments needs to know about every registered data set.
pub fn available() -> Vec<DatasetEntry> {
    registry::SOURCES.iter().map(|source| source.entry()).collect()
}

fn find(data: &Data) -> Option<&'static dyn source::Source> {
    registry::SOURCES.iter().copied().find(|source| source.entry().name == data.name)
}

/// The bytes that the images of a generated data set will take; 0 for data sets from files, `u64::MAX` on overflow.
pub fn generated_bytes(data: &Data) -> u64 {
    find(data).map_or(0, |source| source.generated_bytes(data))
}

/// Generates or reads the data set of an experiment, with at most as many images as it asks for.
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
    /// Puts splits together and measures the training split, by which all pixels are standardised. The splits hold
    /// whole images of `shape`.
    ///
    /// # Panics
    /// If images have neither one channel nor three.
    pub fn new(shape: ImageShape, classes: Vec<String>, train: Images, test: Images) -> Dataset {
        debug_assert_eq!(train.pixels.len(), train.labels.len() * shape.len());
        debug_assert_eq!(test.pixels.len(), test.labels.len() * shape.len());
        let standardisation = Standardisation::of(&train.pixels, shape.channels);
        Dataset { shape, classes, train, test, standardisation, hash: OnceLock::new() }
    }

    /// SHA-256, in hex, of all that a network sees: shape and classes, images and labels of both splits. Computed once,
    /// when first asked for: the 184 MB of CIFAR-10 take 130 ms with SHA instructions.
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            let ImageShape { channels, height, width } = self.shape;
            let mut hash = Sha256::new();
            let number = |hash: &mut Sha256, number: usize| hash.update((number as u64).to_le_bytes());
            [channels, height, width, self.classes.len()].iter().for_each(|&size| number(&mut hash, size));
            for class in &self.classes {
                number(&mut hash, class.len());
                hash.update(class);
            }
            for split in [&self.train, &self.test] {
                number(&mut hash, split.len());
                hash.update(&split.labels);
                hash.update(&split.pixels);
            }
            hex(hash)
        })
    }
}

impl Images {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Keeps only the first `most` images, if given.
    fn truncate(&mut self, most: Option<usize>, image_len: usize) {
        let kept = most.unwrap_or(usize::MAX).min(self.len());
        self.labels.truncate(kept);
        self.pixels.truncate(kept * image_len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tells_of_every_pixel_label_and_split() {
        let shape = ImageShape { channels: 1, height: 2, width: 2 };
        let images = |labels: &[u8]| Images {
            pixels: (0..4 * labels.len()).map(|at| at as u8).collect(),
            labels: labels.to_vec(),
        };
        let classes: Vec<String> = ["a", "b"].map(str::to_owned).to_vec();
        let of = |train: &Images, test: &Images| {
            Dataset::new(shape, classes.clone(), train.clone(), test.clone()).hash().to_owned()
        };
        let (train, test) = (images(&[0, 1, 1]), images(&[1]));
        let hash = of(&train, &test);
        assert_eq!((hash.len(), &hash), (64, &of(&train, &test)));
        let mut others = vec![of(&test, &train), of(&images(&[0, 1]), &test)];
        for at in 0..train.pixels.len() {
            let mut train = train.clone();
            train.pixels[at] ^= 1;
            others.push(of(&train, &test));
        }
        let mut relabelled = test.clone();
        relabelled.labels[0] = 0;
        others.push(of(&train, &relabelled));
        let renamed = ["a", "c"].map(str::to_owned).to_vec();
        others.push(Dataset::new(shape, renamed, train, test).hash().to_owned());
        assert!(!others.contains(&hash));
    }
}
