//! The parameter-free shortcut where the shape changes (option A of He et al. 2015, section 4.2): every second
//! pixel of every second row, with channels of zeros added, half before and half after.

use super::Size;

/// Writes the shortcut of `x` `[size][INPUTS]` to `y` `[size / 2][OUTPUTS]`.
pub fn forward<const INPUTS: usize, const OUTPUTS: usize>(size: Size, x: &[f32], y: &mut [f32]) {
    let before = padding::<INPUTS, OUTPUTS>();
    for_each_pixel::<INPUTS, OUTPUTS>(size, x.len(), y.len(), |from, to| {
        let pixel = &mut y[to..to + OUTPUTS];
        pixel.fill(0.0);
        pixel[before..before + INPUTS].copy_from_slice(&x[from..from + INPUTS]);
    });
}

/// Adds the gradient with respect to the input to `dx`, for the gradient `dy` with respect to the output.
pub fn gradient<const INPUTS: usize, const OUTPUTS: usize>(size: Size, dy: &[f32], dx: &mut [f32]) {
    let before = padding::<INPUTS, OUTPUTS>();
    for_each_pixel::<INPUTS, OUTPUTS>(size, dx.len(), dy.len(), |to, from| {
        let gradient = &dy[from + before..from + before + INPUTS];
        dx[to..to + INPUTS].iter_mut().zip(gradient).for_each(|(d, g)| *d += g);
    });
}

/// Channels of zeros before those of the input.
const fn padding<const INPUTS: usize, const OUTPUTS: usize>() -> usize {
    const { assert!(OUTPUTS >= INPUTS, "option A adds channels") };
    (OUTPUTS - INPUTS) / 2
}

/// Calls `visit` with the offsets of every kept pixel, in the input and in the output.
fn for_each_pixel<const INPUTS: usize, const OUTPUTS: usize>(
    size: Size,
    input: usize,
    output: usize,
    mut visit: impl FnMut(usize, usize),
) {
    let half = size.strided(2);
    assert_eq!(
        (input, output),
        (size.pixels() * INPUTS, half.pixels() * OUTPUTS),
        "slices fit the size {size:?}"
    );
    for row in 0..half.batch * half.height {
        for column in 0..half.width {
            visit((2 * row * size.width + 2 * column) * INPUTS, (row * half.width + column) * OUTPUTS);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_second_pixel_is_kept_between_channels_of_zeros() {
        // Two channels to four of one image of 2 x 4 pixels, numbered.
        let x: Vec<f32> = (1..=16).map(|i| i as f32).collect();
        let mut y = [9.0; 8];
        forward::<2, 4>(Size::new(1, 2, 4), &x, &mut y);
        assert_eq!(y, [0.0, 1.0, 2.0, 0.0, 0.0, 5.0, 6.0, 0.0]);
    }

    proptest! {
        /// The gradient is the adjoint: <forward(x), dy> = <x, gradient(dy)>, exactly in small whole numbers.
        #[test]
        fn forward_is_its_definition_and_the_gradient_its_adjoint(
            (batch, rows, columns) in (1_usize..4, 1_usize..4, 1_usize..4),
            seed: u8,
        ) {
            let size = Size::new(batch, 2 * rows, 2 * columns);
            let whole = |count: usize, salt: usize| -> Vec<f32> {
                (0..count).map(|i| ((i * 37 + usize::from(seed) + salt) % 23) as f32 - 11.0).collect()
            };
            let x = whole(size.pixels() * 4, 0);
            let dy = whole(size.strided(2).pixels() * 8, 5);
            let mut y = vec![f32::NAN; dy.len()];
            forward::<4, 8>(size, &x, &mut y);
            for (i, y) in y.iter().enumerate() {
                let (pixel, channel) = (i / 8, i % 8);
                let (row, column) = (pixel / columns % rows, pixel % columns);
                let from = ((pixel / columns / rows * size.height + 2 * row) * size.width + 2 * column) * 4;
                let expected = if (2..6).contains(&channel) { x[from + channel - 2] } else { 0.0 };
                prop_assert_eq!(*y, expected);
            }
            let mut dx = vec![1.0; x.len()];
            gradient::<4, 8>(size, &dy, &mut dx);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            prop_assert_eq!(dot(&y, &dy), dot(&x, &dx) - x.iter().sum::<f32>());
        }
    }
}
