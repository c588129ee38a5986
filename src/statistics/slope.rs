//! How fast a quantity grows or shrinks from layer to layer.

/// The slope of the least-squares line through `log10(values[i])` against `i`, in decades per layer.
///
/// Zeros, negative and non-finite values are left out, the others keep their index. None where fewer than two
/// are left.
pub fn slope_in_decades(values: &[f32]) -> Option<f64> {
    let usable = values.iter().enumerate().filter(|(_, x)| x.is_finite() && **x > 0.0);
    slope(usable.map(|(i, &x)| (i as f64, f64::from(x).log10())))
}

/// The slope of the least-squares line through points at different places; none for fewer than two points.
pub fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let count = points.clone().count();
    if count < 2 {
        return None;
    }
    let mean_of = |sum: f64| sum / count as f64;
    let mean_x = mean_of(points.clone().map(|(x, _)| x).sum());
    let mean_y = mean_of(points.clone().map(|(_, y)| y).sum());
    let covariance: f64 = points.clone().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points.map(|(x, _)| (x - mean_x).powi(2)).sum();
    Some(covariance / variance)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_geometric_series_has_the_slope_of_its_ratio_whatever_is_missing() {
        // Gradients of a plain ReLU network with batch norm grow by 1.211 a layer (Yang et al. 2019).
        let mut values: Vec<f32> = (0..40).map(|i| 1.211_f32.powi(i)).collect();
        let expected = 1.211_f64.log10();
        assert!((slope_in_decades(&values).unwrap() - expected).abs() < 1e-6);
        (values[3], values[17], values[20], values[39]) = (0.0, f32::NAN, f32::INFINITY, -1.0);
        assert!((slope_in_decades(&values).unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn one_point_has_no_slope() {
        assert_eq!(slope_in_decades(&[]), None);
        assert_eq!(slope_in_decades(&[0.0, 1.0, f32::NAN]), None);
    }

    proptest! {
        #[test]
        fn the_residuals_are_orthogonal_to_the_index(logs in prop::collection::vec(-8.0_f64..8.0, 2..60)) {
            let values: Vec<f32> = logs.iter().map(|log| 10.0_f64.powf(*log) as f32).collect();
            let slope = slope_in_decades(&values).unwrap();
            let residual = |i: usize| f64::from(values[i]).log10() - slope * i as f64;
            let mean = (0..values.len()).map(residual).sum::<f64>() / values.len() as f64;
            let projection: f64 = (0..values.len()).map(|i| (residual(i) - mean) * i as f64).sum();
            prop_assert!(projection.abs() < 1e-7);
        }
    }
}
