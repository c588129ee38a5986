//! The two kinds of weight layers: a convolution with its batch norm, and the linear head.

use dfdx::shapes::{Const, Rank1, Rank4};
use dfdx::tensor::{Cpu, CpuError, Tape, Tensor};

use crate::model::builder::Builder;
use crate::model::entry::{Entry, EntryMut};
use crate::model::parameter::{Parameter, Role};
use crate::nn::ops::{self, Context, Features, Norm, Running};
use crate::units::{BlockIdx, LayerIdx};

/// The output of a network: a row of class scores per image.
pub(super) type Logits<T> = Tensor<(usize, usize), f32, Cpu, T>;

/// A convolution without bias and the batch norm after it.
#[derive(Debug)]
pub(super) struct ConvolutionNorm<const KERNEL: usize, const STRIDE: usize, const IN: usize, const OUT: usize>
{
    layer: LayerIdx,
    weights: Parameter<Rank4<KERNEL, KERNEL, IN, OUT>>,
    gamma: Parameter<Rank1<OUT>>,
    beta: Parameter<Rank1<OUT>>,
    running: Running,
    /// The batch norm's name in the state dict: `layer1.0.bn1`.
    norm: String,
}

impl<const KERNEL: usize, const STRIDE: usize, const IN: usize, const OUT: usize>
    ConvolutionNorm<KERNEL, STRIDE, IN, OUT>
{
    /// The layer of the topology with that index; the first layer reads the images.
    pub(super) fn new(layer: LayerIdx, builder: &Builder) -> Result<Self, CpuError> {
        let convolution = builder.name(layer);
        let norm = norm_name(convolution);
        let name = format!("{convolution}.weight");
        let (length, fan_in) = (KERNEL * KERNEL * IN * OUT, KERNEL * KERNEL * IN);
        let other = |part: &str, value: f32| {
            builder.parameter(
                Default::default(),
                vec![value; OUT],
                format!("{norm}.{part}"),
                layer,
                Role::Other,
            )
        };
        Ok(ConvolutionNorm {
            layer,
            weights: builder.weights(Default::default(), length, fan_in, name, layer)?,
            gamma: other("weight", 1.0)?,
            beta: other("bias", 0.0)?,
            running: Running::new(OUT),
            norm,
        })
    }

    /// Computes `f(batch_norm(convolution(x)) + shortcut)`, where f is ReLU if `relu`, else the identity. `block` is
    /// the block that the addition belongs to.
    pub(super) fn forward<
        const H: usize,
        const W: usize,
        const HO: usize,
        const WO: usize,
        T: Tape<f32, Cpu> + 'static,
    >(
        &mut self,
        x: Features<H, W, IN, T>,
        relu: bool,
        shortcut: Option<Features<HO, WO, OUT>>,
        block: Option<BlockIdx>,
        context: &Context,
    ) -> Result<Features<HO, WO, OUT, T>, CpuError> {
        let norm = Norm {
            gamma: &self.gamma.tensor,
            beta: &self.beta.tensor,
            running: &mut self.running,
            relu,
            layer: self.layer,
            block,
        };
        let weights = &self.weights.tensor;
        ops::convolution::<KERNEL, STRIDE, H, W, IN, HO, WO, OUT, T>(x, weights, shortcut, norm, context)
    }

    /// Lists its tensors in the state dict's order.
    pub(super) fn entries<'a>(&'a self, into: &mut Vec<Entry<'a>>) {
        into.extend([
            Entry::Parameter(&self.weights),
            Entry::Parameter(&self.gamma),
            Entry::Parameter(&self.beta),
            Entry::Running(&self.norm, &self.running),
        ]);
    }

    /// Lists its tensors in the state dict's order, mutable.
    pub(super) fn entries_mut<'a>(&'a mut self, into: &mut Vec<EntryMut<'a>>) {
        into.extend([
            EntryMut::Parameter(&mut self.weights),
            EntryMut::Parameter(&mut self.gamma),
            EntryMut::Parameter(&mut self.beta),
            EntryMut::Running(&self.norm, &mut self.running),
        ]);
    }
}

/// The linear layer that gives the logits; the number of classes is known only at run time.
#[derive(Debug)]
pub(super) struct Head<const IN: usize> {
    layer: LayerIdx,
    weights: Parameter<(usize, Const<IN>)>,
    bias: Parameter<(usize,)>,
}

impl<const IN: usize> Head<IN> {
    /// The last layer of the topology.
    pub(super) fn new(builder: &Builder) -> Result<Self, CpuError> {
        let (layer, classes) = (builder.last_layer(), builder.classes());
        let name = |part: &str| format!("{}.{part}", builder.name(layer));
        Ok(Head {
            layer,
            weights: builder.weights((classes, Const), classes * IN, IN, name("weight"), layer)?,
            bias: builder.parameter((classes,), vec![0.0; classes], name("bias"), layer, Role::Other)?,
        })
    }

    /// Computes the logits of the mean of each channel over each image.
    pub(super) fn forward<const H: usize, const W: usize, T: Tape<f32, Cpu> + 'static>(
        &self,
        x: Features<H, W, IN, T>,
        device: &Cpu,
        context: &Context,
    ) -> Result<Logits<T>, CpuError> {
        let means = ops::global_average(x, device, context)?;
        let logits = ops::linear(means, &self.weights.tensor, &self.bias.tensor)?;
        Ok(ops::observed(logits, self.layer, context))
    }

    /// Lists its tensors in the state dict's order.
    pub(super) fn entries<'a>(&'a self, into: &mut Vec<Entry<'a>>) {
        into.extend([Entry::Parameter(&self.weights), Entry::Parameter(&self.bias)]);
    }

    /// Lists its tensors in the state dict's order, mutable.
    pub(super) fn entries_mut<'a>(&'a mut self, into: &mut Vec<EntryMut<'a>>) {
        into.extend([EntryMut::Parameter(&mut self.weights), EntryMut::Parameter(&mut self.bias)]);
    }
}

/// The name of the batch norm after a convolution: `conv1` has `bn1`, `downsample.0` has `downsample.1`.
fn norm_name(convolution: &str) -> String {
    match convolution.rsplit_once("conv") {
        Some((block, number)) => format!("{block}bn{number}"),
        None => format!("{}1", convolution.trim_end_matches('0')),
    }
}
