//! The inner loops of a convolution: a tile of pixels times a block of output channels in registers.

use super::Geometry;
use crate::nn::kernels::dispatch::Instructions;
use crate::nn::kernels::vector::Vector;

/// The run-time shape of one image's convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Numbers in a row of the padded image.
    pub(super) image_row: usize,
    /// Rows of the output.
    pub(super) height: usize,
    /// Pixels of an output row.
    pub(super) width: usize,
}

/// How many output channels a tile has, which is how the weights are packed.
#[inline(always)]
pub(super) fn block<I: Instructions>(outputs: usize) -> usize {
    let widest = if I::MANY_REGISTERS { 32 } else { 2 * I::REGISTER };
    let divisor = 1 << outputs.trailing_zeros();
    if divisor < 4 { 1 } else { divisor.min(widest) }
}

/// Writes weights as `[outputs / block][kernel][kernel][inputs][block]`.
#[inline(always)]
pub(super) fn pack(geometry: Geometry, block: usize, weights: &[f32], turned: bool, packed: &mut [f32]) {
    let Geometry { kernel, inputs, outputs, .. } = geometry;
    let taps = kernel * kernel;
    for (first, to) in packed.chunks_exact_mut(taps * inputs * block).enumerate() {
        for (i, to) in to.chunks_exact_mut(block).enumerate() {
            if turned {
                // The gradient's convolution puts out what the forward one takes in, and turns the kernel.
                let from = (taps - 1 - i / inputs) * outputs + first * block;
                for (channel, to) in to.iter_mut().enumerate() {
                    *to = weights[(from + channel) * inputs + i % inputs];
                }
            } else {
                to.copy_from_slice(&weights[i * outputs + first * block..][..block]);
            }
        }
    }
}

/// Convolves one padded image.
///
/// # Safety
/// The machine has the instructions. `image` has rows of `shape.image_row` numbers, at least
/// `(height - 1) * stride + kernel` of them and `(width - 1) * stride + kernel` pixels in each; `packed` is
/// [`pack`]ed with [`block`]; `y` is `[height][width][outputs]`.
#[inline(always)]
pub(super) unsafe fn convolve<I: Instructions>(
    geometry: Geometry,
    shape: Shape,
    image: &[f32],
    packed: &[f32],
    y: &mut [f32],
    add: bool,
) {
    let Geometry { kernel, inputs, outputs, .. } = geometry;
    let width = block::<I>(outputs);
    for (first, weights) in packed.chunks_exact(kernel * kernel * inputs * width).enumerate() {
        let job = Job {
            geometry,
            shape,
            image: image.as_ptr(),
            weights: weights.as_ptr(),
            y: y[first * width..].as_mut_ptr(),
            add,
        };
        // SAFETY: the caller's word, handed on; the block's channels lie within the output's.
        unsafe {
            match (width, I::REGISTER) {
                (32, _) => sweep8::<I::By16, 2>(job),
                (16, 16) => sweep16::<I::By16>(job),
                (16, _) => sweep4::<I::By8, 2>(job),
                (8, 16) => sweep16::<I::By8>(job),
                (8, 8) => sweep8::<I::By8, 1>(job),
                (8, _) => sweep4::<I::By4, 2>(job),
                (4, _) => sweep8::<I::By4, 1>(job),
                _ => sweep8::<[f32; 1], 1>(job),
            }
        }
    }
}

/// One image's convolution to one block of channels.
#[derive(Clone, Copy)]
struct Job {
    geometry: Geometry,
    shape: Shape,
    image: *const f32,
    weights: *const f32,
    y: *mut f32,
    add: bool,
}

/// Covers the output with tiles of 16 pixels, as flat as its rows allow. Distances between pixels that many
/// layers have are constants: 16 addresses of one base take no registers and no part in the scheduling.
///
/// # Safety
/// As [`convolve`].
#[inline(always)]
unsafe fn sweep16<V: Vector>(job: Job) {
    // SAFETY: the caller's word, handed on.
    unsafe {
        match (job.shape.width, job.geometry.stride * job.geometry.inputs) {
            (16.., 8) => sweep::<V, 1, 1, 16, 8>(job),
            (16.., 16) => sweep::<V, 1, 1, 16, 16>(job),
            (16.., _) => sweep::<V, 1, 1, 16, 0>(job),
            (8.., 8) => sweep::<V, 1, 2, 8, 8>(job),
            (8.., 16) => sweep::<V, 1, 2, 8, 16>(job),
            (8.., _) => sweep::<V, 1, 2, 8, 0>(job),
            (_, _) => sweep::<V, 1, 4, 4, 0>(job),
        }
    }
}

