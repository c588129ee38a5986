//! Networks of linear layers with batch norm, on vectors: plain layers, or residual blocks with full pre-activation (He
//! et al. 2016, figure 4e) of two linear layers.

use dfdx::tensor::Cpu;

use crate::datasets::Batch;
use crate::experiment::{Allowed, ArchitectureEntry, DataKind, Key, Lane};
use crate::model::ModelError;
use crate::model::architectures::Architecture;
use crate::model::builder::{Builder, Start};
use crate::model::layer::{Head, batch_norm};
use crate::model::rows::{Declared, RowLayer, VectorStem};
use crate::model::trained::{Model, Scores};
use crate::nn::ops::rows::{Join, Rows, joined};
use crate::nn::ops::{After, Context, Features, Norm, Observed, normalised};
use crate::structure::{kind, shortcut};
use crate::units::{BlockIdx, InputShape};

/// The entry in the registry.
pub(super) const ARCHITECTURE: Architecture = Architecture { entry, build };

/// Widths that are compiled in, ascending.
const WIDTHS: [usize; 6] = [16, 32, 64, 128, 256, 512];
/// The most layers or blocks.
const MOST_DEPTH: usize = 1_000;

fn entry() -> ArchitectureEntry {
    ArchitectureEntry {
        name: "mlp",
        summary: "linear layers with batch norm, or residual blocks of two of them, on vectors",
        data: DataKind::Vectors,
        keys: keys(),
        check: |_| Ok(()),
    }
}

fn keys() -> Vec<Key> {
    vec![
        Key::required(
            "depth",
            "plain layers, or residual blocks of two layers",
            Allowed::Whole { least: 1, most: MOST_DEPTH },
        ),
        Key::required("width", "units of each layer", Allowed::Compiled(WIDTHS.to_vec())),
        Key::required(
            "shortcut",
            "what blocks add to their residual branch: nothing, which makes a plain network, or their input",
            Allowed::Words(vec!["none", "identity"]),
        ),
    ]
}

fn build(
    lane: &Lane,
    input: InputShape,
    classes: usize,
    builder: &mut Builder,
) -> Result<Box<dyn Model>, ModelError> {
    let InputShape::Vector { features } = input else { return Err(ModelError::NoVectors { found: input }) };
    let (depth, width) = (lane.settings.whole("depth"), lane.settings.whole("width").unwrap_or(0));
    let shape = Sizes { depth: depth.unwrap_or(1).max(1), features, classes };
    let is_plain = lane.settings.word("shortcut") == Some("none");
    make(is_plain, width, shape, builder)
        .ok_or_else(|| ModelError::Width { found: width, compiled: WIDTHS.to_vec() })
}

/// What is known only at run time.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    depth: usize,
    features: usize,
    classes: usize,
}

/// Builds the compiled network; none if its width is not compiled in.
fn make(is_plain: bool, width: usize, sizes: Sizes, builder: &mut Builder) -> Option<Box<dyn Model>> {
    macro_rules! registry {
        ($($width:literal)*) => {
            match (is_plain, width) {
                // The sizes of the reference results.
                #[cfg(test)]
                (true, 8) => Some(Box::new(Plain::<8>::new(sizes, builder))),
                #[cfg(test)]
                (false, 8) => Some(Box::new(Residual::<8, 12>::new(sizes, builder))),
                $((true, $width) => Some(Box::new(Plain::<$width>::new(sizes, builder))),
                (false, $width) => Some(Box::new(Residual::<$width, $width>::new(sizes, builder))),)*
                _ => None,
            }
        };
    }
    registry! { 16 32 64 128 256 512 }
}

/// The vectors of a batch.
fn vectors(batch: &Batch, features: usize, context: &Context) -> Rows {
    Rows::of_vectors(batch.inputs.numbers().unwrap_or_default(), features, batch.labels.len(), context)
}

/// A linear layer of a plain network or a branch.
fn linear<const IN: usize, const OUT: usize>(name: &str, builder: &mut Builder) -> RowLayer<IN, OUT> {
    let declared = Declared { rows: 1, has_bias: false, start: Start::he(IN), besides: 0 };
    RowLayer::new(name, declared, builder)
}

/// Batch norm and ReLU, in memory.
fn activated<const N: usize>(
    x: &Features<1, N>,
    norm: &Norm<N>,
    observed: Observed,
    context: &Context,
) -> Features<1, N> {
    normalised(x, norm, After { relu: true, observed, ..After::default() }, context).formed(context)
}

/// `y = relu(bn(linear(x)))`, layer after layer.
struct Plain<const W: usize> {
    features: usize,
    first: (BlockIdx, VectorStem<W>, Norm<W>),
    rest: Vec<(BlockIdx, RowLayer<W, W>, Norm<W>)>,
    head: Head<W>,
}

