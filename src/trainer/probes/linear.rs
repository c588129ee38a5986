//! How well the classes can be told by a linear classifier of each block's output (Alain and Bengio 2016): ridge regression
//! of the classes on standardised features, in closed form, trained on training examples and judged by test examples.

use super::features::{Features, OfBlock};
use super::{EXAMPLES, Entry, PLAIN, Subject, examples};
use crate::event::{Outcome, Split, Value, Values};
use crate::experiment::{Allowed, Key};
use crate::metric::probed;

pub(super) const PROBE: Entry = Entry {
    name: "linear",
    summary: "test error of a linear classifier of each block's output (Alain and Bengio 2016)",
    keys,
    metrics: |_| vec![probed::PROBE_ERROR],
    run,
    ..PLAIN
};

fn keys() -> Vec<Key> {
    let about = "the penalty of the ridge regression, relative to the variance of a feature";
    vec![
        examples(512),
        Key::with_default("ridge", about, Allowed::Number { least: 1e-6, most: 1000.0 }, 0.01),
    ]
}

fn run(subject: &mut Subject<'_>) -> Result<Values, Outcome> {
    let (most, ridge) = (subject.whole(EXAMPLES), subject.number("ridge"));
    let classes = subject.network().description().classes;
    let train = Features::of(subject, Split::Train, most)?;
    let test = Features::of(subject, Split::Test, most)?;
    let mut errors = vec![f32::NAN; subject.blocks()];
    for (error, (of_train, of_test)) in errors.iter_mut().zip(train.blocks.iter().zip(&test.blocks)) {
        let classifier = Classifier::fit(of_train, &train.labels, classes, ridge);
        *error = classifier.error(of_test, &test.labels);
        subject.rest()?;
    }
    Ok([(probed::PROBE_ERROR, Value::Numbers(errors))].into_iter().collect())
}

/// A linear classifier of features that are standardised first.
struct Classifier {
    means: Vec<f64>,
    /// One over the standard deviation of each feature; 0 for a constant one.
    scales: Vec<f64>,
    /// The share of each class.
    shares: Vec<f64>,
    /// `[features][classes]`.
    weights: Vec<f64>,
}

impl Classifier {
    /// The minimum of the mean of `(shares + x W - y)^2` plus `ridge |W|^2`, with a one for the class of a row in `y` and
    /// zeros for the others.
    fn fit(features: &OfBlock, labels: &[u16], classes: usize, ridge: f64) -> Classifier {
        let (width, count) = (features.width, labels.len() as f64);
        let means = features.means();
        let mut scales = vec![0.0; width];
        for row in features.centred().chunks_exact(width) {
            scales.iter_mut().zip(row).for_each(|(scale, x)| *scale += x * x / count);
        }
        scales.iter_mut().for_each(|scale| *scale = if *scale > 0.0 { scale.sqrt().recip() } else { 0.0 });
        let mut shares = vec![0.0; classes];
        labels.iter().for_each(|label| shares[usize::from(*label)] += 1.0 / count);
        let mut fitted = Classifier { means, scales, shares, weights: vec![0.0; width * classes] };
        let mut products = vec![0.0; width * width];
        let mut x = vec![0.0; width];
        for (row, label) in features.numbers.chunks_exact(width).zip(labels) {
            fitted.standardise(row, &mut x);
            for (place, own) in x.iter().enumerate() {
                let own = own / count;
                let products = &mut products[place * width..][..=place];
                products.iter_mut().zip(&x).for_each(|(sum, x)| *sum += own * x);
                let weights = &mut fitted.weights[place * classes..][..classes];
                for (class, (weight, share)) in weights.iter_mut().zip(&fitted.shares).enumerate() {
                    let target = f64::from(u8::from(class == usize::from(*label))) - share;
                    *weight += own * target;
                }
            }
        }
        (0..width).for_each(|place| products[place * width + place] += ridge);
        solve(&mut products, width, &mut fitted.weights, classes);
        fitted
    }

    fn standardise(&self, row: &[f32], x: &mut [f64]) {
        let moments = self.means.iter().zip(&self.scales);
        for (x, (value, (mean, scale))) in x.iter_mut().zip(row.iter().zip(moments)) {
            *x = (f64::from(*value) - mean) * scale;
        }
    }

