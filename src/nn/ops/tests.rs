//! Gradients that the tape gives, against finite differences of the forward pass, coordinate by coordinate.

use dfdx::shapes::{Const, Rank1, Rank4, Shape};
use dfdx::tensor::{
    Cpu, Gradients, NoneTape, OwnedTape, PutTape, SplitTape, Tape, Tensor, TensorFromVec, Trace,
};
use dfdx::tensor_ops::{Backward, SumTo};

use super::storage::values;
use super::*;
use crate::units::{BlockIdx, LayerIdx};

const BATCH: usize = 3;

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

fn tensor<S: Shape>(device: &Cpu, shape: S, data: &[f32]) -> Tensor<S, f32, Cpu> {
    device.tensor_from_vec(data.to_vec(), shape)
}

fn context(normalisation: Normalisation) -> Context {
    Context { instructions: InstructionSet::detect(), normalisation, recorder: None }
}

/// The sum of an output with fixed weights, as an end of the tape; makes every gradient of the output another.
fn weigh<S: Shape, T: Tape<f32, Cpu>>(y: Tensor<S, f32, Cpu, T>) -> Tensor<(), f32, Cpu, T> {
    let weights = noise(values(&y).len(), 99);
    let weights = y.device().tensor_from_vec(weights, *dfdx::shapes::HasShape::shape(&y));
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

fn check_convolution<const KERNEL: usize, const STRIDE: usize, const SIDE: usize, const HALF: usize>() {
    const IN: usize = 4;
    const OUT: usize = 8;
    let device = Cpu::default();
    let (x, w) = (noise(BATCH * SIDE * SIDE * IN, 1), noise(KERNEL * KERNEL * IN * OUT, 2));
    let shape = (BATCH, Const::<SIDE>, Const::<SIDE>, Const::<IN>);
    let kernel = <Rank4<KERNEL, KERNEL, IN, OUT> as Default>::default();
    let context = context(Normalisation::Training);
    let forward = |x: &[f32], w: &[f32]| {
        let (x, w) = (tensor(&device, shape, x), tensor(&device, kernel, w));
        let y: Features<HALF, HALF, OUT> =
            convolution::<KERNEL, STRIDE, _, _, IN, _, _, OUT, _>(x, &w, Inputs::Activations, &context)
                .unwrap();
        weighed(&y)
    };
    let (images, weights) = (tensor(&device, shape, &x), tensor(&device, kernel, &w));
    let y: Features<HALF, HALF, OUT, OwnedTape<f32, Cpu>> =
        convolution::<KERNEL, STRIDE, _, _, IN, _, _, OUT, _>(
            images.leaky_trace(),
            &weights,
            Inputs::Activations,
            &context,
        )
        .unwrap();
    let gradients = weigh(y).backward();
    let what = format!("convolution {KERNEL}x{KERNEL} by {STRIDE}");
    assert_is_gradient(&format!("{what}, input"), &gradient(&gradients, &images), &x, 1e-3, |x| {
        forward(x, &w)
    });
    assert_is_gradient(&format!("{what}, weights"), &gradient(&gradients, &weights), &w, 1e-3, |w| {
        forward(&x, w)
    });
}

#[test]
fn convolutions_give_their_gradients() {
    check_convolution::<3, 1, 4, 4>();
    check_convolution::<3, 2, 4, 2>();
    check_convolution::<1, 1, 4, 4>();
    check_convolution::<1, 2, 4, 2>();
}

fn check_batch_norm<const RELU: bool>(with_shortcut: bool) {
    const SIDE: usize = 4;
    const C: usize = 4;
    let device = Cpu::default();
    let shape = (BATCH, Const::<SIDE>, Const::<SIDE>, Const::<C>);
    let length = BATCH * SIDE * SIDE * C;
    let (x, h) = (noise(length, 3), noise(length, 4));
    let (gamma, beta) = (vec![0.5, 1.0, -1.5, 2.0], vec![0.3, -0.2, 0.1, 0.0]);
    let context = context(Normalisation::Training);
    let run = |x: Features<SIDE, SIDE, C, OwnedTape<f32, Cpu>>,
               h: &Features<SIDE, SIDE, C>,
               gamma: &Tensor<Rank1<C>, f32, Cpu>,
               beta: &Tensor<Rank1<C>, f32, Cpu>| {
        let mut running = Running::new(C);
        let norm = Norm { gamma, beta, running: &mut running, layer: LayerIdx(0), block: Some(BlockIdx(0)) };
        batch_norm::<RELU, SIDE, SIDE, C, _>(x, with_shortcut.then(|| h.clone()), norm, &context).unwrap()
    };
    let channels = (Const::<C>,);
    let loss = |x: &[f32], h: &[f32], gamma: &[f32], beta: &[f32]| {
        let x = tensor(&device, shape, x).put_tape(OwnedTape::default());
        let (gamma, beta) = (tensor(&device, channels, gamma), tensor(&device, channels, beta));
        weighed(&run(x, &tensor(&device, shape, h), &gamma, &beta).split_tape().0)
    };
    let (xs, hs) = (tensor(&device, shape, &x), tensor(&device, shape, &h));
    let (gammas, betas) = (tensor(&device, channels, &gamma), tensor(&device, channels, &beta));
    let gradients = weigh(run(xs.leaky_trace(), &hs, &gammas, &betas)).backward();
    // The differences cross a kink of ReLU here and there.
    let tolerance = if RELU { 3e-2 } else { 2e-3 };
    let what = format!("batch norm, ReLU {RELU}, shortcut {with_shortcut}");
    let check = |part: &str, g: &[f32], at: &[f32], loss: &mut dyn FnMut(&[f32]) -> f64| {
        assert_is_gradient(&format!("{what}, {part}"), g, at, tolerance, loss);
    };
    check("input", &gradient(&gradients, &xs), &x, &mut |x| loss(x, &h, &gamma, &beta));
    check("scale", &gradient(&gradients, &gammas), &gamma, &mut |gamma| loss(&x, &h, gamma, &beta));
    check("shift", &gradient(&gradients, &betas), &beta, &mut |beta| loss(&x, &h, &gamma, beta));
    if with_shortcut {
        check("shortcut", &gradient(&gradients, &hs), &h, &mut |h| loss(&x, h, &gamma, &beta));
    }
}

#[test]
fn batch_norm_gives_its_gradients() {
    check_batch_norm::<false>(false);
    check_batch_norm::<true>(false);
    check_batch_norm::<false>(true);
    check_batch_norm::<true>(true);
}

#[test]
fn zero_padding_and_pooling_give_their_gradients() {
    let device = Cpu::default();
    let x = noise(BATCH * 4 * 4 * 4, 5);
    let shape = (BATCH, Const::<4>, Const::<4>, Const::<4>);
    let images: Features<4, 4, 4> = tensor(&device, shape, &x);

    let padded: Features<2, 2, 8, _> = zero_padding(images.leaky_trace()).unwrap();
    let gradients = weigh(padded).backward();
    assert_is_gradient("zero padding", &gradient(&gradients, &images), &x, 1e-3, |x| {
        let y: Features<2, 2, 8, NoneTape> = zero_padding(tensor(&device, shape, x)).unwrap();
        weighed(&y)
    });

    let gradients = weigh(global_average(images.leaky_trace()).unwrap()).backward();
    assert_is_gradient("global average", &gradient(&gradients, &images), &x, 1e-3, |x| {
        weighed(&global_average::<4, 4, 4, NoneTape>(tensor(&device, shape, x)).unwrap())
    });
}

#[test]
fn linear_gives_its_gradients() {
    let device = Cpu::default();
    let (x, w, b) = (noise(BATCH * 4, 6), noise(5 * 4, 7), noise(5, 8));
    let (features, weights, bias) = (
        tensor(&device, (BATCH, Const::<4>), &x),
        tensor(&device, (5, Const::<4>), &w),
        tensor(&device, (5,), &b),
    );
    let gradients = weigh(linear(features.leaky_trace(), &weights, &bias).unwrap()).backward();
    let loss = |x: &[f32], w: &[f32], b: &[f32]| {
        let x: Tensor<(usize, Const<4>), f32, Cpu> = tensor(&device, (BATCH, Const), x);
        weighed(&linear(x, &tensor(&device, (5, Const), w), &tensor(&device, (5,), b)).unwrap())
    };
    assert_is_gradient("linear, input", &gradient(&gradients, &features), &x, 1e-3, |x| loss(x, &w, &b));
    assert_is_gradient("linear, weights", &gradient(&gradients, &weights), &w, 1e-3, |w| loss(&x, w, &b));
    assert_is_gradient("linear, bias", &gradient(&gradients, &bias), &b, 1e-3, |b| loss(&x, &w, b));
}

#[test]
fn only_training_moves_running_statistics_and_only_running_normalises_by_them() {
    let device = Cpu::default();
    let x = noise(BATCH * 2 * 2 * 2, 9);
    let ones: Tensor<Rank1<2>, f32, Cpu> = tensor(&device, (Const,), &[1.0, 1.0]);
    let zeros: Tensor<Rank1<2>, f32, Cpu> = tensor(&device, (Const,), &[0.0, 0.0]);
    let mut running = Running::new(2);
    let mut pass = |normalisation| {
        let before = running.clone();
        let norm =
            Norm { gamma: &ones, beta: &zeros, running: &mut running, layer: LayerIdx(0), block: None };
        let images = tensor(&device, (BATCH, Const, Const, Const), &x);
        let y = batch_norm::<false, 2, 2, 2, NoneTape>(images, None, norm, &context(normalisation)).unwrap();
        (values(&y).to_vec(), running != before)
    };
    let (by_running, moved) = pass(Normalisation::Running);
    assert!(!moved);
    // Untouched running statistics are mean 0 and variance 1.
    assert!(by_running.iter().zip(&x).all(|(y, x)| (y - x / (1.0_f32 + 1e-5).sqrt()).abs() < 1e-6));
    let (by_batch, moved) = pass(Normalisation::Batch);
    assert!(!moved);
    assert!(by_batch.iter().sum::<f32>().abs() < 1e-5);
    let (training, moved) = pass(Normalisation::Training);
    assert!(moved);
    assert_eq!(training, by_batch);
    assert_eq!(running.batches, 1);
}
