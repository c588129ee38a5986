//! Tests the tape's gradients against finite differences of the forward pass, coordinate by coordinate.

use std::cell::RefCell;

use dfdx::shapes::{Const, HasShape, Rank1, Rank4, Shape};
use dfdx::tensor::{Cpu, Gradients, Tensor, TensorFromVec, Trace};
use dfdx::tensor_ops::{Backward, SumTo};

use super::storage::values;
use super::*;

const BATCH: usize = 19;

/// Numbers in -1..1 without structure (Knuth's linear congruential generator).
fn noise(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    next();
    (0..length).map(|_| next()).collect()
}

fn tensor<S: Shape>(shape: S, data: &[f32]) -> Tensor<S, f32, Cpu> {
    Cpu::default().tensor_from_vec(data.to_vec(), shape)
}

fn context(normalisation: Normalisation) -> Context {
    Context {
        instructions: InstructionSet::detect(),
        normalisation,
        recorder: None,
        workers: Rc::new(ThreadPool::new(2)),
        buffers: Buffers::default(),
        tape: Tape::default(),
        chance: None,
        without: None,
    }
}

/// The sum of an output with fixed weights, as the end of the tape; gives every gradient of the output a different
/// value.
fn weigh<S: Shape, T: dfdx::tensor::Tape<f32, Cpu>>(y: Tensor<S, f32, Cpu, T>) -> Tensor<(), f32, Cpu, T> {
    let weights = noise(values(&y).len(), 99);
    let weights = y.device().tensor_from_vec(weights, *y.shape());
    (y * weights).sum::<(), _>()
}

/// The same sum in f64, for differences.
fn weighed<S: Shape, T>(y: &Tensor<S, f32, Cpu, T>) -> f64 {
    let weights = noise(values(y).len(), 99);
    values(y).iter().zip(weights).map(|(&y, w)| f64::from(y) * f64::from(w)).sum()
}

/// Compares a gradient with central differences of `loss` over its argument, the median of those over several
/// distances.
fn assert_is_gradient(
    what: &str,
    gradient: &[f32],
    at: &[f32],
    tolerance: f64,
    mut loss: impl FnMut(&[f32]) -> f64,
) {
    let mut moved = at.to_vec();
    let mut differences = Vec::new();
    for i in 0..at.len() {
        // A difference is off if it reaches over the kink of some ReLU, or is too small for the rounding of f32; not all
        // of several are.
        let mut of_reaches = [0.7e-3, 1e-3, 1.4e-3, 2e-3, 2.8e-3].map(|reach: f32| {
            moved[i] = at[i] + reach;
            let above = loss(&moved);
            moved[i] = at[i] - reach;
            let below = loss(&moved);
            (above - below) / (2.0 * f64::from(reach))
        });
        moved[i] = at[i];
        of_reaches.sort_by(f64::total_cmp);
        differences.push(of_reaches[2]);
    }
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let scale = norm(&mut differences.iter().copied());
    let error = norm(&mut gradient.iter().zip(&differences).map(|(&g, d)| f64::from(g) - d));
    assert!(scale > 0.0, "{what} has a gradient at all");
    assert!(error < tolerance * scale, "{what}: off by {:e} of the gradient's norm", error / scale);
}

fn gradient<S: Shape>(gradients: &Gradients<f32, Cpu>, of: &Tensor<S, f32, Cpu>) -> Vec<f32> {
    values(&gradients.get(of)).to_vec()
}

/// What is between the two ends of a small network.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Plain,
    ZeroPadding,
    Projection,
    /// The branch's response and the shortcut are added without norm, which follows the sum.
    Added,
    /// Only the channels change.
    Widened,
    Masked,
    Gated,
    /// Biases and a gain instead of norms.
    Scalars,
}

/// The layers of a network of 4 channels on 4x4 pixels and 8 on 2x2, with a block that changes the shape and one that
/// keeps it: all interactions of a network's operations.
struct Small {
    kind: Kind,
    stem: Layer<3, 3, 4>,
    first: Layer<3, 4, 8>,
    second: Layer<3, 8, 8>,
    projection: Layer<1, 4, 8>,
    third: Layer<3, 8, 8>,
    fourth: Layer<3, 8, 8>,
    scalars: [Rc<Parameter<Rank1<1>>>; 2],
}

