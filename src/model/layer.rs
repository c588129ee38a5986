//! Layers that blocks are made of: convolutions, batch norm, and the linear head.

use std::rc::Rc;

use dfdx::shapes::{Const, Rank1, Rank4};
use dfdx::tensor::{Cpu, OwnedTape, Tensor};

use crate::model::builder::{Builder, Role, Start};
use crate::nn::ops::{self, After, AnyParameter, Context, Features, Norm, Parameter, Response, Scalars};
use crate::structure::kind;
use crate::units::LayerIdx;

/// The output of a network: a row of class scores per image.
pub(super) type Logits = Tensor<(usize, usize), f32, Cpu, OwnedTape<f32, Cpu>>;

/// A convolution with a square kernel of 1 or 3 that gives `TO` by `TO` pixels. Without a norm behind it, it has a bias.
#[derive(Debug)]
pub(super) struct Convolution<const KERNEL: usize, const IN: usize, const TO: usize, const OUT: usize> {
    /// Its place in the network.
    pub(super) layer: LayerIdx,
    weights: Rc<Parameter<Rank4<KERNEL, KERNEL, IN, OUT>>>,
    bias: Option<Rc<Parameter<Rank1<OUT>>>>,
}

/// The numbers in a convolution's weights that are summed for one number of its output.
pub(super) const fn fan_in(kernel: usize, inputs: usize) -> usize {
    kernel * kernel * inputs
}

impl<const KERNEL: usize, const IN: usize, const TO: usize, const OUT: usize>
    Convolution<KERNEL, IN, TO, OUT>
{
    /// Declares the layer, with weights that start as given.
    pub(super) fn new(name: &str, kind: &str, has_bias: bool, start: Start, builder: &mut Builder) -> Self {
        let multiply_adds = fan_in(KERNEL, IN) * OUT * TO * TO;
        let layer = builder.layer(name, kind, vec![OUT, TO, TO], multiply_adds);
        let (shape, role) = (Default::default(), Role::Weight);
        let weights = builder.parameter(format!("{name}.weight"), layer, role, shape, start);
        let bias = has_bias.then(|| {
            let (shape, start) = (Default::default(), Start::Constant(0.0));
            builder.parameter(format!("{name}.bias"), layer, Role::Other, shape, start)
        });
        Convolution { layer, weights, bias }
    }

    /// Declares a bias of the layer, which starts as given, for a response whose map the caller computes.
    pub(super) fn new_bias(
        &self,
        name: &str,
        start: f32,
        builder: &mut Builder,
    ) -> Rc<Parameter<Rank1<OUT>>> {
        let (shape, start) = (Default::default(), Start::Constant(start));
        builder.parameter(format!("{name}.bias"), self.layer, Role::Other, shape, start)
    }

    /// The response without bias, of which an output is formed by [`Convolution::mapped`].
    pub(super) fn response<const SIDE: usize>(
        &self,
        x: &Features<SIDE, IN>,
        response: Response<TO, OUT>,
        context: &Context,
    ) -> Features<TO, OUT> {
        ops::convolution(x, &self.weights, response, context)
    }

    /// Forms an output of a response: by the norm, or else by the bias and a gain.
    pub(super) fn mapped(
        &self,
        response: &Features<TO, OUT>,
        norm: Option<&Norm<OUT>>,
        gain: Option<&Rc<Parameter<Rank1<1>>>>,
        after: After<TO, OUT>,
        context: &Context,
    ) -> Features<TO, OUT> {
        match norm {
            Some(norm) => ops::normalised(response, norm, after, context),
            None => {
                let gain = gain.map(|gain| Rc::clone(gain) as Rc<dyn AnyParameter>);
                let before = self.bias.as_ref().map(|bias| Rc::clone(bias) as Rc<dyn AnyParameter>);
                ops::shifted(response, Scalars { before, gain, after: None }, after, context)
            }
        }
    }

    /// The output without norm and ReLU, in memory: response, bias and gain, to which a shortcut may be added.
    pub(super) fn raw<const SIDE: usize>(
        &self,
        x: &Features<SIDE, IN>,
        gain: Option<&Rc<Parameter<Rank1<1>>>>,
        after: After<TO, OUT>,
        context: &Context,
    ) -> Features<TO, OUT> {
        if self.bias.is_none() && gain.is_none() && after.factor == 1.0 {
            let After { shortcut, observed, .. } = after;
            return self.response(x, Response { shortcut, observed }, context);
        }
        let response = self.response(x, Response::PLAIN, context);
        self.mapped(&response, None, gain, after, context).formed(context)
    }
}

/// Declares a batch norm of a layer, whose scale starts as given.
pub(super) fn batch_norm<const C: usize>(
    name: &str,
    layer: LayerIdx,
    scale: f32,
    builder: &mut Builder,
) -> Norm<C> {
    let mut parameter = |part: &str, value| {
        let (shape, start) = (Default::default(), Start::Constant(value));
        builder.parameter(format!("{name}.{part}"), layer, Role::Other, shape, start)
    };
    let (gamma, beta) = (parameter("weight", scale), parameter("bias", 0.0));
    Norm { gamma, beta, running: builder.running(name, C) }
}

/// Declares a trained number of a layer.
pub(super) fn scalar(
    name: String,
    layer: LayerIdx,
    start: f32,
    builder: &mut Builder,
) -> Rc<Parameter<Rank1<1>>> {
    builder.parameter(name, layer, Role::Other, Default::default(), Start::Constant(start))
}

/// The linear layer that gives the logits; the number of classes is known only at run time.
#[derive(Debug)]
pub(super) struct Head<const IN: usize> {
    /// Its place in the network.
    pub(super) layer: LayerIdx,
    weights: Rc<Parameter<(usize, Const<IN>)>>,
    bias: Rc<Parameter<(usize,)>>,
}

impl<const IN: usize> Head<IN> {
    /// Declares the layer, with weights that start as given.
    pub(super) fn new(name: &str, classes: usize, start: Start, builder: &mut Builder) -> Self {
        let layer = builder.layer(name, kind::HEAD, vec![classes], classes * IN);
        let name = |part: &str| format!("{name}.{part}");
        let weights = builder.parameter(name("weight"), layer, Role::Weight, (classes, Const), start);
        let zero = Start::Constant(0.0);
        Head { layer, weights, bias: builder.parameter(name("bias"), layer, Role::Other, (classes,), zero) }
    }

    /// Computes the logits of the mean of each channel over each image.
    pub(super) fn forward<const SIDE: usize>(
        &self,
        x: &Features<SIDE, IN>,
        device: &Cpu,
        context: &Context,
    ) -> Logits {
        let means = ops::global_average(x, device, context).expect(INFALLIBLE);
        let logits = ops::linear(means, &self.weights.tensor(), &self.bias.tensor()).expect(INFALLIBLE);
        ops::observed(logits, self.layer, context)
    }
}

/// Why dfdx's operations cannot fail: their errors are wrong lengths and, unless memory runs out, which aborts, nothing
/// else.
const INFALLIBLE: &str = "the shapes are those of the types";
