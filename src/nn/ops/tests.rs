//! Tests the tape's gradients against finite differences of the forward pass, coordinate by coordinate.

use dfdx::shapes::{Const, HasShape, Rank1, Rank4, Shape};
use dfdx::tensor::{Cpu, Gradients, NoneTape, OwnedTape, Tape, Tensor, TensorFromVec, Trace};
use dfdx::tensor_ops::{Backward, SumTo};

use super::storage::values;
use super::*;
use crate::units::{BlockIdx, LayerIdx};

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
    }
}

/// The sum of an output with fixed weights, as the end of the tape; gives every gradient of the output a different
/// value.
fn weigh<S: Shape, T: Tape<f32, Cpu>>(y: Tensor<S, f32, Cpu, T>) -> Tensor<(), f32, Cpu, T> {
    let weights = noise(values(&y).len(), 99);
    let weights = y.device().tensor_from_vec(weights, *y.shape());
    (y * weights).sum::<(), _>()
}

/// The same sum in f64, for differences.
fn weighed<S: Shape>(y: &Tensor<S, f32, Cpu>) -> f64 {
    let weights = noise(values(y).len(), 99);
    values(y).iter().zip(weights).map(|(&y, w)| f64::from(y) * f64::from(w)).sum()
}

/// Compares a gradient with central differences of `loss` over its argument.
fn assert_is_gradient(
    what: &str,
    gradient: &[f32],
    at: &[f32],
    tolerance: f64,
    mut loss: impl FnMut(&[f32]) -> f64,
) {
    let reach = 1e-3;
    let mut moved = at.to_vec();
    let mut differences = Vec::new();
    for i in 0..at.len() {
        moved[i] = at[i] + reach;
        let above = loss(&moved);
        moved[i] = at[i] - reach;
        let below = loss(&moved);
        moved[i] = at[i];
        differences.push((above - below) / (2.0 * f64::from(reach)));
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

/// What a block that halves the side adds to its branch.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Added {
    Nothing,
    ZeroPadding,
    Projection,
}

/// A stem of 4 channels on 4x4 pixels, a block that halves the side and doubles the channels, and one that keeps both
/// and adds its input: all interactions of a network's layers.
#[derive(Clone, Debug)]
struct Small {
    stem: Layer<3, 3, 4>,
    first: Layer<3, 4, 8>,
    second: Layer<3, 8, 8>,
    projection: Layer<1, 4, 8>,
    third: Layer<3, 8, 8>,
    fourth: Layer<3, 8, 8>,
}

#[derive(Clone, Debug)]
struct Layer<const KERNEL: usize, const IN: usize, const OUT: usize> {
    weights: Tensor<Rank4<KERNEL, KERNEL, IN, OUT>, f32, Cpu>,
    gamma: Tensor<Rank1<OUT>, f32, Cpu>,
    beta: Tensor<Rank1<OUT>, f32, Cpu>,
}

impl<const KERNEL: usize, const IN: usize, const OUT: usize> Layer<KERNEL, IN, OUT> {
    fn new(seed: u64) -> Self {
        Layer {
            weights: tensor(Default::default(), &noise(KERNEL * KERNEL * IN * OUT, seed)),
            gamma: tensor(
                Default::default(),
                &noise(OUT, seed + 100).iter().map(|x| 1.0 + x / 2.0).collect::<Vec<_>>(),
            ),
            // Large enough that few activations are near the kink of ReLU, where differences are meaningless.
            beta: tensor(
                Default::default(),
                &noise(OUT, seed + 200).iter().map(|x| 1.5 + x / 2.0).collect::<Vec<_>>(),
            ),
        }
    }

    fn forward<const STRIDE: usize, const SIDE: usize, const HALF: usize, T: Tape<f32, Cpu> + 'static>(
        &self,
        x: Features<SIDE, SIDE, IN, T>,
        relu: bool,
        shortcut: Option<Features<HALF, HALF, OUT>>,
        context: &Context,
    ) -> Features<HALF, HALF, OUT, T> {
        let mut running = Running::new(OUT);
        let block = shortcut.as_ref().map(|_| BlockIdx(0));
        let (gamma, beta) = (&self.gamma, &self.beta);
        let norm = Norm { gamma, beta, running: &mut running, relu, layer: LayerIdx(0), block };
        convolution::<KERNEL, STRIDE, SIDE, SIDE, IN, HALF, HALF, OUT, T>(
            x,
            &self.weights,
            shortcut,
            norm,
            context,
        )
        .unwrap()
    }
}

