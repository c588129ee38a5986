//! Maps of each channel, with an addition and ReLU after them: batch norm, biases and gains. They are computed by the
//! first reader of the output (`activation`).

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use dfdx::shapes::Rank1;
use dfdx::tensor::{Cpu, CpuError, Gradients};

use super::activation::{Activation, Form, Observed, Spread};
use super::parameter::{AnyParameter, Parameter};
use super::sums::channel_sums;
use super::{Context, Features, Normalisation};
use crate::nn::kernels::moments::ChannelSums;
use crate::nn::kernels::normalisation::{EPSILON, GradientSums, MOMENTUM};
use crate::statistics::Sums;

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

    /// Mean and variance of a channel.
    fn moments(&self, channel: usize) -> (f64, f64) {
        (f64::from(self.mean[channel]), f64::from(self.variance[channel]))
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

/// A batch norm's parameters and running statistics (Ioffe & Szegedy 2015).
#[derive(Clone, Debug)]
pub struct Norm<const C: usize> {
    /// Scale.
    pub gamma: Rc<Parameter<Rank1<C>>>,
    /// Shift.
    pub beta: Rc<Parameter<Rank1<C>>>,
    /// Running statistics.
    pub running: Rc<RefCell<Running>>,
}

/// What follows a map.
#[derive(Clone, Debug)]
pub struct After<const SIDE: usize, const C: usize> {
    /// A constant factor of the map.
    pub factor: f32,
    /// What is added to the map; must be in memory when the output is read.
    pub shortcut: Option<Features<SIDE, C>>,
    /// Whether ReLU comes last.
    pub relu: bool,
    /// What the output is the output of.
    pub observed: Observed,
}

impl<const SIDE: usize, const C: usize> Default for After<SIDE, C> {
    /// Nothing.
    fn default() -> Self {
        After { factor: 1.0, shortcut: None, relu: false, observed: Observed::NOTHING }
    }
}

/// A bias before and after a gain: `gain * (x + before) + after`; each has one number, or one per channel.
#[derive(Clone, Default)]
pub struct Scalars {
    /// Added first.
    pub before: Option<Rc<dyn AnyParameter>>,
    /// A factor, one number.
    pub gain: Option<Rc<dyn AnyParameter>>,
    /// Added last.
    pub after: Option<Rc<dyn AnyParameter>>,
}

/// What follows a map, for shapes that are known at run time.
pub(super) struct Following {
    pub(super) factor: f32,
    pub(super) shortcut: Option<Rc<Activation>>,
    pub(super) relu: bool,
    pub(super) observed: Observed,
}

/// Computes `f(factor (gamma (x - mean) / sqrt(variance + 1e-5) + beta) + shortcut)`, where f is ReLU or the identity.
/// `x` is in memory.
pub fn normalised<const SIDE: usize, const C: usize>(
    x: &Features<SIDE, C>,
    norm: &Norm<C>,
    after: After<SIDE, C>,
    context: &Context,
) -> Features<SIDE, C> {
    let parameters: [Rc<dyn AnyParameter>; 2] = [norm.gamma.clone(), norm.beta.clone()];
    let base = Rc::clone(&x.activation);
    Features::of(normalise(base, parameters, &norm.running, after.into(), context))
}

/// The same, for shapes that are known at run time.
pub(super) fn normalise(
    base: Rc<Activation>,
    [gamma, beta]: [Rc<dyn AnyParameter>; 2],
    running: &RefCell<Running>,
    following: Following,
    context: &Context,
) -> Rc<Activation> {
    let sums = match (context.normalisation, &base.sums) {
        (Normalisation::Running, _) => None,
        (_, Some(sums)) => Some(Cow::Borrowed(sums)),
        // It is not a convolution's response.
        (_, None) => Some(Cow::Owned(channel_sums(base.shape, base.layout, &base.kept(), context))),
    };
    if let (Normalisation::Training, Some(sums)) = (context.normalisation, &sums) {
        running.borrow_mut().update(sums);
    }
    let factor = f64::from(following.factor);
    let (form, inverse) = {
        let (gamma, beta) = (gamma.values(), beta.values());
        let moments = |channel| match &sums {
            Some(sums) => sums.moments(channel),
            None => running.borrow().moments(channel),
        };
        normal_form(Rc::clone(&base), (&gamma, &beta), moments, &following)
    };
    formed(form, following, context, move |y, sums, gradients| {
        let scaled = sums.along.iter().zip(&inverse);
        add_to(gamma.gradient(gradients)?, scaled.map(|(along, i)| factor * along * f64::from(*i)));
        add_to(beta.gradient(gradients)?, sums.passed.iter().map(|sum| factor * sum));
        Ok(norm_gradient(y, sums, &inverse, &gamma.values(), factor))
    })
}

/// The map of a batch norm, and one over each channel's standard deviation.
fn normal_form(
    base: Rc<Activation>,
    (gamma, beta): (&[f32], &[f32]),
    moments: impl Fn(usize) -> (f64, f64),
    following: &Following,
) -> (Form, Vec<f32>) {
    let factor = f64::from(following.factor);
    let channels = base.shape.channels;
    let count = (base.layout.rows() * base.shape.area()) as u64;
    let mut mapped = Sums { count: count * channels as u64, ..Sums::default() };
    let (mut scale, mut shift) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
    let (mut means, mut inverses) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
    for channel in 0..channels {
        let (mean, variance) = moments(channel);
        let inverse = (variance + f64::from(EPSILON)).sqrt().recip();
        let (gamma, beta) = (factor * f64::from(gamma[channel]), factor * f64::from(beta[channel]));
        means.push(mean as f32);
        inverses.push(inverse as f32);
        scale.push((gamma * inverse) as f32);
        shift.push((beta - mean * gamma * inverse) as f32);
        // Batch norm's output has mean beta, and a variance that follows from the response's.
        let count = count as f64;
        mapped.sum += count * beta;
        mapped.squares += count * (beta * beta + variance * (gamma * inverse).powi(2));
    }
    (following.form(base, [scale, shift, means], mapped), inverses)
}

/// Scale, slope and constant of each channel for the gradient to a response, from the gradient g that passes ReLU:
/// `gamma / std (g - mean(g) - (z - mean(z)) mean(g (z - mean(z))) / std^2)`.
fn norm_gradient(
    y: &Activation,
    sums: &GradientSums,
    inverse: &[f32],
    gamma: &[f32],
    factor: f64,
) -> [Vec<f32>; 3] {
    let count = (y.layout.rows() * y.shape.area()) as f64;
    let means = y.form.as_ref().map_or(&[][..], |form| &form.mean);
    let mut spread: [Vec<f32>; 3] = Default::default();
    for (channel, ((&gamma, &mean), &inverse)) in gamma.iter().zip(means).zip(inverse).enumerate() {
        let (mean, inverse) = (f64::from(mean), f64::from(inverse));
        let scale = factor * f64::from(gamma) * inverse;
        let slope = -scale * inverse * inverse * sums.along[channel] / count;
        let constant = -scale * sums.passed[channel] / count - slope * mean;
        let numbers = [scale, slope, constant].map(|x| x as f32);
        spread.iter_mut().zip(numbers).for_each(|(all, x)| all.push(x));
    }
    spread
}

/// Computes `f(factor (gain (x + before) + after) + shortcut)`, where f is ReLU or the identity. `x` must be in memory.
pub fn shifted<const SIDE: usize, const C: usize>(
    x: &Features<SIDE, C>,
    scalars: Scalars,
    after: After<SIDE, C>,
    context: &Context,
) -> Features<SIDE, C> {
    let base = Rc::clone(&x.activation);
    if let (Some(recorder), Some(block), Some(gain)) =
        (&context.recorder, after.observed.block, &scalars.gain)
    {
        recorder.gate(block, gain.values()[0]);
    }
    let numbers = |parameter: &Option<Rc<dyn AnyParameter>>, none: f32| -> Vec<f32> {
        let Some(parameter) = parameter else { return vec![none; C] };
        let values = parameter.values();
        if values.len() == 1 { vec![values[0]; C] } else { values.to_vec() }
    };
    let [before, gain] = [numbers(&scalars.before, 0.0), numbers(&scalars.gain, 1.0)];
    let last = numbers(&scalars.after, 0.0);
    let factor = after.factor;
    let scale: Vec<f32> = gain.iter().map(|gain| factor * gain).collect();
    let shift = scale.iter().zip(&before).zip(&last);
    let shift: Vec<f32> = shift.map(|((scale, before), after)| scale * before + factor * after).collect();
    let means = before.iter().map(|before| -before).collect();
    let mapped = base.sums.as_ref().map(|sums| sums.mapped(&scale, &shift)).unwrap_or_default();
    let spread = [scale.clone(), vec![0.0; C], vec![0.0; C]];
    let following = Following::from(after);
    let form = following.form(base, [scale, shift, means], mapped);
    Features::of(formed(form, following, context, move |_, sums, gradients| {
        let factor = f64::from(factor);
        if let Some(before) = &scalars.before {
            let gradient = sums.passed.iter().zip(&gain).map(|(sum, gain)| factor * f64::from(*gain) * sum);
            add_to(before.gradient(gradients)?, gradient);
        }
        if let Some(gain) = &scalars.gain {
            add_to(gain.gradient(gradients)?, sums.along.iter().map(|along| factor * along));
        }
        if let Some(after) = &scalars.after {
            add_to(after.gradient(gradients)?, sums.passed.iter().map(|sum| factor * sum));
        }
        Ok(spread)
    }))
}

/// Adds one number per channel to a parameter's gradient, or their sum if the parameter is one number.
fn add_to(gradient: &mut [f32], numbers: impl Iterator<Item = f64>) {
    if let [gradient] = gradient {
        *gradient += numbers.sum::<f64>() as f32;
    } else {
        gradient.iter_mut().zip(numbers).for_each(|(gradient, x)| *gradient += x as f32);
    }
}

impl<const SIDE: usize, const C: usize> From<After<SIDE, C>> for Following {
    fn from(after: After<SIDE, C>) -> Following {
        let After { factor, shortcut, relu, observed } = after;
        Following { factor, shortcut: shortcut.map(|h| h.activation), relu, observed }
    }
}

impl Following {
    fn form(&self, base: Rc<Activation>, [scale, shift, mean]: [Vec<f32>; 3], mapped: Sums) -> Form {
        let shortcut = RefCell::new(self.shortcut.clone());
        Form { base, scale, shift, mean, relu: self.relu, shortcut, mapped, observed: self.observed }
    }
}

/// An activation that is formed when it is first read. In the backward pass `back` adds the gradients of the map's
/// parameters and returns scale, slope and constant of each channel for the gradient to what it is a map of.
fn formed(
    form: Form,
    following: Following,
    context: &Context,
    back: impl 'static
    + FnOnce(&Activation, &GradientSums, &mut Gradients<f32, Cpu>) -> Result<[Vec<f32>; 3], CpuError>,
) -> Rc<Activation> {
    let base = Rc::clone(&form.base);
    let y = Rc::new(Activation::unformed(form));
    let (output, shortcut, context) = (Rc::clone(&y), following.shortcut, context.clone());
    context.tape.clone().record(move |gradients| {
        let Some((gradient, sums)) = output.gradient(&context) else { return Ok(()) };
        let numbers = back(&output, &sums, gradients)?;
        let gradient = Rc::new(gradient);
        if let Some(h) = shortcut.filter(|h| h.has_gradient) {
            h.add_extra(Rc::clone(&gradient), &context);
        }
        if base.has_gradient {
            base.set_spread(Spread { gradient, numbers });
        }
        Ok(())
    });
    y
}
