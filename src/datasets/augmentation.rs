//! Random changes to training images: shifted and mirrored copies, the same in every lane.

use rand_xoshiro::rand_core::Rng;

use super::standardisation::standardised;
use crate::experiment::Data;
use crate::random::{below, stream};
use crate::units::{ImageShape, Step};

/// Pixels that an image is padded with on every side before it is cropped (He et al. 2015, section 4.2).
const PADDING: i64 = 4;

/// Random changes to training images, the same in every lane. Other examples stay as they are.
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

    /// The moves of a step's images, one after another.
    ///
    /// The stream of (seed, step) gives every place of the batch three draws, used or not, so that flips don't depend
    /// on whether crops are on.
    pub(super) fn moves(self, step: Step) -> impl FnMut() -> Move {
        let mut random = stream(self.seed, "augmentation", step.0);
        move || {
            let span = 2 * PADDING as u64 + 1;
            let [down, right] = std::array::from_fn(|_| below(&mut random, span) as i64 - PADDING);
            let mirrored = random.next_u64() >> 63 == 1;
            let (down, right) = if self.crop { (down, right) } else { (0, 0) };
            Move { down, right, mirrored: mirrored && self.flip }
        }
    }
}

/// How one image of a batch is shifted and mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Move {
    down: i64,
    right: i64,
    mirrored: bool,
}

/// Writes an image shifted and mirrored; pixels from outside are 0, the mean after standardisation.
pub(super) fn write_moved<const CHANNELS: usize>(
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
}
