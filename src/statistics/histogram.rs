//! Counts numbers into the bins of [`Histogram`] by their exponent bits, without a logarithm.

use crate::event::Histogram;

/// The exponent bits of 1.0.
const BIAS: i32 = 127;
/// The exponent bits of NaN and the infinities.
const NON_FINITE: i32 = 255;

/// The histogram of a slice.
pub fn histogram(values: &[f32]) -> Histogram {
    // The top nine bits are sign and exponent, which alone decide the bin. Two tables alternate: in a run of
    // equal numbers each increment would otherwise wait for the store before it.
    let mut tables = [[0_u32; 512]; 2];
    let (pairs, rest) = values.as_chunks::<2>();
    for [even, odd] in pairs {
        tables[0][(even.to_bits() >> 23) as usize] += 1;
        tables[1][(odd.to_bits() >> 23) as usize] += 1;
    }
    for x in rest {
        tables[0][(x.to_bits() >> 23) as usize] += 1;
    }

    let mut bins = [0; Histogram::BINS];
    let mut non_finite = 0;
    for (key, count) in tables[0].iter().zip(&tables[1]).map(|(a, b)| a + b).enumerate() {
        match bin(key as i32) {
            Some(bin) => bins[bin] += count,
            None => non_finite += count,
        }
    }
    Histogram::from_bins(&bins, non_finite)
}

/// The bin of numbers with this sign and exponent, none for those that are not finite.
fn bin(sign_and_exponent: i32) -> Option<usize> {
    let (negative, exponent) = (sign_and_exponent >> 8 == 1, sign_and_exponent & 255);
    if exponent == NON_FINITE {
        return None;
    }
    Some(Histogram::bin_of(exponent - BIAS, negative))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition in [`Histogram`]'s documentation, with a logarithm.
    fn naive_bin(x: f32) -> usize {
        let magnitude = f64::from(x.abs());
        if magnitude < 2.0_f64.powi(-24) {
            return 32;
        }
        let e = (magnitude.log2().floor() as i32).min(7);
        if x > 0.0 { (33 + e + 24) as usize } else { (31 - (e + 24)) as usize }
    }

    #[test]
    fn powers_of_two_and_their_neighbours_fall_where_they_should() {
        for exponent in -30..12 {
            let power = 2.0_f32.powi(exponent);
            for x in [power, power.next_down(), power.next_up(), -power, -power.next_down()] {
                let bins = histogram(&[x]).bins();
                // In f32, log2 of a number next to a power of two rounds to that of the power; in f64 it does not.
                assert_eq!(bins.iter().position(|n| *n == 1), Some(naive_bin(x)), "{x:e}");
            }
        }
    }

    #[test]
    fn odd_numbers_are_counted_apart() {
        let odd =
            [0.0, -0.0, 1e-45, f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN];
        let counts = histogram(&odd);
        assert_eq!(counts.non_finite, 4);
        let bins = counts.bins();
        assert_eq!((bins[0], bins[32], bins[64]), (1, 3, 1));
        assert_eq!(histogram(&[]), Histogram::default());
    }

    proptest! {
        #[test]
        fn every_number_falls_in_the_bin_of_its_definition(values in prop::collection::vec(any::<f32>(), 0..200)) {
            let mut bins = [0; Histogram::BINS];
            let finite = values.iter().filter(|x| x.is_finite());
            finite.for_each(|&x| bins[naive_bin(x)] += 1);
            let non_finite = values.iter().filter(|x| !x.is_finite()).count() as u32;
            prop_assert_eq!(histogram(&values), Histogram::from_bins(&bins, non_finite));
        }
    }
}