struct Layer<const KERNEL: usize, const IN: usize, const OUT: usize> {
    weights: Rc<Parameter<Rank4<KERNEL, KERNEL, IN, OUT>>>,
    norm: Norm<OUT>,
}

impl<const KERNEL: usize, const IN: usize, const OUT: usize> Layer<KERNEL, IN, OUT> {
    fn new(seed: u64) -> Self {
        // Large enough that few activations are near the kink of ReLU, where differences are meaningless.
        let beta = noise(OUT, seed + 200).iter().map(|x| 2.0 + x / 2.0).collect();
        let gamma = noise(OUT, seed + 100).iter().map(|x| 1.0 + x / 2.0).collect();
        let running = Rc::new(RefCell::new(Running::new(OUT)));
        Layer {
            weights: parameter(noise(KERNEL * KERNEL * IN * OUT, seed)),
            norm: Norm { gamma: parameter(gamma), beta: parameter(beta), running },
        }
    }

    fn parameters(&self) -> [Rc<dyn AnyParameter>; 3] {
        [self.weights.clone(), self.norm.gamma.clone(), self.norm.beta.clone()]
    }
}

fn parameter<S: Shape + Default>(values: Vec<f32>) -> Rc<Parameter<S>> {
    Rc::new(Parameter::new(&Cpu::default(), S::default(), values).unwrap())
}

fn relu<const SIDE: usize, const C: usize>() -> After<SIDE, C> {
    After { relu: true, ..After::default() }
}

impl Small {
    fn new(kind: Kind) -> Small {
        Small {
            kind,
            stem: Layer::new(1),
            first: Layer::new(2),
            second: Layer::new(3),
            projection: Layer::new(4),
            third: Layer::new(5),
            fourth: Layer::new(6),
            scalars: [parameter(vec![0.75]), parameter(vec![0.5])],
        }
    }

    fn forward(
        &self,
        context: &Context,
    ) -> Tensor<(usize, Const<8>), f32, Cpu, dfdx::tensor::OwnedTape<f32, Cpu>> {
        let images: Features<4, 3> = Features::of_images(&noise(BATCH * 4 * 4 * 3, 7), BATCH, context);
        let stem = convolution(&images, &self.stem.weights, Response::PLAIN, context);
        let x = normalised(&stem, &self.stem.norm, relu(), context);
        let x = if self.kind == Kind::Widened { self.widened(x, context) } else { self.halved(x, context) };
        global_average(&self.kept(x, context), &Cpu::default(), context).unwrap()
    }

    /// A block that halves the side and doubles the channels.
    fn halved(&self, x: Features<4, 4>, context: &Context) -> Features<2, 8> {
        let shared = (self.kind != Kind::Plain).then(|| x.shared());
        let inner: Features<2, 8> = convolution(&x, &self.first.weights, Response::PLAIN, context);
        let inner = normalised(&inner, &self.first.norm, relu(), context);
        let shortcut: Option<Features<2, 8>> = shared.map(|x| match self.kind {
            Kind::Projection | Kind::Added => {
                let h = convolution(&x, &self.projection.weights, Response::PLAIN, context);
                normalised(&h, &self.projection.norm, After::default(), context).only_added(context)
            }
            Kind::Masked => {
                let mask: Vec<f32> = (0..BATCH * 2 * 2 * 8).map(|i| f32::from(u8::from(i % 3 > 0))).collect();
                masked(&zero_padding(&x, context), &mask, context)
            }
            Kind::Gated => {
                let gate = convolution(&x, &self.projection.weights, Response::PLAIN, context);
                gated(
                    &zero_padding(&x, context),
                    &gate,
                    &self.projection.norm.beta,
                    Gating::Complement(None),
                    context,
                )
            }
            _ => zero_padding(&x, context),
        });
        if self.kind == Kind::Added {
            let response = Response { shortcut, ..Response::PLAIN };
            let sum = convolution(&inner, &self.second.weights, response, context);
            return normalised(&sum, &self.second.norm, relu(), context);
        }
        let response = convolution(&inner, &self.second.weights, Response::PLAIN, context);
        normalised(&response, &self.second.norm, After { shortcut, ..relu() }, context)
    }

