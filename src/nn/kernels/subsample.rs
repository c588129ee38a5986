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
