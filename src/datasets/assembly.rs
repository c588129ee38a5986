//! Batches from images: standardised by the moments of the training split, shifted and mirrored where that
//! is wanted.

use rand_xoshiro::rand_core::Rng;

use super::{Batch, Dataset, Images};
use crate::experiment::Data;
use crate::random::{below, stream};
use crate::units::{ImageShape, Step};

/// Pixels that an image is padded with on every side before it is cropped (He et al. 2015, section 4.2).
const PADDING: i64 = 4;

/// What is done to training images, at random but the same in every lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Augmentation {
    /// Pads by four pixels of the mean colour and crops.
    pub crop: bool,
    /// Mirrors half of the images.
    pub flip: bool,
    /// The run's seed.
    pub seed: u64,
}

impl Augmentation {
    /// What an experiment asks for.
    pub fn of(data: &Data, seed: u64) -> Augmentation {
        Augmentation { crop: data.crop, flip: data.flip, seed }
    }
}

/// How one image of a batch is moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Move {
    down: i64,
    right: i64,
    mirrored: bool,
}

impl Dataset {
    /// Fills a batch with the given images of the training split, augmented for a step.
    ///
    /// The stream of (seed, step) gives every place of the batch three draws, whether they are used or not,
    /// so that flips don't change with crops. Indices are below the number of training images.
    pub fn training_batch(&self, indices: &[u32], step: Step, augmentation: Augmentation, into: &mut Batch) {
        let mut random = stream(augmentation.seed, "augmentation", step.0);
        let moves = indices.iter().map(|_| {
            let span = 2 * PADDING as u64 + 1;
            let [down, right] = std::array::from_fn(|_| below(&mut random, span) as i64 - PADDING);
            let mirrored = random.next_u64() >> 63 == 1;
            let (down, right) = if augmentation.crop { (down, right) } else { (0, 0) };
            Move { down, right, mirrored: mirrored && augmentation.flip }
        });
        self.fill(&self.train, indices.iter().map(|&index| index as usize).zip(moves), into);
    }

    /// Fills a batch with a range of a split's images as they are.
    pub fn evaluation_batch(&self, images: &Images, range: std::ops::Range<usize>, into: &mut Batch) {
        self.fill(images, range.map(|index| (index, Move::default())), into);
    }

    fn fill(&self, images: &Images, chosen: impl Iterator<Item = (usize, Move)>, into: &mut Batch) {
        into.images.clear();
        into.labels.clear();
        let tables = self.standardised_bytes();
        let len = self.shape.len();
        for (index, how) in chosen {
            let image = &images.pixels[index * len..][..len];
            into.labels.push(images.labels[index]);
            if how == Move::default() {
                let channels = self.shape.channels;
                into.images.extend(
                    image.chunks_exact(channels).flat_map(|pixel| pixel.iter().zip(&tables)).map(look_up),
                );
            } else {
                extend_moved(&mut into.images, image, self.shape, how, &tables);
            }
        }
    }

    /// The standardised value of every byte, a table a channel.
    fn standardised_bytes(&self) -> Vec<[f32; 256]> {
        let table = |(&mean, &std): (&f32, &f32)| {
            std::array::from_fn(|byte| ((byte as f64 / 255.0 - f64::from(mean)) / f64::from(std)) as f32)
        };
        self.mean.iter().zip(&self.std).map(table).collect()
    }
}

fn look_up((&byte, table): (&u8, &[f32; 256])) -> f32 {
    table[usize::from(byte)]
}

/// Adds an image moved; what comes in from outside is 0, the mean after standardisation.
fn extend_moved(into: &mut Vec<f32>, image: &[u8], shape: ImageShape, how: Move, tables: &[[f32; 256]]) {
    let inside = |at: i64, side: usize| usize::try_from(at).ok().filter(|&at| at < side);
    for row in 0..shape.height {
        for column in 0..shape.width {
            let column = if how.mirrored { shape.width - 1 - column } else { column };
            let row = inside(row as i64 + how.down, shape.height);
            match row.zip(inside(column as i64 + how.right, shape.width)) {
                Some((row, column)) => {
                    let pixel = &image[(row * shape.width + column) * shape.channels..][..shape.channels];
                    into.extend(pixel.iter().zip(tables).map(look_up));
                }
                None => into.extend(std::iter::repeat_n(0.0, shape.channels)),
            }
        }
    }
}