    /// A block that only doubles the channels, and an average of 4x4 pixels.
    fn widened(&self, x: Features<4, 4>, context: &Context) -> Features<2, 8> {
        let shared = x.shared();
        let inner: Features<4, 8> = convolution(&x, &self.first.weights, Response::PLAIN, context);
        let inner = normalised(&inner, &self.first.norm, relu(), context);
        let shortcut = Some(zero_padding(&shared, context));
        let response: Features<4, 8> = convolution(&inner, &self.second.weights, Response::PLAIN, context);
        let x = normalised(&response, &self.second.norm, After { shortcut, ..relu() }, context);
        let x = convolution(&x, &self.projection_of_eight(), Response::PLAIN, context);
        normalised(&x, &self.third.norm, relu(), context)
    }

    fn projection_of_eight(&self) -> Rc<Parameter<Rank4<3, 3, 8, 8>>> {
        self.third.weights.clone()
    }

    /// A block that keeps the shape.
    fn kept(&self, x: Features<2, 8>, context: &Context) -> Features<2, 8> {
        let shared = x.shared();
        if self.kind == Kind::Added {
            // Full pre-activation: the sum is normalised by whoever reads it.
            let x = x.formed(context);
            let response = Response { shortcut: Some(shared), ..Response::PLAIN };
            let sum = convolution(&x, &self.third.weights, response, context);
            let inner = normalised(&sum, &self.third.norm, relu(), context);
            let response = Response { shortcut: Some(sum.clone()), ..Response::PLAIN };
            let sum = convolution(&inner, &self.fourth.weights, response, context);
            return normalised(&sum, &self.fourth.norm, relu(), context);
        }
        let inner = convolution(&x, &self.third.weights, Response::PLAIN, context);
        if self.kind == Kind::Scalars {
            let number = |at: usize| Some(self.scalars[at].clone() as Rc<dyn AnyParameter>);
            let before = Some(self.third.norm.beta.clone() as Rc<dyn AnyParameter>);
            let scalars = Scalars { before, gain: number(0), after: number(1) };
            let inner = shifted(&inner, scalars, relu(), context).formed(context);
            let scalars = Scalars { before: number(1), ..Scalars::default() };
            let inner = shifted(&inner, scalars, After { factor: 0.5, ..After::default() }, context);
            let response = convolution(&inner, &self.fourth.weights, Response::PLAIN, context);
            let after = After { shortcut: Some(shared), ..After::default() };
            let x = normalised(&response, &self.fourth.norm, after, context).formed(context);
            return shifted(&x, Scalars::default(), relu(), context);
        }
        let inner = normalised(&inner, &self.third.norm, relu(), context);
        let gate = (self.kind == Kind::Gated).then(|| inner.shared());
        let response = convolution(&inner, &self.fourth.weights, Response::PLAIN, context);
        if let Some(gate) = gate {
            let branch = normalised(&response, &self.fourth.norm, After::default(), context).formed(context);
            let branch = gated(&branch, &gate, &self.third.norm.beta, Gating::Gate, context);
            return shifted(&branch, Scalars::default(), After { shortcut: Some(shared), ..relu() }, context);
        }
        let after = After { shortcut: Some(shared), ..relu() };
        normalised(&response, &self.fourth.norm, after, context)
    }

    fn loss(&self, context: &Context) -> f64 {
        weighed(&self.forward(context))
    }

    fn parameters(&self) -> Vec<(String, Rc<dyn AnyParameter>)> {
        let layers = [
            ("stem", self.stem.parameters()),
            ("first", self.first.parameters()),
            ("second", self.second.parameters()),
            ("third", self.third.parameters()),
            ("fourth", self.fourth.parameters()),
        ];
        let mut all: Vec<(String, Rc<dyn AnyParameter>)> = Vec::new();
        for (layer, parameters) in layers {
            let names = ["weights", "gamma", "beta"].map(|name| format!("{name} of {layer}"));
            all.extend(names.into_iter().zip(parameters));
        }
        let [weights, gamma, beta] = self.projection.parameters();
        let unused = |name: &str| all.iter().position(|(other, _)| other == name).unwrap();
        match self.kind {
            Kind::Projection | Kind::Added => {
                all.extend([
                    ("weights of projection".to_owned(), weights),
                    ("gamma of projection".to_owned(), gamma),
                ]);
                // A norm of the sum takes away what is the same everywhere.
                if self.kind == Kind::Projection {
                    all.push(("beta of projection".to_owned(), beta));
                }
            }
            Kind::Gated => {
                all.extend([("weights of gate".to_owned(), weights), ("bias of gate".to_owned(), beta)]);
            }
            Kind::Scalars => {
                all.remove(unused("gamma of third"));
                for (name, scalar) in ["gain", "shift"].into_iter().zip(&self.scalars) {
                    all.push((name.to_owned(), scalar.clone()));
                }
            }
            _ => {}
        }
        all
    }
}

