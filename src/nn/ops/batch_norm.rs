//! Batch norm (Ioffe & Szegedy 2015) with what follows it in a block: addition of the shortcut, ReLU.

use dfdx::shapes::{HasShape, Rank1};
use dfdx::tensor::{Cpu, CpuError, PutTape, SplitTape, Tape, Tensor};

use super::storage::{give_back, put_gradient, take_gradient, values, values_mut, zeros};
use super::{Context, Features, Normalisation};
use crate::nn::kernels::batch_norm::{self as kernel, Affine, Channels, ForwardStatistics};
use crate::statistics::Moments;
use crate::units::{BlockIdx, LayerIdx};

/// Running statistics of the channels, for inference.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Means.
    pub mean: Vec<f32>,
    /// Unbiased variances.
    pub variance: Vec<f32>,
    /// Batches that have moved them.
    pub batches: i64,
}

impl Running {
    /// Statistics that no batch has moved: mean 0, variance 1.
    pub fn new(channels: usize) -> Running {
        Running { mean: vec![0.0; channels], variance: vec![1.0; channels], batches: 0 }
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
    /// The layer whose output this computes.
    pub layer: LayerIdx,
    /// The block whose addition this computes, where it adds a shortcut.
    pub block: Option<BlockIdx>,
}

/// Computes `y = f(gamma (x - mean) / sqrt(variance + 1e-5) + beta + shortcut)`, with f ReLU or nothing.
pub fn batch_norm<
    const RELU: bool,
    const H: usize,
    const W: usize,
    const C: usize,
    T: Tape<f32, Cpu> + 'static,
>(
    x: Features<H, W, C, T>,
    shortcut: Option<Features<H, W, C>>,
    norm: Norm<C>,
    context: &Context,
) -> Result<Features<H, W, C, T>, CpuError> {
    let (x, mut tape) = x.split_tape();
    let set = context.instructions;
    let channels = channels(&x, norm.running, context);
    let (gamma, beta) = (norm.gamma.clone(), norm.beta.clone());
    let (layer, recorder) = (norm.layer, context.recorder.clone());

    let mut y = zeros(x.device(), *x.shape())?;
    let mut measured = recorder.as_ref().map(|_| ForwardStatistics::default());
    kernel::forward::<C, RELU>(
        set,
        Affine { channels: &channels, gamma: values(&gamma), beta: values(&beta) },
        values(&x),
        shortcut.as_ref().map(values),
        values_mut(&mut y),
        measured.as_mut(),
    );
    if let (Some(recorder), Some(measured)) = (&recorder, &measured) {
        recorder.output(layer, norm.block, values(&y), measured);
    }

    let output = y.clone();
    tape.add_backward_op(move |gradients| {
        let dy = take_gradient(gradients, &output)?;
        let mut dx = take_gradient(gradients, &x)?;
        let mut dgamma = take_gradient(gradients, &gamma)?;
        let mut dbeta = take_gradient(gradients, &beta)?;
        let mut dshortcut = shortcut.as_ref().map(|h| take_gradient(gradients, h)).transpose()?;
        let mut measured = recorder.as_ref().map(|_| Moments::default());
        kernel::gradient::<C, RELU>(
            set,
            Affine { channels: &channels, gamma: values(&gamma), beta: values(&beta) },
            kernel::Saved { x: values(&x), y: values(&output), dy: &dy },
            kernel::Gradients {
                dx: &mut dx,
                dgamma: &mut dgamma,
                dbeta: &mut dbeta,
                dshortcut: dshortcut.as_deref_mut(),
            },
            measured.as_mut(),
        );
        if let (Some(recorder), Some(measured)) = (&recorder, measured) {
            recorder.output_gradient(layer, measured);
        }
        put_gradient(gradients, &x, dx)?;
        put_gradient(gradients, &gamma, dgamma)?;
        put_gradient(gradients, &beta, dbeta)?;
        if let (Some(shortcut), Some(dshortcut)) = (&shortcut, dshortcut) {
            put_gradient(gradients, shortcut, dshortcut)?;
        }
        give_back(x.device(), dy)
    });
    Ok(y.put_tape(tape))
}

/// The statistics to normalise by; moves the running ones while training.
fn channels<const H: usize, const W: usize, const C: usize>(
    x: &Features<H, W, C>,
    running: &mut Running,
    context: &Context,
) -> Channels<C> {
    if context.normalisation == Normalisation::Running {
        return Channels {
            mean: std::array::from_fn(|c| running.mean[c]),
            variance: std::array::from_fn(|c| running.variance[c]),
        };
    }
    let channels = kernel::measure::<C>(context.instructions, values(x));
    if context.normalisation == Normalisation::Training {
        channels.update_running(x.shape().0 * H * W, &mut running.mean, &mut running.variance);
        running.batches += 1;
    }
    channels
}