/// Mean and standard deviation (population) of each channel, of bytes scaled to 0..1; exact sums, then f64.
///
/// A channel without contrast gets the standard deviation of one level, 1/255, so that it can be divided by.
pub(super) fn channel_moments(pixels: &[u8], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let mut counts = vec![[0_u64; 256]; channels];
    for pixel in pixels.chunks_exact(channels) {
        for (count, &byte) in counts.iter_mut().zip(pixel) {
            count[usize::from(byte)] += 1;
        }
    }
    let moments = |count: &[u64; 256]| {
        let images = count.iter().sum::<u64>().max(1) as f64;
        let sum =
            |power| -> f64 { (0_u32..).zip(count).map(|(b, &n)| f64::from(b).powi(power) * n as f64).sum() };
        let mean = sum(1) / images;
        let variance = (sum(2) / images - mean * mean).max(0.0);
        ((mean / 255.0) as f32, (variance.sqrt().max(1.0) / 255.0) as f32)
    };
    counts.iter().map(moments).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(channels: usize, side: usize, images: usize) -> Dataset {
        let shape = ImageShape { channels, height: side, width: side };
        let mut random = stream(5, "test images", 0);
        let mut split = || Images {
            pixels: (0..images * shape.len()).map(|_| random.next_u64() as u8).collect(),
            labels: (0..images).map(|index| (index % 10) as u8).collect(),
        };
        let (train, test) = (split(), split());
        Dataset::new(shape, (0..10).map(|c| c.to_string()).collect(), train, test)
    }

    fn none(seed: u64) -> Augmentation {
        Augmentation { crop: false, flip: false, seed }
    }

    #[test]
    fn the_training_split_is_standardised_by_channel() {
        let dataset = dataset(3, 8, 50);
        let mut batch = Batch::default();
        dataset.evaluation_batch(&dataset.train, 0..50, &mut batch);
        for channel in 0..3 {
            let values: Vec<f64> =
                batch.images.iter().skip(channel).step_by(3).map(|&x| f64::from(x)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
            assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
        }
    }

    #[test]
    fn moments_are_those_of_a_computation_by_hand() {
        let (mean, std) = channel_moments(&[0, 7, 255, 7, 51, 7], 2);
        assert_eq!(mean, [(306.0 / 3.0 / 255.0) as f32, (7.0 / 255.0) as f32]);
        let variance: f64 = [0.0_f64, 255.0, 51.0].iter().map(|x| (x - 102.0).powi(2)).sum::<f64>() / 3.0;
        assert_eq!(std, [(variance.sqrt() / 255.0) as f32, (1.0 / 255.0) as f32]);
    }

    #[test]
    fn without_augmentation_training_and_evaluation_see_the_same_image() {
        let dataset = dataset(3, 8, 6);
        let (mut trained, mut evaluated) = (Batch::default(), Batch::default());
        dataset.training_batch(&[2, 3, 4], Step(9), none(1), &mut trained);
        dataset.evaluation_batch(&dataset.train, 2..5, &mut evaluated);
        assert_eq!(trained, evaluated);
        assert_eq!(trained.labels, [2, 3, 4]);
    }

    #[test]
    fn augmented_images_are_moves_of_the_image_by_at_most_four_pixels() {
        let dataset = dataset(1, 16, 40);
        let indices: Vec<u32> = (0..40).collect();
        let (mut plain, mut moved) = (Batch::default(), Batch::default());
        dataset.evaluation_batch(&dataset.train, 0..40, &mut plain);
        let augmentation = Augmentation { crop: true, flip: true, seed: 7 };
        dataset.training_batch(&indices, Step(1), augmentation, &mut moved);
        let mut mirrored_images = 0;
        for (before, after) in plain.images.chunks(256).zip(moved.images.chunks(256)) {
            let at = |row: i64, column: i64| match (0..16).contains(&row) && (0..16).contains(&column) {
                true => before[(row * 16 + column) as usize],
                false => 0.0,
            };
            let explains = |down: i64, right: i64, mirrored: bool| {
                (0..16).all(|row| {
                    (0..16).all(|column| {
                        let from = if mirrored { 15 - column } else { column };
                        after[(row * 16 + column) as usize] == at(row + down, from + right)
                    })
                })
            };
            let moves = (-4..=4).flat_map(|d| (-4..=4).flat_map(move |r| [(d, r, false), (d, r, true)]));
            let found: Vec<_> = moves.filter(|&(d, r, m)| explains(d, r, m)).collect();
            assert_eq!(found.len(), 1, "{found:?}");
            mirrored_images += usize::from(found[0].2);
        }
        assert!((8..=32).contains(&mirrored_images), "{mirrored_images} of 40 are mirrored");
    }

    #[test]
    fn flips_and_crops_are_drawn_apart_and_anew_for_each_step() {
        let dataset = dataset(1, 16, 8);
        let indices = [0, 1, 2, 3, 4, 5, 6, 7];
        let batch = |step, crop, flip, seed| {
            let mut batch = Batch::default();
            dataset.training_batch(&indices, Step(step), Augmentation { crop, flip, seed }, &mut batch);
            batch.images
        };
        let base = batch(1, true, true, 0);
        assert_eq!(base, batch(1, true, true, 0));
        assert_ne!(base, batch(2, true, true, 0));
        assert_ne!(base, batch(1, true, true, 1));
        assert_ne!(base, batch(1, true, false, 0));
        assert_ne!(base, batch(1, false, true, 0));
    }
}
