//! The layout of activations: a batch is stored in bundles of 16 images, `[bundle][height][width][channels][16]`, so
//! that one vector has one number of each of 16 images. For any number of channels, stride or side, every operation
//! uses full vectors, a channel's scale is one number for the whole vector, and nothing moves between elements until sums
//! are folded.

use std::ops::Range;

/// Images per bundle.
pub const IMAGES: usize = 16;

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
        self.width * self.channels * IMAGES
    }

    /// Numbers of one row in a window, where a vector of padding follows each pixel. Without it, pixels at a distance
    /// of a power of two would map to the same few sets of the L1 cache and evict each other when a pass reads a few
    /// channels of many pixels.
    pub fn padded_row(self) -> usize {
        self.width * (self.channels + 1) * IMAGES
    }

    /// Numbers of a bundle.
    pub fn bundle(self) -> usize {
        self.height * self.row()
    }
}

/// The number of bundles for this many images.
pub fn bundles(images: usize) -> usize {
    images.div_ceil(IMAGES)
}

/// The number of images in a bundle; the last bundle of a batch may not be full.
pub(crate) fn images_of(bundle: usize, images: usize) -> usize {
    images.saturating_sub(bundle * IMAGES).min(IMAGES)
}

/// How a batch lies in bundles: `runs` runs of `length` images or other examples, or of tokens. Each run starts a
/// bundle, so that its last one may not be full. A batch is one run, a batch of sequences one a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Runs.
    pub runs: usize,
    /// Rows of a run: those that count.
    pub length: usize,
}

impl Layout {
    /// One run of this many examples.
    pub fn examples(count: usize) -> Layout {
        Layout { runs: 1, length: count }
    }

    /// All rows that count.
    pub fn rows(self) -> usize {
        self.runs * self.length
    }

    /// Bundles of a run.
    pub fn bundles_of_run(self) -> usize {
        bundles(self.length)
    }

    /// All bundles.
    pub fn bundles(self) -> usize {
        self.runs * self.bundles_of_run()
    }

    /// The number of rows in a bundle that count, which are its first.
    pub fn valid(self, bundle: usize) -> usize {
        let place = bundle % self.bundles_of_run().max(1);
        self.length.saturating_sub(place * IMAGES).min(IMAGES)
    }

    /// Reads bundles back as rows of `row` numbers, one after another; those that don't count are left out.
    pub fn separate(self, from: &[f32], row: usize, rows: &mut [f32]) {
        if self.rows() > 0 {
            let of_run = self.bundles_of_run() * row * IMAGES;
            let runs = from.chunks_exact(of_run).zip(rows.chunks_exact_mut(self.length * row));
            runs.for_each(|(from, rows)| separate(from, row, rows));
        }
    }

    /// Divides a batch into shares of whole bundles, or of whole runs if there are several, by its size alone: sums are
    /// added up share by share, so that they don't depend on the number of threads.
    pub fn shares(self) -> impl ExactSizeIterator<Item = BatchShare> {
        let unit = if self.runs > 1 { self.bundles_of_run() } else { 1 };
        let all = self.bundles() / unit.max(1);
        let count = all.clamp(1, MOST_SHARES);
        (0..count).map(move |share| BatchShare {
            bundles: all * share / count * unit..all * (share + 1) / count * unit,
            layout: self,
        })
    }
}

/// The share of a batch that a thread works on at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchShare {
    /// Its bundles.
    pub bundles: Range<usize>,
    /// How the whole batch lies in bundles.
    pub layout: Layout,
}

/// The most shares that a batch is divided into, and thus the most threads that work on a lane.
pub const MOST_SHARES: usize = 4;

/// The shares of a batch of this many images.
pub fn shares(images: usize) -> impl ExactSizeIterator<Item = BatchShare> {
    Layout::examples(images).shares()
}

/// Writes NHWC images as bundles. Unused elements repeat the last image, so that values computed there are as finite as
/// the rest.
pub(crate) fn interleave(images: &[f32], image: usize, to: &mut [f32]) {
    let count = images.len() / image;
    assert!(count > 0 && images.len() == count * image, "whole images of {image} numbers");
    assert_eq!(to.len(), bundles(count) * image * IMAGES, "bundles of {count} images");
    for (bundle, to) in to.chunks_exact_mut(image * IMAGES).enumerate() {
        let from: [&[f32]; IMAGES] = std::array::from_fn(|element| {
            let index = (bundle * IMAGES + element).min(count - 1);
            &images[index * image..][..image]
        });
        for (place, to) in to.as_chunks_mut::<IMAGES>().0.iter_mut().enumerate() {
            *to = std::array::from_fn(|element| from[element][place]);
        }
    }
}

/// Reads bundles back as NHWC images.
pub fn separate(from: &[f32], image: usize, images: &mut [f32]) {
    for (index, to) in images.chunks_exact_mut(image).enumerate() {
        let bundle = &from[index / IMAGES * image * IMAGES..][..image * IMAGES];
        for (to, elements) in to.iter_mut().zip(bundle.as_chunks::<IMAGES>().0) {
            *to = elements[index % IMAGES];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_come_back_as_they_went_in_and_lanes_are_never_empty() {
        let images: Vec<f32> = (0..19 * 6).map(|i| i as f32).collect();
        let mut bundled = vec![f32::NAN; 2 * 6 * IMAGES];
        interleave(&images, 6, &mut bundled);
        assert_eq!(bundled[..3], [0.0, 6.0, 12.0]);
        assert!(bundled.iter().all(|x| x.is_finite()));
        let mut back = vec![0.0; images.len()];
        separate(&bundled, 6, &mut back);
        assert_eq!(back, images);
        let layout = Layout::examples(19);
        assert_eq!([0, 1].map(|bundle| layout.valid(bundle)), [16, 3]);
        let sequences = Layout { runs: 3, length: 20 };
        assert_eq!((sequences.bundles(), sequences.rows()), (6, 60));
        assert_eq!([0, 1, 2, 3].map(|bundle| sequences.valid(bundle)), [16, 4, 16, 4]);
        let shares: Vec<_> = sequences.shares().map(|share| share.bundles).collect();
        assert_eq!(shares, [0..2, 2..4, 4..6]);
    }

    #[test]
    fn parts_cover_all_bundles_in_order() {
        for images in [1, 16, 17, 64, 128, 300, 1000] {
            let shares: Vec<BatchShare> = shares(images).collect();
            assert!(shares.len() <= MOST_SHARES && shares[0].bundles.start == 0);
            assert!(shares.windows(2).all(|pair| pair[0].bundles.end == pair[1].bundles.start));
            assert!(shares.iter().all(|share| !share.bundles.is_empty()));
            assert_eq!(shares.last().map(|share| share.bundles.end), Some(bundles(images)));
        }
    }
}
