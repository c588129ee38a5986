//! The layout of activations: a batch is stored in bundles of 16 images, `[bundle][height][width][channels][16]`, so
//! that one vector has one number of each of 16 images. For any number of channels, stride or side, every operation
//! uses full vectors, a channel's scale is one number for the whole vector, and nothing moves between lanes until sums
//! are folded.

use std::ops::Range;

/// Images per bundle.
pub const LANES: usize = 16;

/// The shape of one image of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Pixels per row.
    pub width: usize,
    /// Channels per pixel.
    pub channels: usize,
}

impl Shape {
    /// A shape from its three sizes.
    pub fn new(height: usize, width: usize, channels: usize) -> Shape {
        Shape { height, width, channels }
    }

    /// Numbers of one image.
    pub fn image(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Pixels of one image.
    pub fn area(self) -> usize {
        self.height * self.width
    }

    /// Numbers of one row of a bundle.
    pub fn row(self) -> usize {
        self.width * self.channels * LANES
    }

    /// Numbers of one row in a window, where a vector of padding follows each pixel. Without it, pixels at a distance
    /// of a power of two would map to the same few sets of the L1 cache and evict each other when a pass reads a few
    /// channels of many pixels.
    pub fn padded_row(self) -> usize {
        self.width * (self.channels + 1) * LANES
    }

    /// Numbers of a bundle.
    pub fn bundle(self) -> usize {
        self.height * self.row()
    }
}

/// The number of bundles for this many images.
pub fn bundles(images: usize) -> usize {
    images.div_ceil(LANES)
}

/// The number of images in a bundle; the last bundle of a batch may not be full.
pub fn images_of(bundle: usize, images: usize) -> usize {
    images.saturating_sub(bundle * LANES).min(LANES)
}

/// The part of a batch that a thread works on at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its bundles.
    pub bundles: Range<usize>,
    /// Images of the whole batch.
    pub images: usize,
}

/// The most parts that a batch is divided into, and thus the most threads that work on a lane.
pub const MOST_PARTS: usize = 4;

/// Divides a batch into parts of whole bundles, by its size alone: sums are added up part by part, so that they don't
/// depend on the number of threads.
pub fn parts(images: usize) -> impl ExactSizeIterator<Item = Part> {
    let all = bundles(images);
    let count = all.clamp(1, MOST_PARTS);
    (0..count).map(move |part| Part { bundles: all * part / count..all * (part + 1) / count, images })
}

/// Writes NHWC images as bundles. Unused lanes repeat the last image, so that values computed there are as finite as
/// the rest.
pub fn interleave(images: &[f32], image: usize, to: &mut [f32]) {
    let count = images.len() / image;
    assert!(count > 0 && images.len() == count * image, "whole images of {image} numbers");
    assert_eq!(to.len(), bundles(count) * image * LANES, "bundles of {count} images");
    for (bundle, to) in to.chunks_exact_mut(image * LANES).enumerate() {
        let from: [&[f32]; LANES] = std::array::from_fn(|lane| {
            let index = (bundle * LANES + lane).min(count - 1);
            &images[index * image..][..image]
        });
        for (place, to) in to.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            *to = std::array::from_fn(|lane| from[lane][place]);
        }
    }
}

/// Reads bundles back as NHWC images.
pub fn separate(from: &[f32], image: usize, images: &mut [f32]) {
    for (index, to) in images.chunks_exact_mut(image).enumerate() {
        let bundle = &from[index / LANES * image * LANES..][..image * LANES];
        for (to, lanes) in to.iter_mut().zip(bundle.as_chunks::<LANES>().0) {
            *to = lanes[index % LANES];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_come_back_as_they_went_in_and_lanes_are_never_empty() {
        let images: Vec<f32> = (0..19 * 6).map(|i| i as f32).collect();
        let mut bundled = vec![f32::NAN; 2 * 6 * LANES];
        interleave(&images, 6, &mut bundled);
        assert_eq!(bundled[..3], [0.0, 6.0, 12.0]);
        assert!(bundled.iter().all(|x| x.is_finite()));
        let mut back = vec![0.0; images.len()];
        separate(&bundled, 6, &mut back);
        assert_eq!(back, images);
        assert_eq!((images_of(0, 19), images_of(1, 19), images_of(2, 19)), (16, 3, 0));
    }

    #[test]
    fn parts_cover_all_bundles_in_order() {
        for images in [1, 16, 17, 64, 128, 300, 1000] {
            let parts: Vec<Part> = parts(images).collect();
            assert!(parts.len() <= MOST_PARTS && parts[0].bundles.start == 0);
            assert!(parts.windows(2).all(|pair| pair[0].bundles.end == pair[1].bundles.start));
            assert!(parts.iter().all(|part| !part.bundles.is_empty()));
            assert_eq!(parts.last().map(|part| part.bundles.end), Some(bundles(images)));
        }
    }
}
