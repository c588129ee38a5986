//! The rows of batch norm against the simplest code, over channels, pixels, seeds and instruction sets,
//! with every row in its own memory between inaccessible pages.

use proptest::prelude::*;

use super::*;
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::guarded::{Guarded, Side};
use crate::nn::kernels::samples::{assert_fused_agree, assert_sum, bits, numbers};

mod forming;
mod masking;

/// One bundle's rows, `[rows][pixels][channels][IMAGES]`, of which the first `images` elements count.
#[derive(Clone, Copy, Debug)]
struct Layout {
    rows: usize,
    pixels: usize,
    channels: usize,
    images: usize,
    /// Where the memory of the rows ends.
    side: Side,
}

impl Layout {
    /// Numbers in all rows; unused elements have values that would show in every sum.
    fn numbers(self, seed: u64) -> Vec<f32> {
        let mut numbers = numbers(self.rows * self.row(), seed);
        self.empty(&mut numbers, &[f32::NAN, f32::INFINITY, 1e30, -1e30, 0.0]);
        numbers
    }

    fn row(self) -> usize {
        self.pixels * self.channels * IMAGES
    }

    /// Writes these in turn into unused elements.
    fn empty(self, numbers: &mut [f32], with: &[f32]) {
        for (place, elements) in numbers.as_chunks_mut::<IMAGES>().0.iter_mut().enumerate() {
            elements[self.images..].fill(with[place % with.len()]);
        }
    }

    /// Each row in its own memory.
    fn guarded(self, numbers: &[f32]) -> Vec<Guarded> {
        numbers.chunks_exact(self.row()).map(|row| Guarded::copied(self.side, row)).collect()
    }

    /// The numbers of a channel in used elements.
    fn of_channel(self, numbers: &[f32], channel: usize) -> impl Iterator<Item = f32> {
        let vectors = numbers.as_chunks::<IMAGES>().0.iter().skip(channel).step_by(self.channels);
        vectors.flat_map(move |elements| elements[..self.images].iter().copied())
    }

    /// The numbers of all channels in used elements.
    fn images(self, numbers: &[f32]) -> Vec<f32> {
        numbers
            .as_chunks::<IMAGES>()
            .0
            .iter()
            .flat_map(|elements| elements[..self.images].iter().copied())
            .collect()
    }

    /// Calls `at` with the index of every number and of its channel.
    fn map(self, mut at: impl FnMut(usize, usize) -> f32) -> Vec<f32> {
        (0..self.rows * self.row()).map(|i| at(i, i / IMAGES % self.channels)).collect()
    }
}

/// Layouts of a few sizes.
fn layouts() -> impl Strategy<Value = Layout> {
    let channels = prop::sample::select(vec![1_usize, 2, 3, 4, 6, 8, 12, 20, 32]);
    (1_usize..4, 1_usize..9, channels, 1_usize..=IMAGES, any::<bool>()).prop_map(
        |(rows, pixels, channels, images, back)| {
            let side = if back { Side::Back } else { Side::Front };
            Layout { rows, pixels, channels, images, side }
        },
    )
}

/// `a * b + c` as an instruction set does it: rounded once with fused multiply-adds, else twice.
fn mul_add(set: InstructionSet, a: f32, b: f32, c: f32) -> f32 {
    if set == InstructionSet::baseline() { a * b + c } else { a.mul_add(b, c) }
}

/// A NaN may have any sign and payload; everything else is compared bit by bit.
fn assert_same_numbers(what: &str, ours: &[f32], expected: &[f32]) {
    assert_eq!(ours.len(), expected.len());
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        let same = a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        assert!(same, "{what}: element {i} is {a}, expected {b}");
    }
}

/// One pixel of two channels whose elements are all images.
const PIXEL: Layout = Layout { rows: 1, pixels: 1, channels: 2, images: IMAGES, side: Side::Back };

/// Non-finite values among ordinary ones.
const ODD: [f32; IMAGES] = [
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    0.0,
    -0.0,
    f32::MIN_POSITIVE,
    -1e-45,
    1e-45,
    1.0,
    -1.0,
    2.0,
    3.0,
    -3.0,
    0.5,
    -0.5,
    7.0,
];

