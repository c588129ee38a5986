//! Shortcuts that are neither the input itself nor a convolution: zero padding (option A of He et al. 2015, section
//! 3.3), dropout, and gates (He et al. 2016, section 3.1).

use std::rc::Rc;

use dfdx::shapes::Rank1;

use super::activation::Activation;
use super::parameter::{AnyParameter, Parameter};
use super::sums::channel_sums;
use super::{Context, Features};
use crate::nn::kernels::bundle::{self, Shape};
use crate::nn::kernels::{elementwise, gate as gates};
use crate::nn::sweeps;
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
    let (mask, set, shares) = (bundled, context.instructions, x.shares());
    let mut y = context.buffers.take(x.len());
    {
        let values = x.kept();
        let factors = x.divide(&values, &shares).zip(x.divide(&mask, &shares));
        let jobs = x.divide_mut(&mut y, &shares).zip(factors);
        context.run(jobs, |(y, (x, mask))| elementwise::product(set, y, [x, mask]));
    }
    let y: Features<SIDE, C> = Features::of(Rc::new(Activation::only_added(x.shape, x.layout, y)));

    let (output, context) = (Rc::clone(&y.activation), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        let mut dx = context.buffers.take(x.len());
        let factors = x.divide(&dy, &shares).zip(x.divide(&mask, &shares));
        let jobs = x.divide_mut(&mut dx, &shares).zip(factors);
        context.run(jobs, |(dx, (dy, mask))| elementwise::product(set, dx, [dy, mask]));
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
    let (set, shape, layout, shares) = (context.instructions, x.shape, x.layout, x.shares());
    let (mut open, mut y) = (context.buffers.take(x.len()), context.buffers.take(x.len()));
    {
        let (x_values, gate_values, bias) = (x.kept(), gate.kept(), bias.values());
        let bias: &[f32] = &bias;
        let inputs = x.divide(&gate_values, &shares).zip(x.divide(&x_values, &shares));
        let jobs = inputs.zip(x.divide_mut(&mut open, &shares).zip(x.divide_mut(&mut y, &shares)));
        context.run(jobs, |((gate, x), (open, y))| {
            gates::gate(set, bias, is_complement, [gate, x], open, y);
        });
    }
    if let (Gating::Complement(Some(block)), Some(recorder)) = (gating, &context.recorder)
        && recorder.measures()
    {
        let closed = channel_sums(shape, layout, &open, context).all().mean();
        recorder.gate(block, 1.0 - closed);
    }
    let y: Features<SIDE, C> = Features::of(Rc::new(Activation::only_added(shape, layout, y)));

    let (output, bias, context) = (Rc::clone(&y.activation), Rc::clone(bias), context.clone());
    context.tape.clone().record(move |gradients| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        let (mut dx, mut of_gate) = (context.buffers.take(x.len()), context.buffers.take(x.len()));
        {
            let values = x.kept();
            let inputs = x.divide(&open, &shares).zip(x.divide(&values, &shares)).zip(x.divide(&dy, &shares));
            let jobs = inputs.zip(x.divide_mut(&mut dx, &shares).zip(x.divide_mut(&mut of_gate, &shares)));
            context.run(jobs, |(((open, x), dy), (dx, of_gate))| {
                gates::gate_gradient(set, is_complement, [open, x, dy], dx, of_gate);
            });
        }
        let sums = channel_sums(shape, layout, &of_gate, &context).sum;
        bias.gradient(gradients)?.iter_mut().zip(sums).for_each(|(bias, sum)| *bias += sum as f32);
        x.add_extra(Rc::new(dx), &context);
        gate.add_extra(Rc::new(of_gate), &context);
        Ok(())
    });
    y
}