impl<const W: usize> Plain<W> {
    fn new(sizes: Sizes, builder: &mut Builder) -> Self {
        let Sizes { depth, features, classes } = sizes;
        let name = |index: usize, part: &str| format!("layers.{index}{part}");
        let first = builder.block(&name(0, ""), 1, None, |builder, block| {
            let layer = VectorStem::new(&name(0, ".linear"), kind::STEM, features, builder);
            let norm = batch_norm(&name(0, ".bn"), layer.layer, 1.0, builder);
            (block, layer, norm)
        });
        let rest = (1..depth).map(|index| {
            builder.block(&name(index, ""), 1, None, |builder, block| {
                let layer: RowLayer<W, W> = linear(&name(index, ".linear"), builder);
                let norm = batch_norm(&name(index, ".bn"), layer.layer, 1.0, builder);
                (block, layer, norm)
            })
        });
        let rest = rest.collect();
        Plain { features, first, rest, head: Head::new("head", classes, Start::he(W), builder) }
    }
}

impl<const W: usize> Model for Plain<W> {
    fn forward(&self, batch: &Batch, device: &Cpu, context: &Context) -> Scores {
        let x = vectors(batch, self.features, context);
        let (block, layer, norm) = &self.first;
        let z = layer.forward(&x, Observed::NOTHING, context);
        let x = activated(&z, norm, Observed::block(*block, layer.layer), context);
        let x = self.rest.iter().fold(x, |x, (block, layer, norm)| {
            if context.leaves_out(*block) {
                return x;
            }
            let z = layer.forward(&x, Observed::NOTHING, context);
            activated(&z, norm, Observed::block(*block, layer.layer), context)
        });
        Scores::Tensor(self.head.forward(&x, device, context))
    }
}

/// `F = fc2 relu bn2 fc1 relu bn1 x, y = x + F`.
struct Block<const W: usize, const INNER: usize> {
    index: BlockIdx,
    norms: (Norm<W>, Norm<INNER>),
    layers: (RowLayer<W, INNER>, RowLayer<INNER, W>),
}

impl<const W: usize, const INNER: usize> Block<W, INNER> {
    fn new(index: usize, builder: &mut Builder) -> Self {
        let name = |part: &str| format!("blocks.{index}{part}");
        builder.block(&name(""), 1, Some(shortcut::IDENTITY), |builder, index| {
            let first: RowLayer<W, INNER> = linear(&name(".fc1"), builder);
            let first_norm = batch_norm(&name(".bn1"), first.layer, 1.0, builder);
            let second: RowLayer<INNER, W> = linear(&name(".fc2"), builder);
            let second_norm = batch_norm(&name(".bn2"), second.layer, 1.0, builder);
            Block { index, norms: (first_norm, second_norm), layers: (first, second) }
        })
    }

    fn forward(&self, x: Features<1, W>, context: &Context) -> Features<1, W> {
        if context.leaves_out(self.index) {
            return x;
        }
        let ((bn1, bn2), (fc1, fc2)) = (&self.norms, &self.layers);
        let inner = fc1.forward(&activated(&x, bn1, Observed::NOTHING, context), Observed::NOTHING, context);
        let inner = activated(&inner, bn2, Observed::layer(fc1.layer), context);
        let branch = fc2.forward(&inner, Observed::NOTHING, context);
        let observed = Observed::block(self.index, fc2.layer);
        joined(branch, &x, Join { observed, ..Join::default() }, context)
    }
}

/// A stem, residual blocks, and the activation of a block that isn't there.
struct Residual<const W: usize, const INNER: usize> {
    features: usize,
    stem: VectorStem<W>,
    blocks: Vec<Block<W, INNER>>,
    norm: Norm<W>,
    head: Head<W>,
}

impl<const W: usize, const INNER: usize> Residual<W, INNER> {
    fn new(sizes: Sizes, builder: &mut Builder) -> Self {
        let Sizes { depth, features, classes } = sizes;
        let stem = VectorStem::new("stem", kind::STEM, features, builder);
        let blocks = (0..depth).map(|index| Block::new(index, builder)).collect();
        let head = Head::new("head", classes, Start::he(W), builder);
        let norm = batch_norm("bn", head.layer, 1.0, builder);
        Residual { features, stem, blocks, norm, head }
    }
}

impl<const W: usize, const INNER: usize> Model for Residual<W, INNER> {
    fn forward(&self, batch: &Batch, device: &Cpu, context: &Context) -> Scores {
        let x = vectors(batch, self.features, context);
        let x = self.stem.forward(&x, Observed::layer(self.stem.layer), context);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, context));
        let x = activated(&x, &self.norm, Observed::NOTHING, context);
        Scores::Tensor(self.head.forward(&x, device, context))
    }
}

#[cfg(test)]
mod tests;
