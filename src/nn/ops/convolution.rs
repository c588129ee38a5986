//! A convolution without bias, to whose response a shortcut may be added.

use std::rc::Rc;

use dfdx::shapes::Rank4;

use super::activation::{Activation, Observed, divide_mut};
use super::parameter::{AnyParameter, Parameter};
use super::recorder::Measured;
use super::{Context, Features};
use crate::nn::kernels::bundle::Shape;
use crate::nn::kernels::convolution::{Geometry, pack};
use crate::nn::kernels::moments::ChannelSums;
use crate::nn::kernels::normalisation::{Affine, FormShape, OutputSums};
use crate::nn::sweeps::{self, Addition};
use back::Pass;

mod back;

/// What happens to a convolution's response in the sweep that computes it.
#[derive(Clone, Debug)]
pub struct Response<const SIDE: usize, const C: usize> {
    /// What is added to it.
    pub shortcut: Option<Features<SIDE, C>>,
    /// What the sum, or the response itself, is the output of.
    pub observed: Observed,
}

impl<const SIDE: usize, const C: usize> Response<SIDE, C> {
    /// The response as it is, of which something else is formed.
    pub const PLAIN: Self = Response { shortcut: None, observed: Observed::NOTHING };
}

/// Computes `x * weights + shortcut`: `[batch][SIDE][SIDE][IN]` by `[KERNEL][KERNEL][IN][OUT]` gives
/// `[batch][TO][TO][OUT]`, with padding `KERNEL / 2` and stride `SIDE / TO`, 1 or 2.
pub fn convolution<
    const KERNEL: usize,
    const SIDE: usize,
    const IN: usize,
    const TO: usize,
    const OUT: usize,
>(
    x: &Features<SIDE, IN>,
    weights: &Rc<Parameter<Rank4<KERNEL, KERNEL, IN, OUT>>>,
    response: Response<TO, OUT>,
    context: &Context,
) -> Features<TO, OUT> {
    const {
        assert!(KERNEL == 1 || KERNEL == 3, "kernels have a side of 1 or 3");
        assert!(TO == SIDE || 2 * TO == SIDE, "a convolution keeps the side or halves it");
    }
    let geometry = Geometry::new(KERNEL, SIDE / TO, Shape::new(SIDE, SIDE, IN), OUT);
    let weights: Rc<dyn AnyParameter> = weights.clone();
    let shortcut = response.shortcut.map(|h| h.activation);
    Features::of(convolve(Rc::clone(&x.activation), weights, geometry, shortcut, response.observed, context))
}

/// The same, for shapes that are known at run time.
pub(super) fn convolve(
    x: Rc<Activation>,
    weights: Rc<dyn AnyParameter>,
    geometry: Geometry,
    shortcut: Option<Rc<Activation>>,
    observed: Observed,
    context: &Context,
) -> Rc<Activation> {
    let is_first_reader = !x.is_formed() && x.form.is_some();
    let is_output = shortcut.is_some() || observed.is_any();
    let response = if is_output {
        respond_and_add(&x, geometry, &weights.values(), shortcut.as_deref(), observed, context)
    } else {
        respond(&x, geometry, &weights.values(), context)
    };
    let response = Rc::new(response);

    let (output, context) = (Rc::clone(&response), context.clone());
    context.tape.clone().record(move |gradients| {
        let pass = Pass { geometry, x: &x, response: &output, is_first_reader, observed, context: &context };
        pass.run(gradients, &*weights, shortcut.as_deref())
    });
    response
}

/// The weights in the order in which the kernels read them.
fn packed(geometry: Geometry, weights: &[f32], context: &Context) -> super::buffers::Buffer {
    let mut packed = context.buffers.take(weights.len());
    if !packed.is_empty() {
        pack(geometry, weights, &mut packed);
    }
    packed
}

/// Convolves a batch, and sums each channel of the response.
fn respond(x: &Activation, geometry: Geometry, weights: &[f32], context: &Context) -> Activation {
    let (output, shares) = (geometry.output(), x.shares());
    let packed = packed(geometry, weights, context);
    let mut response = context.buffers.take(x.layout.bundles() * output.bundle());
    let mut sums: Vec<ChannelSums> = shares.iter().map(|_| ChannelSums::none(output.channels)).collect();
    x.read(context, &shares, |sources| {
        let responses = divide_mut(output, &mut response, &shares);
        let (set, packed) = (context.instructions, &*packed);
        let jobs = shares.iter().zip(sources).zip(responses.zip(&mut sums));
        context.run(jobs, |((share, source), (response, sums))| {
            sweeps::forward(set, geometry, share, source, packed, None, response, sums);
        });
    });
    Activation::response(output, x.layout, response, ChannelSums::total(&sums))
}

/// The same, adds a shortcut to the response, and measures the sum.
fn respond_and_add(
    x: &Activation,
    geometry: Geometry,
    weights: &[f32],
    shortcut: Option<&Activation>,
    observed: Observed,
    context: &Context,
) -> Activation {
    let (output, shares) = (geometry.output(), x.shares());
    let packed = packed(geometry, weights, context);
    let mut response = context.buffers.take(x.layout.bundles() * output.bundle());
    let none = || ChannelSums::none(output.channels);
    let mut sums: Vec<[ChannelSums; 2]> = shares.iter().map(|_| [none(), none()]).collect();
    let is_measured = |_: &&_| observed.is_any() && context.measures();
    let mut measured: Vec<OutputSums> =
        shares.iter().filter(is_measured).map(|_| OutputSums::none(output.channels)).collect();
    let (scale, shift) = (vec![1.0; output.channels], vec![0.0; output.channels]);
    let map = FormShape { affine: Affine { scale: &scale, shift: &shift }, relu: false };
    x.read(context, &shares, |sources| {
        let h = shortcut.map(Activation::kept);
        let mut shortcuts = h.as_ref().map(|h| super::activation::divide(output, h, &shares));
        let mut of_parts = measured.iter_mut();
        let additions = sums.iter_mut().map(|[of_sum, branch]| {
            let shortcut = shortcuts.as_mut().and_then(Iterator::next);
            (of_sum, Addition { map, shortcut, branch, measured: of_parts.next() })
        });
        let responses = divide_mut(output, &mut response, &shares);
        let (set, packed) = (context.instructions, &*packed);
        let jobs = shares.iter().zip(sources).zip(responses.zip(additions));
        context.run(jobs, |((share, source), (response, (sums, addition)))| {
            sweeps::forward(set, geometry, share, source, packed, Some(addition), response, sums);
        });
    });
    let (of_sum, branch): (Vec<_>, Vec<_>) =
        sums.into_iter().map(|[of_sum, branch]| (of_sum, branch)).unzip();
    let response = Activation::response(output, x.layout, response, ChannelSums::total(&of_sum));
    if let Some(recorder) = &context.recorder {
        let measured = Measured::of(measured, shortcut.is_some());
        let before = ChannelSums::total(&branch).all();
        recorder.output(observed, output.channels, before, measured, || response.values(context));
    }
    if let Some(h) = shortcut {
        h.was_added();
    }
    response
}
