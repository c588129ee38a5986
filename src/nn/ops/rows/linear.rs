//! The linear layer: every row times a matrix.

use std::rc::Rc;

use dfdx::tensor::{Cpu, CpuError, Gradients};

use super::loss::RowLogits;
use super::{record, record_gradient};
use crate::nn::kernels::bundle::{IMAGES, Layout, MOST_SHARES, Shape, interleave};
use crate::nn::kernels::product::{Factors, Panels, PanelsMut, Start, Steps, multiply};
use crate::nn::kernels::row_sums::{add_rows, fold};
use crate::nn::kernels::transpose::to_panels;
use crate::nn::ops::activation::{Activation, Observed};
use crate::nn::ops::buffers::Buffer;
use crate::nn::ops::parameter::AnyParameter;
use crate::nn::ops::{Context, Features};

/// The parameters of a linear layer, whose sizes are checked where it is built.
#[derive(Clone)]
pub struct Linear {
    /// `[outputs][inputs]`.
    pub weights: Rc<dyn AnyParameter>,
    /// One number per output.
    pub bias: Option<Rc<dyn AnyParameter>>,
}

/// Computes `x weights^T + bias` of every row: `[rows][IN]` gives `[rows][OUT]`.
pub fn linear_rows<const IN: usize, const OUT: usize>(
    x: &Features<1, IN>,
    linear: &Linear,
    observed: Observed,
    context: &Context,
) -> Features<1, OUT> {
    Features::of(compute(Rc::clone(&x.activation), linear, OUT, observed, context))
}

/// The same for vectors whose length is known at run time.
pub fn stem<const OUT: usize>(
    x: &Rows,
    linear: &Linear,
    observed: Observed,
    context: &Context,
) -> Features<1, OUT> {
    Features::of(compute(Rc::clone(&x.0), linear, OUT, observed, context))
}

/// The logits of every row, of classes whose number is known at run time.
pub fn head(x: &Rows, linear: &Linear, classes: usize, observed: Observed, context: &Context) -> RowLogits {
    RowLogits(compute(Rc::clone(&x.0), linear, classes, observed, context))
}

impl<const N: usize> From<Features<1, N>> for Rows {
    fn from(features: Features<1, N>) -> Rows {
        Rows(features.activation)
    }
}

/// Rows of features whose number is known at run time.
#[derive(Clone, Debug)]
pub struct Rows(Rc<Activation>);

impl Rows {
    pub(in crate::nn::ops) fn of(activation: Rc<Activation>) -> Rows {
        Rows(activation)
    }

    pub(super) fn activation(&self) -> &Rc<Activation> {
        &self.0
    }

    /// `count` vectors, one after another.
    pub fn of_vectors(numbers: &[f32], features: usize, count: usize, context: &Context) -> Rows {
        let (shape, layout) = (Shape::new(1, 1, features), Layout::examples(count));
        let mut bundled = context.buffers.take(layout.bundles() * shape.bundle());
        if !bundled.is_empty() {
            interleave(numbers, features, &mut bundled);
        }
        Rows(Rc::new(Activation::in_memory(shape, layout, bundled, false)))
    }
}

/// The layer for sizes that are known at run time.
fn compute(
    x: Rc<Activation>,
    linear: &Linear,
    outputs: usize,
    observed: Observed,
    context: &Context,
) -> Rc<Activation> {
    let shape = Shape::new(1, 1, outputs);
    let mut y = context.buffers.take(x.layout.bundles() * shape.bundle());
    forward(&x, linear, shape, &mut y, context);
    let y = Rc::new(Activation::in_memory(shape, x.layout, y, true));
    record(&y, observed, None, context);

    let (output, linear, context) = (Rc::clone(&y), linear.clone(), context.clone());
    context.tape.clone().record(move |gradients| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        record_gradient(&output, &dy, observed, &context);
        backward(&x, &linear, &output, &dy, gradients, &context)
    });
    y
}

fn forward(x: &Activation, linear: &Linear, shape: Shape, y: &mut [f32], context: &Context) {
    let (set, shares, x_bundle) = (context.instructions, x.shares(), x.shape.bundle());
    let (inputs, outputs) = (x.shape.channels, shape.channels);
    let (values, weights) = (x.kept(), linear.weights.values());
    let bias = linear.bias.as_ref().map(|bias| bias.values());
    let (weights, bias): (&[f32], Option<&[f32]>) = (&weights, bias.as_deref());
    let jobs = x.divide(&values, &shares).zip(super::super::activation::divide_mut(shape, y, &shares));
    context.run(jobs, |(x, y)| {
        let a =
            Factors { numbers: weights, rows: Steps::even(outputs, inputs), columns: Steps::even(inputs, 1) };
        let b = Panels { numbers: x, panel_stride: x_bundle, row_stride: IMAGES };
        let width = x.len() / inputs;
        let c = PanelsMut { numbers: y, panel_stride: shape.bundle(), row_stride: IMAGES };
        multiply(set, width, a, b, c, bias.map_or(Start::Zero, Start::Rows));
    });
}

