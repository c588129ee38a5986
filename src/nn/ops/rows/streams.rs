//! Hyper-connections (Zhu et al. 2024): a token has several streams of features, `[streams][features]`, of which a branch
//! reads a mixture, and to which its output is added. The coefficients are rows of their own, since they may depend on
//! the token: `[streams]` for the branch's input, `[streams][streams]` from stream to stream, `[streams]` for its output.

use std::rc::Rc;

use super::linear::Rows;
use super::record;
use crate::nn::kernels::bundle::Shape;
use crate::nn::kernels::elementwise;
use crate::nn::kernels::mixture::{Term, mix, mix_gradient};
use crate::nn::ops::activation::{Activation, Observed, divide, divide_mut};
use crate::nn::ops::buffers::Buffer;
use crate::nn::ops::{Context, Features};

/// How many coefficients there are.
pub fn coefficients(streams: usize) -> usize {
    streams * (streams + 2)
}

/// The place of the coefficient from a stream to another.
pub(in crate::nn::ops) fn between(streams: usize, from: usize, to: usize) -> usize {
    streams + from * streams + to
}

/// Every stream the same.
pub fn copied<const N: usize>(x: &Features<1, N>, streams: usize, context: &Context) -> Rows {
    let x = Rc::clone(&x.activation);
    let shape = Shape::new(1, 1, streams * N);
    let y = repeated(&x, x.shape, &x.kept(), shape, context);
    let y = Rc::new(Activation::in_memory(shape, x.layout, y, true));
    let (output, context) = (Rc::clone(&y), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        let dx = total(&x, shape, &dy, x.shape, &context);
        x.add_extra(Rc::new(dx), &context);
        Ok(())
    });
    Rows::of(y)
}

/// The sum of all streams.
pub fn summed<const N: usize>(x: &Rows, context: &Context) -> Features<1, N> {
    let x = Rc::clone(x.activation());
    let shape = Shape::new(1, 1, N);
    let y = total(&x, x.shape, &x.kept(), shape, context);
    let y = Rc::new(Activation::in_memory(shape, x.layout, y, true));
    let (output, context) = (Rc::clone(&y), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        let dx = repeated(&x, shape, &dy, x.shape, &context);
        x.add_extra(Rc::new(dx), &context);
        Ok(())
    });
    Features::of(y)
}

/// The features of each row, as often as they fit.
fn repeated(of: &Activation, shape: Shape, numbers: &[f32], to: Shape, context: &Context) -> Buffer {
    let (shares, mut y) = (of.shares(), context.buffers.take(of.layout.bundles() * to.bundle()));
    let jobs = divide(shape, numbers, &shares).zip(divide_mut(to, &mut y, &shares));
    context.run(jobs, |(x, y)| {
        for (y, x) in y.chunks_exact_mut(to.bundle()).zip(x.chunks_exact(shape.bundle())) {
            y.chunks_exact_mut(x.len()).for_each(|y| y.copy_from_slice(x));
        }
    });
    y
}

/// The sum of all that so many features of each row are repeated.
fn total(of: &Activation, shape: Shape, numbers: &[f32], to: Shape, context: &Context) -> Buffer {
    let (set, shares) = (context.instructions, of.shares());
    let mut y = context.buffers.take(of.layout.bundles() * to.bundle());
    let jobs = divide(shape, numbers, &shares).zip(divide_mut(to, &mut y, &shares));
    context.run(jobs, |(x, y)| {
        for (y, x) in y.chunks_exact_mut(to.bundle()).zip(x.chunks_exact(shape.bundle())) {
            y.fill(0.0);
            x.chunks_exact(y.len()).for_each(|x| elementwise::add(set, y, x));
        }
    });
    y
}

