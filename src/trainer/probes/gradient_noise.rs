//! How much of a batch's gradient is noise: the gradients of the two halves of batches to come, their cosine, and the
//! gradient noise scale (McCandlish et al. 2018, equation 2.9 and appendix A.1).

use super::{Entry, PLAIN, Subject};
use crate::datasets::{Batch, Inputs};
use crate::event::{Outcome, Value, Values};
use crate::experiment::{Allowed, Key};
use crate::metric::probed::{GRADIENT_NOISE_SCALE, HALF_BATCH_COSINE, LAYER_HALF_BATCH_COSINE};
use crate::model::{NamedTensor, TensorData};
use crate::units::Step;

pub(super) const PROBE: Entry = Entry {
    name: "gradient_noise",
    summary: "cosine between the gradients of half batches, and the gradient noise scale (McCandlish et al. 2018)",
    keys,
    metrics: |_| vec![GRADIENT_NOISE_SCALE, HALF_BATCH_COSINE, LAYER_HALF_BATCH_COSINE],
    run,
    ..PLAIN
};

fn keys() -> Vec<Key> {
    let allowed = Allowed::Whole { least: 1, most: 10_000 };
    vec![Key::with_default("batches", "batches, the next ones of training", allowed, 32_usize)]
}

fn run(subject: &mut Subject<'_>) -> Result<Values, Outcome> {
    let draws = subject.whole("batches");
    let labels = subject.labels_of_example();
    let weights: Vec<String> = {
        let layers = &subject.network().description().structure.layers;
        layers.iter().map(|layer| format!("{}.weight", layer.name)).collect()
    };
    let mut batches = subject.drawn();
    let (mut batch, mut total, mut of_layers) =
        (Batch::default(), Total::default(), vec![0.0; weights.len()]);
    for draw in 1..=draws as u64 {
        batches.fill(Step(subject.step.0 + draw), &mut batch);
        let (halves, examples) = halves(&batch, labels);
        let [first, second] = [subject.gradients(&halves[0])?, subject.gradients(&halves[1])?];
        let mut all = Products::default();
        for (a, b) in first.tensors.iter().zip(&second.tensors) {
            let products = Products::of(a, b);
            all.add(products);
            if let Some(layer) = weights.iter().position(|weight| *weight == a.name) {
                of_layers[layer] += products.cosine() / draws as f64;
            }
        }
        total.add(all, examples);
    }
    let of_layers = Value::Numbers(of_layers.into_iter().map(|cosine| cosine as f32).collect());
    Ok(Values::default()
        .with(GRADIENT_NOISE_SCALE, total.noise_scale() as f32)
        .with(HALF_BATCH_COSINE, (total.cosines / draws as f64) as f32)
        .and([(LAYER_HALF_BATCH_COSINE, of_layers)].into_iter().collect()))
}

/// The two halves of a batch, and the examples of each; an odd one is left out.
fn halves(batch: &Batch, labels: usize) -> ([Batch; 2], usize) {
    let examples = batch.labels.len() / labels;
    let (half, inputs) = (examples / 2, batch.inputs.len() / examples.max(1));
    let part = |at: usize| {
        let range = |numbers: usize| at * half * numbers..(at + 1) * half * numbers;
        let inputs = match &batch.inputs {
            Inputs::Numbers(numbers) => Inputs::Numbers(numbers[range(inputs)].to_vec()),
            Inputs::Tokens(tokens) => Inputs::Tokens(tokens[range(inputs)].to_vec()),
        };
        Batch { inputs, labels: batch.labels[range(labels)].to_vec() }
    };
    ([part(0), part(1)], half)
}

/// Products of two gradients.
#[derive(Clone, Copy, Debug, Default)]
struct Products {
    first: f64,
    second: f64,
    both: f64,
}

