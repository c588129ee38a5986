//! Shortcuts that are neither the input itself nor a convolution: zero padding (option A of He et al. 2015, section
//! 3.3), dropout, and gates (He et al. 2016, section 3.1).

use std::rc::Rc;

use dfdx::shapes::Rank1;

use super::activation::Activation;
use super::buffers::Buffer;
use super::parameter::{AnyParameter, Parameter};
use super::{Context, Features};
use crate::nn::kernels::bundle::{self, IMAGES, Shape};
use crate::nn::kernels::row_sums;
use crate::nn::sweeps;
use crate::statistics::Sums;
use crate::units::BlockIdx;

/// Takes every second pixel of every second row and adds zero channels, half before and half after; with one side,
/// every pixel. `x` must be in memory.
pub fn zero_padding<const SIDE: usize, const IN: usize, const TO: usize, const OUT: usize>(
    x: &Features<SIDE, IN>,
    context: &Context,
) -> Features<TO, OUT> {
    const { assert!(TO == SIDE || 2 * TO == SIDE, "the shortcut keeps the side or halves it") };
    let (input, output) = (Shape::new(SIDE, SIDE, IN), Shape::new(TO, TO, OUT));
    let x = Rc::clone(&x.activation);
    let shares = x.shares();
    let mut y = context.buffers.take(x.layout.bundles() * output.bundle());
    {
        let kept = x.kept();
        let of_parts = x.divide(&kept, &shares).zip(super::activation::divide_mut(output, &mut y, &shares));
        context.run(shares.iter().zip(of_parts), |(share, (x, y))| {
            sweeps::subsample(input, output, share, x, y)
        });
    }
    let y: Features<TO, OUT> = Features::of(Rc::new(Activation::only_added(output, x.layout, y)));

    let (shortcut, context) = (Rc::clone(&y.activation), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = shortcut.left(&context) else { return Ok(()) };
        let shares = x.shares();
        let mut dx = context.buffers.take(x.len());
        let of_parts = shortcut.divide(&dy, &shares).zip(x.divide_mut(&mut dx, &shares));
        context.run(shares.iter().zip(of_parts), |(share, (dy, dx))| {
            sweeps::subsample_gradient(input, output, share, dy, dx);
        });
        x.add_extra(Rc::new(dx), &context);
        Ok(())
    });
    y
}

/// Multiplies every number by one of a mask, NHWC. `x` must be in memory.
pub fn masked<const SIDE: usize, const C: usize>(
    x: &Features<SIDE, C>,
    mask: &[f32],
    context: &Context,
) -> Features<SIDE, C> {
    let x = Rc::clone(&x.activation);
    let mut bundled = context.buffers.take(x.len());
    if !bundled.is_empty() {
        bundle::interleave(mask, x.shape.image(), &mut bundled);
    }
    let mask = bundled;
    let mut y = context.buffers.take(x.len());
    {
        let x = x.kept();
        let numbers = y.iter_mut().zip(x.iter().zip(&*mask));
        numbers.for_each(|(y, (x, m))| *y = x * m);
    }
    let y: Features<SIDE, C> = Features::of(Rc::new(Activation::only_added(x.shape, x.layout, y)));

    let (output, context) = (Rc::clone(&y.activation), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        let mut dx = context.buffers.take(x.len());
        dx.iter_mut().zip(dy.iter().zip(&*mask)).for_each(|(dx, (dy, m))| *dx = dy * m);
        x.add_extra(Rc::new(dx), &context);
        Ok(())
    });
    y
}

/// How a gate is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gating {
    /// By the gate, `sigmoid(gate + bias)`.
    Gate,
    /// By one minus the gate, which is recorded as that of a block.
    Complement(Option<BlockIdx>),
}

/// Multiplies every number by a gate, or by one minus that. `x` and the gate must be in memory.
pub fn gated<const SIDE: usize, const C: usize>(
    x: &Features<SIDE, C>,
    gate: &Features<SIDE, C>,
    bias: &Rc<Parameter<Rank1<C>>>,
    gating: Gating,
    context: &Context,
) -> Features<SIDE, C> {
    let (x, gate) = (Rc::clone(&x.activation), Rc::clone(&gate.activation));
    let is_complement = gating != Gating::Gate;
    let open = opening(&gate, &bias.values(), is_complement, context);
    if let (Gating::Complement(Some(block)), Some(recorder)) = (gating, &context.recorder)
        && recorder.measures()
    {
        recorder.gate(block, (1.0 - mean(&gate, &open, context)) as f32);
    }
    let mut y = context.buffers.take(x.len());
    y.iter_mut().zip(x.kept().iter().zip(&*open)).for_each(|(y, (x, open))| *y = x * open);
    let y: Features<SIDE, C> = Features::of(Rc::new(Activation::only_added(x.shape, x.layout, y)));

    let (output, bias, context) = (Rc::clone(&y.activation), Rc::clone(bias), context.clone());
    context.tape.clone().record(move |gradients| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        let (mut dx, mut of_gate) = (context.buffers.take(x.len()), context.buffers.take(x.len()));
        let sign = if is_complement { -1.0 } else { 1.0 };
        {
            let x = x.kept();
            let numbers = dy.iter().zip(&*open).zip(x.iter());
            let to = dx.iter_mut().zip(&mut *of_gate);
            for ((dx, of_gate), ((dy, open), x)) in to.zip(numbers) {
                *dx = dy * open;
                *of_gate = sign * dy * x * open * (1.0 - open);
            }
        }
        let sums = channel_sums(&gate, &of_gate);
        bias.gradient(gradients)?.iter_mut().zip(sums).for_each(|(bias, sum)| *bias += sum as f32);
        x.add_extra(Rc::new(dx), &context);
        gate.add_extra(Rc::new(of_gate), &context);
        Ok(())
    });
    y
}

/// How far a gate is open: `sigmoid(gate + bias)`, or one minus that.
fn opening(gate: &Activation, bias: &[f32], is_complement: bool, context: &Context) -> Buffer {
    let mut open = context.buffers.take(gate.len());
    let sign = if is_complement { 1.0 } else { -1.0 };
    let gate = gate.kept();
    let vectors = open.as_chunks_mut::<IMAGES>().0.iter_mut().zip(gate.as_chunks::<IMAGES>().0);
    for ((open, gate), bias) in vectors.zip(bias.iter().cycle()) {
        *open = gate.map(|gate| (1.0 + (sign * (gate + bias)).exp()).recip());
    }
    open
}

/// The mean of all numbers of the images of a batch.
fn mean(of: &Activation, numbers: &[f32], context: &Context) -> f64 {
    let (mut total, pixel) = (Sums::default(), of.shape.channels * IMAGES);
    for (bundle, numbers) in numbers.chunks_exact(of.shape.bundle()).enumerate() {
        let images = of.layout.valid(bundle);
        let pixels = numbers.chunks_exact(pixel);
        pixels.for_each(|pixel| total.merge(&row_sums::sums(context.instructions, pixel, images)));
    }
    total.mean().into()
}

/// The sum of each channel over the images of a batch.
fn channel_sums(of: &Activation, numbers: &[f32]) -> Vec<f64> {
    let mut sums = vec![0.0; of.shape.channels];
    for (bundle, numbers) in numbers.chunks_exact(of.shape.bundle()).enumerate() {
        let images = of.layout.valid(bundle);
        for (at, vector) in numbers.as_chunks::<IMAGES>().0.iter().enumerate() {
            sums[at % of.shape.channels] += vector[..images].iter().map(|&x| f64::from(x)).sum::<f64>();
        }
    }
    sums
}
