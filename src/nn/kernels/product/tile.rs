//! How a product is divided: k into blocks, so that the part of `b` that a tile reads stays in the L1 cache while all of
//! `a` passes by; then `c` into tiles that fit into the registers.

use super::{Factors, Panels, PanelsMut, Start};
use crate::nn::kernels::bundle::IMAGES;
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::nn::kernels::vector::Vector;

/// The most numbers that are summed before the next block: three panels of so many vectors take half of an L1 cache.
const DEPTH: usize = 128;
/// The most rows of a tile.
const MOST_ROWS: usize = 8;

pub(super) struct Product<'a> {
    pub(super) width: usize,
    pub(super) a: Factors<'a>,
    pub(super) b: Panels<'a>,
    pub(super) c: PanelsMut<'a>,
    pub(super) start: Start<'a>,
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let Factors { numbers, rows, columns } = self.a;
        let (start, bias) = match self.start {
            Start::Zero => (Sums::Zero, std::ptr::null()),
            Start::Kept => (Sums::Kept, std::ptr::null()),
            Start::Rows(bias) => (Sums::Bias, bias.as_ptr()),
        };
        let mut job = Job {
            a: numbers.as_ptr(),
            row_stride: rows.stride,
            outer_stride: columns.outer_stride,
            stride: columns.stride,
            b: self.b.numbers.as_ptr(),
            b_panel: self.b.panel_stride,
            b_row: self.b.row_stride,
            c: self.c.numbers.as_mut_ptr(),
            c_panel: self.c.panel_stride,
            c_row: self.c.row_stride,
            outer: columns.outer.min((DEPTH / columns.inner).max(1)),
            inner: columns.inner.div_ceil(columns.inner.div_ceil(DEPTH)),
            start,
            bias,
        };
        let (whole_outer, whole_inner) = (job.outer, job.inner);
        for outer in (0..columns.outer).step_by(whole_outer) {
            for inner in (0..columns.inner).step_by(whole_inner) {
                job.outer = whole_outer.min(columns.outer - outer);
                job.inner = whole_inner.min(columns.inner - inner);
                job.a = numbers.as_ptr().wrapping_add(outer * columns.outer_stride + inner * columns.stride);
                let row = outer * columns.inner + inner;
                job.b = self.b.numbers.as_ptr().wrapping_add(row * job.b_row);
                // SAFETY: the caller guarantees the instructions; `multiply` has checked that all numbers are there.
                unsafe { block::<I>(&job, self.width, self.a) };
                job.start = Sums::Kept;
            }
        }
    }
}

/// What the sums of a block start from.
#[derive(Clone, Copy)]
enum Sums {
    Zero,
    Kept,
    Bias,
}

/// A block of the sum over k, of all rows and panels or of those of a tile.
#[derive(Clone, Copy)]
struct Job {
    a: *const f32,
    row_stride: usize,
    outer_stride: usize,
    stride: usize,
    b: *const f32,
    b_panel: usize,
    b_row: usize,
    c: *mut f32,
    c_panel: usize,
    c_row: usize,
    outer: usize,
    inner: usize,
    start: Sums,
    bias: *const f32,
}

impl Job {
    /// The part from this row on, which begins at `place` in `a`.
    #[inline(always)]
    fn at_row(mut self, row: usize, place: usize) -> Job {
        self.a = self.a.wrapping_add(place);
        self.c = self.c.wrapping_add(row * self.c_row);
        self.bias = self.bias.wrapping_add(row);
        self
    }
}

/// Adds a block to all of `c`.
///
/// # Safety
/// The machine has the instructions; all numbers of the block are where its strides lead.
#[inline(always)]
unsafe fn block<I: Instructions>(job: &Job, width: usize, a: Factors) {
    let most = a.rows.inner.div_ceil(a.rows.inner.div_ceil(if I::MANY_REGISTERS { MOST_ROWS } else { 6 }));
    let per_panel = IMAGES / I::Vector::ELEMENTS;
    let (whole, rest) = (width / IMAGES, width % IMAGES);
    for (vector, vectors) in parts(whole * per_panel, widest::<I>(most)) {
        for outer in 0..a.rows.outer {
            for (row, rows) in parts(a.rows.inner, most) {
                let place = outer * a.rows.outer_stride + row * a.rows.stride;
                let tile = job.at_row(outer * a.rows.inner + row, place);
                // SAFETY: guaranteed by the caller; the tile lies within the rows and panels.
                unsafe { of_size::<I>(&tile, vector, rows, vectors) };
            }
        }
    }
    if rest == 0 {
        return;
    }
    // The last panel is computed beside `c` and copied, as whole vectors don't fit into it.
    for outer in 0..a.rows.outer {
        for (row, rows) in parts(a.rows.inner, most) {
            let place = outer * a.rows.outer_stride + row * a.rows.stride;
            let mut tile = job.at_row(outer * a.rows.inner + row, place);
            let mut beside = [[0.0_f32; IMAGES]; MOST_ROWS];
            let (c, c_row) = (tile.c.wrapping_add(whole * job.c_panel), job.c_row);
            tile.b = tile.b.wrapping_add(whole * job.b_panel);
            (tile.c, tile.c_row, tile.c_panel) = (beside.as_mut_ptr().cast(), IMAGES, 0);
            // SAFETY: guaranteed by the caller; the panel of `b` is whole, and the rows of `c` have `rest` numbers of it.
            unsafe {
                for (r, beside) in beside.iter_mut().enumerate().take(rows) {
                    std::ptr::copy_nonoverlapping(c.add(r * c_row), beside.as_mut_ptr(), rest);
                }
                for (vector, vectors) in parts(per_panel, widest::<I>(most)) {
                    of_size::<I>(&tile, vector, rows, vectors);
                }
                for (r, beside) in beside.iter().enumerate().take(rows) {
                    std::ptr::copy_nonoverlapping(beside.as_ptr(), c.add(r * c_row), rest);
                }
            }
        }
    }
}

