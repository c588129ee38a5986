//! Makes a [`Histogram`] of counts over any buckets, as other programs write them. It does not know where the buckets
//! come from, and takes whatever a damaged or odd log holds for their ends and counts.

use crate::event::Histogram;

/// The most buckets that are taken of one histogram; real ones have up to about 1,500.
pub(super) const MOST_BUCKETS: usize = 65_536;

/// How many values lie between two ends. Where within the bucket they lie is not known: they are taken as spread evenly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bucket {
    /// The lower end.
    pub left: f64,
    /// The upper end; a bucket that is no wider than nothing holds copies of one value.
    pub right: f64,
    /// How many values; TensorBoard counts in doubles.
    pub count: f64,
}

/// Distributes the values of buckets over the bins of a histogram. Counts are rounded cumulatively, so that the total of
/// the bins is the rounded total of the buckets.
pub(super) fn histogram(buckets: &[Bucket]) -> Histogram {
    let mut shares = [0.0; Histogram::BINS];
    let mut non_finite = 0.0;
    for bucket in buckets {
        match bucket.normalised() {
            Some(bucket) => bucket.spread(&mut shares),
            None => non_finite += bucket.weight(),
        }
    }
    let mut bins = [0; Histogram::BINS];
    let mut before = 0.0;
    for (bin, share) in bins.iter_mut().zip(shares) {
        let after = before + share;
        *bin = (f64::round(after) - f64::round(before)) as u32;
        before = after;
    }
    Histogram::from_bins(&bins, non_finite.round() as u32)
}

/// The mean and the standard deviation of the values, as far as the buckets tell; NaN if there are none.
pub(super) fn mean_and_std(buckets: &[Bucket]) -> (f64, f64) {
    let finite = || buckets.iter().filter_map(Bucket::normalised);
    let total: f64 = finite().map(|bucket| bucket.weight()).sum();
    if total <= 0.0 {
        return (f64::NAN, f64::NAN);
    }
    let mean: f64 = finite().map(|bucket| bucket.middle() * (bucket.weight() / total)).sum();
    let variance: f64 = finite()
        .map(|bucket| {
            // The variance of an even spread over a width w is w^2 / 12.
            let width = bucket.right - bucket.left;
            ((bucket.middle() - mean).powi(2) + width * width / 12.0) * (bucket.weight() / total)
        })
        .sum();
    (mean, variance.sqrt())
}

impl Bucket {
    /// The bucket with finite ends in order and a count; none if what it counts are not finite numbers.
    fn normalised(&self) -> Option<Bucket> {
        let (left, right) = (self.left.min(self.right), self.left.max(self.right));
        let is_number = !self.left.is_nan() && !self.right.is_nan() && (left != right || left.is_finite());
        let finite = |end: f64| end.clamp(f64::MIN, f64::MAX);
        is_number.then(|| Bucket { left: finite(left), right: finite(right), count: self.weight() })
    }

    /// The count, where it is one.
    fn weight(&self) -> f64 {
        if self.count > 0.0 { self.count.min(f64::from(u32::MAX)) } else { 0.0 }
    }

    fn middle(&self) -> f64 {
        self.left / 2.0 + self.right / 2.0
    }

    /// Adds to each bin the part of the count that falls into it.
    fn spread(&self, shares: &mut [f64; Histogram::BINS]) {
        let (first, last) = (bin(self.left), bin(self.right));
        if first == last {
            if let Some(share) = shares.get_mut(first) {
                *share += self.weight();
            }
            return;
        }
        // Halves, because the width of the widest bucket is more than the largest double.
        let width = self.right / 2.0 - self.left / 2.0;
        for (index, share) in shares.iter_mut().enumerate().take(last + 1).skip(first) {
            let from = if index == first { self.left } else { Histogram::start_of(index) };
            let to = if index == last { self.right } else { Histogram::start_of(index + 1) };
            *share += self.weight() * ((to / 2.0 - from / 2.0) / width);
        }
    }
}

