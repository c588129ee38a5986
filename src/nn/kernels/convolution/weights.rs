//! The gradient to the weights: a tile of weights in registers, one vector each, to which each pixel adds the
//! product of its inputs and its gradient, element by element. The elements are folded when all images are done.

use super::{CHANNEL_BLOCK, Geometry};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::IMAGES;
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::nn::kernels::moments::Origin;
use crate::nn::kernels::rows::Rows;
use crate::nn::kernels::vector::Vector;
use std::ops::Range;

/// The most input channels of a tile, with a kernel of 3.
pub(super) const INPUT_BLOCK: usize = 2;
/// The same with a kernel of 1, whose layout does not depend on it.
const WIDE_BLOCK: usize = 4;

/// How the weights are divided into tiles, which is also the layout of their gradient until it is folded:
/// `[outputs / 4][kernel][inputs / input][kernel][input][4][elements]`.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    /// Input channels of a tile.
    pub(super) input: usize,
}

impl Blocks {
    pub(super) fn of(inputs: usize) -> Blocks {
        Blocks { input: if inputs.is_multiple_of(INPUT_BLOCK) { INPUT_BLOCK } else { 1 } }
    }
}

/// Adds what some rows of the output contribute to `elements`, a vector for each weight; with [`Origin::First`] they start
/// at zero.
///
/// `x` has every row of the input that they read, `dy` the rows of the output's gradient.
pub fn weight_gradient_rows(
    set: InstructionSet,
    geometry: Geometry,
    rows: Range<usize>,
    x: Rows,
    dy: Rows,
    elements: &mut [f32],
    origin: Origin,
) {
    assert_eq!(elements.len(), geometry.weights() * IMAGES, "one vector per weight");
    assert!(rows.end <= geometry.output().height, "rows of the output");
    x.check(geometry.input);
    dy.check(geometry.output());
    set.run(WeightRows { geometry, rows, x, dy, elements, origin });
}

struct WeightRows<'a> {
    geometry: Geometry,
    rows: Range<usize>,
    x: Rows<'a>,
    dy: Rows<'a>,
    elements: &'a mut [f32],
    origin: Origin,
}

impl Kernel for WeightRows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(mut self) {
        let Geometry { kernel, stride, .. } = self.geometry;
        let pairs = Blocks::of(self.geometry.input.channels).input == INPUT_BLOCK;
        let is_wide = I::MANY_REGISTERS && self.geometry.input.channels.is_multiple_of(WIDE_BLOCK);
        // SAFETY: the caller guarantees the instructions; `weight_gradient_rows` has checked rows and lengths.
        unsafe {
            match (kernel, stride, pairs, I::MANY_REGISTERS) {
                (3, 1, true, true) => cover::<I::Vector, 3, 1, 2, 2>(&mut self),
                (3, 1, true, false) => cover::<I::Vector, 3, 1, 2, 1>(&mut self),
                (3, 1, false, _) => cover::<I::Vector, 3, 1, 1, 1>(&mut self),
                (3, _, true, true) => cover::<I::Vector, 3, 2, 2, 2>(&mut self),
                (3, _, true, false) => cover::<I::Vector, 3, 2, 2, 1>(&mut self),
                (3, _, false, _) => cover::<I::Vector, 3, 2, 1, 1>(&mut self),
                (_, 1, _, _) if is_wide => cover::<I::Vector, 1, 1, WIDE_BLOCK, WIDE_BLOCK>(&mut self),
                (_, _, _, _) if is_wide => cover::<I::Vector, 1, 2, WIDE_BLOCK, WIDE_BLOCK>(&mut self),
                (_, 1, true, _) => cover::<I::Vector, 1, 1, 2, 2>(&mut self),
                (_, 1, false, _) => cover::<I::Vector, 1, 1, 1, 1>(&mut self),
                (_, _, true, _) => cover::<I::Vector, 1, 2, 2, 2>(&mut self),
                (_, _, false, _) => cover::<I::Vector, 1, 2, 1, 1>(&mut self),
            }
        }
    }
}

/// Goes over all tiles, in blocks of `BLOCK` input channels of which `INPUTS` are done at once.
///
/// # Safety
/// The machine has the instructions; rows and lengths are those of the geometry.
#[inline(always)]
unsafe fn cover<
    V: Vector,
    const KERNEL: usize,
    const STRIDE: usize,
    const BLOCK: usize,
    const INPUTS: usize,
