//! Exchanges rows and features: from bundles, `[features][16 rows]`, to panels, `[features / 16][rows][16 features]`, and
//! back. A weight's gradient and attention sum over rows, which then need to lie behind one another.

use super::InstructionSet;
use super::bundle::IMAGES;
use super::dispatch::{Instructions, Kernel};
use super::vector::Vector;

/// Writes a bundle's rows to panels, at whose first row `panels` begins; zeros for the rows from `valid` on, and for
/// features that fill up the last panel.
pub fn to_panels(set: InstructionSet, bundle: &[f32], valid: usize, panels: &mut [f32], panel_stride: usize) {
    check(bundle.len(), valid, panels.len(), panel_stride);
    for (panel, bundle) in bundle.chunks(SQUARE).enumerate() {
        let rows = &mut panels[panel * panel_stride..][..SQUARE];
        if let Ok(bundle) = bundle.try_into() {
            set.run(Square { from: bundle, to: rows.try_into().expect("a square") });
        } else {
            let mut whole = [0.0; SQUARE];
            whole[..bundle.len()].copy_from_slice(bundle);
            set.run(Square { from: &whole, to: rows.try_into().expect("a square") });
        }
        rows[valid * IMAGES..].fill(0.0);
    }
}

/// Writes the rows of panels, at whose first row `panels` begins, to a bundle; zeros for the rows from `valid` on.
pub fn from_panels(
    set: InstructionSet,
    panels: &[f32],
    panel_stride: usize,
    valid: usize,
    bundle: &mut [f32],
) {
    check(bundle.len(), valid, panels.len(), panel_stride);
    for (panel, bundle) in bundle.chunks_mut(SQUARE).enumerate() {
        let rows = panels[panel * panel_stride..][..SQUARE].try_into().expect("a square");
        if let Ok(bundle) = <&mut [f32; SQUARE]>::try_from(&mut *bundle) {
            set.run(Square { from: rows, to: bundle });
        } else {
            let mut whole = [0.0; SQUARE];
            set.run(Square { from: rows, to: &mut whole });
            bundle.copy_from_slice(&whole[..bundle.len()]);
        }
        if valid < IMAGES {
            bundle.as_chunks_mut::<IMAGES>().0.iter_mut().for_each(|feature| feature[valid..].fill(0.0));
        }
    }
}

/// Numbers of 16 features of 16 rows.
const SQUARE: usize = IMAGES * IMAGES;

fn check(bundle: usize, valid: usize, panels: usize, panel_stride: usize) {
    assert!(bundle > 0 && bundle.is_multiple_of(IMAGES), "a bundle of whole features");
    assert!(valid <= IMAGES, "a bundle has at most 16 rows");
    let last = (bundle.div_ceil(SQUARE) - 1) as u128 * panel_stride as u128;
    assert!(last + SQUARE as u128 <= panels as u128, "16 rows of all panels");
}

struct Square<'a> {
    from: &'a [f32; SQUARE],
    to: &'a mut [f32; SQUARE],
}

impl Kernel for Square<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let (from, to) = (self.from.as_ptr(), self.to.as_mut_ptr());
        for row in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            for column in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
                // SAFETY: the caller guarantees the instructions; the smaller square lies within the whole one.
                unsafe {
                    let from = from.add(row * IMAGES + column);
                    I::Vector::transpose(from, IMAGES, to.add(column * IMAGES + row), IMAGES);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::guarded::{Guarded, Side};
    use crate::nn::kernels::samples::numbers;

    #[test]
    fn panels_have_the_rows_of_bundles_and_bundles_get_them_back() {
        for (features, valid) in [(1, 16), (16, 16), (17, 3), (40, 0), (64, 15), (100, 1)] {
            for (set, side) in
                InstructionSet::available().into_iter().zip([Side::Front, Side::Back].repeat(2))
            {
                let bundle = Guarded::copied(side, &numbers(features * IMAGES, 1));
                let (panels, stride) = (features.div_ceil(IMAGES), SQUARE + 3 * IMAGES);
                let mut rows = Guarded::filled(side, (panels - 1) * stride + SQUARE, f32::NAN);
                to_panels(set, &bundle, valid, &mut rows, stride);
                for feature in 0..panels * IMAGES {
                    for row in 0..IMAGES {
                        let ours = rows[feature / IMAGES * stride + row * IMAGES + feature % IMAGES];
                        let there = feature < features && row < valid;
                        let expected = if there { bundle[feature * IMAGES + row] } else { 0.0 };
                        assert_eq!(ours, expected, "{set}: feature {feature} of row {row}");
                    }
                }
                let mut back = Guarded::filled(side, features * IMAGES, f32::NAN);
                from_panels(set, &rows, stride, valid, &mut back);
                for (place, (x, expected)) in back.iter().zip(bundle.iter()).enumerate() {
                    let expected = if place % IMAGES < valid { *expected } else { 0.0 };
                    assert_eq!(*x, expected, "{set}: place {place}");
                }
            }
        }
    }
}
