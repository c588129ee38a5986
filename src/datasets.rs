//! Images with labels: the data sets by name, their splits in memory, and the batches drawn from them.
//! Knows nothing of networks, nor of what is done with a batch.

use crate::experiment::{Data, DatasetEntry};
use crate::units::ImageShape;

mod assembly;
mod cifar;
mod error;
mod files;
mod idx_folder;
mod idx_format;
mod order;
mod registry;
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
    /// By the moments of the training split.
    standardisation: Standardisation,
}

/// A split: images of one shape, row after row of pixels with their channels together (NHWC), and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// `labels.len()` images.
    pub pixels: Vec<u8>,
    /// A label an image, below the number of classes.
    pub labels: Vec<u8>,
}

/// A batch as the networks take it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Standardised pixels, NHWC.
    pub images: Vec<f32>,
    /// A label an image.
    pub labels: Vec<u8>,
}

/// What the parser of experiments must know of every registered data set.
pub fn catalogue() -> Vec<DatasetEntry> {
    registry::SOURCES.iter().map(|source| source.entry()).collect()
}

/// Generates or reads the data set of an experiment, with at most as many images as it asks for.
///
/// # Errors
/// A name that is not registered, and files that are missing, cannot be read or are not what they should be.
pub fn load(data: &Data, seed: u64) -> Result<Dataset, DatasetError> {
    let source = registry::SOURCES.iter().find(|source| source.entry().name == data.name);
    let source = source.ok_or_else(|| DatasetError::UnknownName {
        name: data.name.clone(),
        known: catalogue().iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
    })?;
    source.load(data, seed)
}

impl Dataset {
    /// Puts splits together and measures the training split, by which all pixels are standardised. The splits hold whole images of `shape`.
    ///
    /// # Panics
    /// Where images have neither one channel nor three.
    pub fn new(shape: ImageShape, classes: Vec<String>, train: Images, test: Images) -> Dataset {
        debug_assert_eq!(train.pixels.len(), train.labels.len() * shape.len());
        debug_assert_eq!(test.pixels.len(), test.labels.len() * shape.len());
        let standardisation = Standardisation::of(&train.pixels, shape.channels);
        Dataset { shape, classes, train, test, standardisation }
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

    /// Keeps the first `most` images, where that is asked for.
    fn truncate(&mut self, most: Option<usize>, image_len: usize) {
        let kept = most.unwrap_or(usize::MAX).min(self.len());
        self.labels.truncate(kept);
        self.pixels.truncate(kept * image_len);
    }
}
