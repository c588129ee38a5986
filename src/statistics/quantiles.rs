//! Quantiles by selection, without sorting everything.

/// The quantile `share` (0 to 1) of the finite numbers, interpolated linearly between neighbours (Hyndman and
/// Fan's type 7, the default of NumPy); none where no number is finite.
pub fn quantile(values: &[f32], share: f64) -> Option<f32> {
    let mut finite: Vec<f32> = values.iter().copied().filter(|x| x.is_finite()).collect();
    let last = finite.len().checked_sub(1)?;
    let position = share.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let (_, low, above) = finite.select_nth_unstable_by(below, f32::total_cmp);
    let low = *low;
    let next = above.iter().copied().min_by(f32::total_cmp).unwrap_or(low);
    Some((f64::from(low) + (position - below as f64) * (f64::from(next) - f64::from(low))) as f32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quartiles_of_a_few_numbers_are_numpys() {
        let values = [7.0, f32::NAN, 1.0, 3.0, f32::INFINITY, 2.0];
        assert_eq!(quantile(&values, 0.0), Some(1.0));
        assert_eq!(quantile(&values, 0.25), Some(1.75));
        assert_eq!(quantile(&values, 0.5), Some(2.5));
        assert_eq!(quantile(&values, 1.0), Some(7.0));
        assert_eq!(quantile(&[f32::NAN], 0.5), None);
        assert_eq!(quantile(&[], 0.5), None);
    }

    proptest! {
        #[test]
        fn quantiles_equal_those_of_the_sorted_numbers(
            values in prop::collection::vec(-100.0_f32..100.0, 1..80),
            share in 0.0_f64..=1.0,
        ) {
            let mut sorted = values.clone();
            sorted.sort_by(f32::total_cmp);
            let position = share * (sorted.len() - 1) as f64;
            let (low, high) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
            let expected = f64::from(low) + position.fract() * (f64::from(high) - f64::from(low));
            prop_assert_eq!(quantile(&values, share), Some(expected as f32));
        }
    }
}
