//! Tests of forming outputs.

use proptest::prelude::*;

use super::*;

/// An output to form.
struct Forming {
    layout: Layout,
    relu: bool,
    scale: Vec<f32>,
    shift: Vec<f32>,
    response: Vec<f32>,
    shortcut: Option<Vec<f32>>,
}

impl Forming {
    fn new(layout: Layout, relu: bool, has_shortcut: bool, seed: u64) -> Forming {
        Forming {
            layout,
            relu,
            scale: numbers(layout.channels, seed),
            shift: numbers(layout.channels, seed + 1),
            response: layout.numbers(seed + 2),
            shortcut: has_shortcut.then(|| layout.numbers(seed + 3)),
        }
    }

    fn run(&self, set: InstructionSet, mut sums: Option<&mut OutputSums>) -> Vec<f32> {
        let Layout { side, channels, .. } = self.layout;
        let (scale, shift) = (Guarded::copied(side, &self.scale), Guarded::copied(side, &self.shift));
        assert_eq!((scale.len(), shift.len()), (channels, channels));
        let shape = FormShape { affine: Affine { scale: &scale, shift: &shift }, relu: self.relu };
        let shortcut = self.shortcut.as_ref().map(|shortcut| self.layout.guarded(shortcut));
        let of_row = |(row, response): (usize, Guarded)| {
            let mut y = Guarded::filled(side, response.len(), f32::NAN);
            let shortcut = shortcut.as_ref().map(|shortcut| &*shortcut[row]);
            form_row(set, shape, &response, shortcut, &mut y, sums.as_deref_mut());
            y.to_vec()
        };
        self.layout.guarded(&self.response).into_iter().enumerate().flat_map(of_row).collect()
    }

    /// The response after the affine map.
    fn normalised(&self, set: InstructionSet) -> Vec<f32> {
        self.layout.map(|i, c| mul_add(set, self.response[i], self.scale[c], self.shift[c]))
    }

    fn expected(&self, set: InstructionSet) -> Vec<f32> {
        let normalised = self.normalised(set);
        self.layout.map(|i, _| {
            let sum = normalised[i] + self.shortcut.as_ref().map_or(-0.0, |shortcut| shortcut[i]);
            // ReLU keeps everything that is not below zero, including NaN and negative zero.
            if self.relu && sum < 0.0 { 0.0 } else { sum }
        })
    }

    /// Asserts that outputs and sums are those of naive code, and returns them.
    fn check(&self, set: InstructionSet) -> (Vec<u32>, OutputSums) {
        let layout = self.layout;
        let mut sums = OutputSums::none(layout.channels);
        let y = self.run(set, Some(&mut sums));
        let pixels = layout.rows * layout.pixels;
        sums.fold(pixels, layout.images);
        let what = format!("{layout:?}, relu {}, shortcut {}, {set}", self.relu, self.shortcut.is_some());
        assert_same_numbers(&what, &y, &self.expected(set));
        assert_same_numbers("measuring changes nothing", &self.run(set, None), &y);

        let naive = Moments::of(&layout.images(&y));
        let Moments { sums: ours, min, max, zeros, .. } = sums.moments;
        assert_eq!(
            (ours.count, min, max, zeros),
            (naive.count(), naive.min, naive.max, naive.zeros),
            "{what}"
        );
        assert_sum(&what, ours.sum, layout.images(&y).into_iter().map(f64::from), 1e-6);
        assert_sum(&what, ours.squares, layout.images(&y).into_iter().map(|y| f64::from(y).powi(2)), 1e-6);
        for channel in 0..layout.channels {
            let alive = layout.of_channel(&y, channel).any(|y| y != 0.0);
            assert_eq!(sums.alive[channel], alive, "{what}: channel {channel}");
        }
        let response = layout.images(&self.normalised(set));
        let shortcut = self.shortcut.as_ref().map_or_else(Vec::new, |shortcut| layout.images(shortcut));
        let pairs = || response.iter().zip(&shortcut).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        assert_sum(&what, sums.products.first, pairs().map(|(a, _)| a * a), 1e-6);
        assert_sum(&what, sums.products.second, pairs().map(|(_, b)| b * b), 1e-6);
        assert_sum(&what, sums.products.both, pairs().map(|(a, b)| a * b), 1e-6);
        (y.iter().map(|y| if y.is_nan() { 0 } else { y.to_bits() }).collect(), sums)
    }
}

