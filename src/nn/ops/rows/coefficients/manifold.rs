//! Doubly stochastic coefficients (mHC, Xie et al. 2025, equations 7 to 9).

use std::rc::Rc;

use super::{Function, add, products};
use crate::nn::kernels::bundle::{IMAGES, Shape};
use crate::nn::kernels::manifold::{self, normalise, normalise_gradient};
use crate::nn::ops::Context;
use crate::nn::ops::activation::{Activation, divide, divide_mut};
use crate::nn::ops::parameter::AnyParameter;
use crate::nn::ops::rows::linear::{Rows, panels_of};
use crate::nn::ops::rows::streams::coefficients;

/// The parameters of a manifold-constrained hyper-connection.
#[derive(Clone)]
pub struct Manifold {
    /// `[streams (streams + 2)][streams features]`.
    pub function: Rc<dyn AnyParameter>,
    /// `[streams (streams + 2)]`.
    pub base: Rc<dyn AnyParameter>,
    /// Three numbers: of the branch's input, its output, and from stream to stream.
    pub scale: Rc<dyn AnyParameter>,
}

/// The coefficients of a manifold-constrained hyper-connection for the streams `x`: sigmoids for the branch, and a doubly
/// stochastic matrix from stream to stream.
pub fn manifold(x: &Rows, parameters: &Manifold, streams: usize, context: &Context) -> Rows {
    let x = Rc::clone(x.activation());
    let shape = Shape::new(1, 1, coefficients(streams));
    let (set, shares, features) = (context.instructions, x.shares(), x.shape.channels);
    let mut c = context.buffers.take(x.layout.bundles() * shape.bundle());
    // The normalised streams, one over what they are divided by, and the functions of them.
    let mut v = context.buffers.take(x.len());
    let mut logits = context.buffers.take(x.layout.bundles() * shape.bundle());
    let mut inverses = vec![[0.0_f32; IMAGES]; x.layout.bundles()];
    let numbers = [&parameters.function, &parameters.base, &parameters.scale].map(|p| p.values().to_vec());
    let arguments = Arguments { streams, base: numbers[1].clone(), scale: numbers[2].clone() };
    let [function, ..] = numbers;
    {
        let values = x.kept();
        let mut rest = &mut inverses[..];
        let inverses = shares.iter().map(|share| rest.split_off_mut(..share.bundles.len()));
        let kept = x.divide_mut(&mut v, &shares).zip(divide_mut(shape, &mut logits, &shares)).zip(inverses);
        let jobs = x.divide(&values, &shares).zip(divide_mut(shape, &mut c, &shares)).zip(kept);
        context.run(jobs, |((x, c), ((v, logits), inverses))| {
            let of_bundle = features * IMAGES;
            let all = x.chunks_exact(of_bundle).zip(v.chunks_exact_mut(of_bundle));
            for ((x, v), inverse) in all.zip(inverses.into_iter().flatten()) {
                *inverse = normalise(set, x, v);
            }
            Function { set, weights: &function, outputs: shape.channels }.values(v, logits);
            for (c, logits) in c.chunks_exact_mut(shape.bundle()).zip(logits.chunks_exact(shape.bundle())) {
                manifold::coefficients(set, streams, &arguments.of(logits), c);
            }
        });
    }
    let c = Rc::new(Activation::in_memory(shape, x.layout, c, true));

    let (output, parameters, context) = (Rc::clone(&c), parameters.clone(), context.clone());
    context.tape.clone().record(move |gradients| {
        let Some(dc) = output.left(&context) else { return Ok(()) };
        let (mut d, mut dx) = (context.buffers.take(output.len()), context.buffers.take(x.len()));
        let mut sums = vec![[vec![0.0_f64; shape.channels], vec![0.0_f64; 3]]; shares.len()];
        {
            let mut rest = &inverses[..];
            let inverses = shares.iter().map(|share| rest.split_off(..share.bundles.len()));
            let known = divide(shape, &logits, &shares).zip(divide(shape, &dc, &shares));
            let known = known.zip(x.divide(&v, &shares).zip(inverses));
            let to = divide_mut(shape, &mut d, &shares).zip(x.divide_mut(&mut dx, &shares)).zip(&mut sums);
            context.run(shares.iter().zip(known).zip(to), |((share, known), to)| {
                let (((logits, dc), (v, inverses)), ((d, dx), [of_base, of_scale])) = (known, to);
                let bundles = logits.chunks_exact(shape.bundle()).zip(dc.chunks_exact(shape.bundle()));
                let bundles = share.bundles.clone().zip(bundles.zip(d.chunks_exact_mut(shape.bundle())));
                for (bundle, ((logits, dc), d)) in bundles {
                    manifold::coefficients_gradient(set, streams, &arguments.of(logits), dc, d);
                    arguments.back(logits, share.layout.valid(bundle), d, of_base, of_scale);
                }
                let of_bundle = features * IMAGES;
                Function { set, weights: &function, outputs: shape.channels }.gradient(d, dx);
                let all = dx.chunks_exact_mut(of_bundle).zip(v.chunks_exact(of_bundle));
                for ((dx, v), inverse) in all.zip(inverses.into_iter().flatten()) {
                    normalise_gradient(set, v, inverse, dx);
                }
            });
        }
        let panels = panels_of(x.layout, features, &v, &context);
        let mut of_function = vec![0.0; function.len()];
        products(&d, shape.channels, &panels, x.layout.bundles(), &mut of_function, &context);
        let gradient = parameters.function.gradient(gradients)?;
        gradient.iter_mut().zip(&of_function).for_each(|(gradient, sum)| *gradient += sum);
        for [of_base, of_scale] in &sums {
            add(parameters.base.gradient(gradients)?, of_base);
            add(parameters.scale.gradient(gradients)?, of_scale);
        }
        x.add_extra(Rc::new(dx), &context);
        Ok(())
    });
    Rows::of(c)
}

/// How functions of the streams become arguments of the coefficients: they are scaled and shifted.
struct Arguments {
    streams: usize,
    base: Vec<f32>,
    scale: Vec<f32>,
}

impl Arguments {
    /// Which scale a function has: that of the branch's input, of its output, or from stream to stream.
    fn which(&self, at: usize) -> usize {
        (at / self.streams).min(2)
    }

    /// The arguments of a bundle.
    fn of(&self, logits: &[f32]) -> Vec<f32> {
        let vectors = logits.as_chunks::<IMAGES>().0.iter().zip(&self.base).enumerate();
        let vectors = vectors.map(|(at, (x, base))| x.map(|x| self.scale[self.which(at)] * x + base));
        vectors.flatten().collect()
    }

    /// Turns the gradient to the arguments into that to the functions, zero for rows that don't count, and adds to those
    /// of base and scale.
    fn back(&self, logits: &[f32], valid: usize, d: &mut [f32], of_base: &mut [f64], of_scale: &mut [f64]) {
        let vectors = d.as_chunks_mut::<IMAGES>().0.iter_mut().zip(logits.as_chunks::<IMAGES>().0);
        for (at, (d, logits)) in vectors.enumerate() {
            let which = self.which(at);
            d[valid..].fill(0.0);
            of_base[at] += d.iter().map(|&d| f64::from(d)).sum::<f64>();
            let along = d.iter().zip(logits).take(valid).map(|(&d, &x)| f64::from(d) * f64::from(x));
            of_scale[which] += along.sum::<f64>();
            d.iter_mut().for_each(|d| *d *= self.scale[which]);
        }
    }
}
