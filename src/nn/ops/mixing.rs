//! What hyper-connections make of the streams: the product of the matrices with which the blocks so far have mixed them,
//! of each token (Xie et al. 2025, section 3).

use super::rows::{between, coefficient_count};
use crate::nn::kernels::bundle::{IMAGES, Layout};

/// A number of each of 16 tokens.
type Vector = [f64; IMAGES];

/// The product of mixing matrices, `[bundle][to][from][16]`.
#[derive(Clone, Debug)]
pub(super) struct Mixing {
    layout: Layout,
    streams: usize,
    product: Vec<Vector>,
}

impl Mixing {
    /// Before the first block: every stream is what it was.
    pub(super) fn none(layout: Layout, streams: usize) -> Mixing {
        let identity = (0..streams * streams).map(|at| if at / streams == at % streams { 1.0 } else { 0.0 });
        let identity: Vec<Vector> = identity.map(|x| [x; IMAGES]).collect();
        Mixing { layout, streams, product: identity.repeat(layout.bundles()) }
    }

    /// Multiplies it by the matrices of one more block, which are among the coefficients of its hyper-connection,
    /// `[bundle][coefficients][16]`.
    pub(super) fn mix(&mut self, coefficients: &[f32]) {
        let (n, of_bundle) = (self.streams, coefficient_count(self.streams));
        let bundles = coefficients.as_chunks::<IMAGES>().0.chunks_exact(of_bundle);
        let mut mixed = vec![[0.0; IMAGES]; n * n];
        for (product, coefficients) in self.product.chunks_exact_mut(n * n).zip(bundles) {
            mixed.fill([0.0; IMAGES]);
            for to in 0..n {
                for through in 0..n {
                    let factor = &coefficients[between(n, through, to)];
                    for from in 0..n {
                        let numbers = factor.iter().zip(&product[through * n + from]);
                        let sums = mixed[to * n + from].iter_mut();
                        sums.zip(numbers).for_each(|(sum, (factor, x))| *sum += f64::from(*factor) * x);
                    }
                }
            }
            product.copy_from_slice(&mixed);
        }
    }

    /// The largest sum of the absolute numbers of a row, by which the forward pass can amplify a stream, and of a column,
    /// by which the backward pass can amplify a gradient: the means over all tokens.
    pub(super) fn largest_sums(&self) -> [f32; 2] {
        let n = self.streams;
        let mut totals = [0.0; 2];
        for (bundle, product) in self.product.chunks_exact(n * n).enumerate() {
            let rows = |at: usize| -> [usize; 2] { [at / n, at % n] };
            let mut sums = [vec![[0.0; IMAGES]; n], vec![[0.0; IMAGES]; n]];
            for (at, numbers) in product.iter().enumerate() {
                for (sums, line) in sums.iter_mut().zip(rows(at)) {
                    sums[line].iter_mut().zip(numbers).for_each(|(sum, x): (&mut f64, &f64)| *sum += x.abs());
                }
            }
            for token in 0..self.layout.valid(bundle) {
                for (total, sums) in totals.iter_mut().zip(&sums) {
                    *total += sums.iter().map(|line| line[token]).fold(0.0, f64::max);
                }
            }
        }
        totals.map(|total| (total / self.layout.rows() as f64) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The coefficients of three tokens that mix two streams by these matrices, `[to][from]`.
    fn coefficients(matrices: [[[f32; 2]; 2]; 3]) -> Vec<f32> {
        let mut all = vec![[9.0; IMAGES]; coefficient_count(2)];
        for (token, matrix) in matrices.iter().enumerate() {
            for (to, row) in matrix.iter().enumerate() {
                for (from, x) in row.iter().enumerate() {
                    all[between(2, from, to)][token] = *x;
                }
            }
        }
        all.concat()
    }

    #[test]
    fn sums_are_those_of_the_product_in_the_order_of_the_blocks() {
        let mut mixing = Mixing::none(Layout { runs: 1, length: 3 }, 2);
        assert_eq!(mixing.largest_sums(), [1.0, 1.0]);
        let (first, identity) = ([[1.0, -2.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]);
        mixing.mix(&coefficients([first, identity, identity]));
        // Rows of the first token's: 3 and 1; columns: 1 and 3.
        assert_eq!(mixing.largest_sums(), [5.0 / 3.0, 5.0 / 3.0]);
        mixing.mix(&coefficients([[[0.5, 0.0], [0.0, 4.0]], identity, identity]));
        // [[0.5, -1], [0, 4]]: rows 1.5 and 4, columns 0.5 and 5.
        assert_eq!(mixing.largest_sums(), [2.0, 7.0 / 3.0]);
    }
}
