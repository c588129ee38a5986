//! How alike the outputs of two blocks are: linear centred kernel alignment (Kornblith et al. 2019, section 3) of all
//! pairs.

use super::features::{Features, OfBlock};
use super::{EXAMPLES, Entry, PLAIN, Subject, examples, split};
use crate::event::{Outcome, Value, Values};
use crate::experiment::{Key, Settings};
use crate::metric::probed::{CKA, COMPARED};
use crate::metric::{Axis, Points};
use crate::model::Description;

pub(super) const PROBE: Entry = Entry {
    name: "cka",
    summary: "how alike the outputs of each two blocks are (Kornblith et al. 2019)",
    keys,
    metrics: |_| vec![CKA],
    axes,
    run,
    ..PLAIN
};

fn keys() -> Vec<Key> {
    vec![split("test"), examples(256)]
}

fn axes(_: &Settings, description: &Description) -> Vec<Axis> {
    let names = description.structure.blocks.iter().map(|block| block.name.clone());
    vec![Axis { name: COMPARED.to_owned(), points: Points::Names(names.collect()) }]
}

fn run(subject: &mut Subject<'_>) -> Result<Values, Outcome> {
    let (split, most, blocks) = (subject.split(), subject.whole(EXAMPLES), subject.blocks());
    let features = Features::of(subject, split, most)?;
    let mut kernels = Vec::new();
    for block in &features.blocks {
        kernels.push(kernel(block));
        subject.rest()?;
    }
    let mut alike = vec![f32::NAN; blocks * blocks];
    for (at, a) in kernels.iter().enumerate() {
        for (other, b) in kernels.iter().enumerate().take(at + 1) {
            let product = product(a, b) as f32;
            (alike[at * blocks + other], alike[other * blocks + at]) = (product, product);
        }
        subject.rest()?;
    }
    Ok([(CKA, Value::Numbers(alike))].into_iter().collect())
}

/// The products of each two rows of centred features, over the norm of all of them. The alignment of two blocks, which is
/// `|Y^T X|^2 / (|X^T X| |Y^T Y|)`, is the product of these. NaN where all rows are equal.
fn kernel(features: &OfBlock) -> Vec<f32> {
    let centred = features.centred();
    let rows: Vec<&[f64]> = centred.chunks_exact(features.width).collect();
    let of_row = |a: &&[f64]| {
        let a = *a;
        let product = move |b: &&[f64]| a.iter().zip(*b).map(|(a, b)| a * b).sum::<f64>();
        rows.iter().map(product).collect::<Vec<_>>()
    };
    let products: Vec<f64> = rows.iter().flat_map(of_row).collect();
    let norm = products.iter().map(|x| x * x).sum::<f64>().sqrt();
    products.iter().map(|x| (x / norm) as f32).collect()
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(rows: usize, width: usize, seed: usize) -> OfBlock {
        let number = |at: usize| ((at + seed) * 7919 % 104_729) as f32 / 5e4 - 1.0;
        OfBlock { width, numbers: (0..rows * width).map(number).collect() }
    }

    /// By the products of features instead of rows, as in the definition.
    fn by_features(x: &OfBlock, y: &OfBlock) -> f64 {
        let square = |x: &OfBlock, y: &OfBlock| {
            let (a, b) = (x.centred(), y.centred());
            let mut sum = 0.0;
            for i in 0..x.width {
                for j in 0..y.width {
                    let rows = a.chunks_exact(x.width).zip(b.chunks_exact(y.width));
                    sum += rows.map(|(a, b)| a[i] * b[j]).sum::<f64>().powi(2);
                }
            }
            sum
        };
        square(x, y) / (square(x, x).sqrt() * square(y, y).sqrt())
    }

    #[test]
    fn alignment_is_that_of_the_definition() {
        let (x, y) = (made(30, 4, 0), made(30, 7, 12_345));
        let found = product(&kernel(&x), &kernel(&y));
        assert!((found - by_features(&x, &y)).abs() < 1e-6, "{found}");
        assert!((product(&kernel(&x), &kernel(&x)) - 1.0).abs() < 1e-6);
        // A rotation, a scale and a shift change nothing.
        let turned = x.numbers.chunks_exact(4).flat_map(|row| {
            let [a, b, c, d] = [row[0], row[1], row[2], row[3]];
            [3.0 * (0.6 * a - 0.8 * b), 3.0 * (0.8 * a + 0.6 * b), 3.0 * d + 2.0, -3.0 * c]
        });
        let turned = OfBlock { width: 4, numbers: turned.collect() };
        assert!((product(&kernel(&x), &kernel(&turned)) - 1.0).abs() < 1e-6);
        assert!(product(&kernel(&x), &kernel(&OfBlock { width: 1, numbers: vec![2.0; 30] })).is_nan());
    }
}
