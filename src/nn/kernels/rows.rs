//! Access to the rows of a bundle, all of them or the last few.

use super::bundle::Shape;

/// Rows in a buffer of `slots` rows, row `r` in slot `r % slots`: a whole bundle, or a sliding window over it.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    buffer: &'a [f32],
    shape: Shape,
    /// Numbers of a row.
    row: usize,
    slots: usize,
}

impl<'a> Rows<'a> {
    /// The rows of a buffer, which is divided into whole rows of a shape.
    pub fn new(shape: Shape, buffer: &'a [f32]) -> Rows<'a> {
        Rows::of_length(shape, buffer, shape.row())
    }

    /// The rows of a window, with padding after each pixel.
    pub fn padded(shape: Shape, buffer: &'a [f32]) -> Rows<'a> {
        Rows::of_length(shape, buffer, shape.padded_row())
    }

    fn of_length(shape: Shape, buffer: &'a [f32], row: usize) -> Rows<'a> {
        let slots = buffer.len() / row;
        assert!(slots > 0 && buffer.len() == slots * row, "whole rows of {shape:?}");
        Rows { buffer, shape, row, slots }
    }

    /// A row.
    pub fn get(self, row: usize) -> &'a [f32] {
        &self.buffer[row % self.slots * self.row..][..self.row]
    }

    /// The first number of a row.
    #[inline(always)]
    pub(super) fn at(self, row: usize) -> *const f32 {
        // SAFETY: the buffer has `slots` rows, and the remainder is below that.
        unsafe { self.buffer.as_ptr().add(row % self.slots * self.row) }
    }

    /// Numbers from one pixel to the next.
    pub(super) fn step(self) -> usize {
        self.row / self.shape.width
    }

    /// Panics unless the rows are those of a shape.
    pub(super) fn check(self, shape: Shape) {
        assert_eq!(self.shape, shape, "rows of the shape");
    }
}

/// Numbers from one pixel to the next in a row of a shape, which may have padding after each pixel.
///
/// # Panics
/// If the row has neither length.
pub(super) fn step(shape: Shape, row: &[f32]) -> usize {
    assert!([shape.row(), shape.padded_row()].contains(&row.len()), "a row of {shape:?}, not {}", row.len());
    row.len() / shape.width
}

/// The mutable slot of a row in a ring buffer of rows of a length.
pub fn slot(length: usize, buffer: &mut [f32], row: usize) -> &mut [f32] {
    let slots = buffer.len() / length;
    &mut buffer[row % slots * length..][..length]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::bundle::IMAGES;

    const SHAPE: Shape = Shape { height: 5, width: 2, channels: 3 };

    #[test]
    fn a_window_holds_the_last_rows_and_a_bundle_all_of_them() {
        for slots in 1..=SHAPE.height {
            let mut window = vec![f32::NAN; slots * SHAPE.row()];
            for row in 0..SHAPE.height {
                slot(SHAPE.row(), &mut window, row).fill(row as f32);
                let rows = Rows::new(SHAPE, &window);
                rows.check(SHAPE);
                for row in (row + 1).saturating_sub(slots)..=row {
                    assert_eq!(rows.get(row), vec![row as f32; 2 * 3 * IMAGES]);
                    assert_eq!(rows.at(row), rows.get(row).as_ptr());
                }
            }
        }
    }

    #[test]
    fn rows_of_another_shape_are_refused() {
        let refused = |call: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err();
        let buffer = vec![0.0; 2 * SHAPE.row()];
        let wider = Shape { width: 3, ..SHAPE };
        assert!(!refused(&|| Rows::new(SHAPE, &buffer).check(SHAPE)));
        assert!(refused(&|| Rows::new(SHAPE, &buffer).check(wider)));
        assert!(refused(&|| _ = Rows::new(wider, &buffer)));
        assert!(refused(&|| _ = Rows::new(SHAPE, &[])));
    }
}