/// Numbers that are not finite, and places of a [`PIXEL`].
fn odd_places() -> impl Iterator<Item = (f32, usize)> {
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    odd.into_iter().flat_map(|odd| [0, 7, 8, 15, 16, 31].map(|place| (odd, place)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn gradients_to_the_response_are_those_of_naive_code(layout in layouts(), seed in 0_u64..1 << 40) {
        let [scale, slope, constant] = [0, 1, 2].map(|i| numbers(layout.channels, seed + i));
        let (gradient, response) = (layout.numbers(seed + 3), layout.numbers(seed + 4));
        let of_channels = [&scale, &slope, &constant].map(|numbers| Guarded::copied(layout.side, numbers));
        for set in InstructionSet::available() {
            let expected = layout.map(|i, c| {
                mul_add(set, gradient[i], scale[c], mul_add(set, response[i], slope[c], constant[c]))
            });
            let [scale, slope, constant] = &of_channels;
            let mut ours = Vec::new();
            for (gradient, response) in layout.guarded(&gradient).iter().zip(layout.guarded(&response)) {
                let mut to = Guarded::filled(layout.side, response.len(), f32::NAN);
                spread_row(set, [scale, slope, constant], gradient, &response, &mut to);
                ours.extend_from_slice(&to);
            }
            assert_same_numbers(&format!("{layout:?}, {set}"), &ours, &expected);
        }
    }
}

#[test]
fn rows_of_a_wrong_length_are_refused() {
    let set = InstructionSet::detect();
    let refused = |call: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err();
    let (row, short) = (vec![0.0; 4 * IMAGES], vec![0.0; 3 * IMAGES]);
    let (two, one) = ([1.0; 2], [1.0; 1]);
    fn affine<'a>(scale: &'a [f32], shift: &'a [f32]) -> Affine<'a> {
        Affine { scale, shift }
    }
    let form = |scale: &[f32], shift: &[f32], response: &[f32], shortcut: &[f32], y: usize, sums: usize| {
        let shape = FormShape { affine: affine(scale, shift), relu: true };
        let (mut y, mut sums) = (vec![0.0; y], OutputSums::none(sums));
        form_row(set, shape, response, Some(shortcut), &mut y, Some(&mut sums));
    };
    assert!(!refused(&|| form(&two, &two, &row, &row, row.len(), 2)));
    assert!(refused(&|| form(&two, &one, &row, &row, row.len(), 2)));
    assert!(refused(&|| form(&two, &two, &short, &row, row.len(), 2)));
    assert!(refused(&|| form(&two, &two, &short, &short, short.len(), 2)), "half a pixel");
    assert!(refused(&|| form(&two, &two, &row, &short, row.len(), 2)));
    assert!(refused(&|| form(&two, &two, &row, &row, short.len(), 2)));
    assert!(refused(&|| form(&two, &two, &row, &row, row.len(), 1)));
    let mask =
        |gradient: usize, extra: &[f32], passed: Passed, response: &[f32], mean: &[f32], sums: usize| {
            let (mut gradient, mut sums) = (vec![0.0; gradient], GradientSums::none(sums));
            mask_row(set, &mut gradient, Some(extra), passed, response, mean, &mut sums, true);
        };
    let output = Passed::Output(&row);
    assert!(!refused(&|| mask(row.len(), &row, output, &row, &two, 2)));
    assert!(refused(&|| mask(short.len(), &row, output, &row, &two, 2)));
    assert!(refused(&|| mask(row.len(), &short, output, &row, &two, 2)));
    assert!(refused(&|| mask(row.len(), &row, Passed::Output(&short), &row, &two, 2)));
    assert!(refused(&|| mask(row.len(), &row, Passed::Formed(affine(&two, &one)), &row, &two, 2)));
    assert!(refused(&|| mask(row.len(), &row, Passed::Formed(affine(&one, &two)), &row, &two, 2)));
    assert!(refused(&|| mask(row.len(), &row, output, &short, &two, 2)));
    assert!(refused(&|| mask(row.len(), &row, output, &row, &two, 1)));
    let spread = |of_channels: [&[f32]; 3], gradient: &[f32], response: &[f32], to: usize| {
        spread_row(set, of_channels, gradient, response, &mut vec![0.0; to]);
    };
    assert!(!refused(&|| spread([&two; 3], &row, &row, row.len())));
    assert!(refused(&|| spread([&two, &one, &two], &row, &row, row.len())));
    assert!(refused(&|| spread([&two, &two, &one], &row, &row, row.len())));
    assert!(refused(&|| spread([&two; 3], &short, &row, row.len())));
    assert!(refused(&|| spread([&two; 3], &row, &short, row.len())));
    assert!(refused(&|| spread([&two; 3], &row, &row, short.len())));
}
