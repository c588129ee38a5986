//! The backward pass through a convolution and its batch norm.

use crate::nn::kernels::bundle::{BatchShare, bundles};
use crate::nn::kernels::convolution::{Geometry, pack_turned};
use crate::nn::kernels::normalisation::GradientSums;
use crate::nn::ops::Context;
use crate::nn::ops::activation::{Activation, Layer};
use crate::nn::ops::buffers::Buffer;
use crate::nn::sweeps::{self, Backward, Towards};

/// The backward operation of one layer.
pub(super) struct Pass<'a> {
    pub(super) geometry: Geometry,
    /// The layer's input.
    pub(super) x: &'a Activation,
    /// The layer's output.
    pub(super) output: &'a Activation,
    /// Whether it was the first to read its input, and so is the last in the backward pass.
    pub(super) is_first_reader: bool,
    pub(super) context: &'a Context,
}

/// The data of one share of the batch for a backward sweep.
struct Job<'a> {
    share: &'a BatchShare,
    backward: Backward<'a>,
    of_weights: &'a mut [f32],
}

impl<'a> Pass<'a> {
    pub(super) fn layer(&self) -> &'a Layer {
        self.output.layer.as_ref().expect("a convolution's output comes from a layer")
    }

    /// The gradient to the layer's output, propagated back through ReLU, with its sums; none if nothing has read the
    /// output.
    pub(super) fn gradient(&self) -> Option<(Buffer, GradientSums)> {
        if let Some(taken) = self.output.taken() {
            return Some(taken);
        }
        // A projection's output is read only by an addition, whose layer passes its gradient on.
        let gradient = self.output.take_extra()?;
        let shares = self.output.shares();
        let (set, shape) = (self.context.instructions, self.output.shape);
        self.output.take_back(self.context, &shares, gradient, |jobs| {
            self.context.workers.run(shares.iter().zip(jobs), |(share, (gradient, masked))| {
                sweeps::reduce(set, shape, share, gradient, masked);
            });
        });
        self.output.taken()
    }

    /// Scale, slope and constant of each channel for the response's gradient, from the gradient g that passes ReLU:
    /// `gamma / std (g - mean(g) - (z - mean(z)) mean(g (z - mean(z))) / std^2)`.
    pub(super) fn norm_gradient(&self, sums: &GradientSums, gamma: &[f32]) -> [Vec<f32>; 3] {
        let layer = self.layer();
        let count = (self.output.images * self.output.shape.area()) as f64;
        let mut spread: [Vec<f32>; 3] = Default::default();
        for (channel, &gamma) in gamma.iter().enumerate() {
            let (mean, inverse) =
                (f64::from(layer.mean[channel]), f64::from(layer.inverse_deviation[channel]));
            let scale = f64::from(gamma) * inverse;
            let slope = -scale * inverse * inverse * sums.along[channel] / count;
            let constant = -scale * sums.passed[channel] / count - slope * mean;
            let numbers = [scale, slope, constant].map(|x| x as f32);
            spread.iter_mut().zip(numbers).for_each(|(all, x)| all.push(x));
        }
        spread
    }

    /// Computes the gradients to weights and input from that to the output.
    pub(super) fn spread(
        &self,
        gradient: &[f32],
        spread: [&[f32]; 3],
        weights: &[f32],
        of_weights: &mut [f32],
    ) {
        let (context, x) = (self.context, self.x);
        let shares = x.shares();
        let responses = self.output.divide(&self.layer().response, &shares);
        let gradients = self.output.divide(gradient, &shares);
        let mut of_parts = context.buffers.take(shares.len() * weights.len());
        x.read(context, &shares, |sources| {
            let backward = sources
                .into_iter()
                .zip(gradients.zip(responses))
                .map(|(source, (gradient, response))| Backward { gradient, response, spread, source });
            let of_parts = of_parts.chunks_exact_mut(weights.len());
            let jobs = shares.iter().zip(backward).zip(of_parts);
            let jobs = jobs.map(|((share, backward), of_weights)| Job { share, backward, of_weights });
            self.run(&shares, weights, jobs);
        });
        for of_part in of_parts.chunks_exact(weights.len()) {
            of_weights.iter_mut().zip(of_part).for_each(|(sum, x)| *sum += x);
        }
    }

    /// Runs the jobs, which also compute the gradient to the input if it has one.
    fn run<'j>(&self, shares: &[BatchShare], weights: &[f32], jobs: impl Iterator<Item = Job<'j>>) {
        let (context, x) = (self.context, self.x);
        if !x.has_gradient {
            return self.sweep(jobs.map(|job| (job, None)));
        }
        let mut turned = context.buffers.take(weights.len());
        pack_turned(self.geometry, weights, &mut turned);
        let weights = &*turned;
        let mut gradient = context.buffers.take(bundles(x.images) * self.geometry.input.bundle());
        if !self.is_first_reader {
            let gradients = x.divide_mut(&mut gradient, shares);
            let towards =
                gradients.map(|gradient| Some(Towards { weights, gradient, extra: None, masked: None }));
            self.sweep(jobs.zip(towards));
            return x.add_extra(gradient);
        }
        let extra = x.take_extra();
        x.take_back(context, shares, gradient, |taken| {
            let mut extra = extra.as_ref().map(|extra| x.divide(extra, shares));
            let towards = taken.into_iter().map(|(gradient, masked)| {
                let extra = extra.as_mut().and_then(Iterator::next);
                Some(Towards { weights, gradient, extra, masked: Some(masked) })
            });
            self.sweep(jobs.zip(towards));
        });
    }

    fn sweep<'j, 't>(&self, jobs: impl Iterator<Item = (Job<'j>, Option<Towards<'t>>)>) {
        let (set, geometry) = (self.context.instructions, self.geometry);
        self.context.workers.run(jobs, |(Job { share, backward, of_weights }, towards)| {
            sweeps::backward(set, geometry, share, backward, of_weights, towards);
        });
    }
}
