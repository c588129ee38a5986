//! Dense networks for small images (Huang et al. 2017, section 3): a 3x3 stem, three blocks of dense layers, each of which
//! adds its channels to all before it, transitions between them that halve the side, and a linear head. With bottlenecks
//! (DenseNet-BC) a layer has a 1x1 convolution first, and transitions halve the channels.

use std::rc::Rc;

use dfdx::tensor::Cpu;

use crate::datasets::Batch;
use crate::experiment::{Allowed, ArchitectureEntry, DataKind, Key, Lane, Settings, Unless};
use crate::model::ModelError;
use crate::model::architectures::Architecture;
use crate::model::builder::{Builder, Role, Start};
use crate::model::layer::fan_in;
use crate::model::rows::{HeadSizes, RowHead};
use crate::model::trained::{Model, Scores};
use crate::nn::ops::{AnyParameter, Context, Features, Observed, Stack, StackNorm};
use crate::structure::{kind, shortcut};
use crate::units::{BlockIdx, ImageShape, InputShape, LayerIdx};

/// The entry in the registry.
pub(super) const ARCHITECTURE: Architecture = Architecture { entry, build };

/// Sides of square input images that are compiled in.
const SIDES: [usize; 2] = [16, 32];
/// Channels of input images that are compiled in.
const CHANNELS: [usize; 2] = [1, 3];
/// Dense blocks.
const BLOCKS: usize = 3;
/// Weight layers that one more dense layer in each block adds: one convolution each, or two with bottlenecks.
const DEPTH_STEPS: [usize; 2] = [3, 6];
/// Weight layers outside the dense blocks: stem, transitions and head.
const DEPTH_OFFSET: usize = 4;
/// Kernels take output channels in fours.
const FOURS: usize = 4;
/// The greatest depth.
const MOST_DEPTH: usize = 400;

fn entry() -> ArchitectureEntry {
    ArchitectureEntry {
        name: "densenet",
        summary: "3n+4 layers that read all before them, or 6n+4 with bottlenecks, for small images (Huang et al. 2017)",
        data: DataKind::Images,
        keys: keys(),
        check,
    }
}

/// Refuses transitions that halve channels to what kernels cannot compute.
fn check(settings: &Settings) -> Result<(), (&'static str, String)> {
    let [depth, growth] = ["depth", "growth"].map(|key| settings.whole(key).unwrap_or(0));
    if settings.word("block") != Some("bottleneck") {
        return Ok(());
    }
    let layers = depth.saturating_sub(DEPTH_OFFSET) / DEPTH_STEPS[1];
    let mut channels = stem(growth, true);
    for transition in 1..BLOCKS {
        channels = (channels + layers * growth) / 2;
        if !channels.is_multiple_of(FOURS) {
            let message = format!(
                "expected a growth with which transitions have a multiple of {FOURS} channels, found {growth}, with \
                 which transition {transition} has {channels}; 16 and its multiples always do"
            );
            return Err(("growth", message));
        }
    }
    Ok(())
}

/// Channels behind the stem: the paper has 16, or twice the growth with bottlenecks.
fn stem(growth: usize, has_bottlenecks: bool) -> usize {
    if has_bottlenecks { 2 * growth } else { 16 }
}

fn keys() -> Vec<Key> {
    let depth = Allowed::Depth {
        step: DEPTH_STEPS[0],
        offset: DEPTH_OFFSET,
        most: MOST_DEPTH,
        unless: Some(Unless { key: "block", word: "bottleneck", step: DEPTH_STEPS[1] }),
    };
    let fours = (1..=16).map(|n| FOURS * n).collect();
    vec![
        Key::required("depth", "weight layers", depth),
        Key::required("growth", "channels that each layer adds", Allowed::Compiled(fours)),
        Key::with_default(
            "block",
            "layers of a 3x3 convolution (basic), or of 1x1 and 3x3, with transitions that halve the channels (bottleneck)",
            Allowed::Words(vec!["basic", "bottleneck"]),
            "basic",
        ),
    ]
}

/// What is known only at run time.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Layers of each dense block.
    layers: usize,
    growth: usize,
    /// Channels behind the stem.
    stem: usize,
    has_bottlenecks: bool,
    channels: usize,
    classes: usize,
}

