//! Hyper-connections (Zhu et al. 2024): a token has several streams of features, `[streams][features]`, of which a branch
//! reads a mixture, and to which its output is added. The coefficients are rows of their own, since they may depend on
//! the token: `[streams]` for the branch's input, `[streams][streams]` from stream to stream, `[streams]` for its output.

use std::rc::Rc;

use super::linear::Rows;
use super::record;
use crate::nn::kernels::bundle::{IMAGES, Shape};
use crate::nn::ops::activation::{Activation, Observed};
use crate::nn::ops::{Context, Features};

/// The numbers of a feature of 16 tokens.
type Vector = [f32; IMAGES];

/// How many coefficients there are.
pub fn coefficients(streams: usize) -> usize {
    streams * (streams + 2)
}

/// The place of the coefficient from a stream to another.
pub(in crate::nn::ops) fn between(streams: usize, from: usize, to: usize) -> usize {
    streams + from * streams + to
}

fn vectors(numbers: &[f32]) -> &[Vector] {
    numbers.as_chunks().0
}

fn vectors_mut(numbers: &mut [f32]) -> &mut [Vector] {
    numbers.as_chunks_mut().0
}

/// `to += a b`.
fn add_product(to: &mut Vector, a: &Vector, b: &Vector) {
    for row in 0..IMAGES {
        to[row] += a[row] * b[row];
    }
}

/// Every stream the same.
pub fn copied<const N: usize>(x: &Features<1, N>, streams: usize, context: &Context) -> Rows {
    let x = Rc::clone(&x.activation);
    let shape = Shape::new(1, 1, streams * N);
    let mut y = context.buffers.take(x.layout.bundles() * shape.bundle());
    for (y, x) in y.chunks_exact_mut(shape.bundle()).zip(x.kept().chunks_exact(x.shape.bundle())) {
        y.chunks_exact_mut(x.len()).for_each(|y| y.copy_from_slice(x));
    }
    let y = Rc::new(Activation::in_memory(shape, x.layout, y, true));
    let (output, context) = (Rc::clone(&y), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        let mut dx = context.buffers.take(x.len());
        for (dx, dy) in dx.chunks_exact_mut(x.shape.bundle()).zip(dy.chunks_exact(shape.bundle())) {
            dx.fill(0.0);
            dy.chunks_exact(dx.len()).for_each(|dy| dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy));
        }
        x.add_extra(Rc::new(dx), &context);
        Ok(())
    });
    Rows::of(y)
}

/// The sum of all streams.
pub fn summed<const N: usize>(x: &Rows, context: &Context) -> Features<1, N> {
    let x = Rc::clone(x.activation());
    let shape = Shape::new(1, 1, N);
    let mut y = context.buffers.take(x.layout.bundles() * shape.bundle());
    for (y, x) in y.chunks_exact_mut(shape.bundle()).zip(x.kept().chunks_exact(x.shape.bundle())) {
        y.fill(0.0);
        x.chunks_exact(y.len()).for_each(|x| y.iter_mut().zip(x).for_each(|(y, x)| *y += x));
    }
    let y = Rc::new(Activation::in_memory(shape, x.layout, y, true));
    let (output, context) = (Rc::clone(&y), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        let mut dx = context.buffers.take(x.len());
        for (dx, dy) in dx.chunks_exact_mut(x.shape.bundle()).zip(dy.chunks_exact(shape.bundle())) {
            dx.chunks_exact_mut(dy.len()).for_each(|dx| dx.copy_from_slice(dy));
        }
        x.add_extra(Rc::new(dx), &context);
        Ok(())
    });
    Features::of(y)
}

/// What a mixture computes: output `to` is the sum over its terms of coefficient times input.
#[derive(Clone, Debug)]
struct Terms(Vec<Vec<(usize, usize)>>);

