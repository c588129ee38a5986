//! Makes a histogram of what TensorBoard's two formats of histograms say. It does not know of events and tags.

use super::tensor::each;
use crate::sources::buckets::{Bucket, MOST_BUCKETS, mean_and_std};
use crate::sources::protobuf::{Field, Malformed, fields};

/// The numbers of a histogram, kept from one to the next so that they are not allocated each time.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    limits: Vec<f64>,
    counts: Vec<f64>,
    buckets: Vec<Bucket>,
}

/// Reads a `HistogramProto`, as TensorFlow 1, PyTorch and tensorboardX write it: the buckets and the mean and standard
/// deviation of the values, which it holds exactly. See tensorboard/compat/proto/histogram.proto.
pub(super) fn proto<'n>(
    message: &[u8],
    numbers: &'n mut Numbers,
) -> Result<(&'n [Bucket], (f64, f64)), Malformed> {
    let [mut min, mut max, mut count, mut sum, mut sum_squares] = [0.0; 5];
    numbers.limits.clear();
    numbers.counts.clear();
    for field in fields(message) {
        match field? {
            (1, Field::Fixed64(bits)) => min = f64::from_bits(bits),
            (2, Field::Fixed64(bits)) => max = f64::from_bits(bits),
            (3, Field::Fixed64(bits)) => count = f64::from_bits(bits),
            (4, Field::Fixed64(bits)) => sum = f64::from_bits(bits),
            (5, Field::Fixed64(bits)) => sum_squares = f64::from_bits(bits),
            (6, limits) => each(limits, 8, &mut numbers.limits, f64::from_bits),
            (7, counts) => each(counts, 8, &mut numbers.counts, f64::from_bits),
            _ => {}
        }
    }
    // The default buckets of TensorFlow and PyTorch go up to 1e20 or to the largest double on both sides. The values lie
    // between their minimum and maximum, which are zero too where a writer leaves them out.
    let is_known = min <= max && (min != 0.0 || max != 0.0 || sum_squares == 0.0);
    let within = |end: f64| if is_known { end.max(min).min(max) } else { end };
    let lefts = std::iter::once(f64::NEG_INFINITY).chain(numbers.limits.iter().copied());
    let ends = lefts.zip(&numbers.limits).zip(&numbers.counts).take(MOST_BUCKETS);
    numbers.buckets.clear();
    numbers.buckets.extend(ends.map(|((left, right), count)| Bucket {
        left: within(left),
        right: within(*right),
        count: *count,
    }));
    let mean = sum / count;
    let std = (sum_squares / count - mean * mean).max(0.0).sqrt();
    // The larger of a number that is not one and zero is zero.
    let std = if count > 0.0 && mean.is_finite() { std } else { f64::NAN };
    Ok((&numbers.buckets, (mean, std)))
}

/// Makes buckets of the elements of a tensor of TensorFlow 2, three of which are one: left, right and count. Mean and
/// standard deviation are those of the buckets: nothing better is written.
pub(super) fn tensor<'n>(elements: &[f64], numbers: &'n mut Numbers) -> (&'n [Bucket], (f64, f64)) {
    numbers.buckets.clear();
    let (triples, _) = elements.as_chunks::<3>();
    numbers.buckets.extend(triples.iter().map(|&[left, right, count]| Bucket { left, right, count }));
    (&numbers.buckets, mean_and_std(&numbers.buckets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::buckets;
    use crate::sources::protobuf::encode;

    fn packed(number: u64, values: &[f64]) -> Vec<u8> {
        encode::bytes(number, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
    }

    fn message(numbers: [f64; 5], limits: &[f64], counts: &[f64]) -> Vec<u8> {
        let scalars = (1..).zip(numbers).filter(|(_, value)| *value != 0.0);
        let scalars = scalars.flat_map(|(number, value)| encode::double(number, value));
        [scalars.collect(), packed(6, limits), packed(7, counts)].concat()
    }

    #[test]
    fn the_outer_buckets_end_at_the_extremes() {
        let written = message([-3.0, 5.0, 10.0, 4.0, 60.0], &[-1.0, 1.0, f64::MAX], &[2.0, 4.0, 4.0]);
        let mut numbers = Numbers::default();
        let (made, (mean, std)) = proto(&written, &mut numbers).unwrap();
        let ends: Vec<_> = made.iter().map(|bucket| (bucket.left, bucket.right)).collect();
        assert_eq!(ends, [(-3.0, -1.0), (-1.0, 1.0), (1.0, 5.0)]);
        assert_eq!((mean, std), (0.4, (6.0f64 - 0.4 * 0.4).sqrt()));
        let bins = buckets::histogram(made).bins();
        assert_eq!((bins.iter().sum::<u32>(), bins[59]), (10, 1), "a quarter of the last bucket is in 4..8");
    }

    #[test]
    fn unpacked_lists_and_a_maximum_of_zero_are_read() {
        let lists = [(6, 0.0), (7, 0.0), (6, 1e-12), (7, 10.0)];
        let written = [encode::double(3, 10.0)]
            .into_iter()
            .chain(lists.map(|(number, value)| encode::double(number, value)))
            .collect::<Vec<_>>()
            .concat();
        let mut numbers = Numbers::default();
        let (made, moments) = proto(&written, &mut numbers).unwrap();
        assert_eq!(made.last(), Some(&Bucket { left: 0.0, right: 0.0, count: 10.0 }));
        assert_eq!(moments, (0.0, 0.0));
    }

    #[test]
    fn extremes_that_are_left_out_do_not_count() {
        let written = message([0.0, 0.0, 4.0, 8.0, 16.0], &[1.0, 2.0], &[0.0, 4.0]);
        let mut numbers = Numbers::default();
        let (made, _) = proto(&written, &mut numbers).unwrap();
        assert_eq!(made.last(), Some(&Bucket { left: 1.0, right: 2.0, count: 4.0 }));
    }

    #[test]
    fn a_histogram_of_nothing_has_no_mean() {
        let mut numbers = Numbers::default();
        let (_, (mean, std)) = proto(&[], &mut numbers).unwrap();
        assert!(mean.is_nan() && std.is_nan());
        assert!(tensor(&[], &mut numbers).1.0.is_nan());
    }
}
