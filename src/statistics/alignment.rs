//! How alike two sets of features of the same rows are: linear centred kernel alignment (Kornblith et al. 2019, section 3),
//! `|Y^T X|^2 / (|X^T X| |Y^T Y|)` with Frobenius norms. It is the product of the Gram matrices `X X^T` and `Y Y^T`, each
//! over its norm, so that the matrix of one set is all that has to be known of it.

/// The products of each two rows of centred features, `[rows][columns]`, over the norm of the matrix of all of them: its
/// lower triangle, row by row, so that the first numbers are those of the first rows. NaN where all rows are zero.
pub fn gram(centred: &[f64], columns: usize) -> Vec<f32> {
    let rows: Vec<&[f64]> = centred.chunks_exact(columns.max(1)).collect();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let of_row = |(at, a): (usize, &&[f64])| {
        let a = *a;
        rows[..=at].iter().map(move |b| product(a, b)).collect::<Vec<f64>>()
    };
    let products: Vec<f64> = rows.iter().enumerate().flat_map(of_row).collect();
    let norm = sum(products.iter().map(|x| x * x)).sqrt();
    products.iter().map(|x| (x / norm) as f32).collect()
}

/// The alignment of two sets of features from what [`gram`] gives for the same rows: 1 if they are equal up to rotation and
/// scale, 0 if every feature of one is uncorrelated with all of the other. NaN if the triangles are not of equal size.
pub fn alignment(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() {
        return f64::NAN;
    }
    sum(a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)))
}

/// The sum over a symmetric matrix of which the lower triangle is given.
fn sum(triangle: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut row, mut diagonal) = (0.0, 0, 0);
    for (at, x) in triangle.enumerate() {
        if at == diagonal {
            sum += x;
            row += 1;
            diagonal += row + 1;
        } else {
            sum += 2.0 * x;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Centred numbers without structure, `[rows][columns]`.
    fn made(rows: usize, columns: usize, seed: usize) -> Vec<f64> {
        let number = |at: usize| ((at + seed) * 7919 % 104_729) as f64 / 5e4 - 1.0;
        let mut all: Vec<f64> = (0..rows * columns).map(number).collect();
        for column in 0..columns {
            let mean = all[column..].iter().step_by(columns).sum::<f64>() / rows as f64;
            all[column..].iter_mut().step_by(columns).for_each(|x| *x -= mean);
        }
        all
    }

    /// By the products of features instead of rows, as in the definition.
    fn by_features((x, of_x): (&[f64], usize), (y, of_y): (&[f64], usize)) -> f64 {
        let square = |(a, of_a): (&[f64], usize), (b, of_b): (&[f64], usize)| {
            let mut sum = 0.0;
            for (i, j) in (0..of_a).flat_map(|i| (0..of_b).map(move |j| (i, j))) {
                let rows = a.chunks_exact(of_a).zip(b.chunks_exact(of_b));
                sum += rows.map(|(a, b)| a[i] * b[j]).sum::<f64>().powi(2);
            }
            sum
        };
        let (x, y) = ((x, of_x), (y, of_y));
        square(x, y) / (square(x, x).sqrt() * square(y, y).sqrt())
    }

    proptest! {
        #[test]
        fn it_is_that_of_the_definition(
            rows in 2..30usize, (a, b) in (1..9usize, 1..9usize), seeds in (0..99_999usize, 0..99_999usize),
        ) {
            let (x, y) = (made(rows, a, seeds.0), made(rows, b, seeds.1));
            let found = alignment(&gram(&x, a), &gram(&y, b));
            let expected = by_features((&x, a), (&y, b));
            prop_assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
            prop_assert!((alignment(&gram(&x, a), &gram(&x, a)) - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn a_rotation_and_a_scale_change_nothing() {
        let x = made(30, 4, 0);
        let turned = x.chunks_exact(4).flat_map(|row| {
            let [a, b, c, d] = [row[0], row[1], row[2], row[3]];
            [3.0 * (0.6 * a - 0.8 * b), 3.0 * (0.8 * a + 0.6 * b), 3.0 * d, -3.0 * c]
        });
        let turned: Vec<f64> = turned.collect();
        assert!((alignment(&gram(&x, 4), &gram(&turned, 4)) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn closed_forms() {
        // Rows 1, -1, 0 and 1, 1, -2: uncorrelated. The norm of the first matrix is 2.
        assert_eq!(gram(&[1.0, -1.0, 0.0], 1), [0.5, -0.5, 0.5, 0.0, 0.0, 0.0]);
        assert!(alignment(&gram(&[1.0, -1.0, 0.0], 1), &gram(&[1.0, 1.0, -2.0], 1)).abs() < 1e-7);
        // Both features at once, of equal length: the share of each is 1 / sqrt(2).
        let both = [1.0, 1.0 / 3f64.sqrt(), -1.0, 1.0 / 3f64.sqrt(), 0.0, -2.0 / 3f64.sqrt()];
        let found = alignment(&gram(&[1.0, -1.0, 0.0], 1), &gram(&both, 2));
        assert!((found - 0.5f64.sqrt()).abs() < 1e-6, "{found}");
        assert!(alignment(&gram(&[0.0; 3], 1), &gram(&[1.0, -1.0, 0.0], 1)).is_nan());
        assert!(alignment(&[1.0], &[1.0, 0.0, 0.0]).is_nan());
    }
}
