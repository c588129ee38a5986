//! A convolution without bias, with the batch norm (Ioffe & Szegedy 2015), addition and ReLU that follow it.

use std::cell::RefCell;
use std::rc::Rc;

use dfdx::shapes::{Rank1, Rank4};
use dfdx::tensor::{Cpu, CpuError, Gradients, NoneTape, Tape, Tensor};

use super::activation::{Activation, Layer, divide_mut};
use super::buffers::Buffer;
use super::storage::values;
use super::{Context, Features, Normalisation};
use crate::nn::kernels::bundle::{Shape, bundles};
use crate::nn::kernels::convolution::{Geometry, pack};
use crate::nn::kernels::moments::ChannelSums;
use crate::nn::kernels::normalisation::{EPSILON, MOMENTUM};
use crate::nn::sweeps;
use crate::statistics::Sums;
use crate::units::{BlockIdx, LayerIdx};
use back::Pass;

mod back;

/// Running statistics of the channels, for inference.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Means.
    pub mean: Vec<f32>,
    /// Unbiased variances.
    pub variance: Vec<f32>,
    /// The number of batches that have updated them.
    pub batches: i64,
}

impl Running {
    /// Initial statistics: mean 0, variance 1.
    pub fn new(channels: usize) -> Running {
        Running { mean: vec![0.0; channels], variance: vec![1.0; channels], batches: 0 }
    }

    /// Moves them towards those of a batch, as PyTorch does: by [`MOMENTUM`], with the unbiased variance.
    fn update(&mut self, sums: &ChannelSums) {
        let unbiased = sums.count as f64 / (sums.count as f64 - 1.0);
        for (channel, (mean, variance)) in self.mean.iter_mut().zip(&mut self.variance).enumerate() {
            let (new_mean, new_variance) = sums.moments(channel);
            *mean += MOMENTUM * (new_mean as f32 - *mean);
            *variance += MOMENTUM * ((new_variance * unbiased) as f32 - *variance);
        }
        self.batches += 1;
    }
}

/// A batch norm's parameters, its running statistics, and its place in the topology for the recorder.
#[derive(Debug)]
pub struct Norm<'a, const C: usize> {
    /// Scale.
    pub gamma: &'a Tensor<Rank1<C>, f32, Cpu>,
    /// Shift.
    pub beta: &'a Tensor<Rank1<C>, f32, Cpu>,
    /// Running statistics.
    pub running: &'a mut Running,
    /// Whether ReLU follows.
    pub relu: bool,
    /// The layer whose output this is.
    pub layer: LayerIdx,
    /// The block whose addition this is, where it adds a shortcut.
    pub block: Option<BlockIdx>,
}

/// Computes `f(gamma (z - mean) / sqrt(variance + 1e-5) + beta + shortcut)` with `z = x * weights` where f is ReLU or
/// the identity: `[batch][H][W][IN]` by `[KERNEL][KERNEL][IN][OUT]` gives `[batch][HO][WO][OUT]`, with
/// `HO = H / STRIDE` and `WO = W / STRIDE`.
pub fn convolution<
    const KERNEL: usize,
    const STRIDE: usize,
    const H: usize,
    const W: usize,
    const IN: usize,
    const HO: usize,
    const WO: usize,
    const OUT: usize,
    T: Tape<f32, Cpu> + 'static,
>(
    x: Features<H, W, IN, T>,
    weights: &Tensor<Rank4<KERNEL, KERNEL, IN, OUT>, f32, Cpu>,
    shortcut: Option<Features<HO, WO, OUT>>,
    norm: Norm<OUT>,
    context: &Context,
) -> Result<Features<HO, WO, OUT, T>, CpuError> {
    const {
        assert!(KERNEL == 1 || KERNEL == 3, "kernels have a side of 1 or 3");
        assert!(HO * STRIDE == H && WO * STRIDE == W, "the stride divides height and width");
    }
    let geometry = Geometry::new(KERNEL, STRIDE, Shape::new(H, W, IN), OUT);
    let (x, mut tape) = x.split_tape();
    let x = x.activation;
    let is_first_reader = !x.is_formed();
    let shortcut = shortcut.map(|h| h.activation);

    let (response, sums) = respond(&x, geometry, values(weights), context);
    if context.normalisation == Normalisation::Training {
        norm.running.update(&sums);
    }
    let layer = normalise(response, &sums, &norm, shortcut.clone(), context);
    let output = Activation::of_layer(geometry.output(), x.images, layer);
    let y: Features<HO, WO, OUT> = Features::of(output, NoneTape);

    let output = Rc::clone(&y.activation);
    let (weights, gamma, beta) = (weights.clone(), norm.gamma.clone(), norm.beta.clone());
    let context = context.clone();
    tape.add_backward_op(move |gradients| {
        let pass = Pass { geometry, x: &x, output: &output, is_first_reader, context: &context };
        let Some((gradient, sums)) = pass.gradient() else { return Ok(()) };
        add_channels(gradients, &gamma, sums.along.iter().zip(&pass.layer().inverse_deviation), |(a, i)| {
            (a * f64::from(*i)) as f32
        })?;
        add_channels(gradients, &beta, sums.passed.iter(), |sum| *sum as f32)?;
        let [scale, slope, constant] = pass.norm_gradient(&sums, values(&gamma));
        let of_weights = gradients.get_or_alloc_mut(&weights)?;
        pass.spread(&gradient, [&scale, &slope, &constant], values(&weights), of_weights);
        if let Some(shortcut) = &shortcut {
            shortcut.add_extra(gradient);
        }
        Ok(())
    });
    Ok(y.with_tape(tape))
}

