//! Sums over many numbers, from which mean, standard deviation, root mean square and norm follow; extremes and counts.

/// The number of independent partial sums of a slice.
const LANES: usize = 8;

/// Count, sum and sum of squares, in f64; the squares of f32 are exact in it.
///
/// Mean, std, rms and norm are those of a naive two-pass computation in f64, rounded to f32, as long as the std
/// is above 1e-4 of the mean; below that the std is right to about 1e-8 of the mean. A NaN or an infinity
/// among the numbers shows in all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// How many numbers.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
}

impl Sums {
    /// The sums over a slice. Inlined, so that it is compiled with the instruction set of the calling kernel.
    #[inline(always)]
    pub fn of(values: &[f32]) -> Sums {
        let (mut sum, mut squares) = ([0.0_f64; LANES], [0.0_f64; LANES]);
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                let x = f64::from(chunk[lane]);
                sum[lane] += x;
                squares[lane] += x * x;
            }
        }
        for (lane, &x) in rest.iter().enumerate() {
            let x = f64::from(x);
            sum[lane] += x;
            squares[lane] += x * x;
        }
        Sums { count: values.len() as u64, sum: sum.iter().sum(), squares: squares.iter().sum() }
    }

    /// Adds the sums over more numbers.
    pub fn merge(&mut self, other: &Sums) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    /// The mean; NaN if there are no numbers.
    pub fn mean(&self) -> f32 {
        (self.sum / self.count as f64) as f32
    }

    /// The standard deviation of the numbers themselves (population: divided by their count); NaN if there are none.
    pub fn std(&self) -> f32 {
        let count = self.count as f64;
        let variance = (self.squares - self.sum * self.sum / count) / count;
        // Rounding can leave a zero variance just below zero. NaN must stay NaN, so no `max`.
        if variance < 0.0 { 0.0 } else { variance.sqrt() as f32 }
    }

    /// The root mean square; NaN if there are no numbers.
    pub fn rms(&self) -> f32 {
        (self.squares / self.count as f64).sqrt() as f32
    }

    /// The L2 norm; 0 if there are no numbers.
    pub fn norm(&self) -> f32 {
        self.squares.sqrt() as f32
    }
}

/// [`Sums`] with the extremes of the finite numbers, and how many are zero or not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Count, sum and squares of all numbers.
    pub sums: Sums,
    /// The smallest finite number; positive infinity where there is none.
    pub min: f32,
    /// The largest finite number; negative infinity where there is none.
    pub max: f32,
    /// How many are exactly zero, of either sign.
    pub zeros: u64,
    /// How many are NaN or infinite.
    pub non_finite: u64,
}

impl Default for Moments {
    fn default() -> Moments {
        Moments { sums: Sums::default(), min: f32::INFINITY, max: f32::NEG_INFINITY, zeros: 0, non_finite: 0 }
    }
}

impl Moments {
    /// The moments of a slice.
    pub fn of(values: &[f32]) -> Moments {
        let mut moments = Moments { sums: Sums::of(values), ..Moments::default() };
        moments.add_extremes(values);
        moments
    }

    /// Adds the extremes and counts of more numbers, without their sums.
    fn add_extremes(&mut self, values: &[f32]) {
        // The sum of finite f32 in f64 is finite, so one look at it tells whether to look at each number.
        if self.sums.sum.is_finite() {
            let (mut min, mut max) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
            let mut zeros = [0_u32; LANES];
            let mut add = |values: &[f32]| {
                for (lane, &x) in values.iter().enumerate() {
                    min[lane] = if x < min[lane] { x } else { min[lane] };
                    max[lane] = if x > max[lane] { x } else { max[lane] };
                    zeros[lane] += u32::from(x == 0.0);
                }
            };
            let (chunks, rest) = values.as_chunks::<LANES>();
            chunks.iter().for_each(|chunk| add(chunk));
            add(rest);
            self.min = min.into_iter().fold(self.min, f32::min);
            self.max = max.into_iter().fold(self.max, f32::max);
            self.zeros += zeros.into_iter().map(u64::from).sum::<u64>();
        } else {
            let finite = || values.iter().copied().filter(|x| x.is_finite());
            self.min = finite().fold(self.min, f32::min);
            self.max = finite().fold(self.max, f32::max);
            self.zeros += values.iter().filter(|x| **x == 0.0).count() as u64;
            self.non_finite += values.iter().filter(|x| !x.is_finite()).count() as u64;
        }
    }

    /// Adds the moments of more numbers.
    pub fn merge(&mut self, other: &Moments) {
        self.sums.merge(&other.sums);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.zeros += other.zeros;
        self.non_finite += other.non_finite;
    }

    /// How many numbers.
    pub fn count(&self) -> u64 {
        self.sums.count
    }

