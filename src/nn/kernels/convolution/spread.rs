//! One row of the gradient to the input of a convolution with stride 2. Even rows and columns of the input are read
//! only by the kernel's middle, odd ones by its sides, so a row contributes to one or two rows of the output. A kernel of 1
//! reads even pixels of even rows only.

use super::{CHANNEL_BLOCK, Geometry, OUTSIDE};
use crate::nn::kernels::bundle::IMAGES;
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::nn::kernels::vector::Vector;

/// Computes a row of the input's gradient for a kernel of 3. `rows` of the output's gradient are the one at half the row's index and the
/// next.
pub(super) struct Spread<'a> {
    pub(super) geometry: Geometry,
    pub(super) row: usize,
    pub(super) rows: [Option<&'a [f32]>; 3],
    /// Numbers from a pixel of a row to the next.
    pub(super) step: usize,
    pub(super) weights: &'a [f32],
    pub(super) dx: &'a mut [f32],
}

impl Kernel for Spread<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        // Rows of the turned kernel, and the rows of the output's gradient that they are applied to.
        let [near, next, _] = self.rows.map(|row| row.map_or(std::ptr::null(), <[f32]>::as_ptr));
        let taps = match self.row % 2 {
            0 => [(1, near), (0, std::ptr::null())],
            _ => [(0, near), (2, next)],
        };
        let (weights, dx) = (self.weights.as_ptr(), self.dx.as_mut_ptr());
        let job = Job { geometry: self.geometry, taps, step: self.step, weights, dx };
        for pixel in (0..self.geometry.input.width).step_by(2) {
            for input in (0..self.geometry.input.channels).step_by(CHANNEL_BLOCK) {
                for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
                    // SAFETY: the caller guarantees the instructions; the slices have the lengths of the geometry,
                    // which `input_gradient_row` has checked, and the width is even.
                    unsafe { tile::<I::Vector>(job, pixel, input, element) };
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Job {
    geometry: Geometry,
    taps: [(usize, *const f32); 2],
    step: usize,
    weights: *const f32,
    dx: *mut f32,
}

/// Side of the kernel.
const KERNEL: usize = 3;

/// Computes an even pixel and the odd one after it times a block of channels, from `element` on.
///
/// # Safety
/// The machine has the instructions; the job's pointers are to slices of the lengths that its geometry requires.
#[inline(always)]
unsafe fn tile<V: Vector>(job: Job, pixel: usize, input: usize, element: usize) {
    let outputs = job.geometry.outputs;
    let (inputs, width) = (job.geometry.input.channels, job.geometry.output().width);
    // SAFETY: a column of the output's gradient is `outputs` vectors; one outside is read from as many zeros.
    unsafe {
        let (mut even, mut odd) = ([V::zero(); CHANNEL_BLOCK], [V::zero(); CHANNEL_BLOCK]);
        let block = job.weights.add(input * KERNEL * KERNEL * outputs);
        for (tap, row) in job.taps {
            if row.is_null() {
                continue;
            }
            let near = row.add(pixel / 2 * job.step + element);
            let next = match pixel / 2 + 1 < width {
                true => near.add(job.step),
                false => OUTSIDE.0.as_ptr().add(element),
            };
            let mut weights = block.add(tap * outputs * KERNEL * CHANNEL_BLOCK);
            for output in 0..outputs {
                let near = V::load(near.add(output * IMAGES));
                for (c, even) in even.iter_mut().enumerate() {
                    let middle = V::splat(*weights.add(KERNEL / 2 * CHANNEL_BLOCK + c));
                    *even = near.mul_add(middle, *even);
                }
                let next = V::load(next.add(output * IMAGES));
                for (c, odd) in odd.iter_mut().enumerate() {
                    *odd = near.mul_add(V::splat(*weights.add(c)), *odd);
                    *odd = next.mul_add(V::splat(*weights.add(2 * CHANNEL_BLOCK + c)), *odd);
                }
                weights = weights.add(KERNEL * CHANNEL_BLOCK);
            }
        }
        let dx = job.dx.add((pixel * inputs + input) * IMAGES + element);
        for c in 0..CHANNEL_BLOCK {
            even[c].store(dx.add(c * IMAGES));
            odd[c].store(dx.add((inputs + c) * IMAGES));
        }
    }
}

/// Computes a row of the input's gradient for a kernel of 1.
pub(super) struct Scatter<'a> {
    pub(super) geometry: Geometry,
    /// The row of the output's gradient that has read it; none if nothing has.
    pub(super) row: Option<&'a [f32]>,
    /// Numbers from a pixel of a row to the next.
    pub(super) step: usize,
    pub(super) weights: &'a [f32],
    pub(super) dx: &'a mut [f32],
}

impl Kernel for Scatter<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let Scatter { geometry, row, step, weights, dx } = self;
        let Some(row) = row else { return dx.fill(0.0) };
        let (row, weights, dx) = (row.as_ptr(), weights.as_ptr(), dx.as_mut_ptr());
        let job = Pixels { geometry, row, step, weights, dx };
        let most = if I::MANY_REGISTERS { 4 } else { 2 };
        let mut pixel = 0;
        while pixel < geometry.output().width {
            let count = if pixel + most <= geometry.output().width { most } else { 1 };
            for input in (0..geometry.input.channels).step_by(CHANNEL_BLOCK) {
                for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
                    // SAFETY: the caller guarantees the instructions; the slices have the lengths of the geometry,
                    // which `input_gradient_row` has checked, and the pixels lie within the row.
                    unsafe {
                        match count {
                            4 => scatter::<I::Vector, 4>(job, pixel, input, element),
                            2 => scatter::<I::Vector, 2>(job, pixel, input, element),
                            _ => scatter::<I::Vector, 1>(job, pixel, input, element),
                        }
                    }
                }
            }
            pixel += count;
        }
    }
}

