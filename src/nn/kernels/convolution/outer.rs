//! The inner loops of a convolution's gradient to its weights: a tile of weights in registers, to which each
//! pixel adds the outer product of its inputs and its gradient.

use super::Geometry;
use super::tiles::Shape;
use crate::nn::kernels::dispatch::Instructions;
use crate::nn::kernels::vector::Vector;

/// Adds one image's part to the gradient of the weights.
///
/// # Safety
/// The machine has the instructions. `image` has rows of `shape.image_row` numbers, at least
/// `(height - 1) * stride + kernel` of them and `(width - 1) * stride + kernel` pixels in each; `dy` is
/// `[height][width][outputs]` and `dweights` `[kernel][kernel][inputs][outputs]`.
#[inline(always)]
pub(super) unsafe fn correlate<I: Instructions>(
    geometry: Geometry,
    shape: Shape,
    image: &[f32],
    dy: &[f32],
    dweights: &mut [f32],
) {
    let job = Job { geometry, shape, image: image.as_ptr(), dy: dy.as_ptr(), to: dweights.as_mut_ptr() };
    let divisor = 1 << geometry.outputs.trailing_zeros().min(5);
    // SAFETY: the caller's word, handed on.
    unsafe {
        match (divisor, I::REGISTER) {
            (32, 16) => narrow::<I::By16, 2>(job),
            (16, 16) => broad::<I::By16>(job),
            (8, 16) => broad::<I::By8>(job),
            (4, 16) => broad::<I::By4>(job),
            (8.., 8) => narrow::<I::By8, 1>(job),
            (4.., _) => narrow::<I::By4, 1>(job),
            _ => narrow::<[f32; 1], 1>(job),
        }
    }
}

/// One image's part.
#[derive(Clone, Copy)]
struct Job {
    geometry: Geometry,
    shape: Shape,
    image: *const f32,
    dy: *const f32,
    to: *mut f32,
}

/// Covers the weights with tiles of up to 24 vectors.
///
/// # Safety
/// As [`correlate`].
#[inline(always)]
unsafe fn broad<V: Vector>(job: Job) {
    // SAFETY: the caller's word, handed on.
    unsafe {
        match job.geometry.kernel * job.geometry.inputs {
            depth if depth.is_multiple_of(24) => cover::<V, 1, 24>(job),
            _ => narrow::<V, 1>(job),
        }
    }
}

/// Covers the weights with tiles of up to 12 times `Q` vectors.
///
/// # Safety
/// As [`correlate`].
#[inline(always)]
unsafe fn narrow<V: Vector, const Q: usize>(job: Job) {
    // SAFETY: the caller's word, handed on.
    unsafe {
        match job.geometry.kernel * job.geometry.inputs {
            depth if depth.is_multiple_of(12) => cover::<V, Q, 12>(job),
            depth if depth.is_multiple_of(8) => cover::<V, Q, 8>(job),
            depth if depth.is_multiple_of(3) => cover::<V, Q, 3>(job),
            _ => cover::<V, Q, 1>(job),
        }
    }
}

/// Covers the weights with tiles. Taps of one kernel row and their input channels follow each other both in the
/// image and among the weights, so that they count as rows of one matrix.
///
/// # Safety
/// As [`correlate`].
#[inline(always)]
unsafe fn cover<V: Vector, const Q: usize, const ROWS: usize>(job: Job) {
    let Geometry { kernel, inputs, outputs, .. } = job.geometry;
    let depth = kernel * inputs;
    for kernel_row in 0..kernel {
        for first in (0..depth).step_by(ROWS) {
            for channel in (0..outputs).step_by(Q * V::LANES) {
                // SAFETY: the tile lies within the weights, its rows within the image's; the rest is the
                // caller's word.
                unsafe {
                    tile::<V, Q, ROWS>(Job {
                        image: job.image.add(kernel_row * job.shape.image_row + first),
                        dy: job.dy.add(channel),
                        to: job.to.add((kernel_row * depth + first) * outputs + channel),
                        ..job
                    });
                }
            }
        }
    }
}

/// Adds up one tile, `ROWS` inputs times `Q` vectors of channels, over all pixels.
///
/// # Safety
/// As [`correlate`]; the job's pointers are at the tile's first input, channel and weight.
#[inline(always)]
unsafe fn tile<V: Vector, const Q: usize, const ROWS: usize>(job: Job) {
    let Shape { image_row, height, width } = job.shape;
    let Geometry { stride, inputs, outputs, .. } = job.geometry;
    // SAFETY: output pixel (row, column) reads the image from row * stride and column * stride on, which the
    // caller vouches for together with the bounds of gradient and weights.
    unsafe {
        let mut sums = [[V::zero(); Q]; ROWS];
        for row in 0..height {
            let mut image = job.image.add(row * stride * image_row);
            let mut dy = job.dy.add(row * width * outputs);
            for _ in 0..width {
                let gradient: [V; Q] = std::array::from_fn(|q| V::load(dy.add(q * V::LANES)));
                for (r, sums) in sums.iter_mut().enumerate() {
                    let x = V::splat(*image.add(r));
                    for (sum, gradient) in sums.iter_mut().zip(gradient) {
                        *sum = x.mul_add(gradient, *sum);
                    }
                }
                image = image.wrapping_add(stride * inputs);
                dy = dy.wrapping_add(outputs);
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (q, sum) in sums.iter().enumerate() {
                let to = job.to.add(r * outputs + q * V::LANES);
                sum.add(V::load(to)).store(to);
            }
        }
    }
}
