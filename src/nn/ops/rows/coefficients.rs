//! The coefficients of hyper-connections: numbers of the layer, or functions of the token (Zhu et al. 2024, equations 10
//! to 13), or doubly stochastic ones (mHC, Xie et al. 2025, equations 7 to 9).

use std::rc::Rc;

use super::linear::Rows;
use super::streams::coefficients;
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::{IMAGES, MOST_SHARES, Shape};
use crate::nn::kernels::product::{Factors, Panels, PanelsMut, Start, Steps, multiply};
use crate::nn::ops::Context;
use crate::nn::ops::activation::{Activation, divide_mut};
use crate::nn::ops::parameter::AnyParameter;
use crate::nn::ops::sums::channel_sums;

mod dynamic;
mod manifold;

pub use dynamic::Dynamic;
pub use manifold::{Manifold, manifold};

/// The parameters of a hyper-connection, by the names of the paper's algorithm 2.
#[derive(Clone)]
pub struct Hyper {
    /// `[streams][streams + 1]`: from each stream to the branch, and to each stream.
    pub alpha: Rc<dyn AnyParameter>,
    /// `[streams]`: from the branch to each stream.
    pub beta: Rc<dyn AnyParameter>,
    /// What depends on the token, if anything does.
    pub dynamic: Option<Dynamic>,
}

/// The place of a number of stream `from` among the coefficients: to the branch (`to` 0), to a stream, or from the branch
/// (`to` beyond the streams).
fn place(streams: usize, from: usize, to: usize) -> usize {
    match to {
        0 => from,
        _ if to > streams => streams * (streams + 1) + from,
        _ => streams + from * streams + to - 1,
    }
}

/// The coefficients of a hyper-connection for the streams `x`.
pub fn hyper(x: &Rows, parameters: &Hyper, streams: usize, context: &Context) -> Rows {
    let x = Rc::clone(x.activation());
    let (shape, shares) = (Shape::new(1, 1, coefficients(streams)), x.shares());
    let mut c = context.buffers.take(x.layout.bundles() * shape.bundle());
    {
        let (alpha, beta) = (parameters.alpha.values(), parameters.beta.values());
        let mut constants = vec![0.0; coefficients(streams)];
        for from in 0..streams {
            let row = alpha[from * (streams + 1)..].iter().take(streams + 1).chain([&beta[from]]);
            row.enumerate().for_each(|(to, value)| constants[place(streams, from, to)] = *value);
        }
        context.run(divide_mut(shape, &mut c, &shares), |c| {
            let vectors = c.as_chunks_mut::<IMAGES>().0.iter_mut().zip(constants.iter().cycle());
            vectors.for_each(|(c, value)| c.fill(*value));
        });
    }
    let kept = parameters.dynamic.as_ref().map(|dynamic| dynamic.add(&x, shape, &mut c, streams, context));
    let c = Rc::new(Activation::in_memory(shape, x.layout, c, true));

    let (output, parameters, context) = (Rc::clone(&c), parameters.clone(), context.clone());
    context.tape.clone().record(move |gradients| {
        let Some(dc) = output.left(&context) else { return Ok(()) };
        let sums = channel_sums(shape, output.layout, &dc, &context).sum;
        let of_alpha = parameters.alpha.gradient(gradients)?;
        for (at, gradient) in of_alpha.iter_mut().enumerate() {
            *gradient += sums[place(streams, at / (streams + 1), at % (streams + 1))] as f32;
        }
        add(parameters.beta.gradient(gradients)?, &sums[streams * (streams + 1)..]);
        let (Some(dynamic), Some(kept)) = (&parameters.dynamic, &kept) else { return Ok(()) };
        dynamic.backward(&x, kept, (shape, &**dc), streams, gradients, &context)
    });
    Rows::of(c)
}

fn add(gradient: &mut [f32], sums: &[f64]) {
    gradient.iter_mut().zip(sums).for_each(|(gradient, sum)| *gradient += *sum as f32);
}

/// A linear function of features, `[outputs][features]`, for bundles of them.
struct Function<'a> {
    set: InstructionSet,
    weights: &'a [f32],
    outputs: usize,
}

impl Function<'_> {
    fn features(&self) -> usize {
        self.weights.len() / self.outputs
    }

    /// Writes its values for bundles.
    fn values(&self, x: &[f32], to: &mut [f32]) {
        let (features, outputs) = (self.features(), self.outputs);
        let (rows, columns) = (Steps::even(outputs, features), Steps::even(features, 1));
        self.multiply(rows, columns, (x, features), (to, outputs));
    }

    /// Writes the gradient to the bundles from that to its values.
    fn gradient(&self, of_values: &[f32], to: &mut [f32]) {
        let (features, outputs) = (self.features(), self.outputs);
        let (rows, columns) = (Steps::even(features, 1), Steps::even(outputs, features));
        self.multiply(rows, columns, (of_values, outputs), (to, features));
    }

    fn multiply(
        &self,
        rows: Steps,
        columns: Steps,
        (x, inputs): (&[f32], usize),
        (to, outputs): (&mut [f32], usize),
    ) {
        let a = Factors { numbers: self.weights, rows, columns };
        let b = Panels { numbers: x, panel_stride: inputs * IMAGES, row_stride: IMAGES };
        let c = PanelsMut { numbers: to, panel_stride: outputs * IMAGES, row_stride: IMAGES };
        multiply(self.set, x.len() / inputs, a, b, c, Start::Zero);
    }
}

/// Writes the products of gradients, `[bundles][outputs][16]`, and rows in panels, summed over the rows: the gradient to
/// the weights of a linear function, `[outputs][features]`.
fn products(
    gradient: &[f32],
    outputs: usize,
    panels: &[f32],
    bundles: usize,
    to: &mut [f32],
    context: &Context,
) {
    let (set, features) = (context.instructions, to.len() / outputs);
    let of_job = outputs.div_ceil(MOST_SHARES);
    context.run(to.chunks_mut(of_job * features).enumerate(), |(job, to)| {
        let a = Factors {
            numbers: &gradient[job * of_job * IMAGES..],
            rows: Steps::even(to.len() / features, IMAGES),
            columns: Steps::rows(bundles, outputs * IMAGES),
        };
        let b = Panels { numbers: panels, panel_stride: bundles * IMAGES * IMAGES, row_stride: IMAGES };
        let c = PanelsMut { numbers: to, panel_stride: IMAGES, row_stride: features };
        multiply(set, features, a, b, c, Start::Zero);
    });
}
