//! Copying an image into a scratch with a border of zeros.

use crate::nn::kernels::Size;

/// How the pixels of an image stand in its padded copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Padding {
    /// Rows and columns of zeros on each side.
    pub(super) border: usize,
    /// Distance of neighbouring pixels; those between them are zeros.
    pub(super) spread: usize,
}

impl Padding {
    /// Rows and columns of a padded image.
    pub(super) fn padded(self, size: Size) -> Size {
        let padded = |side: usize| side * self.spread + 2 * self.border;
        Size { batch: size.batch, height: padded(size.height), width: padded(size.width) }
    }

    /// Copies one image to its places in `to`, and nothing else: what is zero there stays zero.
    #[inline(always)]
    pub(super) fn copy(self, size: Size, channels: usize, image: &[f32], to: &mut [f32]) {
        let row = self.padded(size).width * channels;
        for (y, pixels) in image.chunks_exact(size.width * channels).enumerate() {
            let start = (y * self.spread + self.border) * row + self.border * channels;
            if self.spread == 1 {
                to[start..start + pixels.len()].copy_from_slice(pixels);
            } else {
                let places = to[start..].chunks_mut(self.spread * channels);
                for (pixel, place) in pixels.chunks_exact(channels).zip(places) {
                    place[..channels].copy_from_slice(pixel);
                }
            }
        }
    }
}
