use super::*;
use crate::nn::kernels::guarded::{Guarded, Side};
use crate::nn::kernels::samples::{assert_close, assert_fused_agree, numbers};

/// The coefficients of one token by the definition, in f64.
fn plainly(streams: usize, arguments: &[f64]) -> Vec<f64> {
    let sigmoid = |a: &f64| (1.0 + (-a).exp()).recip();
    let mut matrix: Vec<f64> = arguments[2 * streams..].iter().map(|a| a.exp()).collect();
    for _ in 0..ROUNDS {
        for column in 0..streams {
            let sum: f64 = (0..streams).map(|row| matrix[row * streams + column]).sum();
            (0..streams).for_each(|row| matrix[row * streams + column] /= sum);
        }
        for row in matrix.chunks_exact_mut(streams) {
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|x| *x /= sum);
        }
    }
    let turned = (0..streams * streams).map(|at| matrix[at % streams * streams + at / streams]);
    let outputs = arguments[streams..2 * streams].iter().map(|a| 2.0 * sigmoid(a));
    arguments[..streams].iter().map(sigmoid).chain(turned).chain(outputs).collect()
}

fn token(numbers: &[f32], row: usize) -> Vec<f64> {
    numbers.iter().skip(row).step_by(IMAGES).map(|&x| f64::from(x)).collect()
}

#[test]
fn coefficients_and_their_gradients_are_those_of_the_definition() {
    for streams in [2, 3, 4, 8] {
        let length = count(streams) * IMAGES;
        let arguments: Vec<f32> = numbers(length, 5).iter().map(|x| 2.0 * x).collect();
        let dc = numbers(length, 6);
        let mut expected = [vec![0.0; length], vec![0.0; length]];
        for row in 0..IMAGES {
            let (at, dc) = (token(&arguments, row), token(&dc, row));
            let loss = |at: &[f64]| plainly(streams, at).iter().zip(&dc).map(|(c, d)| c * d).sum::<f64>();
            for (which, c) in plainly(streams, &at).into_iter().enumerate() {
                expected[0][which * IMAGES + row] = c;
                let moved = |by: f64| {
                    let mut moved = at.clone();
                    moved[which] += by;
                    loss(&moved)
                };
                expected[1][which * IMAGES + row] = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            }
        }
        let mut of_sets = Vec::new();
        for set in InstructionSet::available() {
            for side in [Side::Front, Side::Back] {
                let [arguments, dc] = [&arguments, &dc].map(|of| Guarded::copied(side, of));
                let [mut c, mut d] = [(); 2].map(|()| Guarded::filled(side, length, f32::NAN));
                coefficients(set, streams, &arguments, &mut c);
                coefficients_gradient(set, streams, &arguments, &dc, &mut d);
                assert_close(&format!("{set}, {streams} streams"), &c, &expected[0], 2e-6);
                assert_close(&format!("{set}, {streams} streams: gradient"), &d, &expected[1], 1e-5);
                of_sets.push((set, [c.to_vec(), d.to_vec()].concat()));
            }
        }
        assert_fused_agree("coefficients", &of_sets);
    }
}

#[test]
fn what_is_normalised_has_a_mean_square_of_one() {
    for features in [1, 7, 64] {
        let (x, dv) = (numbers(features * IMAGES, 7), numbers(features * IMAGES, 8));
        let mut expected = [vec![0.0; x.len()], vec![0.0; x.len()]];
        for row in 0..IMAGES {
            let (x, dv) = (token(&x, row), token(&dv, row));
            let square = x.iter().map(|x| x * x).sum::<f64>() / features as f64;
            let inverse = (square + f64::from(EPSILON)).sqrt().recip();
            let along = x.iter().zip(&dv).map(|(x, d)| x * inverse * d).sum::<f64>() / features as f64;
            for (feature, (x, d)) in x.iter().zip(&dv).enumerate() {
                expected[0][feature * IMAGES + row] = x * inverse;
                expected[1][feature * IMAGES + row] = inverse * (d - along * x * inverse);
            }
        }
        let mut of_sets = Vec::new();
        for set in InstructionSet::available() {
            for side in [Side::Front, Side::Back] {
                let (x, mut d) = (Guarded::copied(side, &x), Guarded::copied(side, &dv));
                let mut v = Guarded::filled(side, x.len(), f32::NAN);
                let inverse = normalise(set, &x, &mut v);
                normalise_gradient(set, &v, &inverse, &mut d);
                assert_close(&format!("{set}, {features} features"), &v, &expected[0], 1e-6);
                assert_close(&format!("{set}, {features} features: gradient"), &d, &expected[1], 1e-5);
                of_sets.push((set, [v.to_vec(), d.to_vec()].concat()));
            }
        }
        assert_fused_agree("normalised numbers", &of_sets);
    }
}
