//! Tests of propagating gradients back.

use proptest::prelude::*;

use super::*;

/// A gradient to propagate back through ReLU.
struct Masking {
    layout: Layout,
    /// 0: where an output is positive; 1: where the recomputed output is; 2: everywhere.
    kind: i32,
    gradient: Vec<f32>,
    extra: Option<Vec<f32>>,
    output: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    response: Vec<f32>,
    mean: Vec<f32>,
    measured: bool,
}

impl Masking {
    fn new(layout: Layout, kind: i32, has_extra: bool, measured: bool, seed: u64) -> Masking {
        let mut output = layout.numbers(seed + 2);
        // Half of an output is zero, as ReLU leaves it, of either sign.
        output.iter_mut().filter(|y| **y < 0.0).enumerate().for_each(|(i, y)| *y = [0.0, -0.0][i % 2]);
        Masking {
            layout,
            kind,
            gradient: layout.numbers(seed),
            extra: has_extra.then(|| layout.numbers(seed + 1)),
            output,
            scale: numbers(layout.channels, seed + 3),
            shift: numbers(layout.channels, seed + 4),
            response: layout.numbers(seed + 5),
            mean: numbers(layout.channels, seed + 6),
            measured,
        }
    }

    fn run(&self, set: InstructionSet, sums: &mut GradientSums) -> Vec<f32> {
        let Layout { side, .. } = self.layout;
        let [scale, shift, mean] =
            [&self.scale, &self.shift, &self.mean].map(|numbers| Guarded::copied(side, numbers));
        let [response, output] = [&self.response, &self.output].map(|numbers| self.layout.guarded(numbers));
        let extra = self.extra.as_ref().map(|extra| self.layout.guarded(extra));
        let of_row = |(row, mut gradient): (usize, Guarded)| {
            let passed = match self.kind {
                0 => Passed::Output(&output[row]),
                1 => Passed::Formed(Affine { scale: &scale, shift: &shift }),
                _ => Passed::Everywhere,
            };
            let extra = extra.as_ref().map(|extra| &*extra[row]);
            mask_row(set, &mut gradient, extra, passed, &response[row], &mean, sums, self.measured);
            gradient.to_vec()
        };
        self.layout.guarded(&self.gradient).into_iter().enumerate().flat_map(of_row).collect()
    }

    /// Asserts that the gradient and its sums are those of naive code, and returns them.
    fn check(&self, set: InstructionSet) -> (Vec<u32>, Sums, Vec<f64>, Vec<f64>) {
        let layout = self.layout;
        let mut sums = GradientSums::none(layout.channels);
        let ours = self.run(set, &mut sums);
        sums.fold(layout.rows * layout.pixels, layout.images);
        let what = format!("{layout:?}, kind {}, extra {}, {set}", self.kind, self.extra.is_some());

        let whole = layout.map(|i, _| self.gradient[i] + self.extra.as_ref().map_or(-0.0, |extra| extra[i]));
        let passed = layout.map(|i, c| {
            let by = match self.kind {
                0 => self.output[i],
                1 => mul_add(set, self.response[i], self.scale[c], self.shift[c]),
                _ => 1.0,
            };
            if by <= 0.0 { 0.0 } else { whole[i] }
        });
        assert_same_numbers(&what, &ours, &passed);
        let along = layout.map(|i, c| passed[i] * (self.response[i] - self.mean[c]));
        for channel in 0..layout.channels {
            assert_sum(&what, sums.passed[channel], layout.of_channel(&passed, channel).map(f64::from), 1e-6);
            assert_sum(&what, sums.along[channel], layout.of_channel(&along, channel).map(f64::from), 1e-6);
        }
        let counted = if self.measured { layout.images(&whole) } else { Vec::new() };
        assert_sum(&what, sums.sums.sum, counted.iter().map(|g| f64::from(*g)), 1e-6);
        assert_sum(&what, sums.sums.squares, counted.iter().map(|g| f64::from(*g).powi(2)), 1e-6);
        assert_eq!(sums.sums.count, layout.images(&whole).len() as u64);
        let bits = ours.iter().map(|g| if g.is_nan() { 0 } else { g.to_bits() }).collect();
        (bits, sums.sums, sums.passed, sums.along)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn gradients_and_what_is_measured_of_them_are_those_of_naive_code(
        layout in layouts(),
        kind in 0..3,
        has_extra: bool,
        measured: bool,
        seed in 0_u64..1 << 40,
    ) {
        let masking = Masking::new(layout, kind, has_extra, measured, seed);
        let mut all = Vec::new();
        for set in InstructionSet::available() {
            all.push((set, masking.check(set)));
        }
        assert_fused_agree("a gradient", &all);
    }
}

#[test]
fn whatever_is_not_finite_shows_in_the_sums_of_a_gradient() {
    for set in InstructionSet::available() {
        for (odd, place) in odd_places() {
            let mut masking = Masking::new(PIXEL, 2, false, true, 1);
            masking.gradient[place] = odd;
            let mut sums = GradientSums::none(2);
            masking.run(set, &mut sums);
            sums.fold(1, IMAGES);
            let passed = sums.passed[place / IMAGES];
            assert!(!sums.sums.sum.is_finite() && !passed.is_finite(), "{odd} at {place}, {set}");
        }
    }
}

#[test]
fn a_gradient_passes_where_the_output_is_positive_or_nan() {
    for set in InstructionSet::available() {
        for kind in [0, 1] {
            let mut masking = Masking::new(PIXEL, kind, false, true, 1);
            masking.gradient = vec![2.0; 2 * IMAGES];
            masking.output = [ODD, [1.0; IMAGES]].concat();
            masking.response = masking.output.clone();
            (masking.scale, masking.shift) = (vec![1.0; 2], vec![0.0; 2]);
            let mut sums = GradientSums::none(2);
            let gradient = masking.run(set, &mut sums);
            sums.fold(1, IMAGES);
            let expected = ODD.map(|y| if y > 0.0 || y.is_nan() { 2.0 } else { 0.0 });
            assert_eq!(gradient[..IMAGES], expected, "{set}, kind {kind}");
            assert_eq!(sums.passed, [f64::from(expected.iter().sum::<f32>()), 32.0], "{set}, kind {kind}");
            assert_eq!((sums.sums.sum, sums.sums.squares), (64.0, 128.0), "before ReLU, {set}");
        }
    }
}

#[test]
fn nan_in_a_gradient_that_does_not_pass_is_masked_but_measured() {
    for set in InstructionSet::available() {
        let mut masking = Masking::new(PIXEL, 0, false, true, 1);
        masking.output = vec![0.0; 2 * IMAGES];
        masking.gradient[5] = f32::NAN;
        let mut sums = GradientSums::none(2);
        assert_eq!(masking.run(set, &mut sums), [0.0; 2 * IMAGES], "{set}");
        sums.fold(1, IMAGES);
        assert!(sums.sums.sum.is_nan() && sums.passed == [0.0, 0.0], "{set}");
    }
}
