//! The spectrum of what a few directions hold of many: singular values of a matrix and its effective rank (Roy and Vetterli
//! 2007), from the eigenvalues of its products. All is inlined, so that callers can compile it for their instructions.

/// Terms that are added at a time.
const TERMS: usize = 4;
/// Independent sums of a product.
const CHAINS: usize = 8;
/// More rotations than any eigenvalue takes to be isolated.
const MOST_ROUNDS: usize = 60;

/// The exponential of the entropy of the normalised squares of the singular values of a matrix, `[rows][columns]`, of
/// which only the smaller side costs much: 1 if all rows are multiples of one, the smaller side if no direction is
/// preferred. NaN for a matrix that is zero or not finite.
#[inline(always)]
pub fn effective_rank(rows: &[f64], columns: usize) -> f64 {
    entropy_rank(&squares(rows, columns))
}

/// The singular values of a matrix, `[rows][columns]`, as many as its smaller side, in no order. Those whose squares are
/// lost in the rounding of the largest one are zero. NaN for a matrix that is not finite.
#[inline(always)]
pub fn singular_values(rows: &[f64], columns: usize) -> Vec<f64> {
    let mut values = squares(rows, columns);
    let rounding = values.len() as f64 * f64::EPSILON * values.iter().copied().fold(0.0, f64::max);
    values.iter_mut().for_each(|value| *value = if *value <= rounding { 0.0 } else { value.sqrt() });
    values
}

/// The exponential of the entropy of these shares of a sum: how many there are if they are equal, 1 if one of them is all
/// (Roy and Vetterli 2007, definition 1). Negative ones, which are zero but for rounding, count as zero. NaN if all are
/// zero or one is not finite.
#[inline(always)]
pub fn entropy_rank(parts: &[f64]) -> f64 {
    let total: f64 = parts.iter().filter(|part| **part > 0.0).sum();
    if !(total > 0.0 && total.is_finite()) || parts.iter().any(|part| part.is_nan()) {
        return f64::NAN;
    }
    let shares = parts.iter().map(|part| part / total).filter(|share| *share > 0.0);
    shares.map(|share| -share * share.ln()).sum::<f64>().exp()
}

/// The squares of the singular values of a matrix.
#[inline(always)]
fn squares(rows: &[f64], columns: usize) -> Vec<f64> {
    let count = rows.len().checked_div(columns).unwrap_or(0);
    if count == 0 {
        return Vec::new();
    }
    if columns <= count {
        return eigenvalues(products(rows, columns), columns);
    }
    let transposed: Vec<f64> =
        (0..columns).flat_map(|column| rows[column..].iter().step_by(columns).copied()).collect();
    eigenvalues(products(&transposed, count), count)
}

/// The lower triangle, row by row in a square, of the products of the columns of `rows`: the sum over rows of the
/// products of their numbers.
#[inline(always)]
fn products(rows: &[f64], side: usize) -> Vec<f64> {
    let mut sums = vec![0.0; side * side];
    let groups = rows.chunks_exact(TERMS * side.max(1));
    let rest = groups.remainder();
    for group in groups {
        let [a, b, c, d] = [0, 1, 2, 3].map(|term| &group[term * side..][..side]);
        for (i, sums) in sums.chunks_exact_mut(side).enumerate() {
            let [own_a, own_b, own_c, own_d] = [a[i], b[i], c[i], d[i]];
            let others = a[..=i].iter().zip(&b[..=i]).zip(c[..=i].iter().zip(&d[..=i]));
            for (sum, ((a, b), (c, d))) in sums[..=i].iter_mut().zip(others) {
                *sum += (own_a * a + own_b * b) + (own_c * c + own_d * d);
            }
        }
    }
    for row in rest.chunks_exact(side.max(1)) {
        for (i, sums) in sums.chunks_exact_mut(side).enumerate() {
            let own = row[i];
            sums[..=i].iter_mut().zip(&row[..=i]).for_each(|(sum, x)| *sum += own * x);
        }
    }
    sums
}

/// The eigenvalues of a symmetric matrix from its lower triangle, in no order: by reflections to a tridiagonal matrix
/// (Golub and Van Loan 2013, algorithm 8.3.1), then implicit shifts (algorithm 8.3.3). NaN if the matrix is not finite.
#[inline(always)]
fn eigenvalues(mut matrix: Vec<f64>, side: usize) -> Vec<f64> {
    let [mut diagonal, mut beside] = tridiagonal(&mut matrix, side);
    if diagonal.iter().chain(&beside).any(|x| !x.is_finite()) {
        return vec![f64::NAN; side];
    }
    isolate(&mut diagonal, &mut beside);
    diagonal
}