#[test]
fn every_parameter_of_a_small_network_gets_its_gradient() {
    let kinds = [
        Kind::Plain,
        Kind::ZeroPadding,
        Kind::Projection,
        Kind::Added,
        Kind::Widened,
        Kind::Masked,
        Kind::Gated,
        Kind::Scalars,
    ];
    for kind in kinds {
        let small = Small::new(kind);
        let evaluation = context(Normalisation::Batch);
        let training = Context { tape: Tape::recording(), ..context(Normalisation::Training) };
        let mut gradients = weigh(small.forward(&training)).backward();
        for (name, parameter) in small.parameters() {
            let what = format!("{kind:?}: {name}");
            let ours = parameter.gradient(&mut gradients).unwrap().to_vec();
            let at = parameter.values().to_vec();
            assert_is_gradient(&what, &ours, &at, 3e-2, |moved| {
                parameter.values_mut().copy_from_slice(moved);
                let loss = small.loss(&evaluation);
                parameter.values_mut().copy_from_slice(&at);
                loss
            });
        }
    }
}

#[test]
fn linear_gives_its_gradients() {
    let (x, w, b) = (noise(BATCH * 4, 6), noise(5 * 4, 7), noise(5, 8));
    let (features, weights, bias) =
        (tensor((BATCH, Const::<4>), &x), tensor((5, Const::<4>), &w), tensor((5,), &b));
    let gradients = weigh(linear(features.leaky_trace(), &weights, &bias).unwrap()).backward();
    let loss = |x: &[f32], w: &[f32], b: &[f32]| {
        let x: Tensor<(usize, Const<4>), f32, Cpu> = tensor((BATCH, Const), x);
        weighed(&linear(x, &tensor((5, Const), w), &tensor((5,), b)).unwrap())
    };
    assert_is_gradient("linear, input", &gradient(&gradients, &features), &x, 2e-3, |x| loss(x, &w, &b));
    assert_is_gradient("linear, weights", &gradient(&gradients, &weights), &w, 2e-3, |w| loss(&x, w, &b));
    assert_is_gradient("linear, bias", &gradient(&gradients, &bias), &b, 2e-3, |b| loss(&x, &w, b));
}

#[test]
fn only_training_moves_running_statistics_and_only_running_normalises_by_them() {
    let identity = std::array::from_fn::<f32, 16, _>(|i| f32::from(u8::from(i % 5 == 0)));
    let weights: Rc<Parameter<Rank4<1, 1, 4, 4>>> = parameter(identity.to_vec());
    let running = Rc::new(RefCell::new(Running::new(4)));
    let norm: Norm<4> =
        Norm { gamma: parameter(vec![1.0; 4]), beta: parameter(vec![0.0; 4]), running: running.clone() };
    let x = noise(BATCH * 2 * 2 * 4, 9);
    let pass = |normalisation| {
        let context = context(normalisation);
        let before = running.borrow().clone();
        let images: Features<2, 4> = Features::of_images(&x, BATCH, &context);
        let z: Features<2, 4> = convolution(&images, &weights, Response::PLAIN, &context);
        let y = normalised(&z, &norm, After::default(), &context);
        (y.activation.values(&context).to_vec(), *running.borrow() != before)
    };
    let (by_running, moved) = pass(Normalisation::Running);
    assert!(!moved);
    // Untouched running statistics are mean 0 and variance 1, and the weights are the identity.
    assert!(by_running.iter().zip(&x).all(|(y, x)| (y - x / (1.0_f32 + 1e-5).sqrt()).abs() < 1e-6));
    let (by_batch, moved) = pass(Normalisation::Batch);
    assert!(!moved);
    assert!(by_batch.iter().sum::<f32>().abs() < 1e-5);
    let (training, moved) = pass(Normalisation::Training);
    assert!(moved);
    assert_eq!(training, by_batch);
    assert_eq!(running.borrow().batches, 1);
}
