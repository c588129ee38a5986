//! Tests attention and its gradients against their definition in f64.

use super::*;
use crate::nn::kernels::guarded::{Guarded, Side};
use crate::nn::kernels::samples::{assert_close, assert_fused_agree, bits, numbers};

/// Tokens, features, heads, the head, and the size of the inputs.
const CASES: [(usize, usize, usize, usize, f32); 8] = [
    (1, 4, 1, 0, 1.0),
    (15, 24, 3, 2, 1.0),
    (16, 16, 1, 0, 2.0),
    (33, 40, 2, 1, 1.0),
    (64, 64, 2, 0, 3.0),
    (97, 60, 3, 1, 1.0),
    (128, 64, 2, 1, 9.0),
    (200, 32, 4, 3, 1.0),
];

struct Sequence {
    head: Head,
    inputs: Vec<f32>,
    to_outputs: Vec<f32>,
}

/// In f64, by token and feature.
struct Expected {
    outputs: Vec<f64>,
    entropy: f64,
    /// To queries, keys and values.
    gradients: [Vec<f64>; 3],
}

impl Sequence {
    fn new((tokens, width, heads, head, size): (usize, usize, usize, usize, f32)) -> Sequence {
        let head = Head::of(tokens, width, heads, head);
        let [inputs, outputs] = head.strides().map(|stride| stride * head.bundles());
        let inputs = numbers(inputs, 1).into_iter().map(|x| x * size).collect();
        Sequence { head, inputs, to_outputs: numbers(outputs, 2) }
    }

    /// Some features of all tokens, by token and feature.
    fn rows(&self, bundles: &[f32], features: usize, first: usize) -> Vec<f64> {
        let Head { tokens, size, .. } = self.head;
        let at = |token: usize, feature: usize| {
            (token / IMAGES * features + first + feature) * IMAGES + token % IMAGES
        };
        let of = |token: usize| (0..size).map(move |feature| f64::from(bundles[at(token, feature)]));
        (0..tokens).flat_map(of).collect()
    }

    fn expected(&self) -> Expected {
        let Head { tokens, size, inputs, from, outputs, to } = self.head;
        let [q, k, v] = from.map(|first| self.rows(&self.inputs, inputs, first));
        let dy = self.rows(&self.to_outputs, outputs, to);
        let dot = |a: &[f64], i: usize, b: &[f64], j: usize| -> f64 {
            a[i * size..][..size].iter().zip(&b[j * size..][..size]).map(|(a, b)| a * b).sum()
        };
        let scale = 1.0 / (size as f64).sqrt();
        let mut expected = Expected {
            outputs: vec![0.0; tokens * size],
            entropy: 0.0,
            gradients: [(); 3].map(|()| vec![0.0; tokens * size]),
        };
        let add = |to: &mut [f64], i: usize, factor: f64, from: &[f64], j: usize| {
            to[i * size..][..size].iter_mut().zip(&from[j * size..]).for_each(|(to, x)| *to += factor * x);
        };
        for query in 0..tokens {
            let scores: Vec<f64> = (0..=query).map(|key| dot(&q, query, &k, key) * scale).collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = scores.iter().map(|x| (x - largest).exp()).sum();
            let weights: Vec<f64> = scores.iter().map(|x| (x - largest).exp() / total).collect();
            let slopes: Vec<f64> = (0..=query).map(|key| dot(&dy, query, &v, key)).collect();
            let along: f64 = weights.iter().zip(&slopes).map(|(p, g)| p * g).sum();
            for (key, (&weight, slope)) in weights.iter().zip(slopes).enumerate() {
                add(&mut expected.outputs, query, weight, &v, key);
                expected.entropy -= if weight > 0.0 { weight * weight.ln() } else { 0.0 };
                let to_score = weight * (slope - along) * scale;
                let [dq, dk, dv] = &mut expected.gradients;
                add(dq, query, to_score, &k, key);
                add(dk, key, to_score, &q, query);
                add(dv, key, weight, &dy, query);
            }
        }
        expected
    }
}

#[test]
fn outputs_entropy_and_gradients_are_those_of_the_definition_on_every_set() {
    for case in CASES {
        let sequence = Sequence::new(case);
        let (head, expected) = (sequence.head, sequence.expected());
        let mut results = Vec::new();
        for (set, side) in InstructionSet::available().into_iter().zip([Side::Front, Side::Back].repeat(2)) {
            let inputs = Guarded::copied(side, &sequence.inputs);
            let to_outputs = Guarded::copied(side, &sequence.to_outputs);
            let mut outputs = Guarded::filled(side, to_outputs.len(), 7.0);
            let mut to_inputs = Guarded::filled(side, inputs.len(), 7.0);
            let mut statistics = vec![QueryStatistics::default(); head.bundles()];
            let entropy = attend(set, &head, &inputs, &mut outputs, &mut statistics);
            attend_gradient(set, &head, &inputs, &outputs, &statistics, &to_outputs, &mut to_inputs);
            let narrow = |rows: Vec<f64>| -> Vec<f32> { rows.into_iter().map(|x| x as f32).collect() };
            // Scores, and what rounding changes of them, grow with the square.
            let scores = f64::from(case.4.powi(2));
            let ours = narrow(sequence.rows(&outputs, head.outputs, head.to));
            assert_close("outputs", &ours, &expected.outputs, 2e-6 * scores);
            let most = head.tokens as f64;
            assert!(
                (entropy - expected.entropy).abs() < 2e-6 * scores * most,
                "{set}: {entropy} {}",
                expected.entropy
            );
            for (first, expected) in head.from.into_iter().zip(&expected.gradients) {
                let ours = narrow(sequence.rows(&to_inputs, head.inputs, first));
                assert_close("a gradient", &ours, expected, 5e-6 * scores);
            }
            untouched(&outputs, head.outputs, &[head.to], head.size);
            untouched(&to_inputs, head.inputs, &head.from, head.size);
            for (place, x) in to_inputs.iter().enumerate() {
                let token = place / IMAGES / head.inputs * IMAGES + place % IMAGES;
                assert!(token < head.tokens || [0.0, 7.0].contains(x), "a row behind the last token has {x}");
            }
            results.push((set, (bits(&outputs), bits(&to_inputs), entropy.to_bits())));
        }
        assert_fused_agree("attention", &results);
    }
}

/// Asserts that the features of other heads are as they were.
fn untouched(bundles: &[f32], features: usize, own: &[usize], size: usize) {
    for (place, x) in bundles.iter().enumerate() {
        let feature = place / IMAGES % features;
        let is_own = own.iter().any(|first| (*first..first + size).contains(&feature));
        assert!(is_own || *x == 7.0, "feature {feature} of another head is {x}");
    }
}