    /// The share of rows that get another class; NaN without rows.
    fn error(&self, features: &OfBlock, labels: &[u16]) -> f32 {
        let (width, classes) = (features.width, self.shares.len());
        let (mut x, mut wrong) = (vec![0.0; width], 0);
        for (row, label) in features.numbers.chunks_exact(width.max(1)).zip(labels) {
            self.standardise(row, &mut x);
            let mut scores = self.shares.clone();
            for (x, weights) in x.iter().zip(self.weights.chunks_exact(classes)) {
                scores.iter_mut().zip(weights).for_each(|(score, weight)| *score += x * weight);
            }
            let best = (0..classes).find(|class| scores.iter().all(|other| scores[*class] >= *other));
            wrong += usize::from(best != Some(usize::from(*label)));
        }
        (wrong as f64 / labels.len() as f64) as f32
    }
}

/// Solves `A X = B` in place of `B`, `[side][columns]`, for a symmetric positive definite matrix of which the lower triangle
/// is given (Cholesky's factors, Golub and Van Loan 2013, algorithm 4.2.1).
fn solve(matrix: &mut [f64], side: usize, b: &mut [f64], columns: usize) {
    for column in 0..side {
        for row in column..side {
            let before = (0..column).map(|k| matrix[row * side + k] * matrix[column * side + k]).sum::<f64>();
            let rest = matrix[row * side + column] - before;
            let diagonal = if row == column { 1.0 } else { matrix[column * side + column] };
            matrix[row * side + column] = if row == column { rest.sqrt() } else { rest / diagonal };
        }
    }
    let subtract = |b: &mut [f64], from: usize, other: usize, factor: f64| {
        for column in 0..columns {
            b[from * columns + column] -= factor * b[other * columns + column];
        }
    };
    for row in 0..side {
        (0..row).for_each(|k| subtract(b, row, k, matrix[row * side + k]));
        b[row * columns..][..columns].iter_mut().for_each(|b| *b /= matrix[row * side + row]);
    }
    for row in (0..side).rev() {
        (row + 1..side).for_each(|k| subtract(b, row, k, matrix[k * side + row]));
        b[row * columns..][..columns].iter_mut().for_each(|b| *b /= matrix[row * side + row]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features without structure, and labels that a few of them decide.
    fn made(rows: usize, width: usize) -> (OfBlock, Vec<u16>) {
        let numbers: Vec<f32> =
            (0..rows * width).map(|at| (at * 7919 % 104_729) as f32 / 5e4 - 1.0).collect();
        let labels = numbers.chunks_exact(width).map(|row| u16::from(row[0] + 0.5 * row[1] > 0.1));
        let labels = labels.collect();
        (OfBlock { width, numbers }, labels)
    }

    /// The gradient of what is minimised, computed term by term, is zero.
    #[test]
    fn the_classifier_is_at_the_minimum() {
        let (features, labels) = made(60, 5);
        let ridge = 0.3;
        let fitted = Classifier::fit(&features, &labels, 2, ridge);
        for feature in 0..5 {
            for class in 0..2 {
                let mut gradient = ridge * fitted.weights[feature * 2 + class];
                let mut x = vec![0.0; 5];
                for (row, label) in features.numbers.chunks_exact(5).zip(&labels) {
                    fitted.standardise(row, &mut x);
                    let score: f64 = (0..5).map(|k| x[k] * fitted.weights[k * 2 + class]).sum();
                    let target = if usize::from(*label) == class { 1.0 } else { 0.0 };
                    gradient += x[feature] * (fitted.shares[class] + score - target) / 60.0;
                }
                assert!(gradient.abs() < 1e-12, "{gradient}");
            }
        }
        // One feature, one class each: in closed form the covariance over the variance, which is 1, and the penalty.
        let one = OfBlock { width: 1, numbers: vec![-3.0, -3.0, 5.0, 5.0] };
        let fitted = Classifier::fit(&one, &[0, 0, 1, 1], 2, 0.25);
        let expected = [-0.5 / 1.25, 0.5 / 1.25];
        assert!(
            fitted.weights.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12),
            "{:?}",
            fitted.weights
        );
        assert_eq!(fitted.error(&one, &[0, 1, 1, 1]), 0.25);
    }

    #[test]
    fn classes_that_a_plane_parts_are_told_apart_and_constants_do_not_matter() {
        let (mut features, labels) = made(400, 4);
        assert!(Classifier::fit(&features, &labels, 2, 1e-4).error(&features, &labels) < 0.05);
        features.numbers.chunks_exact_mut(4).for_each(|row| (row[0], row[1]) = (3.0, 0.0));
        let fitted = Classifier::fit(&features, &labels, 2, 1e-4);
        assert!(fitted.weights.iter().all(|weight| weight.is_finite()));
        assert!(fitted.error(&features, &labels) > 0.2, "what decides has been taken out");
        let broken = OfBlock { numbers: vec![f32::NAN; 1600], ..features };
        assert_eq!(Classifier::fit(&broken, &labels, 2, 1e-4).error(&broken, &labels), 1.0);
    }
}
