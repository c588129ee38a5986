//! The backward pass through a convolution.

use std::rc::Rc;

use dfdx::tensor::{Cpu, CpuError, Gradients};

use crate::nn::kernels::bundle::BatchShare;
use crate::nn::kernels::convolution::{Geometry, pack_turned};
use crate::nn::kernels::normalisation::{GradientSums, Passed};
use crate::nn::ops::Context;
use crate::nn::ops::activation::{Activation, Observed, Pending, Spread};
use crate::nn::ops::parameter::AnyParameter;
use crate::nn::sweeps::{self, Backward, Kept, Masked, ToResponse, Towards};

/// The backward operation of one convolution.
pub(super) struct Pass<'a> {
    pub(super) geometry: Geometry,
    /// Its input.
    pub(super) x: &'a Activation,
    /// Its response, or the sum of that and a shortcut.
    pub(super) response: &'a Activation,
    /// Whether it was the first to read its input, and so is the last in the backward pass.
    pub(super) is_first_reader: bool,
    pub(super) observed: Observed,
    pub(super) context: &'a Context,
}

/// The data of one share of the batch for a backward sweep.
struct Job<'a> {
    share: &'a BatchShare,
    backward: Backward<'a>,
    of_weights: &'a mut [f32],
}

impl Pass<'_> {
    /// Computes the gradients to weights, input and shortcut.
    pub(super) fn run(
        &self,
        gradients: &mut Gradients<f32, Cpu>,
        weights: &dyn AnyParameter,
        shortcut: Option<&Activation>,
    ) -> Result<(), CpuError> {
        // Where memory is only counted, there is nothing to add to.
        let of_weights: &mut [f32] =
            if self.context.buffers.only_counts() { &mut [] } else { weights.gradient(gradients)? };
        let weights = &*weights.values();
        let goes_on = shortcut.is_some() || self.observed.is_any();
        match self.response.take_pending() {
            Pending { spread: None, extra: None } => {}
            Pending { spread: Some(spread), extra: None } if !goes_on => {
                self.spread(&spread, weights, of_weights);
            }
            pending => self.complete(pending, weights, of_weights, shortcut),
        }
        Ok(())
    }

    /// The gradient to the response is needed only here.
    fn spread(&self, spread: &Spread, weights: &[f32], of_weights: &mut [f32]) {
        let (response, shares) = (self.response.kept(), self.x.shares());
        let responses = self.response.divide(&response, &shares);
        let gradients = self.response.divide(&spread.gradient, &shares);
        let numbers = spread.numbers.each_ref().map(Vec::as_slice);
        let jobs = gradients.zip(responses).map(|(gradient, response)| ToResponse::Spread {
            gradient,
            response,
            numbers,
        });
        self.backward(&shares, jobs, weights, of_weights);
    }

    /// The gradient to the response goes on to a shortcut, or is measured.
    fn complete(
        &self,
        pending: Pending,
        weights: &[f32],
        of_weights: &mut [f32],
        shortcut: Option<&Activation>,
    ) {
        let Pending { spread, mut extra } = pending;
        let (gradient, numbers) = match spread {
            Some(Spread { gradient, numbers }) => (Some(gradient), Some(numbers)),
            None => (extra.take(), None),
        };
        let Some(gradient) = gradient else { return };
        let mut gradient = self.response.owned(gradient, self.context);
        let (response, shares) = (self.response.kept(), self.x.shares());
        let channels = self.geometry.outputs;
        let mean = vec![0.0; channels];
        let measured = self.observed.is_any() && self.context.measures();
        let mut sums: Vec<GradientSums> = shares.iter().map(|_| GradientSums::none(channels)).collect();
        {
            let numbers = numbers.as_ref().map(|numbers| numbers.each_ref().map(Vec::as_slice));
            let mut extra = extra.as_ref().map(|extra| self.response.divide(extra, &shares));
            let responses = self.response.divide(&response, &shares).zip(&mut sums);
            let jobs = self.response.divide_mut(&mut gradient, &shares).zip(responses);
            let jobs = jobs.map(|(gradient, (response, sums))| {
                let masked = Masked { passed: Passed::Everywhere, response, mean: &mean, sums, measured };
                let extra = extra.as_mut().and_then(Iterator::next);
                ToResponse::Kept(Kept { gradient, numbers, extra, masked })
            });
            self.backward(&shares, jobs, weights, of_weights);
        }
        if let (Some(recorder), Some(total)) = (&self.context.recorder, GradientSums::total(sums)) {
            recorder.output_gradient(self.observed, total.sums, total.is_finite());
        }
        if let Some(h) = shortcut.filter(|h| h.has_gradient) {
            h.add_extra(Rc::new(gradient), self.context);
        }
    }

    /// Computes the gradients to weights and input from that to the response.
    fn backward<'j>(
        &self,
        shares: &[BatchShare],
        gradients: impl Iterator<Item = ToResponse<'j>>,
        weights: &[f32],
        of_weights: &mut [f32],
    ) {
        let (context, x) = (self.context, self.x);
        context.buffers.note_scratch(sweeps::scratch(self.geometry));
        let mut of_parts = context.buffers.take(shares.len() * weights.len());
        x.read(context, shares, |sources| {
            let backward =
                sources.into_iter().zip(gradients).map(|(source, gradient)| Backward { gradient, source });
            let of_parts = of_parts.chunks_exact_mut(weights.len());
            let jobs = shares.iter().zip(backward).zip(of_parts);
            let jobs = jobs.map(|((share, backward), of_weights)| Job { share, backward, of_weights });
            self.towards(shares, weights, jobs);
        });
        for of_part in of_parts.chunks_exact(weights.len()) {
            of_weights.iter_mut().zip(of_part).for_each(|(sum, x)| *sum += x);
        }
    }

    /// Runs the jobs, which also compute the gradient to the input if it has one.
    fn towards<'j>(&self, shares: &[BatchShare], weights: &[f32], jobs: impl Iterator<Item = Job<'j>>) {
        let (context, x) = (self.context, self.x);
        if !x.has_gradient {
            return self.sweep(jobs.map(|job| (job, None)));
        }
        let mut turned = context.buffers.take(weights.len());
        if !turned.is_empty() {
            pack_turned(self.geometry, weights, &mut turned);
        }
        let weights = &*turned;
        let mut gradient = context.buffers.take(x.len());
        if !self.is_first_reader {
            let gradients = x.divide_mut(&mut gradient, shares);
            let towards =
                gradients.map(|gradient| Some(Towards { weights, gradient, extra: None, masked: None }));
            self.sweep(jobs.zip(towards));
            return x.add_extra(Rc::new(gradient), context);
        }
        let extra = x.left(context);
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
        self.context.run(jobs, |(Job { share, backward, of_weights }, towards)| {
            sweeps::backward(set, geometry, share, backward, of_weights, towards);
        });
    }
}
