//! One row of a convolution's output, forward or as the gradient to the input.

use super::{CHANNEL_BLOCK, Geometry, OUTSIDE, spread};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::{IMAGES, Shape};
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::nn::kernels::moments::{Origin, ROW_MOMENTS};
use crate::nn::kernels::rows::step;
use crate::nn::kernels::vector::Vector;

/// Computes one row of `y = x * weights`.
///
/// `rows` are those of the input that are read ([`Geometry::rows_read`]); none is outside the image. `weights` are
/// [`pack`](super::pack())ed. `moments` takes the sums of each output channel, element by element ([`ROW_MOMENTS`] vectors a
/// channel); with [`Origin::First`] they start over.
pub fn forward_row(
    set: InstructionSet,
    geometry: Geometry,
    rows: [Option<&[f32]>; 3],
    weights: &[f32],
    y: &mut [f32],
    moments: Option<(&mut [f32], Origin)>,
) {
    let step = common_step(geometry.input, &rows);
    assert_eq!(weights.len(), geometry.weights(), "all weights");
    assert_eq!(y.len(), geometry.output().row(), "a row of the output");
    if let Some((moments, _)) = &moments {
        assert_eq!(moments.len(), geometry.outputs * ROW_MOMENTS * IMAGES, "sums of each channel");
    }
    set.run(Row { geometry, rows, step, weights, y, moments });
}

/// Computes one row of the gradient to the input.
///
/// `rows` are those of the output's gradient ([`Geometry::rows_reached`]); none is outside the image. `weights` are
/// [`pack_turned`](super::pack_turned).
pub fn input_gradient_row(
    set: InstructionSet,
    geometry: Geometry,
    row: usize,
    rows: [Option<&[f32]>; 3],
    weights: &[f32],
    dx: &mut [f32],
) {
    let output = geometry.output();
    let step = common_step(output, &rows);
    assert_eq!(weights.len(), geometry.weights(), "all weights");
    assert_eq!(dx.len(), geometry.input.row(), "a row of the input's gradient");
    match (geometry.kernel, geometry.stride) {
        (1, 2) => {
            let row = rows[0].filter(|_| row.is_multiple_of(2));
            set.run(spread::Scatter { geometry, row, step, weights, dx });
        }
        (_, 2) => set.run(spread::Spread { geometry, row, rows, step, weights, dx }),
        (_, _) => {
            let turned = Geometry { input: output, outputs: geometry.input.channels, ..geometry };
            set.run(Row { geometry: turned, rows, step, weights, y: dx, moments: None });
        }
    }
}

/// Numbers from one pixel to the next, the same in all rows.
fn common_step(shape: Shape, rows: &[Option<&[f32]>]) -> usize {
    let mut steps = rows.iter().flatten().map(|row| step(shape, row));
    let first = steps.next().unwrap_or(0);
    assert!(steps.all(|step| step == first), "rows that are padded alike");
    first
}

struct Row<'a> {
    geometry: Geometry,
    rows: [Option<&'a [f32]>; 3],
    step: usize,
    weights: &'a [f32],
    y: &'a mut [f32],
    moments: Option<(&'a mut [f32], Origin)>,
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let (moments, origin) = match self.moments {
            Some((moments, origin)) => (moments.as_mut_ptr(), origin),
            None => (std::ptr::null_mut(), Origin::Kept),
        };
        let job = Job {
            geometry: self.geometry,
            rows: self.rows.map(|row| row.map_or(std::ptr::null(), <[f32]>::as_ptr)),
            step: self.step,
            weights: self.weights.as_ptr(),
            y: self.y.as_mut_ptr(),
            moments,
        };
        // SAFETY: the caller guarantees the instructions; the slices have the lengths of the geometry, which
        // `forward_row` and `input_gradient_row` have checked.
        unsafe {
            match (self.geometry.kernel, self.geometry.stride, I::MANY_REGISTERS) {
                (3, 1, true) => cover::<I::Vector, 3, 1, 4, 6, 3>(job, origin),
                (3, 1, false) => cover::<I::Vector, 3, 1, 2, 4, 3>(job, origin),
                (3, _, true) => cover::<I::Vector, 3, 2, 4, 9, 3>(job, origin),
                (3, _, false) => cover::<I::Vector, 3, 2, 2, 5, 3>(job, origin),
                (_, 1, true) => cover::<I::Vector, 1, 1, 4, 4, 1>(job, origin),
                (_, 1, false) => cover::<I::Vector, 1, 1, 2, 2, 1>(job, origin),
                (_, _, true) => cover::<I::Vector, 1, 2, 4, 7, 1>(job, origin),
                (_, _, false) => cover::<I::Vector, 1, 2, 2, 3, 1>(job, origin),
            }
        }
    }
}

/// The pointers for computing a row.
#[derive(Clone, Copy)]
struct Job {
    geometry: Geometry,
    /// Null outside the image.
    rows: [*const f32; 3],
    /// Numbers from a pixel to the next.
    step: usize,
    weights: *const f32,
    y: *mut f32,
    /// Null if nothing is measured.
    moments: *mut f32,
}

