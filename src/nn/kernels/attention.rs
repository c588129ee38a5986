//! Causal self-attention (Vaswani et al. 2017) of one head over one sequence: `softmax(q k^T / sqrt(size)) v`, where a
//! token sees itself and those before it; and its gradients.
//!
//! A sequence's tokens are the rows of its bundles, so a vector has a score of 16 queries for one key. The forward pass
//! takes a few bundles of queries at a time, the backward pass a few of keys. Between the two nothing is kept but two
//! numbers for each query: scores are computed again, so that memory does not grow with the square of the tokens.

use super::InstructionSet;
use super::bundle::{IMAGES, bundles, images_of};
use super::product::{Factors, Panels, PanelsMut, Start, Steps, multiply};
use super::scratch::with_scratch;
use super::transpose::{from_panels, to_panels};

mod softmax;

pub use softmax::QueryStatistics;

/// Numbers of 16 queries for 16 keys.
const SQUARE: usize = IMAGES * IMAGES;
/// Bundles of queries that the forward pass takes at a time: as many as a tile of the product has panels.
const QUERIES: usize = 3;
/// Bundles of keys that the backward pass takes at a time.
const KEYS: usize = 2;

/// A head, and where its features are in the bundles of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Tokens of the sequence.
    pub tokens: usize,
    /// Features of a query, a key or a value.
    pub size: usize,
    /// Features of a token that queries, keys and values are among.
    pub inputs: usize,
    /// The first feature of the queries, of the keys and of the values.
    pub from: [usize; 3],
    /// Features of a token that the head's outputs are among.
    pub outputs: usize,
    /// The first feature of the outputs.
    pub to: usize,
}

impl Head {
    /// One of the heads that share `width` features equally. The queries of all heads lie before all keys, and these
    /// before all values; the outputs lie side by side.
    pub fn of(tokens: usize, width: usize, heads: usize, head: usize) -> Head {
        let size = width / heads;
        let from = [0, 1, 2].map(|which| which * width + head * size);
        Head { tokens, size, inputs: 3 * width, from, outputs: width, to: head * size }
    }

    /// Bundles of the sequence.
    pub fn bundles(&self) -> usize {
        bundles(self.tokens)
    }

    /// From a bundle to the next, of inputs and of outputs.
    fn strides(&self) -> [usize; 2] {
        [self.inputs * IMAGES, self.outputs * IMAGES]
    }

    /// What the scores are multiplied by.
    fn scale(&self) -> f32 {
        1.0 / (self.size as f32).sqrt()
    }

    fn check(&self, inputs: usize, outputs: usize, statistics: usize) {
        assert!(self.tokens > 0 && self.size > 0, "tokens with features");
        assert_eq!([inputs, outputs], self.strides().map(|stride| stride * self.bundles()), "all bundles");
        assert_eq!(statistics, self.bundles(), "statistics of each bundle");
        assert!(self.from.iter().all(|from| from + self.size <= self.inputs), "features among the inputs");
        assert!(self.to + self.size <= self.outputs, "features among the outputs");
    }
}

/// Computes the outputs of a head from the inputs of a sequence; both have features of other heads, which are not
/// touched. Returns the entropy of the attention in nats, summed over the tokens.
pub fn attend(
    set: InstructionSet,
    head: &Head,
    inputs: &[f32],
    outputs: &mut [f32],
    statistics: &mut [QueryStatistics],
) -> f64 {
    head.check(inputs.len(), outputs.len(), statistics.len());
    let [stride, to_stride] = head.strides();
    let [queries, keys, values] = head.from.map(|first| &inputs[first * IMAGES..]);
    let (all, features) = (head.bundles(), Steps::even(head.size, IMAGES));
    let mut entropy = 0.0;
    with_scratch([QUERIES * all * SQUARE], |[scores]| {
        for first in (0..all).step_by(QUERIES) {
            let end = all.min(first + QUERIES);
            let (width, panel) = ((end - first) * IMAGES, end * SQUARE);
            let seen = Steps::rows(end, stride);
            let a = Factors { numbers: keys, rows: seen, columns: features };
            let b = Panels { numbers: &queries[first * stride..], panel_stride: stride, row_stride: IMAGES };
            let c = PanelsMut { numbers: scores, panel_stride: panel, row_stride: IMAGES };
            multiply(set, width, a, b, c, Start::Zero);
            for (bundle, scores) in (first..end).zip(scores.chunks_exact_mut(panel)) {
                let (seen, hidden) = scores.split_at_mut((bundle + 1) * SQUARE);
                hidden.fill(0.0);
                let tokens = images_of(bundle, head.tokens);
                entropy += softmax::weigh(set, head.scale(), seen, tokens, &mut statistics[bundle]);
            }
            let outputs = &mut outputs[first * to_stride + head.to * IMAGES..];
            let a = Factors { numbers: values, rows: features, columns: seen };
            let b = Panels { numbers: scores, panel_stride: panel, row_stride: IMAGES };
            let c = PanelsMut { numbers: outputs, panel_stride: to_stride, row_stride: IMAGES };
            multiply(set, width, a, b, c, Start::Zero);
            for (outputs, statistics) in outputs.chunks_mut(to_stride).zip(&statistics[first..end]) {
                softmax::scale(set, &statistics.inverse, &mut outputs[..head.size * IMAGES]);
            }
        }
    });
    entropy
}