#[derive(Clone, Copy)]
struct Pixels {
    geometry: Geometry,
    row: *const f32,
    step: usize,
    weights: *const f32,
    dx: *mut f32,
}

/// Computes what `COUNT` pixels of the output have read, times a block of channels, from `element` on, and zeroes the
/// pixels behind.
///
/// # Safety
/// The machine has the instructions; the job's pointers are to slices of the lengths that its geometry requires; the
/// pixels lie within the row.
#[inline(always)]
unsafe fn scatter<V: Vector, const COUNT: usize>(job: Pixels, pixel: usize, input: usize, element: usize) {
    let (inputs, outputs) = (job.geometry.input.channels, job.geometry.outputs);
    // SAFETY: a pixel of the output's gradient is `step` numbers, of which each channel's vector is read; the input has
    // two pixels for each.
    unsafe {
        let mut sums = [[V::zero(); CHANNEL_BLOCK]; COUNT];
        let row = job.row.add(pixel * job.step + element);
        let mut weights = job.weights.add(input * outputs);
        for output in 0..outputs {
            let mut x = [V::zero(); COUNT];
            for (p, x) in x.iter_mut().enumerate() {
                *x = V::load(row.add(p * job.step + output * IMAGES));
            }
            for c in 0..CHANNEL_BLOCK {
                let weight = V::splat(*weights.add(c));
                for (x, sums) in x.iter().zip(&mut sums) {
                    sums[c] = x.mul_add(weight, sums[c]);
                }
            }
            weights = weights.add(CHANNEL_BLOCK);
        }
        let dx = job.dx.add((2 * pixel * inputs + input) * IMAGES + element);
        for (p, sums) in sums.iter().enumerate() {
            for (c, sum) in sums.iter().enumerate() {
                sum.store(dx.add((2 * p * inputs + c) * IMAGES));
                V::zero().store(dx.add(((2 * p + 1) * inputs + c) * IMAGES));
            }
        }
    }
}
