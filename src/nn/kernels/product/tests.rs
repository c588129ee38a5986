//! Tests the product against its definition: over sizes, layouts and starts, between inaccessible pages.

use proptest::prelude::*;

use super::*;
use crate::nn::kernels::guarded::{Guarded, Side};
use crate::nn::kernels::samples::{assert_fused_agree, bits, numbers};

/// A product of two matrices.
#[derive(Clone, Debug)]
struct Case {
    rows: Steps,
    columns: Steps,
    /// Numbers of `a`.
    length: usize,
    width: usize,
    /// Gaps between panels and between rows of b and c.
    gaps: [usize; 4],
    start: u8,
    seed: u64,
}

impl Case {
    /// The place of an index of a dimension.
    fn place(steps: Steps, index: usize) -> usize {
        index / steps.inner * steps.outer_stride + index % steps.inner * steps.stride
    }

    /// Strides and numbers of the panels of b and c.
    fn panels(&self, which: usize) -> (usize, usize, usize) {
        let (rows, width) = match which {
            0 => (self.columns.count(), self.width.next_multiple_of(IMAGES)),
            _ => (self.rows.count(), self.width),
        };
        let row = IMAGES + self.gaps[2 * which];
        let panel = (rows - 1) * row + IMAGES + self.gaps[2 * which + 1];
        (panel, row, (width - 1) / IMAGES * panel + (rows - 1) * row + (width - 1) % IMAGES + 1)
    }

    fn run(&self, set: InstructionSet, side: Side) -> Vec<f32> {
        let [(b_panel, b_row, b_length), (c_panel, c_row, c_length)] = [0, 1].map(|which| self.panels(which));
        let a = Guarded::copied(side, &numbers(self.length, self.seed));
        let b = Guarded::copied(side, &numbers(b_length, self.seed ^ 1));
        let mut c = Guarded::copied(side, &numbers(c_length, self.seed ^ 2));
        let bias = Guarded::copied(side, &numbers(self.rows.count(), self.seed ^ 3));
        let a = Factors { numbers: &a, rows: self.rows, columns: self.columns };
        let b = Panels { numbers: &b, panel_stride: b_panel, row_stride: b_row };
        let to = PanelsMut { numbers: &mut c, panel_stride: c_panel, row_stride: c_row };
        multiply(
            set,
            self.width,
            a,
            b,
            to,
            [Start::Zero, Start::Kept, Start::Rows(&bias)][usize::from(self.start)],
        );
        c.to_vec()
    }

    /// Asserts that the result is the definition's, and that nothing else was touched.
    fn check(&self, set: InstructionSet, ours: &[f32]) {
        let [(b_panel, b_row, b_length), (c_panel, c_row, c_length)] = [0, 1].map(|which| self.panels(which));
        let (a, b) = (numbers(self.length, self.seed), numbers(b_length, self.seed ^ 1));
        let before = numbers(c_length, self.seed ^ 2);
        let bias = numbers(self.rows.count(), self.seed ^ 3);
        let mut rest = ours.to_vec();
        for m in 0..self.rows.count() {
            for n in 0..self.width {
                let at = n / IMAGES * c_panel + m * c_row + n % IMAGES;
                let (mut sum, mut size) =
                    (f64::from([0.0, before[at], bias[m]][usize::from(self.start)]), 1.0);
                for k in 0..self.columns.count() {
                    let a = a[Case::place(self.rows, m) + Case::place(self.columns, k)];
                    let term = f64::from(a) * f64::from(b[n / IMAGES * b_panel + k * b_row + n % IMAGES]);
                    (sum, size) = (sum + term, size + term.abs());
                }
                let off = f64::from(ours[at]) - sum;
                assert!(off.abs() <= 1e-6 * size, "{set}: {m}, {n} of {self:?} is {}, not {sum}", ours[at]);
                rest[at] = before[at];
            }
        }
        assert_eq!(bits(&rest), bits(&before), "{set}: numbers between those of {self:?}");
    }
}

