//! Decoder transformers on sequences of tokens (Vaswani et al. 2017), with the residual connections that are in use.

use std::rc::Rc;

use dfdx::tensor::Cpu;

use crate::datasets::Batch;
use crate::experiment::{Allowed, ArchitectureEntry, DataKind, Key, Lane, Settings};
use crate::metric::known;
use crate::model::ModelError;
use crate::model::architectures::Architecture;
use crate::model::builder::{Builder, Role, Start};
use crate::model::rows::{HeadSizes, RowHead, layer_norm, table};
use crate::model::trained::{Model, Scores};
use crate::nn::kernels::bundle::Layout;
use crate::nn::ops::rows::{
    LayerNorm, Table, Weighing, copied, embedding, layer_norm as normalised, summed, weighed,
};
use crate::nn::ops::{Context, Features, Observed, Parameter};
use crate::structure::kind;
use crate::units::{InputShape, LayerIdx};
use block::{Block, Residual};

mod block;
mod connection;

/// The entry in the registry.
pub(super) const ARCHITECTURE: Architecture = Architecture { entry, build };

/// Widths that are compiled in, ascending.
const WIDTHS: [usize; 4] = [32, 64, 128, 256];
/// The most layers.
const MOST_LAYERS: usize = 200;
/// Streams of hyper-connections where a lane does not say.
const STREAMS: usize = 4;
/// The most heads.
const MOST_HEADS: usize = 64;

fn entry() -> ArchitectureEntry {
    ArchitectureEntry {
        name: "transformer",
        summary: "a decoder of causal attention and feed-forward layers, on sequences (Vaswani et al. 2017)",
        data: DataKind::Sequences,
        keys: keys(),
        check,
    }
}

fn keys() -> Vec<Key> {
    let words = Residual::ALL.iter().map(|(name, _)| *name).collect();
    vec![
        Key::required(
            "depth",
            "layers of attention and feed-forward",
            Allowed::Whole { least: 1, most: MOST_LAYERS },
        ),
        Key::required("width", "features of a token", Allowed::Compiled(WIDTHS.to_vec())),
        Key::with_default(
            "heads",
            "heads of attention, which divide the width",
            Allowed::Whole { least: 1, most: MOST_HEADS },
            2_usize,
        ),
        Key::required(
            "residual",
            "what is added to attention and feed-forward: nothing, or their input, with a norm behind the addition \
             (post), before the branch (pre), on both sides of it (peri), before it and divided by the root of the \
             layer's number (lnscale), without norms and with a trained factor that starts at 0 (rezero), or as pre \
             with the embedding added to each layer's input (scalars), or hyper-connections of several streams (hyper-static, hyper-dynamic, \
             mhc)",
            Allowed::Words(words),
        ),
        Key::optional(
            "streams",
            "streams of hyper-connections; 4 if not given",
            Allowed::Whole { least: 2, most: 8 },
        ),
        Key::optional(
            "std",
            "the standard deviation of the initial weights; one over the root of the width if not given",
            Allowed::Number { least: 1e-4, most: 10.0 },
        ),
    ]
}

/// What must fit together.
fn check(settings: &Settings) -> Result<(), (&'static str, String)> {
    let residual = settings.word("residual").unwrap_or_default();
    if settings.get("streams").is_some() && !["hyper-static", "hyper-dynamic", "mhc"].contains(&residual) {
        let message = format!(
            "expected hyper-connections (`hyper-static`, `hyper-dynamic`, `mhc`), found the residual `{residual}`; choose \
             one, or remove the key"
        );
        return Err(("streams", message));
    }
    let (width, heads) = (settings.whole("width").unwrap_or(1), settings.whole("heads").unwrap_or(1));
    if width.is_multiple_of(heads.max(1)) {
        return Ok(());
    }
    let fits = |heads: &usize| width.is_multiple_of(*heads);
    let below = (1..heads).rev().find(fits).unwrap_or(1);
    let above = (heads..=width).find(fits).unwrap_or(width);
    let message = format!(
        "expected a number that divides the width {width}, found {heads}; the nearest are {below} and {above}"
    );
    Err(("heads", message))
}

fn build(
    lane: &Lane,
    input: InputShape,
    classes: usize,
    builder: &mut Builder,
) -> Result<Box<dyn Model>, ModelError> {
    let InputShape::Sequence { context, vocabulary } = input else {
        return Err(ModelError::NoSequences { found: input });
    };
    let mut settings = lane.settings.clone();
    settings.complete(&keys());
    check(&settings)
        .map_err(|(key, message)| ModelError::Setting { key, message: format!("{key}: {message}") })?;
    let whole = |key| settings.whole(key).unwrap_or(0);
    let width = whole("width");
    let named = |(name, _): &&(&str, Residual)| Some(*name) == settings.word("residual");
    let residual = Residual::ALL.iter().find(named).map_or(Residual::Pre, |(_, residual)| *residual);
    let deviation = settings.number("std").unwrap_or((width.max(1) as f64).sqrt().recip());
    let sizes = Sizes {
        layers: whole("depth").max(1),
        heads: whole("heads"),
        context,
        vocabulary,
        classes,
        deviation,
        streams: settings.whole("streams").unwrap_or(STREAMS),
    };
    make(residual, width, sizes, builder)
        .ok_or_else(|| ModelError::Width { found: width, compiled: WIDTHS.to_vec() })
}