/// Covers the row with tiles of `PIXELS` pixels, which read `COLUMNS` of the input, and what is left over with
/// single pixels, which read `KERNEL`.
///
/// # Safety
/// The machine has the instructions; the job's pointers are to slices of the lengths that its geometry requires.
#[inline(always)]
unsafe fn cover<
    V: Vector,
    const KERNEL: usize,
    const STRIDE: usize,
    const PIXELS: usize,
    const COLUMNS: usize,
    const SINGLE: usize,
>(
    job: Job,
    mut origin: Origin,
) {
    let Geometry { outputs, .. } = job.geometry;
    let width = job.geometry.output().width;
    let mut pixel = 0;
    while pixel < width {
        let whole = pixel + PIXELS <= width;
        for output in (0..outputs).step_by(CHANNEL_BLOCK) {
            for element in (0..IMAGES).step_by(V::ELEMENTS) {
                // SAFETY: the tile lies within the row, the rest is guaranteed by the caller.
                unsafe {
                    if whole {
                        tile::<V, KERNEL, STRIDE, PIXELS, COLUMNS>(job, pixel, output, element, origin);
                    } else {
                        tile::<V, KERNEL, STRIDE, 1, SINGLE>(job, pixel, output, element, origin);
                    }
                }
            }
        }
        origin = Origin::Kept;
        pixel += if whole { PIXELS } else { 1 };
    }
}

/// Computes one tile: `PIXELS` pixels times a block of channels, from `element` on.
///
/// # Safety
/// As [`cover`], and the tile lies within the row.
#[inline(always)]
unsafe fn tile<
    V: Vector,
    const KERNEL: usize,
    const STRIDE: usize,
    const PIXELS: usize,
    const COLUMNS: usize,
>(
    job: Job,
    pixel: usize,
    output: usize,
    element: usize,
    origin: Origin,
) {
    let Job { geometry: Geometry { outputs, input, .. }, step, .. } = job;
    // SAFETY: a column of the row is `step` numbers, of which each channel's vector is read; one outside
    // is read from zeros for as many channels. The weights of a block are `KERNEL * inputs * KERNEL` times four.
    unsafe {
        let mut sums = [[V::zero(); CHANNEL_BLOCK]; PIXELS];
        let block = job.weights.add(output * KERNEL * KERNEL * input.channels);
        for (tap, row) in job.rows.iter().take(KERNEL).enumerate() {
            if row.is_null() {
                continue;
            }
            let columns: [*const f32; COLUMNS] = std::array::from_fn(|i| {
                let column = (pixel * STRIDE + i).wrapping_sub(KERNEL / 2);
                let at = if column < input.width { row.add(column * step) } else { OUTSIDE.0.as_ptr() };
                at.add(element)
            });
            let mut weights = block.add(tap * input.channels * KERNEL * CHANNEL_BLOCK);
            for channel in 0..input.channels {
                let x: [V; COLUMNS] = std::array::from_fn(|i| V::load(columns[i].add(channel * IMAGES)));
                for k in 0..KERNEL {
                    for c in 0..CHANNEL_BLOCK {
                        let weight = V::splat(*weights.add(k * CHANNEL_BLOCK + c));
                        for (p, sums) in sums.iter_mut().enumerate() {
                            sums[c] = x[p * STRIDE + k].mul_add(weight, sums[c]);
                        }
                    }
                }
                weights = weights.add(KERNEL * CHANNEL_BLOCK);
            }
        }
        let y = job.y.add((pixel * outputs + output) * IMAGES + element);
        for (p, sums) in sums.iter().enumerate() {
            for (c, sum) in sums.iter().enumerate() {
                sum.store(y.add((p * outputs + c) * IMAGES));
            }
        }
        if !job.moments.is_null() {
            measure(&sums, job.moments.add(output * ROW_MOMENTS * IMAGES + element), origin);
        }
    }
}

/// Adds a tile to the sums of its channels: the differences from the channel's origin, and their squares.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn measure<V: Vector, const PIXELS: usize>(
    y: &[[V; CHANNEL_BLOCK]; PIXELS],
    moments: *mut f32,
    origin: Origin,
) {
    for c in 0..CHANNEL_BLOCK {
        // SAFETY: three vectors of sums per channel, which the caller guarantees.
        unsafe {
            let of = moments.add(c * ROW_MOMENTS * IMAGES);
            let (mut sum, mut squares) = (V::zero(), V::zero());
            match origin {
                Origin::First => y[0][c].store(of),
                Origin::Kept => {
                    sum = V::load(of.add(IMAGES));
                    squares = V::load(of.add(2 * IMAGES));
                }
            }
            let origin = V::load(of);
            for y in y {
                let difference = y[c].sub(origin);
                sum = sum.add(difference);
                squares = difference.mul_add(difference, squares);
            }
            sum.store(of.add(IMAGES));
            squares.store(of.add(2 * IMAGES));
        }
    }
}