/// Computes the gradient to the inputs of a head from that to its outputs; zero for rows behind the last token. Only the
/// head's own features are read and written.
pub fn attend_gradient(
    set: InstructionSet,
    head: &Head,
    inputs: &[f32],
    outputs: &[f32],
    statistics: &[QueryStatistics],
    to_outputs: &[f32],
    to_inputs: &mut [f32],
) {
    head.check(inputs.len(), outputs.len(), statistics.len());
    assert_eq!(
        [to_inputs.len(), to_outputs.len()],
        [inputs.len(), outputs.len()],
        "gradients of all numbers"
    );
    let [stride, out_stride] = head.strides();
    let [queries, keys, values] = head.from.map(|first| &inputs[first * IMAGES..]);
    let [outputs, to_outputs] = [outputs, to_outputs].map(|numbers| &numbers[head.to * IMAGES..]);
    let (all, features) = (head.bundles(), Steps::even(head.size, IMAGES));
    let (own, wide) = (head.size * IMAGES, head.size.next_multiple_of(IMAGES));
    let rows = all * IMAGES * wide;
    let weights = KEYS * all * SQUARE;
    let lengths = [all * IMAGES, rows, rows, weights, weights, KEYS * IMAGES * wide];
    with_scratch(lengths, |[along, query_rows, output_rows, weights, slopes, sums]| {
        for bundle in 0..all {
            let tokens = images_of(bundle, head.tokens);
            let of_queries = &queries[bundle * stride..][..own];
            to_panels(set, of_queries, tokens, &mut query_rows[bundle * SQUARE..], all * SQUARE);
            let [outputs, to_outputs] =
                [outputs, to_outputs].map(|numbers| &numbers[bundle * out_stride..][..own]);
            to_panels(set, to_outputs, tokens, &mut output_rows[bundle * SQUARE..], all * SQUARE);
            let along = (&mut along[bundle * IMAGES..][..IMAGES]).try_into().expect("a vector");
            softmax::products(set, outputs, to_outputs, along);
        }
        for first in (0..all).step_by(KEYS) {
            let end = all.min(first + KEYS);
            let (width, panel) = ((all - first) * IMAGES, (end - first) * SQUARE);
            let own_keys = Steps::rows(end - first, stride);
            // What each query gives to each key, and how the loss changes with that.
            let pairs =
                [(keys, queries, stride, &mut *weights), (values, to_outputs, out_stride, &mut *slopes)];
            for (of_keys, of_queries, stride, c) in pairs {
                let numbers = &of_keys[first * head.inputs * IMAGES..];
                let a = Factors { numbers, rows: own_keys, columns: features };
                let b = Panels {
                    numbers: &of_queries[first * stride..],
                    panel_stride: stride,
                    row_stride: IMAGES,
                };
                let c = PanelsMut { numbers: c, panel_stride: panel, row_stride: IMAGES };
                multiply(set, width, a, b, c, Start::Zero);
            }
            let panels = weights.chunks_exact_mut(panel).zip(slopes.chunks_exact_mut(panel));
            for (bundle, (weights, slopes)) in (first..all).zip(panels) {
                let of_queries = softmax::Queries {
                    scale: head.scale(),
                    statistics: &statistics[bundle],
                    along: along[bundle * IMAGES..][..IMAGES].try_into().expect("a vector"),
                    tokens: images_of(bundle, head.tokens),
                };
                softmax::gradient(set, of_queries, bundle - first, weights, slopes);
            }
            // The gradients to values and keys sum over queries.
            let of_queries = Steps { outer: all - first, outer_stride: panel, inner: IMAGES, stride: 1 };
            for (factors, of_queries_rows, to) in [(&*weights, &*output_rows, 2), (&*slopes, &*query_rows, 1)]
            {
                let rows = Steps::even((end - first) * IMAGES, IMAGES);
                let a = Factors { numbers: factors, rows, columns: of_queries };
                let numbers = &of_queries_rows[first * SQUARE..];
                let b = Panels { numbers, panel_stride: all * SQUARE, row_stride: IMAGES };
                let c = PanelsMut { numbers: &mut *sums, panel_stride: panel, row_stride: IMAGES };
                multiply(set, wide, a, b, c, Start::Zero);
                for bundle in first..end {
                    let sums = &sums[(bundle - first) * SQUARE..];
                    let to = &mut to_inputs[bundle * stride + head.from[to] * IMAGES..][..own];
                    from_panels(set, sums, panel, IMAGES, to);
                }
            }
            // That to queries sums over keys.
            let a = Factors { numbers: &keys[first * stride..], rows: features, columns: own_keys };
            let b = Panels { numbers: slopes, panel_stride: panel, row_stride: IMAGES };
            let numbers = &mut to_inputs[first * stride + head.from[0] * IMAGES..];
            let c = PanelsMut { numbers, panel_stride: stride, row_stride: IMAGES };
            multiply(set, width, a, b, c, if first == 0 { Start::Zero } else { Start::Kept });
        }
    });
}

#[cfg(test)]
mod tests;