impl Small {
    fn new() -> Small {
        Small {
            stem: Layer::new(1),
            first: Layer::new(2),
            second: Layer::new(3),
            projection: Layer::new(4),
            third: Layer::new(5),
            fourth: Layer::new(6),
        }
    }

    fn forward<T: Tape<f32, Cpu> + 'static>(
        &self,
        tape: T,
        added: Added,
        context: &Context,
    ) -> Tensor<(usize, Const<8>), f32, Cpu, T> {
        let images: Features<4, 4, 3> = Features::images(&noise(BATCH * 4 * 4 * 3, 7), context);
        let x = self.stem.forward::<1, 4, 4, T>(images.with_tape(tape), true, None, context);
        let shared = (added != Added::Nothing).then(|| x.shared());
        let inner = self.first.forward::<2, 4, 2, T>(x, true, None, context);
        let (inner, mut tape) = inner.split_tape();
        let shortcut = match (added, shared) {
            (Added::ZeroPadding, Some(x)) => Some(zero_padding(&x, &mut tape, context).unwrap()),
            (Added::Projection, Some(x)) => {
                let h = self.projection.forward::<2, 4, 2, T>(x.with_tape(tape), false, None, context);
                let (h, back) = h.formed(context).split_tape();
                tape = back;
                Some(h)
            }
            _ => None,
        };
        let x = self.second.forward::<1, 2, 2, T>(inner.with_tape(tape), true, shortcut, context);
        let shared = x.shared();
        let inner = self.third.forward::<1, 2, 2, T>(x, true, None, context);
        let x = self.fourth.forward::<1, 2, 2, T>(inner, true, Some(shared), context);
        global_average(x, &Cpu::default(), context).unwrap()
    }

    fn loss(&self, added: Added, context: &Context) -> f64 {
        weighed(&self.forward(NoneTape, added, context))
    }
}

#[test]
fn every_parameter_of_a_small_network_gets_its_gradient() {
    let context = context(Normalisation::Training);
    for added in [Added::Nothing, Added::ZeroPadding, Added::Projection] {
        let small = Small::new();
        let gradients = weigh(small.forward(OwnedTape::default(), added, &context)).backward();
        macro_rules! check {
            ($($layer:ident)*) => {$(
                check!(@ $layer weights);
                check!(@ $layer gamma);
                check!(@ $layer beta);
            )*};
            (@ $layer:ident $share:ident) => {
                let of = &small.$layer.$share;
                let what = format!("{added:?}: {} of {}", stringify!($share), stringify!($layer));
                assert_is_gradient(&what, &gradient(&gradients, of), values(of), 3e-2, |moved| {
                    let mut other = small.clone();
                    other.$layer.$share = tensor(*of.shape(), moved);
                    other.loss(added, &context)
                });
            };
        }
        check!(stem first second third fourth);
        if added == Added::Projection {
            check!(projection);
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
    let weights: Tensor<Rank4<1, 1, 4, 4>, f32, Cpu> =
        tensor(Default::default(), &std::array::from_fn::<f32, 16, _>(|i| f32::from(u8::from(i % 5 == 0))));
    let gamma: Tensor<Rank1<4>, f32, Cpu> = tensor(Default::default(), &[1.0; 4]);
    let beta: Tensor<Rank1<4>, f32, Cpu> = tensor(Default::default(), &[0.0; 4]);
    let x = noise(BATCH * 2 * 2 * 4, 9);
    let mut running = Running::new(4);
    let mut pass = |normalisation| {
        let context = context(normalisation);
        let before = running.clone();
        let images: Features<2, 2, 4> = Features::images(&x, &context);
        let (gamma, beta) = (&gamma, &beta);
        let norm = Norm { gamma, beta, running: &mut running, relu: false, layer: LayerIdx(0), block: None };
        let y: Features<2, 2, 4> =
            convolution::<1, 1, 2, 2, 4, 2, 2, 4, NoneTape>(images, &weights, None, norm, &context).unwrap();
        (y.activation.values(&context).to_vec(), running != before)
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
    assert_eq!(running.batches, 1);
}
