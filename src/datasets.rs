//! Images with labels: the data sets by name, their splits in memory, and the batches drawn from them.

use crate::units::ImageShape;

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
    /// Mean of each channel over the training split, of pixels scaled to 0..1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel over the training split, of pixels scaled to 0..1.
    pub std: Vec<f32>,
}

/// A split: images of one shape, row after row of pixels with their channels together (NHWC), and labels.
#[derive(Clone, Debug, Default)]
pub struct Images {
    /// `labels.len()` images.
    pub pixels: Vec<u8>,
    /// A label an image, below the number of classes.
    pub labels: Vec<u8>,
}

/// A batch as the networks take it.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Standardised pixels, NHWC.
    pub images: Vec<f32>,
    /// A label an image.
    pub labels: Vec<u8>,
}

// To come, in rooms of their own:
// pub fn catalogue() -> Vec<DatasetEntry>
// pub fn load(data: &experiment::Data, seed: u64) -> Result<Dataset, DatasetError>
// pub struct BatchOrder  BatchOrder::new(images, batch, seed); order.indices(step: Step) -> Vec<u32> (step from 1)
//     ; order.hash(steps) -> String
// impl Dataset { pub fn training_batch(&self, order: &BatchOrder, step: Step, data: &Data, seed, into: &mut Batch)
//               pub fn evaluation_batch(&self, split: Split, range: Range<usize>, into: &mut Batch) }
