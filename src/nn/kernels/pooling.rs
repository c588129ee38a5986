//! Global average pooling: the mean of each channel over an image.

use super::Size;

/// Writes the means of `x` `[size][CHANNELS]` to `y` `[batch][CHANNELS]`.
pub fn forward<const CHANNELS: usize>(size: Size, x: &[f32], y: &mut [f32]) {
    assert_eq!(
        (x.len(), y.len()),
        (size.pixels() * CHANNELS, size.batch * CHANNELS),
        "slices fit the size {size:?}"
    );
    let scale = 1.0 / size.area() as f32;
    for (image, means) in x.chunks_exact(size.area() * CHANNELS).zip(y.chunks_exact_mut(CHANNELS)) {
        let mut sums = [0.0_f32; CHANNELS];
        for pixel in image.chunks_exact(CHANNELS) {
            sums.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += x);
        }
        means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = sum * scale);
    }
}

/// Adds the gradient with respect to the input to `dx`, for the gradient `dy` with respect to the means.
pub fn gradient<const CHANNELS: usize>(size: Size, dy: &[f32], dx: &mut [f32]) {
    assert_eq!(
        (dx.len(), dy.len()),
        (size.pixels() * CHANNELS, size.batch * CHANNELS),
        "slices fit the size {size:?}"
    );
    let scale = 1.0 / size.area() as f32;
    for (image, gradient) in dx.chunks_exact_mut(size.area() * CHANNELS).zip(dy.chunks_exact(CHANNELS)) {
        for pixel in image.chunks_exact_mut(CHANNELS) {
            pixel.iter_mut().zip(gradient).for_each(|(d, g)| *d += g * scale);
        }
    }
}