/// Places of the numbers of a dense matrix whose four dimensions are nested in any order, with gaps between them.
fn case() -> impl Strategy<Value = Case> {
    let inner = prop_oneof![3 => 1..20_usize, 1 => 250..300_usize];
    let sizes = (1..4_usize, 1..20_usize, 1..4_usize, inner);
    let order = Just([0, 1, 2, 3]).prop_shuffle();
    let gaps = (prop::array::uniform4(0..3_usize), prop::array::uniform4(0..20_usize));
    (sizes, order, gaps, 1..100_usize, 0..3_u8, any::<u64>()).prop_map(
        |(sizes, order, gaps, width, start, seed)| {
            let sizes = [sizes.0, sizes.1, sizes.2, sizes.3];
            let (mut strides, mut stride, mut length) = ([0; 4], 1, 1);
            for (dimension, gap) in order.into_iter().zip(gaps.0) {
                strides[dimension] = stride;
                length += (sizes[dimension] - 1) * stride;
                stride = stride * sizes[dimension] + gap;
            }
            let steps = |outer: usize, inner: usize| Steps {
                outer: sizes[outer],
                outer_stride: strides[outer],
                inner: sizes[inner],
                stride: strides[inner],
            };
            Case { rows: steps(0, 1), columns: steps(2, 3), length, width, gaps: gaps.1, start, seed }
        },
    )
}

proptest! {
    #[test]
    fn products_are_their_definition_in_the_same_bits_on_every_set(case in case()) {
        let mut results = Vec::new();
        for (set, side) in InstructionSet::available().into_iter().zip([Side::Front, Side::Back].repeat(2)) {
            let ours = case.run(set, side);
            case.check(set, &ours);
            results.push((set, bits(&ours)));
        }
        assert_fused_agree("a product", &results);
    }

    #[test]
    fn a_part_has_the_bits_of_the_whole(m in 1..40_usize, k in 1..400_usize, panels in 2..9_usize, cut: prop::sample::Index) {
        let (a, b) = (numbers(m * k, 1), numbers(panels * k * IMAGES, 2));
        let cut = 1 + cut.index(panels - 1);
        for set in InstructionSet::available() {
            let mut whole = vec![f32::NAN; panels * m * IMAGES];
            let mut parts = whole.clone();
            let run = |b: &[f32], c: &mut [f32]| {
                let width = c.len() / m;
                let a = Factors { numbers: &a, rows: Steps::even(m, k), columns: Steps::even(k, 1) };
                let b = Panels { numbers: b, panel_stride: k * IMAGES, row_stride: IMAGES };
                let c = PanelsMut { numbers: c, panel_stride: m * IMAGES, row_stride: IMAGES };
                multiply(set, width, a, b, c, Start::Zero);
            };
            run(&b, &mut whole);
            let (front, back) = parts.split_at_mut(cut * m * IMAGES);
            run(&b[..cut * k * IMAGES], front);
            run(&b[cut * k * IMAGES..], back);
            prop_assert!(bits(&parts) == bits(&whole), "{}", set);
        }
    }
}

#[test]
fn what_would_leave_the_slices_is_refused() {
    let set = InstructionSet::detect();
    let refused = |a: usize, b: usize, c: usize, bias: usize| {
        let call = || {
            let (a, b, bias) = (vec![0.0; a], vec![0.0; b], vec![0.0; bias]);
            let a = Factors { numbers: &a, rows: Steps::even(3, 2), columns: Steps::rows(1, 100) };
            let b = Panels { numbers: &b, panel_stride: 256, row_stride: 16 };
            let mut c = vec![0.0; c];
            let c = PanelsMut { numbers: &mut c, panel_stride: 48, row_stride: 16 };
            multiply(set, 20, a, b, c, Start::Rows(&bias));
        };
        std::panic::catch_unwind(call).is_err()
    };
    assert!(!refused(20, 512, 84, 3));
    assert!(
        refused(19, 512, 84, 3)
            && refused(20, 511, 84, 3)
            && refused(20, 512, 83, 3)
            && refused(20, 512, 84, 2)
    );
    let huge = || {
        let a = Factors {
            numbers: &[0.0; 4],
            rows: Steps::even(3, usize::MAX / 2 + 1),
            columns: Steps::even(1, 1),
        };
        let b = Panels { numbers: &[0.0; 16], panel_stride: 0, row_stride: 0 };
        let c = PanelsMut { numbers: &mut [0.0; 64], panel_stride: 0, row_stride: 16 };
        multiply(set, 16, a, b, c, Start::Zero);
    };
    assert!(std::panic::catch_unwind(huge).is_err());
}
