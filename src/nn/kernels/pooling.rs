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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn means_and_their_gradient_are_their_definitions(
            (batch, height, width) in (1_usize..4, 1_usize..9, 1_usize..9),
            x in prop::collection::vec(-8.0_f32..8.0, 4 * 8 * 8 * 5),
        ) {
            let size = Size::new(batch, height, width);
            let x = &x[..size.pixels() * 5];
            let mut y = vec![f32::NAN; batch * 5];
            forward::<5>(size, x, &mut y);
            for (i, y) in y.iter().enumerate() {
                let image = &x[i / 5 * size.area() * 5..][..size.area() * 5];
                let sum: f64 = image.iter().skip(i % 5).step_by(5).map(|&x| f64::from(x)).sum();
                prop_assert!((f64::from(*y) - sum / size.area() as f64).abs() < 1e-5);
            }
            let dy: Vec<f32> = (0..batch * 5).map(|i| i as f32).collect();
            let mut dx = vec![0.5; x.len()];
            gradient::<5>(size, &dy, &mut dx);
            for (i, dx) in dx.iter().enumerate() {
                let from = i / (size.area() * 5) * 5 + i % 5;
                prop_assert!((dx - 0.5 - dy[from] / size.area() as f32).abs() < 1e-6);
            }
        }
    }
}
