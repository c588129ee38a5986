//! The largest eigenvalue of the second derivatives of the loss, by the method of Lanczos (Golub and Van Loan 2013, section
//! 10.1): products of the Hessian and a vector are differences of gradients on both sides of the weights. Power iteration
//! alone would swing between the largest eigenvalue and a negative one of about its size, which networks with batch norm
//! have.

use std::ops::ControlFlow;

use super::displacement::{Direction, displaced, moved};
use super::{EXAMPLES, Entry, PLAIN, Subject, examples};
use crate::event::{Mode, Outcome, Split, Values};
use crate::experiment::{Allowed, Key};
use crate::metric::probed::{HESSIAN_EIGENVALUE, HESSIAN_RESIDUAL};
use crate::model::{NamedTensor, TensorData};

pub(super) const PROBE: Entry = Entry {
    name: "hessian",
    summary: "the largest eigenvalue of the loss's second derivatives, by the method of Lanczos",
    keys,
    metrics: |_| vec![HESSIAN_EIGENVALUE, HESSIAN_RESIDUAL],
    run,
    ..PLAIN
};

/// The displacement by which gradients are compared, over the length of all parameters: far enough that single precision
/// does not hide the difference, near enough that the gradient is linear.
const DISPLACEMENT: f64 = 1e-3;

fn keys() -> Vec<Key> {
    let allowed = Allowed::Whole { least: 1, most: 200 };
    vec![
        examples(128),
        Key::with_default("iterations", "products of the Hessian and a vector", allowed, 20_usize),
    ]
}

fn run(subject: &mut Subject<'_>) -> Result<Values, Outcome> {
    let (state, seed, iterations) =
        (subject.network().state(), subject.experiment.seed, subject.whole("iterations"));
    let (names, _) = gradient(subject, &state, &state)?;
    let is_parameter = |tensor: &NamedTensor| names.contains(&tensor.name);
    let start = Direction::random(&state, seed, "probe/hessian", is_parameter);
    let (value, residual) = largest_eigenvalue(start, iterations, |v| product(subject, &state, v))?;
    Ok(Values::default().with(HESSIAN_EIGENVALUE, value as f32).with(HESSIAN_RESIDUAL, residual as f32))
}

/// The largest eigenvalue of a symmetric matrix in the space of so many products from a vector on, and how far the vector
/// that it belongs to is from an eigenvector: `|H v - value v| / |value|`.
fn largest_eigenvalue<E>(
    start: Direction,
    iterations: usize,
    mut product: impl FnMut(&Direction) -> Result<Direction, E>,
) -> Result<(f64, f64), E> {
    let norm = start.norm();
    let mut vectors = vec![start.times(1.0 / norm)];
    let (mut diagonal, mut beside): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    while let Some(last) = vectors.last().filter(|_| diagonal.len() < iterations) {
        let mut image = product(last)?;
        diagonal.push(image.product(last));
        // Against all of them, twice, since single precision and differences leave them not quite orthogonal.
        for vector in vectors.iter().chain(&vectors) {
            image.add(-image.product(vector), vector);
        }
        let norm = image.norm();
        beside.push(norm);
        let is_complete = norm <= 1e-9 * diagonal.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        if is_complete || !norm.is_finite() {
            break;
        }
        vectors.push(image.times(1.0 / norm));
    }
    let side = diagonal.len();
    let mut matrix = vec![0.0; side * side];
    for at in 0..side {
        matrix[at * side + at] = diagonal[at];
        if at + 1 < side {
            matrix[at * side + at + 1] = beside[at];
            matrix[(at + 1) * side + at] = beside[at];
        }
    }
    let (value, vector) = largest_of(matrix, side);
    let left = beside.last().zip(vector.last()).map_or(f64::NAN, |(norm, last)| norm * last.abs());
    Ok((value, left / value.abs()))
}

/// The largest eigenvalue of a small symmetric matrix and its vector, by rotations (Golub and Van Loan 2013, algorithm
/// 8.5.2). NaN if the matrix is not finite.
fn largest_of(mut matrix: Vec<f64>, side: usize) -> (f64, Vec<f64>) {
    /// More sweeps than any matrix takes.
    const SWEEPS: usize = 30;
    let mut vectors = vec![0.0; side * side];
    (0..side).for_each(|at| vectors[at * side + at] = 1.0);
    for (p, q) in (0..SWEEPS).flat_map(|_| (0..side).flat_map(move |p| (p + 1..side).map(move |q| (p, q)))) {
        let (own, other, both) = (matrix[p * side + p], matrix[q * side + q], matrix[p * side + q]);
        if both == 0.0 || !both.is_finite() {
            continue;
        }
        let ratio = (other - own) / (2.0 * both);
        let tangent = ratio.signum() / (ratio.abs() + ratio.hypot(1.0));
        let cosine = tangent.hypot(1.0).recip();
        let sine = tangent * cosine;
        let rotated = |x: f64, y: f64| (cosine * x - sine * y, sine * x + cosine * y);
        for k in 0..side {
            let [x, y] = [k * side + p, k * side + q];
            (matrix[x], matrix[y]) = rotated(matrix[x], matrix[y]);
            (vectors[x], vectors[y]) = rotated(vectors[x], vectors[y]);
        }
        for k in 0..side {
            let [x, y] = [p * side + k, q * side + k];
            (matrix[x], matrix[y]) = rotated(matrix[x], matrix[y]);
        }
    }
    let value = |at: usize| matrix[at * side + at];
    let largest = (0..side).max_by(|a, b| value(*a).total_cmp(&value(*b)));
    match largest.filter(|_| matrix.iter().all(|x| x.is_finite())) {
        Some(at) => (value(at), (0..side).map(|k| vectors[k * side + at]).collect()),
        None => (f64::NAN, Vec::new()),
    }
}