/// Divides `count` into as few parts of at most `most` as possible, nearly equal: the first of each and its size.
#[inline(always)]
fn parts(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = count.div_ceil(most);
    let (size, larger) = (count / parts.max(1), count % parts.max(1));
    let mut first = 0;
    (0..parts).map(move |part| {
        let size = size + usize::from(part < larger);
        first += size;
        (first - size, size)
    })
}

/// The most vectors of a tile of this many rows.
#[inline(always)]
fn widest<I: Instructions>(rows: usize) -> usize {
    match (I::MANY_REGISTERS, rows) {
        (true, 7..) => 3,
        (true, _) | (false, ..=2) => 4,
        (false, _) => 2,
    }
}

/// Adds a block to a tile of `rows` rows and `vectors` vectors.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn of_size<I: Instructions>(job: &Job, vector: usize, rows: usize, vectors: usize) {
    macro_rules! sizes {
        ($($rows:literal: $($width:literal)*;)*) => {
            match (rows, vectors) {
                // SAFETY: guaranteed by the caller.
                $($(($rows, $width) if $width <= widest::<I>($rows) => unsafe {
                    tile::<I::Vector, $rows, $width>(job, vector)
                },)*)*
                _ => unreachable!("tiles have at most 8 rows, and vectors as they fit into registers"),
            }
        };
    }
    if I::MANY_REGISTERS {
        sizes!(8: 3 2 1; 7: 3 2 1; 6: 4 3 2 1; 5: 4 3 2 1; 4: 4 3 2 1; 3: 4 3 2 1; 2: 4 3 2 1; 1: 4 3 2 1;);
    } else {
        sizes!(6: 2 1; 5: 2 1; 4: 2 1; 3: 2 1; 2: 4 3 2 1; 1: 4 3 2 1;);
    }
}

/// Adds a block to a tile of `ROWS` rows and `WIDTH` vectors, from `vector` on.
///
/// # Safety
/// The machine has the instructions; all numbers of the tile are where the job's strides lead.
#[inline(always)]
unsafe fn tile<V: Vector, const ROWS: usize, const WIDTH: usize>(job: &Job, vector: usize) {
    let per_panel = IMAGES / V::ELEMENTS;
    let place =
        |v: usize, panel: usize| (vector + v) / per_panel * panel + (vector + v) % per_panel * V::ELEMENTS;
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut sums = [[V::zero(); WIDTH]; ROWS];
        let c: [*mut f32; WIDTH] = std::array::from_fn(|v| job.c.wrapping_add(place(v, job.c_panel)));
        match job.start {
            Sums::Zero => {}
            Sums::Kept => {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (sum, c) in sums.iter_mut().zip(c) {
                        *sum = V::load(c.add(r * job.c_row));
                    }
                }
            }
            Sums::Bias => {
                for (r, sums) in sums.iter_mut().enumerate() {
                    *sums = [V::splat(*job.bias.add(r)); WIDTH];
                }
            }
        }
        let mut b: [*const f32; WIDTH] = std::array::from_fn(|v| job.b.wrapping_add(place(v, job.b_panel)));
        for outer in 0..job.outer {
            let mut a: [*const f32; ROWS] =
                std::array::from_fn(|r| job.a.wrapping_add(outer * job.outer_stride + r * job.row_stride));
            for _ in 0..job.inner {
                let x: [V; WIDTH] = std::array::from_fn(|v| V::load(b[v]));
                for (sums, a) in sums.iter_mut().zip(&mut a) {
                    let factor = V::splat(**a);
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum = x.mul_add(factor, *sum);
                    }
                    *a = a.wrapping_add(job.stride);
                }
                b.iter_mut().for_each(|b| *b = b.wrapping_add(job.b_row));
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (sum, c) in sums.into_iter().zip(c) {
                sum.store(c.add(r * job.c_row));
            }
        }
    }
}
