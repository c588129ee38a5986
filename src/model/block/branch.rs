//! The residual branches F(x).

use std::rc::Rc;

use dfdx::shapes::Rank1;

use super::shortcut::Joined;
use super::step::{End, Starts, Step};
use super::style::{Init, Order, Style};
use crate::metric::known;
use crate::model::builder::Builder;
use crate::model::layer::scalar;
use crate::nn::ops::{Context, Features, Norm, Parameter};
use crate::units::{BlockIdx, LayerIdx};

/// A branch from `IN` channels to `TO` by `TO` pixels of `OUT` channels.
pub trait Branch<const IN: usize, const TO: usize, const OUT: usize>: Sized {
    /// The response of its first convolution.
    type Begun;

    /// Declares its layers, for a block that keeps the shape or not.
    fn new(block: &str, keeps_shape: bool, style: &Style, builder: &mut Builder) -> Self;

    /// Declares its gain, which comes last in the state dict.
    fn with_gain(self, block: &str, style: &Style, builder: &mut Builder) -> Self;

    /// What its first convolution reads.
    fn enter<const SIDE: usize>(
        &self,
        x: &Features<SIDE, IN>,
        order: Order,
        context: &Context,
    ) -> Features<SIDE, IN>;

    /// Computes its first convolution.
    fn begin<const SIDE: usize>(&self, start: &Features<SIDE, IN>, context: &Context) -> Self::Begun;

    /// The norm behind the addition, in an order that has one.
    fn norm_behind(&self, order: Order) -> Option<&Norm<OUT>>;

    /// Computes the rest, and the block's output.
    fn finish(
        &self,
        begun: Self::Begun,
        order: Order,
        factor: f32,
        joined: Option<Joined<TO, OUT>>,
        block: BlockIdx,
        context: &Context,
    ) -> Features<TO, OUT>;
}

/// The gain of a branch.
type Gain = Option<Rc<Parameter<Rank1<1>>>>;

/// Two 3x3 convolutions.
#[derive(Debug)]
pub struct TwoConvolutions<const IN: usize, const TO: usize, const OUT: usize> {
    first: Step<3, IN, TO, OUT>,
    second: Step<3, OUT, TO, OUT>,
    gain: Gain,
}

impl<const IN: usize, const TO: usize, const OUT: usize> Branch<IN, TO, OUT>
    for TwoConvolutions<IN, TO, OUT>
{
    type Begun = Features<TO, OUT>;

    fn new(block: &str, keeps_shape: bool, style: &Style, builder: &mut Builder) -> Self {
        let of = |scale| Starts { is_identity: keeps_shape && style.init == Init::Dirac, scale };
        TwoConvolutions {
            first: Step::new(block, 1, style, of(1.0), builder),
            second: Step::new(block, 2, style, of(last_scale(style)), builder),
            gain: None,
        }
    }

    fn with_gain(self, block: &str, style: &Style, builder: &mut Builder) -> Self {
        let gain = gain(block, self.second.layer(), style, builder);
        TwoConvolutions { gain, ..self }
    }

    fn enter<const SIDE: usize>(
        &self,
        x: &Features<SIDE, IN>,
        order: Order,
        context: &Context,
    ) -> Features<SIDE, IN> {
        self.first.enter(x, order, context)
    }

    fn begin<const SIDE: usize>(&self, start: &Features<SIDE, IN>, context: &Context) -> Features<TO, OUT> {
        self.first.response(start, context)
    }

    fn norm_behind(&self, order: Order) -> Option<&Norm<OUT>> {
        self.second.norm_behind(order)
    }

    fn finish(
        &self,
        begun: Features<TO, OUT>,
        order: Order,
        factor: f32,
        joined: Option<Joined<TO, OUT>>,
        block: BlockIdx,
        context: &Context,
    ) -> Features<TO, OUT> {
        let x = self.first.inner(&begun, &self.second, context);
        let gain = self.gain.as_ref();
        self.second.end(&x, End { order, factor, gain, joined, block, context })
    }
}

/// A 1x1, a 3x3 and a 1x1 convolution, of which the first has the stride, as in github.com/KaimingHe/resnet-1k-layers.
#[derive(Debug)]
pub(in crate::model) struct Bottleneck<const IN: usize, const TO: usize, const INNER: usize, const OUT: usize>
{
    first: Step<1, IN, TO, INNER>,
    second: Step<3, INNER, TO, INNER>,
    third: Step<1, INNER, TO, OUT>,
    gain: Gain,
}

impl<const IN: usize, const TO: usize, const INNER: usize, const OUT: usize> Branch<IN, TO, OUT>
    for Bottleneck<IN, TO, INNER, OUT>
{
    type Begun = Features<TO, INNER>;

    fn new(block: &str, keeps_shape: bool, style: &Style, builder: &mut Builder) -> Self {
        let of = |scale| Starts { is_identity: keeps_shape && style.init == Init::Dirac, scale };
        Bottleneck {
            first: Step::new(block, 1, style, of(1.0), builder),
            second: Step::new(block, 2, style, of(1.0), builder),
            third: Step::new(block, 3, style, of(last_scale(style)), builder),
            gain: None,
        }
    }

    fn with_gain(self, block: &str, style: &Style, builder: &mut Builder) -> Self {
        let gain = gain(block, self.third.layer(), style, builder);
        Bottleneck { gain, ..self }
    }

    fn enter<const SIDE: usize>(
        &self,
        x: &Features<SIDE, IN>,
        order: Order,
        context: &Context,
    ) -> Features<SIDE, IN> {
        self.first.enter(x, order, context)
    }

    fn begin<const SIDE: usize>(&self, start: &Features<SIDE, IN>, context: &Context) -> Features<TO, INNER> {
        self.first.response(start, context)
    }

    fn norm_behind(&self, order: Order) -> Option<&Norm<OUT>> {
        self.third.norm_behind(order)
    }

    fn finish(
        &self,
        begun: Features<TO, INNER>,
        order: Order,
        factor: f32,
        joined: Option<Joined<TO, OUT>>,
        block: BlockIdx,
        context: &Context,
    ) -> Features<TO, OUT> {
        let x = self.first.inner(&begun, &self.second, context);
        let x = self.second.inner(&self.second.response(&x, context), &self.third, context);
        let gain = self.gain.as_ref();
        self.third.end(&x, End { order, factor, gain, joined, block, context })
    }
}

/// The start of the scale of a branch's last batch norm.
fn last_scale(style: &Style) -> f32 {
    if style.init == Init::ZeroGamma { 0.0 } else { 1.0 }
}

fn gain(block: &str, layer: LayerIdx, style: &Style, builder: &mut Builder) -> Gain {
    let Init::ZeroGain(name) = style.init else { return None };
    builder.measures(known::GATE);
    Some(scalar(format!("{block}.{name}"), layer, 0.0, builder))
}
