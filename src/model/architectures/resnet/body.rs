//! The network itself, for the compiled shapes.

use std::rc::Rc;

use dfdx::shapes::Rank1;
use dfdx::tensor::Cpu;

use super::STAGES;
use super::options::{Blocks, Options};
use crate::datasets::Batch;
use crate::model::block::{BottleneckBlock, FixupBlock, Order, Style};
use crate::model::builder::{Builder, Start};
use crate::model::layer::{Convolution, Head, batch_norm, fan_in, scalar};
use crate::model::module::{HalvingStage, KeepingStage, Row, Stage};
use crate::model::trained::{Model, Scores};
use crate::nn::ops::{
    After, AnyParameter, Context, Features, Norm, Observed, Parameter, Response, Scalars, normalised, shifted,
};
use crate::structure::kind;

/// Builds the compiled network for images of `channels` and `side`; none if they are not compiled in.
pub(super) fn make(
    options: &Options,
    channels: usize,
    side: usize,
    classes: usize,
    builder: &mut Builder,
) -> Option<Box<dyn Model>> {
    macro_rules! registry {
        ($($channels:literal x $side:literal $half:literal $quarter:literal,)*) => {
            match (channels, side) {
                // The shape of most reference results.
                #[cfg(test)]
                (3, 8) => of_shape::<3, 8, 4, 2>(options, classes, builder),
                $(($channels, $side) => {
                    of_shape::<$channels, $side, $half, $quarter>(options, classes, builder)
                })*
                _ => None,
            }
        };
    }
    registry! { 1 x 16 8 4, 3 x 16 8 4, 1 x 32 16 8, 3 x 32 16 8, }
}

fn of_shape<const CHANNELS: usize, const SIDE: usize, const HALF: usize, const QUARTER: usize>(
    options: &Options,
    classes: usize,
    builder: &mut Builder,
) -> Option<Box<dyn Model>> {
    macro_rules! registry {
        ($($a:literal $b:literal $c:literal $d:literal $e:literal,)*) => {
            match (options.blocks, options.width) {
                $((Blocks::Basic, $a) => Some(Box::new(ResNet::<
                    CHANNELS, SIDE, QUARTER, $a, $c,
                    KeepingStage<SIDE, $a>,
                    HalvingStage<SIDE, $a, HALF, $b>,
                    HalvingStage<HALF, $b, QUARTER, $c>,
                >::new(options, classes, builder))),
                (Blocks::Fixup, $a) => Some(Box::new(ResNet::<
                    CHANNELS, SIDE, QUARTER, $a, $c,
                    Stage<FixupBlock<SIDE, $a, SIDE, $a>, FixupBlock<SIDE, $a, SIDE, $a>>,
                    Stage<FixupBlock<SIDE, $a, HALF, $b>, FixupBlock<HALF, $b, HALF, $b>>,
                    Stage<FixupBlock<HALF, $b, QUARTER, $c>, FixupBlock<QUARTER, $c, QUARTER, $c>>,
                >::new(options, classes, builder))),
                (Blocks::Bottleneck, $a) => Some(Box::new(ResNet::<
                    CHANNELS, SIDE, QUARTER, $a, $e,
                    Stage<BottleneckBlock<SIDE, $a, SIDE, $a, $c>, BottleneckBlock<SIDE, $c, SIDE, $a, $c>>,
                    Stage<BottleneckBlock<SIDE, $c, HALF, $b, $d>, BottleneckBlock<HALF, $d, HALF, $b, $d>>,
                    Stage<BottleneckBlock<HALF, $d, QUARTER, $c, $e>, BottleneckBlock<QUARTER, $e, QUARTER, $c, $e>>,
                >::new(options, classes, builder))),)*
                _ => None,
            }
        };
    }
    registry! { 4 8 16 32 64, 8 16 32 64 128, 16 32 64 128 256, 32 64 128 256 512, }
}

/// A network for images of `CHANNELS` on `SIDE` by `SIDE` pixels, with a stem of `WIDTH` channels and stages that end
/// with `LAST` by `LAST` pixels of `OUT` channels.
#[derive(Debug)]
struct ResNet<
    const CHANNELS: usize,
    const SIDE: usize,
    const LAST: usize,
    const WIDTH: usize,
    const OUT: usize,
    A,
    B,
    C,
> {
    stem: Stem<CHANNELS, SIDE, WIDTH>,
    first: A,
    second: B,
    third: C,
    end: End<OUT>,
    head: Head<OUT>,
}

/// The first layer.
#[derive(Debug)]
struct Stem<const CHANNELS: usize, const SIDE: usize, const WIDTH: usize> {
    convolution: Convolution<3, CHANNELS, SIDE, WIDTH>,
    norm: Option<Norm<WIDTH>>,
    /// Of Fixup.
    bias: Option<Rc<Parameter<Rank1<1>>>>,
    order: Order,
}

/// What follows the last block.
#[derive(Debug)]
enum End<const C: usize> {
    /// Nothing, since blocks end with ReLU.
    Nothing,
    /// ReLU, behind the norm if there is one: the first activation of a block that isn't there.
    Activation(Option<Norm<C>>),
    /// The bias of Fixup.
    Bias(Rc<Parameter<Rank1<1>>>),
}

