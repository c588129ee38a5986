//! The parameter-free shortcut where the shape changes (option A of He et al. 2015, section 4.2): every second pixel of
//! every second row (every pixel where only the channels change), with channels of zeros added, half before and half
//! after; on bundles.

use super::bundle::{IMAGES, Shape};

/// Writes a row of the shortcut from the row of `x` at `stride` times its height.
pub fn forward_row(input: Shape, stride: usize, channels: usize, x: &[f32], y: &mut [f32]) {
    let before = (channels - input.channels) / 2 * IMAGES;
    let pixels = x.chunks_exact(stride * input.channels * IMAGES).zip(y.chunks_exact_mut(channels * IMAGES));
    for (x, y) in pixels {
        let x = &x[..input.channels * IMAGES];
        y[..before].fill(0.0);
        y[before..before + x.len()].copy_from_slice(x);
        y[before + x.len()..].fill(0.0);
    }
}

/// Adds a row of the output's gradient to the row of the input's at `stride` times its height.
pub(crate) fn add_gradient_row(input: Shape, stride: usize, channels: usize, dy: &[f32], dx: &mut [f32]) {
    let before = (channels - input.channels) / 2 * IMAGES;
    let pixels =
        dx.chunks_exact_mut(stride * input.channels * IMAGES).zip(dy.chunks_exact(channels * IMAGES));
    for (dx, dy) in pixels {
        let dx = &mut dx[..input.channels * IMAGES];
        let kept = dy[before..].iter();
        dx.iter_mut().zip(kept).for_each(|(dx, dy)| *dx += dy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::samples::numbers;

    #[test]
    fn every_second_pixel_stands_between_channels_of_zeros() {
        let input = Shape::new(4, 6, 4);
        let x = numbers(input.row(), 1);
        for channels in [4, 8, 12] {
            let before = (channels - 4) / 2;
            let mut y = vec![f32::NAN; 3 * channels * IMAGES];
            forward_row(input, 2, channels, &x, &mut y);
            for (i, y) in y.iter().enumerate() {
                let (pixel, channel, element) = (i / IMAGES / channels, i / IMAGES % channels, i % IMAGES);
                let inside = (before..before + 4).contains(&channel);
                let at = || ((2 * pixel) * 4 + channel - before) * IMAGES + element;
                assert_eq!(*y, if inside { x[at()] } else { 0.0 }, "channel {channel} of pixel {pixel}");
            }
        }
    }

    #[test]
    fn the_gradient_is_added_where_the_pixels_came_from() {
        let input = Shape::new(4, 6, 4);
        for channels in [4, 8, 12] {
            let dy = numbers(3 * channels * IMAGES, 2);
            let before = numbers(input.row(), 3);
            let mut dx = before.clone();
            add_gradient_row(input, 2, channels, &dy, &mut dx);
            for (i, (dx, before)) in dx.iter().zip(&before).enumerate() {
                let (pixel, channel, element) = (i / IMAGES / 4, i / IMAGES % 4, i % IMAGES);
                let at = || ((pixel / 2) * channels + channel + (channels - 4) / 2) * IMAGES + element;
                let added = if pixel % 2 == 0 { dy[at()] } else { 0.0 };
                assert_eq!(*dx, before + added, "channel {channel} of pixel {pixel}");
            }
        }
    }
}