/// The bin of a finite value.
fn bin(value: f64) -> usize {
    let exponent = ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    Histogram::bin_of(exponent, value.is_sign_negative())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(left: f64, right: f64, count: f64) -> Bucket {
        Bucket { left, right, count }
    }

    fn total(histogram: &Histogram) -> u64 {
        histogram.counts.iter().map(|count| u64::from(*count)).sum()
    }

    #[test]
    fn bins_begin_at_their_lower_edges() {
        for index in 1..Histogram::BINS {
            let edge = Histogram::start_of(index);
            let expected = if edge > 0.0 { index } else { index - 1 };
            assert_eq!(bin(edge), expected, "negative bins hold their outer edge: {edge}");
            assert_eq!(bin(edge + edge.abs() * 1e-9), index);
            assert_eq!(bin(edge - edge.abs() * 1e-9), index - 1);
        }
        assert_eq!(bin(0.0), Histogram::ZERO_BIN);
        assert_eq!(bin(f64::MAX), 64);
        assert_eq!(bin(f64::MIN), 0);
    }

    #[test]
    fn a_bucket_is_shared_out_by_width() {
        let made = histogram(&[bucket(1.0, 4.0, 300.0)]).bins();
        assert_eq!((made[57], made[58]), (100, 200));
        let made = histogram(&[bucket(-0.5, 0.5, 64.0)]).bins();
        assert_eq!(made.iter().sum::<u32>(), 64);
        assert_eq!((made[9], made[55]), (16, 16));
    }

    #[test]
    fn a_point_falls_into_one_bin() {
        let made = histogram(&[bucket(-0.75, -0.75, 7.0), bucket(0.0, 0.0, 2.0)]).bins();
        assert_eq!((made[bin(-0.75)], made[Histogram::ZERO_BIN]), (7, 2));
    }

    #[test]
    fn the_widest_buckets_are_safe() {
        for (left, right) in [(f64::MIN, f64::MAX), (f64::NEG_INFINITY, f64::INFINITY), (-1e308, 1e308)] {
            let made = histogram(&[bucket(left, right, 10.0)]).bins();
            assert_eq!((made[0], made[64]), (5, 5));
        }
        assert_eq!(histogram(&[bucket(f64::NAN, 1.0, 3.0)]).non_finite, 3);
        assert_eq!(histogram(&[bucket(f64::INFINITY, f64::INFINITY, 3.0)]).non_finite, 3);
        assert_eq!(total(&histogram(&[bucket(0.0, 1.0, -3.0), bucket(0.0, 1.0, f64::NAN)])), 0);
    }

    #[test]
    fn mean_and_std_are_those_of_an_even_spread() {
        let (mean, std) = mean_and_std(&[bucket(0.0, 1.0, 10.0), bucket(1.0, 2.0, 10.0)]);
        assert!((mean - 1.0).abs() < 1e-12 && (std - (4.0f64 / 12.0).sqrt()).abs() < 1e-12);
        assert!(mean_and_std(&[]).0.is_nan() && mean_and_std(&[bucket(f64::NAN, 0.0, 1.0)]).1.is_nan());
        assert_eq!(mean_and_std(&[bucket(3.0, 3.0, 5.0)]), (3.0, 0.0));
    }

    proptest::proptest! {
        #[test]
        fn the_total_stays(ends in proptest::collection::vec((-300.0..300.0f64, 0.0..50.0f64, 0u32..5000), 0..40)) {
            let buckets: Vec<_> =
                ends.iter().map(|(left, width, count)| bucket(*left, left + width, f64::from(*count))).collect();
            let made = histogram(&buckets);
            let expected: u64 = ends.iter().map(|(_, _, count)| u64::from(*count)).sum();
            proptest::prop_assert_eq!(total(&made), expected);
        }

        #[test]
        fn any_numbers_are_safe(numbers: Vec<(u64, u64, u64)>) {
            let of = f64::from_bits;
            let buckets: Vec<_> = numbers.iter().map(|(l, r, c)| bucket(of(*l), of(*r), of(*c))).collect();
            let _ = (histogram(&buckets), mean_and_std(&buckets));
        }
    }
}