fn backward(
    x: &Rc<Activation>,
    linear: &Linear,
    y: &Activation,
    dy: &[f32],
    gradients: &mut Gradients<f32, Cpu>,
    context: &Context,
) -> Result<(), CpuError> {
    if let Some(bias) = linear.bias.as_ref().filter(|_| !context.buffers.only_counts()) {
        add_bias(y, dy, bias.gradient(gradients)?, context);
    }
    let panels = panels_of(x.layout, x.shape.channels, &x.kept(), context);
    if !context.buffers.only_counts() {
        weight_gradient(x, y, &panels, dy, linear.weights.gradient(gradients)?, context);
    }
    drop(panels);
    if x.has_gradient {
        x.add_extra(Rc::new(input_gradient(x, y, dy, &linear.weights.values(), context)), context);
    }
    Ok(())
}

fn add_bias(y: &Activation, dy: &[f32], of_bias: &mut [f32], context: &Context) {
    let (set, shares, bundle) = (context.instructions, y.shares(), y.shape.bundle());
    let mut sums = vec![vec![[0.0_f32; IMAGES]; y.shape.channels]; shares.len()];
    let jobs = shares.iter().zip(y.divide(dy, &shares)).zip(&mut sums);
    context.run(jobs, |((share, dy), sums)| {
        super::bundles_of(share, dy, bundle).for_each(|(valid, dy)| add_rows(set, dy, valid, sums));
    });
    for sums in &sums {
        of_bias.iter_mut().zip(sums).for_each(|(bias, rows)| *bias += fold(rows) as f32);
    }
}

/// Rows as panels of features, `[features / 16][rows][16]`; those that don't count are zero.
pub(super) fn panels_of(layout: Layout, inputs: usize, values: &[f32], context: &Context) -> Buffer {
    let (set, rows) = (context.instructions, layout.bundles() * IMAGES);
    let mut panels = context.buffers.take(inputs.div_ceil(IMAGES) * IMAGES * rows);
    if panels.is_empty() {
        return panels;
    }
    // A job takes some of the panels, from all rows.
    let jobs = panels.chunks_mut(rows * IMAGES).enumerate();
    context.run(jobs, |(panel, to)| {
        let first = panel * IMAGES;
        let features = first..(first + IMAGES).min(inputs);
        for (at, bundle) in values_of(values, inputs).enumerate() {
            let part = &bundle[features.start * IMAGES..features.end * IMAGES];
            to_panels(set, part, layout.valid(at), &mut to[at * IMAGES * IMAGES..], rows * IMAGES);
        }
    });
    panels
}

fn values_of(values: &[f32], features: usize) -> impl Iterator<Item = &[f32]> {
    values.chunks_exact(features * IMAGES)
}

/// Adds `dy^T x`. A job computes the weights of some outputs, over all rows.
fn weight_gradient(
    x: &Activation,
    y: &Activation,
    panels: &[f32],
    dy: &[f32],
    of_weights: &mut [f32],
    context: &Context,
) {
    let (set, inputs, outputs) = (context.instructions, x.shape.channels, y.shape.channels);
    let bundles = x.layout.bundles();
    let of_job = outputs.div_ceil(MOST_SHARES).next_multiple_of(8).min(outputs);
    let jobs = of_weights.chunks_mut(of_job * inputs).enumerate();
    context.run(jobs, |(job, of_weights)| {
        let a = Factors {
            numbers: &dy[job * of_job * IMAGES..],
            rows: Steps::even(of_weights.len() / inputs, IMAGES),
            columns: Steps::rows(bundles, outputs * IMAGES),
        };
        let b = Panels { numbers: panels, panel_stride: bundles * IMAGES * IMAGES, row_stride: IMAGES };
        let c = PanelsMut { numbers: of_weights, panel_stride: IMAGES, row_stride: inputs };
        multiply(set, inputs, a, b, c, Start::Kept);
    });
}

fn input_gradient(x: &Activation, y: &Activation, dy: &[f32], weights: &[f32], context: &Context) -> Buffer {
    let (set, inputs, outputs) = (context.instructions, x.shape.channels, y.shape.channels);
    let (shares, x_bundle, y_bundle) = (x.shares(), x.shape.bundle(), y.shape.bundle());
    let mut dx = context.buffers.take(x.len());
    let jobs = y.divide(dy, &shares).zip(x.divide_mut(&mut dx, &shares));
    context.run(jobs, |(dy, dx)| {
        let a =
            Factors { numbers: weights, rows: Steps::even(inputs, 1), columns: Steps::even(outputs, inputs) };
        let b = Panels { numbers: dy, panel_stride: y_bundle, row_stride: IMAGES };
        let width = dx.len() / inputs;
        let c = PanelsMut { numbers: dx, panel_stride: x_bundle, row_stride: IMAGES };
        multiply(set, width, a, b, c, Start::Zero);
    });
    dx
}