/// The product of the Hessian and a vector of length 1.
fn product(subject: &mut Subject<'_>, state: &[NamedTensor], v: &Direction) -> Result<Direction, Outcome> {
    let squares = state.iter().zip(&v.0).filter(|(_, numbers)| numbers.is_some()).map(|(tensor, _)| {
        match &tensor.data {
            TensorData::F32(values) => values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>(),
            TensorData::I64(_) => 0.0,
        }
    });
    let by = DISPLACEMENT * squares.sum::<f64>().sqrt().max(1.0);
    let (_, ahead) = gradient(subject, state, &moved(state, &[(by, v)]))?;
    let (_, behind) = gradient(subject, state, &moved(state, &[(-by, v)]))?;
    let mut difference = ahead;
    let pairs = difference.0.iter_mut().flatten().flatten().zip(behind.numbers());
    pairs.for_each(|(ahead, behind)| *ahead = (*ahead - behind) / (2.0 * by));
    Ok(difference)
}

/// The gradient of the mean loss on the probe's training examples in a state, with the statistics of each batch, beside the
/// tensors of the state; and the names of all parameters.
fn gradient(
    subject: &mut Subject<'_>,
    own: &[NamedTensor],
    other: &[NamedTensor],
) -> Result<(Vec<String>, Direction), Outcome> {
    let most = subject.whole(EXAMPLES);
    let (mut names, mut sum, mut count) = (Vec::new(), Direction(vec![None; own.len()]), 0.0);
    subject.each_batch(Split::Train, most, Mode::Batch, |network, batch| {
        let found = displaced(network, [own, other], |network| network.gradients(batch));
        let labelled = found.labelled as f64;
        count += labelled;
        for tensor in &found.tensors {
            let place = own.iter().position(|own| own.name == tensor.name);
            let (Some(place), TensorData::F32(values)) = (place, &tensor.data) else { continue };
            let to = sum.0[place].get_or_insert_with(|| vec![0.0; values.len()]);
            to.iter_mut().zip(values).for_each(|(to, x)| *to += labelled * f64::from(*x));
        }
        names = found.tensors.into_iter().map(|tensor| tensor.name).collect();
        ControlFlow::Continue(())
    })?;
    Ok((names, sum.times(1.0 / count)))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn the_eigenvalue_of_a_known_matrix_is_found() {
        // With eigenvalues 3 and 1, and one with eigenvalues 2 and -4.
        for (matrix, expected) in [([[2.0, 1.0], [1.0, 2.0]], 3.0), ([[-1.0, 3.0], [3.0, -1.0]], 2.0)] {
            let product = |v: &Direction| {
                let v: Vec<f64> = v.numbers().collect();
                let image = matrix.map(|row| row[0] * v[0] + row[1] * v[1]);
                Ok::<_, Infallible>(Direction(vec![Some(image.to_vec()), None]))
            };
            let start = || Direction(vec![Some(vec![1.0, 0.3]), None]);
            let (value, residual) = largest_eigenvalue(start(), 5, product).unwrap_or_else(|e| match e {});
            assert!((value - expected).abs() < 1e-9 && residual < 1e-9, "{value}, {residual}");
            // A single product gives the quotient of the start, and says that it is no eigenvector.
            let (value, residual) = largest_eigenvalue(start(), 1, product).unwrap_or_else(|e| match e {});
            assert!(value < expected && residual > 0.01, "{value}, {residual}");
        }
    }

    /// A matrix with eigenvalues 1 to 40, and one as negative as the largest; a few products suffice.
    #[test]
    fn a_negative_eigenvalue_of_the_same_size_does_not_disturb() {
        let side = 41;
        let product = |v: &Direction| {
            let image =
                v.numbers().enumerate().map(|(at, x)| if at == 0 { -40.0 * x } else { at as f64 * x });
            Ok::<_, Infallible>(Direction(vec![Some(image.collect())]))
        };
        let start = Direction(vec![Some((0..side).map(|at| 1.0 + (at * 7 % 5) as f64).collect())]);
        let (value, residual) = largest_eigenvalue(start, 25, product).unwrap_or_else(|e| match e {});
        assert!((value - 40.0).abs() < 1e-3 && residual < 0.01, "{value}, {residual}");
    }

    #[test]
    fn rotations_find_a_vector() {
        let matrix = vec![4.0, 1.0, 0.0, 1.0, 3.0, 2.0, 0.0, 2.0, -5.0];
        let (value, vector) = largest_of(matrix.clone(), 3);
        for row in 0..3 {
            let image: f64 = (0..3).map(|k| matrix[row * 3 + k] * vector[k]).sum();
            assert!((image - value * vector[row]).abs() < 1e-12, "{value}, {vector:?}");
        }
        assert!(value > 4.0 && largest_of(vec![f64::NAN], 1).0.is_nan());
    }
}
