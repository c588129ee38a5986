//! Tests layer norm and its gradients against their definition in f64.

use super::*;
use crate::nn::kernels::guarded::{Guarded, Side};
use crate::nn::kernels::samples::{assert_close, assert_fused_agree, numbers};

/// Features, valid rows, and the mean of x.
const CASES: [(usize, usize, f32); 7] =
    [(1, 16, 0.0), (2, 5, 1.0), (7, 16, 100.0), (64, 1, -3.0), (100, 16, 0.5), (128, 15, 1e3), (515, 0, 0.0)];

struct Sample {
    gamma: Vec<f32>,
    beta: Vec<f32>,
    x: Vec<f32>,
    dy: Vec<f32>,
    before: Vec<f32>,
}

impl Sample {
    fn new(features: usize, mean: f32) -> Sample {
        let of = |seed: u64| numbers(features * IMAGES, seed);
        Sample {
            gamma: numbers(features, 1),
            beta: numbers(features, 2),
            x: of(3).iter().map(|x| x + mean).collect(),
            dy: of(4),
            before: of(5),
        }
    }

    /// A row of a bundle in f64.
    fn row(of: &[f32], row: usize) -> Vec<f64> {
        of.iter().skip(row).step_by(IMAGES).map(|&x| f64::from(x)).collect()
    }

    /// A row's normalised numbers, and one over its deviation.
    fn normal(&self, row: usize) -> (Vec<f64>, f64) {
        let x = Sample::row(&self.x, row);
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let inverse = 1.0 / (variance + f64::from(EPSILON)).sqrt();
        (x.iter().map(|x| (x - mean) * inverse).collect(), inverse)
    }

    /// The gradient to a row of x, and to gamma and beta of each feature from this row.
    fn gradient(&self, row: usize) -> (Vec<f64>, Vec<[f64; 2]>) {
        let ((normal, inverse), dy) = (self.normal(row), Sample::row(&self.dy, row));
        let scaled: Vec<f64> = dy.iter().zip(&self.gamma).map(|(g, &gamma)| g * f64::from(gamma)).collect();
        let count = dy.len() as f64;
        let total = scaled.iter().sum::<f64>() / count;
        let along = scaled.iter().zip(&normal).map(|(g, x)| g * x).sum::<f64>() / count;
        let dx = scaled.iter().zip(&normal).map(|(g, x)| inverse * (g - total - x * along)).collect();
        (dx, dy.iter().zip(&normal).map(|(g, x)| [g * x, *g]).collect())
    }
}

#[test]
fn rows_are_normalised_as_defined_on_every_set() {
    for (features, _, mean) in CASES {
        let sample = Sample::new(features, mean);
        let mut results = Vec::new();
        for (set, side) in InstructionSet::available().into_iter().zip([Side::Front, Side::Back].repeat(2)) {
            let [x, gamma, beta] =
                [&sample.x, &sample.gamma, &sample.beta].map(|numbers| Guarded::copied(side, numbers));
            let mut y = Guarded::filled(side, x.len(), f32::NAN);
            let statistics = layer_norm(set, [&gamma, &beta], &x, &mut y);
            for row in 0..IMAGES {
                let (normal, _) = sample.normal(row);
                let expected: Vec<f64> = normal
                    .iter()
                    .zip(gamma.iter().zip(beta.iter()))
                    .map(|(x, (&gamma, &beta))| x * f64::from(gamma) + f64::from(beta))
                    .collect();
                let ours: Vec<f32> = y.iter().skip(row).step_by(IMAGES).copied().collect();
                // The mean is rounded, as far as its size allows.
                assert_close("y", &ours, &expected, 2e-6 + 5e-7 * f64::from(mean.abs()));
            }
            results.push((set, (y.to_vec(), statistics)));
        }
        assert_fused_agree("layer norm", &results);
    }
}

#[test]
fn gradients_are_those_of_the_definition_over_valid_rows_on_every_set() {
    for (features, valid, mean) in CASES {
        let sample = Sample::new(features, mean);
        let mut results = Vec::new();
        for (set, side) in InstructionSet::available().into_iter().zip([Side::Front, Side::Back].repeat(2)) {
            let [x, gamma, dy] =
                [&sample.x, &sample.gamma, &sample.dy].map(|numbers| Guarded::copied(side, numbers));
            let mut dx = Guarded::filled(side, x.len(), f32::NAN);
            let mut added = Guarded::copied(side, &sample.before);
            let mut parameters = vec![[[0.0; IMAGES]; 2]; features];
            let statistics = layer_norm(set, [&gamma, &sample.beta], &x, &mut vec![0.0; x.len()]);
            for to in [Gradient::Written(&mut dx), Gradient::Added(&mut added)] {
                layer_norm_gradient(set, &gamma, &x, &statistics, &dy, valid, to, &mut parameters);
            }
            let tolerance = 1e-5 + 2e-6 * f64::from(mean.abs());
            for row in 0..IMAGES {
                let (mut expected, of_parameters) = sample.gradient(row);
                let counts = if row < valid { 1.0 } else { 0.0 };
                expected.iter_mut().for_each(|x| *x *= counts);
                let ours = dx.iter().skip(row).step_by(IMAGES);
                // What is left of the gradient may be much smaller than it was before its mean was subtracted.
                let size = sample.normal(row).1.max(1.0);
                for (ours, expected) in ours.zip(expected) {
                    let off = (f64::from(*ours) - expected).abs();
                    assert!(
                        off <= tolerance * size,
                        "{set}: {ours}, expected {expected}, {features} features"
                    );
                }
                let of_row =
                    |which: usize| -> Vec<f32> { parameters.iter().map(|p| p[which][row]).collect() };
                for which in 0..2 {
                    // Both calls have added.
                    let expected: Vec<f64> = of_parameters.iter().map(|p| 2.0 * counts * p[which]).collect();
                    assert_close("parameters", &of_row(which), &expected, tolerance);
                }
            }
            for ((sum, dx), before) in added.iter().zip(dx.iter()).zip(&sample.before) {
                assert_eq!(*sum, before + dx);
            }
            results.push((set, (dx.to_vec(), parameters)));
        }
        assert_fused_agree("gradients of layer norm", &results);
    }
}
