//! Whether two samples differ by more than chance.

/// The most values of both samples together.
const MOST: usize = 100;

/// The two-sided p-value of the rank-sum test (Wilcoxon 1945, Mann & Whitney 1947): the probability of a difference of
/// ranks at least as large if all values came from one distribution. Exact, with ties at their mean rank: over all ways
/// to share the values out. None if a sample is empty, a value is NaN, or there are more than 100 values.
pub fn rank_sum(a: &[f64], b: &[f64]) -> Option<f64> {
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    if a.is_empty() || b.is_empty() || all.len() > MOST || all.iter().any(|x| x.is_nan()) {
        return None;
    }
    // Twice the rank, so that mean ranks of ties are whole.
    let ranks: Vec<usize> = all
        .iter()
        .map(|x| {
            let below = all.iter().filter(|y| *y < x).count();
            let same = all.iter().filter(|y| *y == x).count();
            2 * below + same + 1
        })
        .collect();
    let total: usize = ranks.iter().sum();
    // ways[k][s]: in how many ways k of the values have ranks that add up to s.
    let mut ways = vec![vec![0.0; total + 1]; a.len() + 1];
    ways[0][0] = 1.0;
    for rank in &ranks {
        for k in (1..=a.len()).rev() {
            let (fewer, more) = ways.split_at_mut(k);
            for sum in (*rank..=total).rev() {
                more[0][sum] += fewer[k - 1][sum - rank];
            }
        }
    }
    let found: usize = ranks[..a.len()].iter().sum();
    let mean = total as f64 * a.len() as f64 / all.len() as f64;
    let apart = |sum: usize| (sum as f64 - mean).abs();
    let of_all: f64 = ways[a.len()].iter().sum();
    let as_far = ways[a.len()].iter().enumerate().filter(|(sum, _)| apart(*sum) >= apart(found) - 1e-9);
    Some(as_far.map(|(_, ways)| ways).sum::<f64>() / of_all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_tables_have() {
        let close = |a: &[f64], b: &[f64], wanted: f64| {
            let found = rank_sum(a, b).unwrap();
            assert!((found - wanted).abs() < 1e-12, "{found}, expected {wanted}");
        };
        // Apart from each other: 2 of 20 and 2 of 252 ways.
        close(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], 0.1);
        close(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, f64::INFINITY], 2.0 / 252.0);
        close(&[1.0, 4.0], &[2.0, 3.0], 1.0);
        close(&[1.0, 1.0], &[1.0, 1.0], 1.0);
        // Ranks 1, 2.5, 2.5, 4: the sum 3.5 or less, or 6.5 or more, in 4 of 6 ways.
        close(&[1.0, 2.0], &[2.0, 3.0], 4.0 / 6.0);
        assert_eq!(rank_sum(&[], &[1.0]), None);
        assert_eq!(rank_sum(&[f64::NAN], &[1.0]), None);
    }
}