/// What is known only at run time.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    layers: usize,
    heads: usize,
    context: usize,
    vocabulary: usize,
    classes: usize,
    /// Of the initial weights.
    deviation: f64,
    /// Streams of a token with hyper-connections.
    streams: usize,
}

impl Sizes {
    /// The streams of a token.
    fn streams(self, residual: Residual) -> usize {
        if residual.has_streams() { self.streams } else { 1 }
    }
}

/// Builds the compiled network; none if its width is not compiled in.
fn make(residual: Residual, width: usize, sizes: Sizes, builder: &mut Builder) -> Option<Box<dyn Model>> {
    macro_rules! registry {
        ($($(#[$test:meta])? $width:literal $three:literal $four:literal,)*) => {
            match width {
                $($(#[$test])? $width => {
                    Some(Box::new(Transformer::<$width, $three, $four>::new(residual, sizes, builder)))
                })*
                _ => None,
            }
        };
    }
    registry! {
        // The sizes of the reference results.
        #[cfg(test)]
        12 36 48,
        #[cfg(test)]
        16 48 64,
        32 96 128,
        64 192 256,
        128 384 512,
        256 768 1024,
    }
}

/// Embeddings, layers, a last norm, and a head.
struct Transformer<const D: usize, const THREE: usize, const FOUR: usize> {
    context: usize,
    embedding: LayerIdx,
    tokens: Table<D>,
    positions: Table<D>,
    blocks: Vec<Block<D, THREE, FOUR>>,
    norm: Option<LayerNorm<D>>,
    /// The factors of each layer's input and of the embedding.
    scalars: Option<[Rc<Parameter<(usize,)>>; 2]>,
    head: RowHead,
    streams: usize,
}

impl<const D: usize, const THREE: usize, const FOUR: usize> Transformer<D, THREE, FOUR> {
    fn new(residual: Residual, sizes: Sizes, builder: &mut Builder) -> Self {
        let Sizes { layers, heads, context, vocabulary, classes, deviation, .. } = sizes;
        builder.attends(heads);
        if context > 1 {
            builder.measures(known::TOKEN_COSINE);
        }
        for metric in residual.measures() {
            builder.measures(*metric);
        }
        let start = Start::Normal(deviation);
        let (embedding, tokens) =
            table("token_embedding", kind::EMBEDDING, [vocabulary, context], start, builder);
        let (_, positions) = table("position_embedding", kind::POSITIONS, [context, context], start, builder);
        let blocks = (0..layers).map(|layer| Block::new(layer, residual, sizes, builder)).collect();
        let head =
            RowHead::new("head", HeadSizes { inputs: D, classes, rows: context }, false, start, builder);
        let has_norm = !matches!(residual, Residual::Post | Residual::ReZero);
        let norm = has_norm.then(|| layer_norm("norm", head.layer, 1.0, builder));
        let scalars = (residual == Residual::Scalars).then(|| {
            [("resid_lambdas", 1.0), ("x0_lambdas", 0.1)].map(|(name, value)| {
                let start = Start::Constant(value);
                builder.parameter(name.to_owned(), head.layer, Role::Other, (layers,), start)
            })
        });
        Transformer {
            context,
            embedding,
            tokens,
            positions,
            blocks,
            norm,
            scalars,
            head,
            streams: sizes.streams(residual),
        }
    }
}

impl<const D: usize, const THREE: usize, const FOUR: usize> Model for Transformer<D, THREE, FOUR> {
    fn forward(&self, batch: &Batch, _: &Cpu, context: &Context) -> Scores {
        let tokens = batch.inputs.tokens().unwrap_or_default();
        let layout = Layout { runs: batch.labels.len() / self.context, length: self.context };
        let observed = Observed::layer(self.embedding);
        let first: Features<1, D> =
            embedding(tokens, layout, [&self.tokens, &self.positions], observed, context);
        if self.streams > 1 {
            let x = copied(&first, self.streams, context);
            let x = self.blocks.iter().fold(x, |x, block| block.forward_streams(x, context));
            return self.end(summed(&x, context), context);
        }
        let mut x = first.clone();
        for (at, block) in self.blocks.iter().enumerate() {
            let blocks = block.indices();
            let is_left_out = blocks.iter().all(|block| context.leaves_out(*block));
            // What its input is multiplied by is part of a layer of which something is left.
            if let Some([own, of_first]) = self.scalars.as_ref().filter(|_| !is_left_out) {
                let weighing = Weighing { factors: [own.clone(), of_first.clone()], at, blocks };
                x = weighed(&x, &first, &weighing, context);
            }
            x = block.forward(x, context);
        }
        self.end(x, context)
    }
}

impl<const D: usize, const THREE: usize, const FOUR: usize> Transformer<D, THREE, FOUR> {
    /// The last norm and the head.
    fn end(&self, x: Features<1, D>, context: &Context) -> Scores {
        let x = match &self.norm {
            Some(norm) => normalised(&x, norm, Observed::NOTHING, context),
            None => x,
        };
        Scores::Rows(self.head.forward(&x.into(), context))
    }
}

#[cfg(test)]
mod tests;