/// Covers the output with tiles of 8 pixels.
///
/// # Safety
/// As [`convolve`].
#[inline(always)]
unsafe fn sweep8<V: Vector, const Q: usize>(job: Job) {
    // SAFETY: the caller's word, handed on.
    unsafe {
        match job.shape.width {
            8.. => sweep::<V, Q, 1, 8, 0>(job),
            4.. => sweep::<V, Q, 2, 4, 0>(job),
            _ => sweep::<V, Q, 4, 2, 0>(job),
        }
    }
}

/// Covers the output with tiles of 4 pixels.
///
/// # Safety
/// As [`convolve`].
#[inline(always)]
unsafe fn sweep4<V: Vector, const Q: usize>(job: Job) {
    // SAFETY: the caller's word, handed on.
    unsafe {
        match job.shape.width {
            4.. => sweep::<V, Q, 1, 4, 0>(job),
            _ => sweep::<V, Q, 2, 2, 0>(job),
        }
    }
}

/// Covers the output with tiles of `ROWS x COLUMNS` pixels and what is left over with single pixels.
///
/// # Safety
/// As [`convolve`].
#[inline(always)]
unsafe fn sweep<V: Vector, const Q: usize, const ROWS: usize, const COLUMNS: usize, const STEP: usize>(
    job: Job,
) {
    let Shape { height, width, .. } = job.shape;
    let mut row = 0;
    while row + ROWS <= height {
        let mut column = 0;
        while column + COLUMNS <= width {
            // SAFETY: the tile lies within the output, the rest is the caller's word.
            unsafe { tile::<V, Q, ROWS, COLUMNS, STEP>(job, row, column) };
            column += COLUMNS;
        }
        if column < width {
            // SAFETY: these pixels lie within the output, the rest is the caller's word.
            unsafe { pixels::<V, Q>(job, row..row + ROWS, column) };
        }
        row += ROWS;
    }
    // SAFETY: these pixels lie within the output, the rest is the caller's word.
    unsafe { pixels::<V, Q>(job, row..height, 0) };
}

/// Computes pixels one by one, from a column on in each of some rows.
///
/// # Safety
/// As [`convolve`], and the rows are the output's.
#[inline(always)]
unsafe fn pixels<V: Vector, const Q: usize>(job: Job, rows: std::ops::Range<usize>, from: usize) {
    for row in rows {
        for column in from..job.shape.width {
            // SAFETY: the pixel lies within the output, the rest is the caller's word.
            unsafe { tile::<V, Q, 1, 1, 0>(job, row, column) };
        }
    }
}

/// Computes one tile: `ROWS x COLUMNS` pixels from `(row, column)` on times `Q` vectors of channels. `STEP` is the
/// distance of two pixels' inputs, `stride * inputs`, or 0 where it is not known at compile time.
///
/// # Safety
/// As [`convolve`], and the tile lies within the output.
#[inline(always)]
unsafe fn tile<V: Vector, const Q: usize, const ROWS: usize, const COLUMNS: usize, const STEP: usize>(
    job: Job,
    row: usize,
    column: usize,
) {
    let Shape { image_row, width, .. } = job.shape;
    let Geometry { kernel, stride, inputs, outputs } = job.geometry;
    // SAFETY: pixel (r, c) of the tile and tap (k, i / inputs) read row (row + r) * stride + k and column
    // (column + c) * stride + i / inputs of the image, which it has; weights and output are the caller's word.
    unsafe {
        let mut sums = [[[V::zero(); Q]; COLUMNS]; ROWS];
        let corner = job.image.add(row * stride * image_row + column * stride * inputs);
        let step = if STEP > 0 { STEP } else { stride * inputs };
        let mut weights = job.weights;
        for kernel_row in 0..kernel {
            let first = corner.add(kernel_row * image_row);
            let mut starts: [[*const f32; COLUMNS]; ROWS] = std::array::from_fn(|r| {
                std::array::from_fn(|c| first.wrapping_add(r * stride * image_row + 4 * c * step))
            });
            // Taps of one kernel row and their input channels follow each other in the image.
            for _ in 0..kernel * inputs {
                let factors: [V; Q] = std::array::from_fn(|q| V::load(weights.add(q * V::LANES)));
                for (starts, sums) in starts.iter_mut().zip(&mut sums) {
                    for (c, sums) in sums.iter_mut().enumerate() {
                        let x = V::splat(*starts[c / 4].wrapping_add(c % 4 * step));
                        for (sum, factor) in sums.iter_mut().zip(factors) {
                            *sum = x.mul_add(factor, *sum);
                        }
                    }
                    for start in starts.iter_mut() {
                        *start = start.wrapping_add(1);
                    }
                }
                weights = weights.wrapping_add(Q * V::LANES);
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (c, sums) in sums.iter().enumerate() {
                let y = job.y.add(((row + r) * width + column + c) * outputs);
                for (q, sum) in sums.iter().enumerate() {
                    let y = y.add(q * V::LANES);
                    if job.add { sum.add(V::load(y)).store(y) } else { sum.store(y) }
                }
            }
        }
    }
}
