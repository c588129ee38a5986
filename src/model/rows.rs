//! Layers of rows: linear layers of vectors and tokens, their norms, and tables of embeddings.

use std::rc::Rc;

use dfdx::shapes::{Const, Rank1, Rank2};

use crate::model::builder::{Builder, Role, Start};
use crate::nn::ops::rows::{LayerNorm, Linear, RowLogits, Rows, Table, head, linear_rows, stem};
use crate::nn::ops::{AnyParameter, Context, Features, Observed, Parameter};
use crate::structure::kind;
use crate::units::LayerIdx;

/// A linear layer of rows.
pub(super) struct RowLayer<const IN: usize, const OUT: usize> {
    /// Its place in the network.
    pub(super) layer: LayerIdx,
    linear: Linear,
}

/// How a linear layer is declared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared {
    /// The rows of an example: 1, or the tokens of a sequence.
    pub(super) rows: usize,
    pub(super) has_bias: bool,
    pub(super) start: Start,
    /// Multiply-adds of an example besides those of the layer itself.
    pub(super) besides: usize,
}

/// The shape of an output of an example.
fn output(units: usize, rows: usize) -> Vec<usize> {
    if rows == 1 { vec![units] } else { vec![units, rows] }
}

impl<const IN: usize, const OUT: usize> RowLayer<IN, OUT> {
    /// Declares the layer.
    pub(super) fn new(name: &str, declared: Declared, builder: &mut Builder) -> Self {
        let Declared { rows, has_bias, start, besides } = declared;
        let layer = builder.layer(name, kind::LINEAR, output(OUT, rows), IN * OUT * rows + besides);
        let shape: Rank2<OUT, IN> = Default::default();
        let weights = builder.parameter(format!("{name}.weight"), layer, Role::Weight, shape, start);
        let bias = has_bias.then(|| bias::<OUT>(name, layer, builder));
        RowLayer { layer, linear: Linear { weights, bias } }
    }

    /// The output.
    pub(super) fn forward(
        &self,
        x: &Features<1, IN>,
        observed: Observed,
        context: &Context,
    ) -> Features<1, OUT> {
        linear_rows(x, &self.linear, observed, context)
    }
}

fn bias<const OUT: usize>(name: &str, layer: LayerIdx, builder: &mut Builder) -> Rc<dyn AnyParameter> {
    let (shape, start): (Rank1<OUT>, _) = (Default::default(), Start::Constant(0.0));
    builder.parameter(format!("{name}.bias"), layer, Role::Other, shape, start)
}

/// The linear layer that reads vectors, whose length is known only at run time.
pub(super) struct VectorStem<const OUT: usize> {
    /// Its place in the network.
    pub(super) layer: LayerIdx,
    linear: Linear,
}

impl<const OUT: usize> VectorStem<OUT> {
    /// Declares the layer, without bias.
    pub(super) fn new(name: &str, kind: &str, features: usize, builder: &mut Builder) -> Self {
        let layer = builder.layer(name, kind, vec![OUT], features * OUT);
        let (shape, start) = ((OUT, features), Start::he(features));
        let weights = builder.parameter(format!("{name}.weight"), layer, Role::Weight, shape, start);
        VectorStem { layer, linear: Linear { weights, bias: None } }
    }

    /// The output.
    pub(super) fn forward(&self, x: &Rows, observed: Observed, context: &Context) -> Features<1, OUT> {
        stem(x, &self.linear, observed, context)
    }
}

/// The linear layer that gives the logits of every row; the number of classes is known only at run time.
pub(super) struct RowHead {
    /// Its place in the network.
    pub(super) layer: LayerIdx,
    linear: Linear,
    classes: usize,
}

/// The sizes of a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadSizes {
    /// Features of a row.
    pub(super) inputs: usize,
    pub(super) classes: usize,
    /// The rows of an example: 1, or the tokens of a sequence.
    pub(super) rows: usize,
}

impl RowHead {
    /// Declares the layer.
    pub(super) fn new(
        name: &str,
        sizes: HeadSizes,
        has_bias: bool,
        start: Start,
        builder: &mut Builder,
    ) -> Self {
        let HeadSizes { inputs, classes, rows } = sizes;
        let layer = builder.layer(name, kind::HEAD, output(classes, rows), inputs * classes * rows);
        let shape = (classes, inputs);
        let weights = builder.parameter(format!("{name}.weight"), layer, Role::Weight, shape, start);
        let bias = has_bias.then(|| -> Rc<dyn AnyParameter> {
            let zero = Start::Constant(0.0);
            builder.parameter(format!("{name}.bias"), layer, Role::Other, (classes,), zero)
        });
        RowHead { layer, linear: Linear { weights, bias }, classes }
    }

    /// The logits.
    pub(super) fn forward(&self, x: &Rows, context: &Context) -> RowLogits {
        head(x, &self.linear, self.classes, Observed::layer(self.layer), context)
    }
}

/// Declares a layer norm of a layer, with a constant factor of its output.
pub(super) fn layer_norm<const N: usize>(
    name: &str,
    layer: LayerIdx,
    factor: f32,
    builder: &mut Builder,
) -> LayerNorm<N> {
    let mut parameter = |part: &str, value| -> Rc<Parameter<Rank1<N>>> {
        let (shape, start) = (Default::default(), Start::Constant(value));
        builder.parameter(format!("{name}.{part}"), layer, Role::Other, shape, start)
    };
    LayerNorm { gamma: parameter("weight", 1.0), beta: parameter("bias", 0.0), factor }
}

/// Declares a table of embeddings as a layer.
pub(super) fn table<const N: usize>(
    name: &str,
    kind: &str,
    [entries, rows]: [usize; 2],
    start: Start,
    builder: &mut Builder,
) -> (LayerIdx, Table<N>) {
    let layer = builder.layer(name, kind, output(N, rows), 0);
    let shape = (entries, Const::<N>);
    (layer, builder.parameter(format!("{name}.weight"), layer, Role::Weight, shape, start))
}