impl Products {
    fn of(a: &NamedTensor, b: &NamedTensor) -> Products {
        let mut products = Products::default();
        if let (TensorData::F32(a), TensorData::F32(b)) = (&a.data, &b.data) {
            for (a, b) in a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b))) {
                products.add(Products { first: a * a, second: b * b, both: a * b });
            }
        }
        products
    }

    fn add(&mut self, other: Products) {
        self.first += other.first;
        self.second += other.second;
        self.both += other.both;
    }

    fn cosine(self) -> f64 {
        self.both / (self.first.sqrt() * self.second.sqrt())
    }
}

/// Sums over batches.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    cosines: f64,
    /// Estimates of the trace of the covariance of an example's gradient.
    covariance: f64,
    /// Estimates of the square of the gradient's norm.
    square: f64,
}

impl Total {
    /// Adds a batch. Without bias, two gradients g and h of b examples each estimate the square of the gradient by `g h`,
    /// and the trace of its covariance by `b |g - h|^2 / 2`: equations A.2 and A.3 for batches of b and 2b, of which the
    /// gradient of the larger is the mean of both.
    fn add(&mut self, products: Products, examples: usize) {
        let Products { first, second, both } = products;
        self.cosines += products.cosine();
        self.covariance += examples as f64 * (first + second - 2.0 * both) / 2.0;
        self.square += both;
    }

    fn noise_scale(self) -> f64 {
        if self.square > 0.0 { self.covariance / self.square } else { f64::NAN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    /// By the estimators of the paper as they stand there.
    #[test]
    fn the_noise_scale_is_that_of_the_paper() {
        let (g, h) = ([1.0_f32, -2.0, 0.5, 3.0], [0.5_f32, -1.0, 1.5, 2.0]);
        let tensor = |values: &[f32]| NamedTensor {
            name: String::new(),
            shape: vec![4],
            data: TensorData::F32(values.to_vec()),
        };
        let products = Products::of(&tensor(&g), &tensor(&h));
        let mut total = Total::default();
        total.add(products, 16);
        let norm = |v: [f32; 4]| v.iter().map(|x| f64::from(x * x)).sum::<f64>();
        let mean: [f32; 4] = std::array::from_fn(|at| (g[at] + h[at]) / 2.0);
        let (small, big) = ((norm(g) + norm(h)) / 2.0, norm(mean));
        let square = (32.0 * big - 16.0 * small) / (32.0 - 16.0);
        let covariance = (small - big) / (1.0 / 16.0 - 1.0 / 32.0);
        assert!((total.noise_scale() - covariance / square).abs() < 1e-9, "{total:?}");
        let cosine = products.both / (norm(g) * norm(h)).sqrt();
        assert!((total.cosines - cosine).abs() < 1e-12);
    }

    /// Gradients with a known mean and covariance.
    #[test]
    fn the_noise_scale_of_known_gradients_is_found() {
        let (size, examples, deviation) = (50, 8, 3.0);
        let mut stream = random::stream(1, "gradients", 0);
        let mut total = Total::default();
        for _ in 0..4_000 {
            let mut gradient = || {
                let noise = deviation / (examples as f64).sqrt();
                (0..size).map(|_| 0.5 + noise * random::normal(&mut stream)).collect::<Vec<f64>>()
            };
            let (g, h) = (gradient(), gradient());
            let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let products =
                Products { first: product(&g, &g), second: product(&h, &h), both: product(&g, &h) };
            total.add(products, examples);
        }
        let expected = deviation * deviation / 0.25;
        assert!((total.noise_scale() / expected - 1.0).abs() < 0.05, "{}, {expected}", total.noise_scale());
    }

    #[test]
    fn halves_are_whole_examples() {
        let batch = Batch { inputs: Inputs::Tokens((0..10).collect()), labels: (20..30).collect() };
        let ([first, second], examples) = halves(&batch, 2);
        assert_eq!((first.labels, second.labels, examples), (vec![20, 21, 22, 23], vec![24, 25, 26, 27], 2));
        assert_eq!(second.inputs, Inputs::Tokens(vec![4, 5, 6, 7]));
    }
}