    /// The mean; NaN if there are no numbers.
    pub fn mean(&self) -> f32 {
        self.sums.mean()
    }

    /// The standard deviation (population); NaN if there are no numbers.
    pub fn std(&self) -> f32 {
        self.sums.std()
    }

    /// The root mean square; NaN if there are no numbers.
    pub fn rms(&self) -> f32 {
        self.sums.rms()
    }

    /// The L2 norm; 0 if there are no numbers.
    pub fn norm(&self) -> f32 {
        self.sums.norm()
    }

    /// The share of numbers that are exactly zero, 0 to 1; NaN if there are no numbers.
    pub fn zero_rate(&self) -> f32 {
        (self.zeros as f64 / self.sums.count as f64) as f32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any f32, with special values made frequent.
    fn number() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => -4.0_f32..4.0,
            1 => any::<f32>().prop_filter("finite", |x| x.is_finite()),
            1 => prop::sample::select(vec![0.0, -0.0, 1e-45, -1e-40, f32::MAX, f32::MIN, f32::MIN_POSITIVE]),
        ]
    }

    fn odd_number() -> impl Strategy<Value = f32> {
        prop_oneof![8 => number(), 1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY])]
    }

    fn close(ours: f32, naive: f64, slack: f64) -> bool {
        let rounded = naive as f32;
        ours == rounded || (ours.is_nan() && naive.is_nan()) || {
            (f64::from(ours) - naive).abs() <= f64::from(f32::EPSILON) * naive.abs() + slack
        }
    }

    proptest! {
        #[test]
        fn moments_equal_a_naive_computation_in_f64(values in prop::collection::vec(number(), 1..300)) {
            let moments = Moments::of(&values);
            let count = values.len() as f64;
            let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
            let squares = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            let variance = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
            let rms = (squares / count).sqrt();
            prop_assert!(close(moments.mean(), mean, 1e-14 * rms));
            prop_assert!(close(moments.std(), variance.sqrt(), 1e-7 * mean.abs()));
            prop_assert!(close(moments.rms(), rms, 0.0));
            prop_assert!(close(moments.norm(), squares.sqrt(), 0.0));
            prop_assert_eq!(moments.min, values.iter().copied().fold(f32::INFINITY, f32::min));
            prop_assert_eq!(moments.max, values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            prop_assert_eq!(moments.zeros, values.iter().filter(|x| **x == 0.0).count() as u64);
            prop_assert_eq!((moments.count(), moments.non_finite), (values.len() as u64, 0));
        }

        #[test]
        fn non_finite_numbers_are_counted_and_show_in_the_sums(values in prop::collection::vec(odd_number(), 0..60)) {
            let moments = Moments::of(&values);
            let finite: Vec<f32> = values.iter().copied().filter(|x| x.is_finite()).collect();
            let plain = Moments::of(&finite);
            prop_assert_eq!(moments.non_finite, (values.len() - finite.len()) as u64);
            prop_assert_eq!((moments.min, moments.max, moments.zeros), (plain.min, plain.max, plain.zeros));
            if moments.non_finite > 0 {
                prop_assert!(!moments.mean().is_finite() && !moments.std().is_finite() && !moments.norm().is_finite());
            }
        }

        #[test]
        fn merged_parts_are_the_whole(
            values in prop::collection::vec(-1e3_f32..1e3, 2..200),
            cut in any::<prop::sample::Index>(),
        ) {
            let (front, back) = values.split_at(cut.index(values.len()));
            let (mut merged, whole) = (Moments::of(front), Moments::of(&values));
            merged.merge(&Moments::of(back));
            prop_assert!(close(merged.std(), f64::from(whole.std()), 1e-4));
            prop_assert!(close(merged.mean(), f64::from(whole.mean()), 1e-9));
            prop_assert_eq!((merged.min, merged.max, merged.zeros), (whole.min, whole.max, whole.zeros));
            prop_assert_eq!(merged.count(), whole.count());
        }
    }

    #[test]
    fn nothing_has_a_norm_of_zero_and_no_mean() {
        let nothing = Moments::of(&[]);
        assert!(nothing.mean().is_nan() && nothing.std().is_nan() && nothing.rms().is_nan());
        assert_eq!((nothing.norm(), nothing.count(), nothing.non_finite), (0.0, 0, 0));
        assert_eq!(nothing, Moments::default());
    }

    #[test]
    fn closed_forms_hold() {
        let moments = Moments::of(&[1.0, 2.0, 3.0, 4.0, 0.0, -0.0, -10.0, 0.0]);
        assert_eq!(
            (moments.mean(), moments.rms(), moments.norm()),
            (0.0, (130.0_f32 / 8.0).sqrt(), 130.0_f32.sqrt())
        );
        assert_eq!((moments.min, moments.max, moments.zero_rate()), (-10.0, 4.0, 0.375));
    }
}