/// Convolves a batch, and sums each channel of the response.
fn respond(x: &Activation, geometry: Geometry, weights: &[f32], context: &Context) -> (Buffer, ChannelSums) {
    let output = geometry.output();
    let shares = x.shares();
    let mut packed = context.buffers.take(weights.len());
    pack(geometry, weights, &mut packed);
    let mut response = context.buffers.take(bundles(x.images) * output.bundle());
    let mut sums: Vec<ChannelSums> = shares.iter().map(|_| ChannelSums::none(output.channels)).collect();
    x.read(context, &shares, |sources| {
        let responses = divide_mut(output, &mut response, &shares);
        let (set, packed) = (context.instructions, &*packed);
        let jobs = shares.iter().zip(sources).zip(responses.zip(&mut sums));
        context.workers.run(jobs, |((share, source), (response, sums))| {
            sweeps::forward(set, geometry, share, source, packed, response, sums);
        });
    });
    let mut total = ChannelSums::none(output.channels);
    sums.iter().for_each(|sums| total.merge(sums));
    (response, total)
}

/// Computes the map from a response to an output.
fn normalise<const C: usize>(
    response: Buffer,
    sums: &ChannelSums,
    norm: &Norm<C>,
    shortcut: Option<Rc<Activation>>,
    context: &Context,
) -> Layer {
    let (gamma, beta) = (values(norm.gamma), values(norm.beta));
    let mut layer = Layer {
        response,
        scale: vec![0.0; C],
        shift: vec![0.0; C],
        mean: vec![0.0; C],
        inverse_deviation: vec![0.0; C],
        relu: norm.relu,
        shortcut: RefCell::new(shortcut),
        normalised: Sums { count: sums.count * C as u64, ..Sums::default() },
        index: norm.layer,
        block: norm.block,
    };
    for channel in 0..C {
        let (mean, variance) = match context.normalisation {
            Normalisation::Running => {
                (f64::from(norm.running.mean[channel]), f64::from(norm.running.variance[channel]))
            }
            Normalisation::Training | Normalisation::Batch => sums.moments(channel),
        };
        let inverse = (variance + f64::from(EPSILON)).sqrt().recip();
        let (gamma, beta) = (f64::from(gamma[channel]), f64::from(beta[channel]));
        layer.mean[channel] = mean as f32;
        layer.inverse_deviation[channel] = inverse as f32;
        layer.scale[channel] = (gamma * inverse) as f32;
        layer.shift[channel] = (beta - mean * gamma * inverse) as f32;
        // Batch norm's output has mean beta, and a variance that follows from the response's.
        let count = sums.count as f64;
        layer.normalised.sum += count * beta;
        layer.normalised.squares += count * (beta * beta + variance * (gamma * inverse).powi(2));
    }
    layer
}

/// Adds one number per channel to a parameter's gradient.
fn add_channels<const C: usize, X>(
    gradients: &mut Gradients<f32, Cpu>,
    parameter: &Tensor<Rank1<C>, f32, Cpu>,
    numbers: impl Iterator<Item = X>,
    number: impl Fn(X) -> f32,
) -> Result<(), CpuError> {
    let gradient = gradients.get_or_alloc_mut(parameter)?;
    gradient.iter_mut().zip(numbers).for_each(|(gradient, x)| *gradient += number(x));
    Ok(())
}