/// The product of two rows.
#[inline(always)]
fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; CHAINS];
    let (of_a, of_b) = (a.chunks_exact(CHAINS), b.chunks_exact(CHAINS));
    let rest = of_a.remainder().iter().zip(of_b.remainder());
    let rest: f64 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in of_a.zip(of_b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// The diagonal of a tridiagonal matrix with the same eigenvalues, and what is beside it, from place 1 on.
#[inline(always)]
fn tridiagonal(matrix: &mut [f64], side: usize) -> [Vec<f64>; 2] {
    let mut beside = vec![0.0; side];
    let (mut u, mut w) = (vec![0.0; side], vec![0.0; side]);
    // The last row is reflected to its last number before the diagonal; then the one before it.
    for last in (1..side).rev() {
        let (rest, row) = matrix.split_at_mut(last * side);
        let (u, w) = (&mut u[..last], &mut w[..last]);
        u.copy_from_slice(&row[..last]);
        let above = u[last - 1];
        let square = product(u, u);
        if square == above * above {
            beside[last] = above;
            continue;
        }
        let reflected = if above > 0.0 { -square.sqrt() } else { square.sqrt() };
        beside[last] = reflected;
        u[last - 1] = above - reflected;
        // Half the square of u.
        let half = square - above * reflected;
        w.fill(0.0);
        for (i, row) in rest.chunks_exact(side).enumerate() {
            let own = u[i];
            let along = product(&row[..i], &u[..i]);
            w[..i].iter_mut().zip(&row[..i]).for_each(|(w, x)| *w += own * x);
            w[i] += along + own * row[i];
        }
        let along = product(u, w) / (2.0 * half);
        w.iter_mut().zip(&*u).for_each(|(w, u)| *w = (*w - along * u) / half);
        for (i, row) in rest.chunks_exact_mut(side).enumerate() {
            let (own_u, own_w) = (u[i], w[i]);
            let terms = u[..=i].iter().zip(&w[..=i]);
            row[..=i].iter_mut().zip(terms).for_each(|(x, (u, w))| *x -= own_u * w + own_w * u);
        }
    }
    let diagonal = (0..side).map(|i| matrix[i * side + i]).collect();
    [diagonal, beside]
}

/// Rotates a tridiagonal matrix until only its diagonal is left. `beside` has, from place 1 on, the numbers before the
/// diagonal.
#[inline(always)]
fn isolate(diagonal: &mut [f64], beside: &mut [f64]) {
    let side = diagonal.len();
    // From here on, the numbers behind the diagonal.
    beside.rotate_left(usize::from(side > 0));
    for first in 0..side {
        for _ in 0..MOST_ROUNDS {
            let is_small = |at: &usize| {
                let size = diagonal[*at].abs() + diagonal[*at + 1].abs();
                beside[*at].abs() <= f64::EPSILON * size
            };
            let end = (first..side - 1).find(is_small).unwrap_or(side - 1);
            if end == first {
                break;
            }
            rotate(&mut diagonal[first..=end], &mut beside[first..=end]);
        }
    }
}

/// One round of rotations from the end of a tridiagonal matrix to its beginning, where a number becomes isolated.
#[inline(always)]
fn rotate(diagonal: &mut [f64], beside: &mut [f64]) {
    let last = diagonal.len() - 1;
    let half = (diagonal[1] - diagonal[0]) / (2.0 * beside[0]);
    let root = half.hypot(1.0);
    let shift = diagonal[0] - beside[0] / (half + root.copysign(half));
    let (mut sine, mut cosine, mut moved) = (1.0, 1.0, 0.0);
    let mut ahead = diagonal[last] - shift;
    for at in (0..last).rev() {
        let (f, b) = (sine * beside[at], cosine * beside[at]);
        let radius = (f * f + ahead * ahead).sqrt();
        beside[at + 1] = radius;
        if radius == 0.0 {
            diagonal[at + 1] -= moved;
            beside[last] = 0.0;
            return;
        }
        (sine, cosine) = (f / radius, ahead / radius);
        let rest = diagonal[at + 1] - moved;
        let turned = (diagonal[at] - rest) * sine + 2.0 * cosine * b;
        moved = sine * turned;
        diagonal[at + 1] = rest + moved;
        ahead = cosine * turned - b;
    }
    diagonal[0] -= moved;
    beside[0] = ahead;
    beside[last] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers without structure.
    fn numbers(count: usize, seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    /// `Q diag(values) Q` for a reflection Q, which is symmetric.
    fn reflected(values: &[f64], seed: u64) -> Vec<f64> {
        let side = values.len();
        let v = numbers(side, seed);
        let square: f64 = v.iter().map(|v| v * v).sum();
        let q = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / square;
        let at = |i, j| (0..side).map(|k| q(i, k) * values[k] * q(k, j)).sum();
        (0..side * side).map(|place| at(place / side, place % side)).collect()
    }

    proptest! {
        #[test]
        fn eigenvalues_are_those_that_a_matrix_was_made_of(
            mut values in proptest::collection::vec(-10.0..10.0, 1..40usize), seed: u64, zeros in 0..10usize,
        ) {
            values.iter_mut().take(zeros).for_each(|value| *value = 0.0);
            let mut found = eigenvalues(reflected(&values, seed), values.len());
            found.sort_by(f64::total_cmp);
            values.sort_by(f64::total_cmp);
            for (found, expected) in found.iter().zip(&values) {
                prop_assert!((found - expected).abs() < 1e-12 * 10.0 * values.len() as f64, "{found}, {expected}");
            }
        }

        /// `diag(values)` between two reflections has these singular values; so has it with rows of zeros below.
        #[test]
        fn singular_values_are_those_that_a_matrix_was_made_of(
            mut values in proptest::collection::vec(0.01..10.0, 1..30usize),
            seed: u64,
            zeros in 0..5usize,
            more in 0..5usize,
        ) {
            let side = values.len();
            values.iter_mut().take(zeros).for_each(|value| *value = 0.0);
            // Q diag(values) Q times a second reflection P.
            let a = reflected(&values, seed);
            let v = numbers(side, seed ^ 1);
            let square: f64 = v.iter().map(|v| v * v).sum();
            let p = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / square;
            let at = |i: usize, j: usize| (0..side).map(|k| a[i * side + k] * p(k, j)).sum::<f64>();
            let mut rows: Vec<f64> = (0..side * side).map(|place| at(place / side, place % side)).collect();
            rows.resize((side + more) * side, 0.0);
            let mut found = singular_values(&rows, side);
            found.sort_by(f64::total_cmp);
            values.sort_by(f64::total_cmp);
            for (found, expected) in found.iter().zip(&values) {
                // The root of the rounding of squares.
                prop_assert!((found - expected).abs() < 1e-6, "{found}, {expected}");
            }
        }

        #[test]
        fn a_matrix_and_its_transpose_have_one_rank(count in 1..30usize, columns in 1..30usize, seed: u64) {
            let rows = numbers(count * columns, seed);
            let transposed: Vec<f64> =
                (0..columns).flat_map(|column| rows[column..].iter().step_by(columns).copied()).collect();
            let [a, b] = [effective_rank(&rows, columns), effective_rank(&transposed, count)];
            prop_assert!((a - b).abs() < 1e-9 * a, "{a}, {b}");
            prop_assert!(a > 1.0 - 1e-9 && a < count.min(columns) as f64 + 1e-9);
        }
    }

    #[test]
    fn ranks_of_known_spectra() {
        // Rows along the axes, of these lengths.
        let of = |lengths: &[f64]| -> Vec<f64> {
            let side = lengths.len();
            (0..side * side).map(|at| if at / side == at % side { lengths[at / side] } else { 0.0 }).collect()
        };
        let cases = [
            (vec![1.0; 7], 7.0),
            (vec![3.0, 0.0, 0.0, 0.0], 1.0),
            (vec![0.0, 2.0, 0.0, 2.0, 0.0], 2.0),
            // Shares 4/5 and 1/5.
            (vec![2.0, 1.0], (-0.8 * 0.8_f64.ln() - 0.2 * 0.2_f64.ln()).exp()),
        ];
        for (lengths, expected) in cases {
            let found = effective_rank(&of(&lengths), lengths.len());
            assert!((found - expected).abs() < 1e-12, "{lengths:?}: {found}, expected {expected}");
        }
        // All rows multiples of one.
        let line: Vec<f64> =
            (0..50).flat_map(|row| [1.0, -2.0, 0.5].map(|x| x * f64::from(row - 20))).collect();
        assert!((effective_rank(&line, 3) - 1.0).abs() < 1e-9);
        // Of the singular values themselves, shares 2/3 and 1/3 of the same matrix.
        let found = entropy_rank(&singular_values(&of(&[2.0, 1.0]), 2));
        let expected = (-(2.0 / 3.0) * (2.0_f64 / 3.0).ln() - (1.0_f64 / 3.0).ln() / 3.0).exp();
        assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
        assert!(entropy_rank(&singular_values(&[f64::NAN; 4], 2)).is_nan());
        for nothing in [vec![0.0; 12], vec![f64::NAN; 12], vec![f64::INFINITY; 12], Vec::new()] {
            assert!(effective_rank(&nothing, 3).is_nan());
        }
    }
}