fn build(
    lane: &Lane,
    input: InputShape,
    classes: usize,
    builder: &mut Builder,
) -> Result<Box<dyn Model>, ModelError> {
    let whole = |key| lane.settings.whole(key).unwrap_or(0);
    let has_bottlenecks = lane.settings.word("block") == Some("bottleneck");
    let (depth, growth) = (whole("depth"), whole("growth"));
    let step = DEPTH_STEPS[usize::from(has_bottlenecks)];
    if depth < step + DEPTH_OFFSET || !(depth - DEPTH_OFFSET).is_multiple_of(step) {
        return Err(ModelError::Depth { found: depth, step, offset: DEPTH_OFFSET });
    }
    let compiled = || {
        let shape = |channels, side| ImageShape { channels, height: side, width: side };
        SIDES.iter().flat_map(|&side| CHANNELS.map(|channels| shape(channels, side))).collect()
    };
    let image =
        input.image().filter(|image| image.height == image.width && CHANNELS.contains(&image.channels));
    let wrong = || ModelError::Input { found: input, compiled: compiled() };
    let ImageShape { channels, height, .. } = image.ok_or_else(wrong)?;
    let stem = stem(growth, has_bottlenecks);
    let layers = (depth - DEPTH_OFFSET) / step;
    let sizes = Sizes { layers, growth, stem, has_bottlenecks, channels, classes };
    make(height, sizes, builder).ok_or_else(wrong)
}

/// Builds the network for images of a compiled side; none if it is not compiled in.
fn make(side: usize, sizes: Sizes, builder: &mut Builder) -> Option<Box<dyn Model>> {
    match side {
        // The side of the reference results.
        #[cfg(test)]
        8 => Some(Box::new(DenseNet::<8, 4, 2>::new(sizes, builder))),
        16 => Some(Box::new(DenseNet::<16, 8, 4>::new(sizes, builder))),
        32 => Some(Box::new(DenseNet::<32, 16, 8>::new(sizes, builder))),
        _ => None,
    }
}

/// A convolution with a square kernel.
struct Convolution {
    layer: LayerIdx,
    weights: Rc<dyn AnyParameter>,
    kernel: usize,
    outputs: usize,
}

impl Convolution {
    fn new(name: &str, kind: &str, sizes: [usize; 4], builder: &mut Builder) -> Convolution {
        let [kernel, inputs, outputs, side] = sizes;
        let multiply_adds = fan_in(kernel, inputs) * outputs * side * side;
        let layer = builder.layer(name, kind, vec![outputs, side, side], multiply_adds);
        let (shape, start) = ((kernel, kernel, inputs, outputs), Start::he(fan_in(kernel, inputs)));
        let weights = builder.parameter(format!("{name}.weight"), layer, Role::Weight, shape, start);
        Convolution { layer, weights, kernel, outputs }
    }

    fn forward<const SIDE: usize>(
        &self,
        x: &Stack<SIDE>,
        observed: Observed,
        context: &Context,
    ) -> Stack<SIDE> {
        x.convolved(&self.weights, [self.kernel, self.outputs], observed, context)
    }
}

fn norm(name: &str, layer: LayerIdx, channels: usize, builder: &mut Builder) -> StackNorm {
    let mut parameter = |part: &str, value| -> Rc<dyn AnyParameter> {
        builder.parameter(format!("{name}.{part}"), layer, Role::Other, (channels,), Start::Constant(value))
    };
    let (gamma, beta) = (parameter("weight", 1.0), parameter("bias", 0.0));
    StackNorm { gamma, beta, running: builder.running(name, channels) }
}

/// `y = [x, F(x)]` with `F = conv1 relu norm1 x`, or `conv2 relu norm2 conv1 relu norm1 x`.
struct DenseLayer {
    block: BlockIdx,
    steps: Vec<(StackNorm, Convolution)>,
}

impl DenseLayer {
    fn new(
        name: &str,
        stage: usize,
        [channels, side]: [usize; 2],
        sizes: Sizes,
        builder: &mut Builder,
    ) -> Self {
        let growth = sizes.growth;
        let kernels: &[[usize; 3]] = if sizes.has_bottlenecks {
            &[[1, channels, 4 * growth], [3, 4 * growth, growth]]
        } else {
            &[[3, channels, growth]]
        };
        builder.block(name, stage, Some(shortcut::CONCATENATION), |builder, block| {
            let step = |(index, &[kernel, inputs, outputs]): (usize, &[usize; 3])| {
                let conv = format!("{name}.conv{}", index + 1);
                let sizes = [kernel, inputs, outputs, side];
                let conv = Convolution::new(&conv, kind::CONVOLUTION, sizes, builder);
                (norm(&format!("{name}.norm{}", index + 1), conv.layer, inputs, builder), conv)
            };
            DenseLayer { block, steps: kernels.iter().enumerate().map(step).collect() }
        })
    }

    fn forward<const SIDE: usize>(&self, x: &Stack<SIDE>, context: &Context) -> Stack<SIDE> {
        if context.leaves_out(self.block) {
            let added = self.steps.last().map_or(0, |(_, conv)| conv.outputs);
            return x.joined(&x.zeros(added, context), self.block, context);
        }
        let mut branch = x.clone();
        for (norm, conv) in &self.steps {
            let start = branch.activated(norm, Observed::NOTHING, context);
            branch = conv.forward(&start, Observed::layer(conv.layer), context);
        }
        x.joined(&branch, self.block, context)
    }
}