>(
    job: &mut WeightRows<'_>,
) {
    let Geometry { outputs, input, .. } = job.geometry;
    let mut elements = job.elements.as_mut_ptr();
    let rows_of_tap: [Range<usize>; KERNEL] = std::array::from_fn(|tap| {
        let inside = |row: &usize| job.geometry.input_row(*row, tap).is_some();
        let first = job.rows.clone().find(inside).unwrap_or(job.rows.end);
        first..job.rows.clone().rev().find(inside).map_or(first, |row| row + 1)
    });
    // A block of output channels stays in the L1 cache during the loop over input channels.
    for output in (0..outputs).step_by(CHANNEL_BLOCK) {
        for (tap, rows) in rows_of_tap.iter().enumerate() {
            for channel in (0..input.channels).step_by(BLOCK) {
                for share in (0..BLOCK).step_by(INPUTS) {
                    for element in (0..IMAGES).step_by(V::ELEMENTS) {
                        let (rows, input) = (rows.clone(), channel + share);
                        let tile = Tile { tap, rows, input, output, element, block: BLOCK };
                        // SAFETY: the tile's weights lie within the elements, its rows within the image.
                        unsafe {
                            let elements = elements.add(share * CHANNEL_BLOCK * IMAGES + element);
                            accumulate::<V, KERNEL, STRIDE, INPUTS>(job, tile, elements);
                        }
                    }
                }
                // SAFETY: a tile's vectors are contiguous, as many as `WeightRows::elements` has for it.
                elements = unsafe { elements.add(KERNEL * BLOCK * CHANNEL_BLOCK * IMAGES) };
            }
        }
    }
}

/// The place of a tile.
struct Tile {
    tap: usize,
    rows: Range<usize>,
    input: usize,
    output: usize,
    element: usize,
    block: usize,
}

/// Adds the products of one tile.
///
/// # Safety
/// As [`cover`], and `elements` points to the tile's first vector.
#[inline(always)]
unsafe fn accumulate<V: Vector, const KERNEL: usize, const STRIDE: usize, const INPUTS: usize>(
    job: &WeightRows<'_>,
    tile: Tile,
    elements: *mut f32,
) {
    let width = job.geometry.output().width;
    let (x_step, dy_step) = (job.x.step(), job.dy.step());
    let place = |k: usize, i: usize, c: usize| ((k * tile.block + i) * CHANNEL_BLOCK + c) * IMAGES;
    // SAFETY: rows and columns that are read are within the image: the column before the first counts as zeros, and
    // with stride 1 the one after the last.
    unsafe {
        let mut sums = [[[V::zero(); CHANNEL_BLOCK]; INPUTS]; KERNEL];
        if job.origin == Origin::Kept {
            for (k, sums) in sums.iter_mut().enumerate() {
                for (i, sums) in sums.iter_mut().enumerate() {
                    for (c, sum) in sums.iter_mut().enumerate() {
                        *sum = V::load(elements.add(place(k, i, c)));
                    }
                }
            }
        }
        for row in tile.rows.clone() {
            let input_row = row * STRIDE + tile.tap - KERNEL / 2;
            let mut x = job.x.at(input_row).add(tile.input * IMAGES + tile.element);
            let mut dy = job.dy.at(row).add(tile.output * IMAGES + tile.element);
            let load = |x: *const f32| -> [V; INPUTS] { std::array::from_fn(|i| V::load(x.add(i * IMAGES))) };
            let mut window = [[V::zero(); INPUTS]; KERNEL];
            if KERNEL == 3 && STRIDE == 1 {
                window[1] = load(x);
            }
            for pixel in 0..width {
                match (KERNEL, STRIDE) {
                    (3, 1) => {
                        x = x.wrapping_add(x_step);
                        window[2] = if pixel + 1 < width { load(x) } else { [V::zero(); INPUTS] };
                    }
                    (3, _) => {
                        window[1] = load(x);
                        window[2] = load(x.add(x_step));
                        x = x.wrapping_add(2 * x_step);
                    }
                    (_, _) => {
                        window[0] = load(x);
                        x = x.wrapping_add(STRIDE * x_step);
                    }
                }
                for c in 0..CHANNEL_BLOCK {
                    let gradient = V::load(dy.add(c * IMAGES));
                    for (x, sums) in window.iter().zip(&mut sums) {
                        for (x, sums) in x.iter().zip(sums) {
                            sums[c] = x.mul_add(gradient, sums[c]);
                        }
                    }
                }
                dy = dy.wrapping_add(dy_step);
                if KERNEL == 3 {
                    if STRIDE == 1 {
                        window[0] = window[1];
                    } else {
                        window[0] = window[2];
                    }
                    window[1] = window[2];
                }
            }
        }
        for (k, sums) in sums.iter().enumerate() {
            for (i, sums) in sums.iter().enumerate() {
                for (c, sum) in sums.iter().enumerate() {
                    sum.store(elements.add(place(k, i, c)));
                }
            }
        }
    }
}