/// The numbers of sums, to compare.
fn of_output(sums: &OutputSums) -> (Moments, Products, Vec<bool>) {
    (sums.moments, sums.products, sums.alive.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn outputs_and_what_is_measured_of_them_are_those_of_naive_code(
        layout in layouts(),
        relu: bool,
        has_shortcut: bool,
        dead in any::<prop::sample::Index>(),
        seed in 0_u64..1 << 40,
    ) {
        let mut forming = Forming::new(layout, relu, has_shortcut, seed);
        if !has_shortcut {
            // A channel with only zeros in used elements.
            let dead = dead.index(layout.channels);
            forming.response = layout.map(|i, c| match i % IMAGES < layout.images && c == dead {
                true => 0.0,
                false => forming.response[i],
            });
            forming.shift[dead] = 0.0;
        }
        let mut all = Vec::new();
        for set in InstructionSet::available() {
            let (y, sums) = forming.check(set);
            all.push((set, (y, of_output(&sums))));
        }
        assert_fused_agree("an output", &all);
    }

    #[test]
    fn a_second_bundle_and_another_part_add_to_the_sums(
        layout in layouts(),
        relu: bool,
        seed in 0_u64..1 << 40,
    ) {
        for set in InstructionSet::available() {
            let (first, second) =
                (Forming::new(layout, relu, true, seed), Forming::new(layout, relu, true, seed + 10));
            let pixels = layout.rows * layout.pixels;
            let mut together = OutputSums::none(layout.channels);
            let mut merged = OutputSums::none(layout.channels);
            for forming in [&first, &second] {
                let mut alone = OutputSums::none(layout.channels);
                forming.run(set, Some(&mut alone));
                alone.fold(pixels, layout.images);
                merged.merge(&alone);
                forming.run(set, Some(&mut together));
                together.fold(pixels, layout.images);
            }
            prop_assert_eq!(of_output(&together), of_output(&merged));
        }
    }
}

#[test]
fn relu_hides_neither_nan_nor_infinity_and_zeros_of_both_signs_are_counted() {
    for set in InstructionSet::available() {
        let forming = |relu: bool| Forming {
            layout: PIXEL,
            relu,
            // Scale one and shift minus zero change nothing.
            scale: vec![1.0; 2],
            shift: vec![-0.0; 2],
            response: [ODD, [1.0; IMAGES]].concat(),
            shortcut: None,
        };
        let mut sums = OutputSums::none(2);
        let y = forming(true).run(set, Some(&mut sums));
        sums.fold(1, IMAGES);
        assert!(y[0].is_nan() && y[1] == f32::INFINITY && y[2] == 0.0, "{set}: {y:?}");
        assert_eq!(bits(&y[3..8]), bits(&[0.0, -0.0, f32::MIN_POSITIVE, 0.0, 1e-45]), "{set}");
        assert_eq!((sums.moments.zeros, sums.moments.count()), (7, 32), "{set}");
        assert!(sums.moments.sums.sum.is_nan() && sums.moments.sums.squares.is_nan(), "{set}");
        assert_eq!(sums.alive, [true, true], "{set}");
        let mut sums = OutputSums::none(2);
        let y = forming(false).run(set, Some(&mut sums));
        sums.fold(1, IMAGES);
        assert_same_numbers("nothing is done", &y[..IMAGES], &ODD);
        assert_eq!(sums.moments.zeros, 2, "{set}");
    }
}

#[test]
fn whatever_is_not_finite_shows_in_the_sum_of_an_output() {
    // Non-finite values are detected in these sums.
    for set in InstructionSet::available() {
        for (odd, place) in odd_places() {
            let mut forming = Forming::new(PIXEL, false, false, 1);
            forming.response[place] = odd;
            let mut sums = OutputSums::none(2);
            forming.run(set, Some(&mut sums));
            sums.fold(1, IMAGES);
            assert!(!sums.moments.sums.sum.is_finite(), "{odd} at {place}, {set}");
        }
    }
}

#[test]
fn extremes_are_those_of_the_numbers_beside_nan() {
    for set in InstructionSet::available() {
        for place in 0..2 * IMAGES {
            let mut forming = Forming::new(PIXEL, false, false, 3);
            (forming.scale, forming.shift) = (vec![1.0; 2], vec![0.0; 2]);
            let others = forming.response.iter().enumerate().filter(|(i, _)| *i != place).map(|(_, x)| *x);
            let (min, max) = others.fold((f32::MAX, f32::MIN), |(min, max), x| (min.min(x), max.max(x)));
            forming.response[place] = f32::NAN;
            let mut sums = OutputSums::none(2);
            forming.run(set, Some(&mut sums));
            sums.fold(1, IMAGES);
            assert_eq!((sums.moments.min, sums.moments.max), (min, max), "{set}, NaN at {place}");
        }
    }
}