/// Outputs of `N` features that are sums of inputs of `N` features times coefficients, by the terms of each.
fn mixed<const N: usize>(
    x: &Rc<Activation>,
    coefficients: &Rc<Activation>,
    terms: Vec<Vec<Term>>,
    context: &Context,
) -> Rc<Activation> {
    let (x, c) = (Rc::clone(x), Rc::clone(coefficients));
    let (set, shape) = (context.instructions, Shape::new(1, 1, terms.len() * N));
    let bundles = [c.shape.bundle(), x.shape.bundle(), shape.bundle()];
    let (shares, mut y) = (x.shares(), context.buffers.take(x.layout.bundles() * shape.bundle()));
    {
        let (x_values, c_values) = (x.kept(), c.kept());
        let inputs = c.divide(&c_values, &shares).zip(x.divide(&x_values, &shares));
        context.run(inputs.zip(divide_mut(shape, &mut y, &shares)), |((c, x), y)| {
            let inputs = c.chunks_exact(bundles[0]).zip(x.chunks_exact(bundles[1]));
            for ((c, x), y) in inputs.zip(y.chunks_exact_mut(bundles[2])) {
                mix(set, N, &terms, c, x, y);
            }
        });
    }
    let y = Rc::new(Activation::in_memory(shape, x.layout, y, true));
    let (output, context) = (Rc::clone(&y), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        let (mut dx, mut dc) = (context.buffers.take(x.len()), context.buffers.take(c.len()));
        let shares = x.shares();
        {
            let (x_values, c_values) = (x.kept(), c.kept());
            let inputs = c.divide(&c_values, &shares).zip(x.divide(&x_values, &shares));
            let inputs = inputs.zip(output.divide(&dy, &shares));
            let jobs = inputs.zip(c.divide_mut(&mut dc, &shares).zip(x.divide_mut(&mut dx, &shares)));
            context.run(jobs, |(((c, x), dy), (dc, dx))| {
                dc.fill(0.0);
                dx.fill(0.0);
                let inputs = c.chunks_exact(bundles[0]).zip(x.chunks_exact(bundles[1]));
                let to = dc.chunks_exact_mut(bundles[0]).zip(dx.chunks_exact_mut(bundles[1]));
                for (((c, x), dy), (dc, dx)) in inputs.zip(dy.chunks_exact(bundles[2])).zip(to) {
                    mix_gradient(set, N, &terms, [c, x, dy], dc, dx);
                }
            });
        }
        x.add_extra(Rc::new(dx), &context);
        c.add_extra(Rc::new(dc), &context);
        Ok(())
    });
    y
}

/// What a branch reads: the sum of the streams times the first coefficients.
pub fn entrance<const N: usize>(
    x: &Rows,
    coefficients: &Rows,
    streams: usize,
    context: &Context,
) -> Features<1, N> {
    let terms = vec![(0..streams).map(|stream| (stream, stream)).collect()];
    Features::of(mixed::<N>(x.activation(), coefficients.activation(), terms, context))
}

/// The streams behind a branch that contributes nothing: each the sum of all streams before it, times the coefficients
/// from stream to stream.
pub fn passed<const N: usize>(x: &Rows, coefficients: &Rows, streams: usize, context: &Context) -> Rows {
    let from = |to: usize| (0..streams).map(move |from| (between(streams, from, to), from)).collect();
    let terms = (0..streams).map(from).collect();
    Rows::of(mixed::<N>(x.activation(), coefficients.activation(), terms, context))
}

/// The streams behind a branch: each the sum of all streams before it, times the coefficients from stream to stream, and
/// of the branch's output times the last coefficients.
pub fn streamed<const N: usize>(
    x: &Rows,
    branch: &Features<1, N>,
    coefficients: &Rows,
    streams: usize,
    observed: Observed,
    context: &Context,
) -> Rows {
    let c = coefficients.activation();
    let kept = passed::<N>(x, coefficients, streams, context);
    let kept = Rc::clone(kept.activation());
    let last = streams * (streams + 1);
    let spread = (0..streams).map(|to| vec![(last + to, 0)]).collect();
    let branch = mixed::<N>(&branch.activation, c, spread, context);
    let (set, shares, mut y) = (context.instructions, kept.shares(), context.buffers.take(kept.len()));
    {
        let (f, h) = (branch.kept(), kept.kept());
        let terms = kept.divide(&f, &shares).zip(kept.divide(&h, &shares));
        let jobs = kept.divide_mut(&mut y, &shares).zip(terms);
        context.run(jobs, |(y, (f, h))| elementwise::sum(set, y, [f, h]));
    }
    let y = Rc::new(Activation::in_memory(kept.shape, kept.layout, y, true));
    record(&y, observed, Some([&branch, &kept]), context);
    let recorder = context.recorder.as_ref().filter(|_| context.measures());
    if let Some((recorder, block)) = recorder.zip(observed.block) {
        recorder.mixing(block, c, streams);
    }
    let (output, context) = (Rc::clone(&y), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        super::record_gradient(&output, &dy, observed, &context);
        branch.add_extra(Rc::clone(&dy), &context);
        kept.add_extra(dy, &context);
        Ok(())
    });
    Rows::of(y)
}
