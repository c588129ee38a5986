//! Tests sweeps combined to a layer with batch norm and ReLU.

use proptest::prelude::*;

use super::layer::{Given, Layer, Responses, Wanted, layers};
use super::*;
use crate::nn::kernels::normalisation::EPSILON;
use crate::nn::kernels::reference::{self, BatchNorm};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_layer_with_batch_norm_and_relu_is_the_references_composition(
        (geometry, images) in layers(&[4, 8]),
        seed in 0_u64..1 << 40,
    ) {
        let layer = Layer::new(geometry, images, [true, false], seed);
        let (gamma, beta) = (numbers(geometry.outputs, seed + 11), numbers(geometry.outputs, seed + 12));
        let norm = BatchNorm { gamma: &gamma, beta: &beta, epsilon: f64::from(EPSILON), relu: true };
        let response = narrow(&layer.expected_response());
        // Batch norm magnifies the rounding of a channel that hardly varies.
        let (_, variance) = reference::channel_statistics(geometry.outputs, &response);
        prop_assume!(variance.iter().all(|variance| *variance > 1e-2));
        for set in InstructionSet::available() {
            Composition { layer: &layer, norm, response: &response, seed }.check(set);
        }
    }
}

/// A layer with batch norm and ReLU after it.
struct Composition<'a> {
    layer: &'a Layer,
    norm: BatchNorm<'a>,
    /// By definition.
    response: &'a [f32],
    seed: u64,
}

impl Composition<'_> {
    /// Asserts that sweeps, with the per-channel arithmetic between them, equal the reference's layer.
    fn check(&self, set: InstructionSet) {
        let Composition { layer, norm, .. } = self;
        let (of, geometry) = (layer.of(), layer.geometry);
        let what = |what: &str| format!("{what} of {geometry:?}, {} images, {set}", of.images);
        let y = norm.forward(self.response, None);
        let mut dy = of.numbers(self.seed + 20);
        // The gradient is zero where rounding decides whether ReLU lets it pass.
        let normalised = norm.response(self.response);
        dy.iter_mut().zip(&normalised).filter(|(_, y)| y.abs() < 1e-3).for_each(|(dy, _)| *dy = 0.0);
        let expected = norm.gradients(self.response, None, &dy);

        let workers = ThreadPool::new(1);
        let Responses { response, sums, .. } = layer.forward(&workers, set, Reading::Unkept);
        let (mean, variance): (Vec<f64>, Vec<f64>) = (0..geometry.outputs).map(|c| sums.moments(c)).unzip();
        let deviation: Vec<f64> = variance.iter().map(|v| (v + norm.epsilon).sqrt()).collect();
        let scale: Vec<f64> = norm.gamma.iter().zip(&deviation).map(|(g, d)| f64::from(*g) / d).collect();
        let shift = (0..geometry.outputs).map(|c| f64::from(norm.beta[c]) - mean[c] * scale[c]);
        let output = Output {
            of,
            relu: true,
            scale: narrow(&scale),
            shift: shift.map(|x| x as f32).collect(),
            response: response.clone(),
            shortcut: None,
            formed: narrow(&y),
            mean: narrow(&mean),
        };
        let shares = in_shares(&workers, of.images, |share| {
            let mut gradient = of.share(share, &dy);
            let sweep = |masked: Masked| reduce(set, of.shape, share, &mut gradient, masked);
            let sums = output.mask(share, Through::FormedAgain, true, sweep);
            (output.form(set, share).0, gradient, sums)
        });
        assert_close(&what("the output"), &of.together(shares.iter().map(|(y, ..)| y)), &y, 2e-5);
        let gradient = of.together(shares.iter().map(|(_, gradient, _)| gradient));
        assert_eq!(wide(&gradient), expected.dshortcut, "{}", what("the gradient behind batch norm"));
        let Measured { passed, along, .. } =
            Measured::merged(geometry.outputs, shares.iter().map(|(.., sums)| sums));
        let to_gamma: Vec<f32> = along.iter().zip(&deviation).map(|(a, d)| (a / d) as f32).collect();
        // A sum is as exact as so many of its largest terms, however much they cancel.
        let most = |numbers: &[f32]| numbers.iter().fold(0.0, |most: f64, x| most.max(f64::from(x.abs())));
        let assert_near = |name: &str, ours: &[f32], expected: &[f64], largest: f64, terms: f64| {
            for (ours, expected) in ours.iter().zip(expected) {
                let off = (f64::from(*ours) - expected).abs();
                assert!(off <= 4e-6 * largest * terms.sqrt(), "{}: {ours}, expected {expected}", what(name));
            }
        };
        let count = (of.images * of.shape.area()) as f64;
        let deviations = self.response.iter().enumerate().map(|(at, x)| {
            let channel = at % geometry.outputs;
            ((f64::from(*x) - mean[channel]) / deviation[channel]).abs()
        });
        let farthest = deviations.fold(0.0, f64::max);
        assert_near("the gradient to gamma", &to_gamma, &expected.dgamma, most(&dy) * farthest, count);
        assert_near("the gradient to beta", &narrow(&passed), &expected.dbeta, most(&dy), count);

        let slope: Vec<f64> =
            (0..geometry.outputs).map(|c| -scale[c] * along[c] / (deviation[c].powi(2) * count)).collect();
        let constant: Vec<f64> =
            (0..geometry.outputs).map(|c| -scale[c] * passed[c] / count - slope[c] * mean[c]).collect();
        let spread = [narrow(&scale), narrow(&slope), narrow(&constant)];
        let given = Given { gradient: &gradient, response: &response, spread: &spread, extra: None };
        let wanted = Wanted { reading: Reading::Unkept, through: None, measured: false };
        let ours = layer.backward(&workers, set, wanted, &given);
        let (to_weights, to_source) = layer.expected_gradients(&narrow(&expected.dx));
        // The three terms of the response's gradient may cancel: it is as exact as the largest of them.
        let [scale, slope, constant] = spread.each_ref().map(|numbers| most(numbers));
        let largest = scale.max(slope * most(&response)).max(constant);
        let products = (geometry.kernel.pow(2) * geometry.outputs) as f64;
        assert_near("the gradient to the source", &ours.source, &to_source, largest, products);
        assert_near("the gradient to the weights", &ours.weights, &to_weights, largest, count);
    }
}