/// The mean of two by two pixels of `conv relu norm x`.
struct Transition {
    norm: StackNorm,
    convolution: Convolution,
}

impl Transition {
    fn new(name: &str, [channels, side]: [usize; 2], outputs: usize, builder: &mut Builder) -> Self {
        let sizes = [1, channels, outputs, side];
        let convolution = Convolution::new(&format!("{name}.conv"), kind::CONVOLUTION, sizes, builder);
        let norm = norm(&format!("{name}.norm"), convolution.layer, channels, builder);
        Transition { norm, convolution }
    }

    fn forward<const SIDE: usize, const HALF: usize>(
        &self,
        x: &Stack<SIDE>,
        context: &Context,
    ) -> Stack<HALF> {
        let start = x.activated(&self.norm, Observed::NOTHING, context);
        let observed = Observed::layer(self.convolution.layer);
        self.convolution.forward(&start, observed, context).halved(context)
    }
}

/// A network for images of `SIDE` by `SIDE` pixels.
struct DenseNet<const SIDE: usize, const HALF: usize, const QUARTER: usize> {
    channels: usize,
    stem: Convolution,
    blocks: [Vec<DenseLayer>; BLOCKS],
    transitions: [Transition; BLOCKS - 1],
    norm: StackNorm,
    head: RowHead,
}

impl<const SIDE: usize, const HALF: usize, const QUARTER: usize> DenseNet<SIDE, HALF, QUARTER> {
    fn new(sizes: Sizes, builder: &mut Builder) -> Self {
        let Sizes { layers, growth, stem, has_bottlenecks, channels, classes } = sizes;
        let sides = [SIDE, HALF, QUARTER];
        let of_stem = [3, channels, stem, SIDE];
        let convolution = Convolution::new("features.conv0", kind::STEM, of_stem, builder);
        let (mut width, mut transitions) = (stem, Vec::new());
        let blocks = std::array::from_fn(|block| {
            let of_block: Vec<DenseLayer> = (1..=layers)
                .map(|layer| {
                    let name = format!("features.denseblock{}.denselayer{layer}", block + 1);
                    let made = DenseLayer::new(&name, block + 1, [width, sides[block]], sizes, builder);
                    width += growth;
                    made
                })
                .collect();
            if block + 1 < BLOCKS {
                let outputs = if has_bottlenecks { width / 2 } else { width };
                let name = format!("features.transition{}", block + 1);
                transitions.push(Transition::new(&name, [width, sides[block]], outputs, builder));
                width = outputs;
            }
            of_block
        });
        let transitions: [Transition; BLOCKS - 1] =
            transitions.try_into().unwrap_or_else(|_| unreachable!("one between each two blocks"));
        let head_sizes = HeadSizes { inputs: width, classes, rows: 1 };
        let head = RowHead::new("classifier", head_sizes, true, Start::he(width), builder);
        let norm = norm("features.norm5", head.layer, width, builder);
        DenseNet { channels, stem: convolution, blocks, transitions, norm, head }
    }

    fn images(&self, batch: &Batch, context: &Context) -> Stack<SIDE> {
        let (pixels, images) = (batch.inputs.numbers().unwrap_or_default(), batch.labels.len());
        match self.channels {
            1 => Features::<SIDE, 1>::of_images(pixels, images, context).into(),
            _ => Features::<SIDE, 3>::of_images(pixels, images, context).into(),
        }
    }
}

impl<const SIDE: usize, const HALF: usize, const QUARTER: usize> Model for DenseNet<SIDE, HALF, QUARTER> {
    fn forward(&self, batch: &Batch, _: &Cpu, context: &Context) -> Scores {
        fn all<const SIDE: usize>(block: &[DenseLayer], x: Stack<SIDE>, context: &Context) -> Stack<SIDE> {
            block.iter().fold(x, |x, layer| layer.forward(&x, context))
        }
        let [first, second, third] = &self.blocks;
        let [after_first, after_second] = &self.transitions;
        let x = self.images(batch, context);
        let x = self.stem.forward(&x, Observed::layer(self.stem.layer), context);
        let x: Stack<HALF> = after_first.forward(&all(first, x, context), context);
        let x: Stack<QUARTER> = after_second.forward(&all(second, x, context), context);
        let x = all(third, x, context).activated(&self.norm, Observed::NOTHING, context);
        Scores::Rows(self.head.forward(&x.averaged(context), context))
    }
}

#[cfg(test)]
mod tests;
