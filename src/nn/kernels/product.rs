//! The matrix product that layers on rows are made of: `c[m][n] = start + sum over k of a[m][k] * b[k][n]`.
//!
//! `a` is read number by number, each for a whole vector, from wherever its strides lead: the weights of a layer, or in
//! a gradient with rows and columns exchanged, or a feature of each row of some bundles. `b` and `c` are panels of
//! vectors: bundles of rows, or weights by 16 columns. Nothing is repacked.
//!
//! Each number of `c` is one chain of multiply-adds in the order of k, continued from memory where k is divided. So
//! results depend on nothing but the numbers, however the work is divided.

use super::InstructionSet;
use super::bundle::IMAGES;

mod tile;

/// Where the numbers of a dimension lie: in `outer` runs, `outer_stride` apart, of `inner` numbers each, `stride` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Runs.
    pub outer: usize,
    /// From a run to the next.
    pub outer_stride: usize,
    /// Numbers of a run.
    pub inner: usize,
    /// From a number to the next.
    pub stride: usize,
}

impl Steps {
    /// `count` numbers, `stride` apart.
    pub fn even(count: usize, stride: usize) -> Steps {
        Steps { outer: 1, outer_stride: 0, inner: count, stride }
    }

    /// One feature of all rows of this many bundles, `bundle_stride` apart.
    pub fn rows(bundles: usize, bundle_stride: usize) -> Steps {
        Steps { outer: bundles, outer_stride: bundle_stride, inner: IMAGES, stride: 1 }
    }

    /// How many numbers.
    pub fn count(self) -> usize {
        self.outer * self.inner
    }

    /// The distance of the last number from the first.
    fn last(self) -> u128 {
        reach(self.outer, self.outer_stride) + reach(self.inner, self.stride)
    }
}

/// The numbers that are broadcast: one at `row + column`.
#[derive(Clone, Copy, Debug)]
pub struct Factors<'a> {
    /// Where all of them are.
    pub numbers: &'a [f32],
    /// Over m.
    pub rows: Steps,
    /// Over k.
    pub columns: Steps,
}

/// Vectors of 16 columns: element e of panel p in row k is at `p * panel_stride + k * row_stride + e`.
#[derive(Clone, Copy, Debug)]
pub struct Panels<'a> {
    /// Where all of them are.
    pub numbers: &'a [f32],
    /// From a panel to the next.
    pub panel_stride: usize,
    /// From a row to the next.
    pub row_stride: usize,
}

/// The panels that are written, as [`Panels`].
#[derive(Debug)]
pub struct PanelsMut<'a> {
    /// Where all of them are.
    pub numbers: &'a mut [f32],
    /// From a panel to the next.
    pub panel_stride: usize,
    /// From a row to the next.
    pub row_stride: usize,
}

/// What the sums start from.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Zero.
    Zero,
    /// What the panels have: the product is added.
    Kept,
    /// A number for each row: the bias of each feature.
    Rows(&'a [f32]),
}

/// Computes `c[m][n]` from a product over k, for all m and k of `a` and the first `width` numbers n.
///
/// Where `width` is no multiple of 16, the last panel of `b` is nevertheless read as a whole; in `c`, only its first
/// numbers are touched.
///
/// # Panics
/// If a slice is shorter than sizes and strides say, or there is nothing to sum.
pub fn multiply(set: InstructionSet, width: usize, a: Factors, b: Panels, c: PanelsMut, start: Start) {
    let (rows, depth) = (a.rows.count(), a.columns.count());
    if rows == 0 || width == 0 {
        return;
    }
    assert!(depth > 0, "something to sum");
    assert!(a.rows.last() + a.columns.last() < a.numbers.len() as u128, "all numbers of a");
    let last_panel = reach(width.div_ceil(IMAGES), b.panel_stride) + IMAGES as u128 - 1;
    assert!(last_panel + reach(depth, b.row_stride) < b.numbers.len() as u128, "all panels of b");
    let (whole, rest) = (width / IMAGES, width % IMAGES);
    for (panels, last) in [(whole, IMAGES), (whole + 1, rest)] {
        let last_number = reach(panels, c.panel_stride) + reach(rows, c.row_stride) + last as u128;
        assert!(panels == 0 || last == 0 || last_number <= c.numbers.len() as u128, "all panels of c");
    }
    if let Start::Rows(numbers) = start {
        assert_eq!(numbers.len(), rows, "a number for each row");
    }
    set.run(tile::Product { width, a, b, c, start });
}

/// The distance from the first to the last of `count` places.
fn reach(count: usize, stride: usize) -> u128 {
    count.saturating_sub(1) as u128 * stride as u128
}

#[cfg(test)]
mod tests;