/// Outputs of `N` features that are sums of inputs of `N` features times coefficients, by the terms.
fn mix<const N: usize>(
    x: &Rc<Activation>,
    coefficients: &Rc<Activation>,
    Terms(terms): Terms,
    context: &Context,
) -> Rc<Activation> {
    let (x, c) = (Rc::clone(x), Rc::clone(coefficients));
    let shape = Shape::new(1, 1, terms.len() * N);
    let mut y = context.buffers.take(x.layout.bundles() * shape.bundle());
    {
        let (x_values, c_values) = (x.kept(), c.kept());
        let inputs = x_values.chunks_exact(x.shape.bundle()).zip(c_values.chunks_exact(c.shape.bundle()));
        for (y, (x, c)) in y.chunks_exact_mut(shape.bundle()).zip(inputs) {
            y.fill(0.0);
            let (x, c) = (vectors(x), vectors(c));
            for (y, terms) in vectors_mut(y).chunks_exact_mut(N).zip(&terms) {
                for &(coefficient, from) in terms {
                    let x = &x[from * N..][..N];
                    y.iter_mut().zip(x).for_each(|(y, x)| add_product(y, &c[coefficient], x));
                }
            }
        }
    }
    let y = Rc::new(Activation::in_memory(shape, x.layout, y, true));
    let (output, context) = (Rc::clone(&y), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        let (mut dx, mut dc) = (context.buffers.take(x.len()), context.buffers.take(c.len()));
        {
            let (x_values, c_values) = (x.kept(), c.kept());
            let inputs = x_values.chunks_exact(x.shape.bundle()).zip(c_values.chunks_exact(c.shape.bundle()));
            let to = dx.chunks_exact_mut(x.shape.bundle()).zip(dc.chunks_exact_mut(c.shape.bundle()));
            for (((dx, dc), (x, c)), dy) in to.zip(inputs).zip(dy.chunks_exact(shape.bundle())) {
                dx.fill(0.0);
                dc.fill(0.0);
                let (x, c, dx, dc) = (vectors(x), vectors(c), vectors_mut(dx), vectors_mut(dc));
                for (dy, terms) in vectors(dy).chunks_exact(N).zip(&terms) {
                    for &(coefficient, from) in terms {
                        let numbers = dy.iter().zip(&x[from * N..][..N]).zip(&mut dx[from * N..][..N]);
                        for ((dy, x), dx) in numbers {
                            add_product(dx, &c[coefficient], dy);
                            add_product(&mut dc[coefficient], dy, x);
                        }
                    }
                }
            }
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
    let terms = Terms(vec![(0..streams).map(|stream| (stream, stream)).collect()]);
    Features::of(mix::<N>(x.activation(), coefficients.activation(), terms, context))
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
    let from = |to: usize| (0..streams).map(move |from| (between(streams, from, to), from)).collect();
    let mixed = mix::<N>(x.activation(), c, Terms((0..streams).map(from).collect()), context);
    let last = streams * (streams + 1);
    let spread = Terms((0..streams).map(|to| vec![(last + to, 0)]).collect());
    let branch = mix::<N>(&branch.activation, c, spread, context);
    let mut y = context.buffers.take(mixed.len());
    {
        let (f, h) = (branch.kept(), mixed.kept());
        y.iter_mut().zip(f.iter().zip(h.iter())).for_each(|(y, (f, h))| *y = f + h);
    }
    let y = Rc::new(Activation::in_memory(mixed.shape, mixed.layout, y, true));
    record(&y, observed, Some([&branch, &mixed]), context);
    let recorder = context.recorder.as_ref().filter(|_| context.measures());
    if let Some((recorder, block)) = recorder.zip(observed.block) {
        recorder.mixing(block, c, streams);
    }
    let (output, context) = (Rc::clone(&y), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        super::record_gradient(&output, &dy, observed, &context);
        branch.add_extra(Rc::clone(&dy), &context);
        mixed.add_extra(dy, &context);
        Ok(())
    });
    Rows::of(y)
}
