//! Batches from images: standardised by the moments of the training split, optionally shifted and mirrored.

use rand_xoshiro::rand_core::Rng;

use super::standardisation::{Standardisation, standardised};
use super::{Batch, Dataset, Images};
use crate::experiment::Data;
use crate::random::{below, stream};
use crate::units::{ImageShape, Step};

/// Pixels that an image is padded with on every side before it is cropped (He et al. 2015, section 4.2).
const PADDING: i64 = 4;

/// Random changes to training images, the same in every lane.
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

/// How one image of a batch is shifted and mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Move {
    down: i64,
    right: i64,
    mirrored: bool,
}

impl Dataset {
    /// Fills a batch with the given images of the training split, augmented for a step.
    ///
    /// The stream of (seed, step) gives every place of the batch three draws, used or not, so that flips don't depend
    /// on whether crops are on. Indices are below the number of training images.
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

    /// Fills a batch with a range of a split's images, unaugmented.
    pub fn evaluation_batch(&self, images: &Images, range: std::ops::Range<usize>, into: &mut Batch) {
        self.fill(images, range.map(|index| (index, Move::default())), into);
    }

    fn fill(&self, images: &Images, chosen: impl ExactSizeIterator<Item = (usize, Move)>, into: &mut Batch) {
        match &self.standardisation {
            Standardisation::Gray(values) => fill(self.shape, values, images, chosen, into),
            Standardisation::Colour(values) => fill(self.shape, values, images, chosen, into),
        }
    }
}

fn fill<const CHANNELS: usize>(
    shape: ImageShape,
    values: &[[f32; 256]; CHANNELS],
    images: &Images,
    chosen: impl ExactSizeIterator<Item = (usize, Move)>,
    into: &mut Batch,
) {
    let len = shape.len();
    into.images.resize(chosen.len() * len, 0.0);
    into.labels.resize(chosen.len(), 0);
    let places = into.images.chunks_exact_mut(len).zip(&mut into.labels);
    for ((place, label), (index, how)) in places.zip(chosen) {
        *label = images.labels[index];
        write_moved(place, &images.pixels[index * len..][..len], shape, how, values);
    }
}

/// Writes an image shifted and mirrored; pixels from outside are 0, the mean after standardisation.
fn write_moved<const CHANNELS: usize>(
    into: &mut [f32],
    image: &[u8],
    shape: ImageShape,
    how: Move,
    values: &[[f32; 256]; CHANNELS],
) {
    let (into, image) = (into.as_chunks_mut::<CHANNELS>().0, image.as_chunks::<CHANNELS>().0);
    let pixels = |count: i64| usize::try_from(count).unwrap_or(0).min(shape.width);
    // The columns from outside the image, on the left and on the right.
    let (left, right) = (pixels(-how.right), pixels(how.right));
    for (row, into) in into.chunks_exact_mut(shape.width).enumerate() {
        let from = usize::try_from(row as i64 + how.down).ok().filter(|&from| from < shape.height);
        let Some(from) = from else {
            into.fill([0.0; CHANNELS]);
            continue;
        };
        let from = &image[from * shape.width..][right..shape.width - left];
        let (outside, inside) = into.split_at_mut(left);
        let (inside, beyond) = inside.split_at_mut(from.len());
        outside.fill([0.0; CHANNELS]);
        inside.iter_mut().zip(from).for_each(|(to, &pixel)| *to = standardised(pixel, values));
        beyond.fill([0.0; CHANNELS]);
        if how.mirrored {
            into.reverse();
        }
    }
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
    fn every_move_takes_each_pixel_from_its_place() {
        let values: [[f32; 256]; 3] =
            std::array::from_fn(|channel| std::array::from_fn(|byte| (1 + byte + 1000 * channel) as f32));
        // Taller than the greatest shift, and narrower.
        let shape = ImageShape { channels: 3, height: 6, width: 3 };
        let image: Vec<u8> = (0..shape.len()).map(|at| at as u8).collect();
        let moves = (-4..=4).flat_map(|down| (-4..=4).map(move |right| (down, right)));
        for ((down, right), mirrored) in moves.flat_map(|shift| [(shift, false), (shift, true)]) {
            let mut moved = vec![f32::NAN; shape.len()];
            write_moved(&mut moved, &image, shape, Move { down, right, mirrored }, &values);
            for (at, &found) in moved.iter().enumerate() {
                let (row, column, channel) = (at / 9, at / 3 % 3, at % 3);
                let from = if mirrored { 2 - column } else { column } as i64 + right;
                let row = row as i64 + down;
                let expected = match (0..6).contains(&row) && (0..3).contains(&from) {
                    true => (1 + 9 * row + 3 * from) as f32 + channel as f32 * 1001.0,
                    false => 0.0,
                };
                assert_eq!(found, expected, "{down} {right} {mirrored}: row {row}, column {column}");
            }
        }
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
