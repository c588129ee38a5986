//! Global average pooling: the mean of each channel over an image, on bundles.

use super::bundle::{IMAGES, Shape};

/// Adds a row to the sums of each channel, `[channels][IMAGES]`.
pub(crate) fn add_row(shape: Shape, row: &[f32], sums: &mut [f32]) {
    assert_eq!((row.len(), sums.len()), (shape.row(), shape.channels * IMAGES), "a row of {shape:?}");
    for pixel in row.chunks_exact(shape.channels * IMAGES) {
        sums.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += x);
    }
}

/// Writes the means of a bundle's first images, `[images][channels]`, from their sums.
pub fn means(shape: Shape, sums: &[f32], to: &mut [f32]) {
    let scale = 1.0 / shape.area() as f32;
    for (element, to) in to.chunks_exact_mut(shape.channels).enumerate() {
        to.iter_mut().zip(sums.chunks_exact(IMAGES)).for_each(|(mean, sums)| *mean = sums[element] * scale);
    }
}

/// Writes the gradient to one pixel, `[channels][IMAGES]`, which is the same for all pixels of an image, from the
/// gradient to the means of a bundle's first images; zero in unused elements.
pub(crate) fn pixel_gradient(shape: Shape, of_means: &[f32], pixel: &mut [f32]) {
    let scale = 1.0 / shape.area() as f32;
    for (channel, elements) in pixel.chunks_exact_mut(IMAGES).enumerate() {
        for (element, to) in elements.iter_mut().enumerate() {
            *to = of_means.get(element * shape.channels + channel).map_or(0.0, |gradient| gradient * scale);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::bundle::interleave;
    use crate::nn::kernels::samples::{assert_close, numbers};

    /// The means of a bundle's images, and the images.
    fn pooled(shape: Shape, images: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
        let nhwc = numbers(images * shape.image(), seed);
        let mut bundle = vec![f32::NAN; shape.bundle()];
        interleave(&nhwc, shape.image(), &mut bundle);
        bundle.as_chunks_mut::<IMAGES>().0.iter_mut().for_each(|elements| elements[images..].fill(f32::NAN));
        let mut sums = vec![0.0; shape.channels * IMAGES];
        bundle.chunks_exact(shape.row()).for_each(|row| add_row(shape, row, &mut sums));
        let mut to = vec![f32::NAN; images * shape.channels];
        means(shape, &sums, &mut to);
        (to, nhwc)
    }

    #[test]
    fn means_are_those_of_each_channel_of_each_image() {
        for (images, shape) in [
            (1, Shape::new(1, 1, 4)),
            (5, Shape::new(3, 2, 6)),
            (16, Shape::new(8, 8, 20)),
            (15, Shape::new(2, 5, 1)),
        ] {
            let (ours, nhwc) = pooled(shape, images, images as u64);
            let of_image = |image: &[f32]| -> Vec<f64> {
                let of = |c: usize| {
                    image.iter().skip(c).step_by(shape.channels).map(|&x| f64::from(x)).sum::<f64>()
                };
                (0..shape.channels).map(|c| of(c) / shape.area() as f64).collect()
            };
            let expected: Vec<f64> = nhwc.chunks_exact(shape.image()).flat_map(of_image).collect();
            assert_close("means", &ours, &expected, 1e-6);
        }
    }

    #[test]
    fn a_pixel_has_its_share_of_the_gradient_and_lanes_without_an_image_have_none() {
        let shape = Shape::new(4, 2, 3);
        for images in [1, 7, 16] {
            let gradient = numbers(images * 3, 9);
            let mut pixel = vec![f32::NAN; 3 * IMAGES];
            pixel_gradient(shape, &gradient, &mut pixel);
            for (channel, elements) in pixel.chunks_exact(IMAGES).enumerate() {
                for (element, ours) in elements.iter().enumerate() {
                    let expected = if element < images { gradient[element * 3 + channel] / 8.0 } else { 0.0 };
                    assert_eq!(*ours, expected, "channel {channel} of image {element}");
                }
            }
        }
    }
}