impl<const CHANNELS: usize, const SIDE: usize, const WIDTH: usize> Stem<CHANNELS, SIDE, WIDTH> {
    fn new(options: &Options, builder: &mut Builder) -> Self {
        let Options { style, blocks, .. } = options;
        let is_fixup = *blocks == Blocks::Fixup;
        let start = Start::he(fan_in(3, CHANNELS));
        let convolution = Convolution::new("conv1", kind::STEM, !style.norm && !is_fixup, start, builder);
        let layer = convolution.layer;
        let bias = is_fixup.then(|| scalar("bias1".to_owned(), layer, 0.0, builder));
        let has_norm = style.norm && !is_fixup && style.order != Order::Full;
        let norm = has_norm.then(|| batch_norm("bn1", layer, 1.0, builder));
        Stem { convolution, norm, bias, order: style.order }
    }

    fn forward(&self, images: &Features<SIDE, CHANNELS>, context: &Context) -> Features<SIDE, WIDTH> {
        let relu = !self.order.is_pre_activation();
        let observed = Observed::layer(self.convolution.layer);
        let after = After { relu, observed, ..After::default() };
        if let Some(bias) = &self.bias {
            let response = self.convolution.response(images, Response::PLAIN, context);
            return shifted(&response, plus(bias), after, context).formed(context);
        }
        if self.order == Order::Full {
            return self.convolution.raw(images, None, after, context);
        }
        let response = self.convolution.response(images, Response::PLAIN, context);
        let x = self.convolution.mapped(&response, self.norm.as_ref(), None, after, context);
        // With pre-activation, the first block forms something else of it.
        if relu { x } else { x.formed(context) }
    }
}

impl<const C: usize> End<C> {
    /// What the head averages.
    fn forward<const SIDE: usize>(&self, x: Features<SIDE, C>, context: &Context) -> Features<SIDE, C> {
        let after = After { relu: true, ..After::default() };
        match self {
            End::Nothing => x,
            End::Activation(Some(norm)) => normalised(&x, norm, after, context),
            End::Activation(None) => shifted(&x, Scalars::default(), after, context),
            End::Bias(bias) => shifted(&x, plus(bias), After::default(), context),
        }
    }
}

/// Adds a number.
fn plus(bias: &Rc<Parameter<Rank1<1>>>) -> Scalars {
    Scalars { before: Some(Rc::clone(bias) as Rc<dyn AnyParameter>), ..Scalars::default() }
}

impl<
    const CHANNELS: usize,
    const SIDE: usize,
    const LAST: usize,
    const WIDTH: usize,
    const OUT: usize,
    A: Row<Style = Style, Input = Features<SIDE, WIDTH>>,
    B: Row<Style = Style, Input = A::Output>,
    C: Row<Style = Style, Input = B::Output, Output = Features<LAST, OUT>>,
> ResNet<CHANNELS, SIDE, LAST, WIDTH, OUT, A, B, C>
{
    fn new(options: &Options, classes: usize, builder: &mut Builder) -> Self {
        let Options { blocks, blocks_a_stage, style, .. } = options;
        let is_fixup = *blocks == Blocks::Fixup;
        let stem = Stem::new(options, builder);
        let first = A::new("layer1", [1, STAGES], *blocks_a_stage, style, builder);
        let second = B::new("layer2", [2, STAGES], *blocks_a_stage, style, builder);
        let third = C::new("layer3", [3, STAGES], *blocks_a_stage, style, builder);
        let start = if is_fixup { Start::Constant(0.0) } else { Start::he(OUT) };
        let head = Head::new("fc", classes, start, builder);
        let end = match style.order {
            _ if is_fixup => End::Bias(scalar("bias2".to_owned(), head.layer, 0.0, builder)),
            Order::Full => End::Activation(style.norm.then(|| batch_norm("bn", head.layer, 1.0, builder))),
            Order::ReluOnly => End::Activation(None),
            Order::Post | Order::NormAfter | Order::ReluBefore => End::Nothing,
        };
        ResNet { stem, first, second, third, end, head }
    }
}

impl<
    const CHANNELS: usize,
    const SIDE: usize,
    const LAST: usize,
    const WIDTH: usize,
    const OUT: usize,
    A: Row<Input = Features<SIDE, WIDTH>>,
    B: Row<Input = A::Output>,
    C: Row<Input = B::Output, Output = Features<LAST, OUT>>,
> Model for ResNet<CHANNELS, SIDE, LAST, WIDTH, OUT, A, B, C>
{
    fn forward(&self, batch: &Batch, device: &Cpu, context: &Context) -> Scores {
        let images =
            Features::of_images(batch.inputs.numbers().unwrap_or_default(), batch.labels.len(), context);
        let x = self.stem.forward(&images, context);
        let x = self.first.forward(x, context);
        let x = self.second.forward(x, context);
        let x = self.third.forward(x, context);
        Scores::Tensor(self.head.forward(&self.end.forward(x, context), device, context))
    }
}
