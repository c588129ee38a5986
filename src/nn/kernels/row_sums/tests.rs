//! Tests the sums over rows against sums in f64.

use super::*;
use crate::nn::kernels::guarded::{Guarded, Side};
use crate::nn::kernels::samples::{assert_fused_agree, assert_sum, numbers};

/// Features, and valid rows of each bundle.
const CASES: [(usize, &[usize]); 6] =
    [(1, &[16]), (3, &[16, 5]), (64, &[1]), (65, &[16, 16, 15]), (200, &[7, 0]), (1000, &[16])];

/// The numbers of the rows that count, with the feature of each.
fn valid_of(bundle: &[f32], valid: usize) -> impl Iterator<Item = (usize, f32)> {
    let counts = move |(place, _): &(usize, &f32)| place % IMAGES < valid;
    bundle.iter().enumerate().filter(counts).map(|(place, &x)| (place / IMAGES, x))
}

/// A bundle some of whose numbers are zero; all those of every third feature.
fn bundle(features: usize, seed: u64) -> Vec<f32> {
    let mut bundle = numbers(features * IMAGES, seed);
    for (place, x) in bundle.iter_mut().enumerate() {
        if place / IMAGES % 3 == 1 || place % 7 == 3 {
            *x = 0.0;
        }
    }
    bundle
}

fn each_set() -> impl Iterator<Item = (InstructionSet, Side)> {
    InstructionSet::available().into_iter().zip([Side::Front, Side::Back].repeat(2))
}

#[test]
fn moments_and_live_features_are_those_of_the_rows_that_count() {
    for (features, valid) in CASES {
        let bundles: Vec<Vec<f32>> = (0..valid.len()).map(|i| bundle(features, i as u64)).collect();
        let all = || bundles.iter().zip(valid).flat_map(|(bundle, &valid)| valid_of(bundle, valid));
        let mut results = Vec::new();
        for (set, side) in each_set() {
            let mut sums = RowSums::none(features);
            for (bundle, &valid) in bundles.iter().zip(valid) {
                sums.add(set, &Guarded::copied(side, bundle), valid);
            }
            let moments = sums.moments;
            assert_sum("sum", moments.sums.sum, all().map(|(_, x)| f64::from(x)), 1e-6);
            assert_sum("squares", moments.sums.squares, all().map(|(_, x)| f64::from(x).powi(2)), 1e-6);
            assert_eq!(moments.count(), all().count() as u64);
            assert_eq!(moments.zeros, all().filter(|(_, x)| *x == 0.0).count() as u64);
            assert_eq!(moments.min, all().map(|(_, x)| x).fold(f32::INFINITY, f32::min));
            assert_eq!(moments.max, all().map(|(_, x)| x).fold(f32::NEG_INFINITY, f32::max));
            for (feature, alive) in sums.alive().enumerate() {
                assert_eq!(alive, all().any(|(f, x)| f == feature && x != 0.0), "feature {feature}");
            }
            results.push((set, moments));
        }
        assert_fused_agree("moments", &results);
    }
}

#[test]
fn products_and_sums_are_those_of_the_rows_that_count() {
    for (features, valid) in CASES {
        let (valid, a, b) = (valid[0], bundle(features, 8), numbers(features * IMAGES, 9));
        let mut results = Vec::new();
        for (set, side) in each_set() {
            let (a, b) = (Guarded::copied(side, &a), Guarded::copied(side, &b));
            let of = |x: &[f32], y: &[f32]| -> Vec<f64> {
                let pairs = valid_of(x, valid).zip(valid_of(y, valid));
                pairs.map(|((_, x), (_, y))| f64::from(x) * f64::from(y)).collect()
            };
            let products = products(set, &a, &b, valid);
            assert_sum("first", products.first, of(&a, &a).into_iter(), 1e-6);
            assert_sum("second", products.second, of(&b, &b).into_iter(), 1e-6);
            assert_sum("both", products.both, of(&a, &b).into_iter(), 1e-6);
            let sums = sums(set, &b, valid);
            assert_sum("sum", sums.sum, valid_of(&b, valid).map(|(_, x)| f64::from(x)), 1e-6);
            assert_eq!((sums.squares, sums.count), (products.second, (features * valid) as u64));
            let mut rows = vec![[1.0; IMAGES]; features];
            add_rows(set, &a, valid, &mut rows);
            for (feature, rows) in rows.iter().enumerate() {
                let own = valid_of(&a, valid).filter(|(f, _)| *f == feature).map(|(_, x)| f64::from(x));
                assert_sum("bias", fold(rows), own.chain([1.0; IMAGES]), 1e-6);
            }
            results.push((set, (products, sums, rows)));
        }
        assert_fused_agree("products and sums", &results);
    }
}

#[test]
fn a_number_that_is_not_finite_shows_only_in_rows_that_count() {
    for set in InstructionSet::available() {
        let mut x = bundle(5, 1);
        x[2 * IMAGES + 6] = f32::NAN;
        let mut sums = [6, 7].map(|valid| {
            let mut sums = RowSums::none(5);
            sums.add(set, &x, valid);
            sums.moments.mean()
        });
        assert!(sums[0].is_finite() && sums[1].is_nan());
        sums = [6, 7].map(|valid| super::sums(set, &x, valid).mean());
        assert!(sums[0].is_finite() && sums[1].is_nan());
    }
}
