//! A layer of attention and feed-forward: two residual blocks.

use std::rc::Rc;

use dfdx::shapes::Rank1;

use super::Sizes;
use super::connection::Connection;
use crate::metric::{Metric, known};
use crate::model::builder::{Builder, Start};
use crate::model::layer::scalar;
use crate::model::rows::{Declared, RowLayer, layer_norm};
use crate::nn::ops::rows::{
    Join, LayerNorm, Rows, attention, entrance, gelu, joined, layer_norm as normalised, passed, streamed,
};
use crate::nn::ops::{AnyParameter, Context, Features, Observed, Parameter};
use crate::structure::shortcut;
use crate::units::{BlockIdx, LayerIdx};

/// What is added to attention and feed-forward F, with x their input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Residual {
    /// `y = F(norm x)`.
    None,
    /// `y = norm(x + F(x))` (Vaswani et al. 2017, section 3.1).
    Post,
    /// `y = x + F(norm x)` (Xiong et al. 2020, table 1).
    Pre,
    /// `y = x + norm_out F(norm x)` (Kim et al. 2025).
    Peri,
    /// `y = x + F(norm(x) / sqrt l)` in layer l (Sun et al. 2025).
    LnScale,
    /// `y = x + a F(x)`, with a trained number of each layer that starts at 0 (Bachlechner et al. 2020, equation 1).
    ReZero,
    /// Several streams `x`: `y = mixed + beta F(norm input)`, where input, mixed and beta are trained numbers times the
    /// streams (Zhu et al. 2024, algorithm 3).
    HyperStatic,
    /// The same, with numbers that depend on the token.
    HyperDynamic,
    /// The same, with numbers that depend on the token, of which those from stream to stream are a doubly stochastic
    /// matrix (mHC, Xie et al. 2025, equation 3).
    Manifold,
    /// As `Pre`, but each layer begins with `x = a x + b x0`, with trained numbers and the embedding x0
    /// (github.com/karpathy/nanochat).
    Scalars,
}

impl Residual {
    /// All of them, as they are spelled in a file.
    pub(super) const ALL: &[(&'static str, Residual)] = &[
        ("none", Residual::None),
        ("post", Residual::Post),
        ("pre", Residual::Pre),
        ("peri", Residual::Peri),
        ("lnscale", Residual::LnScale),
        ("rezero", Residual::ReZero),
        ("scalars", Residual::Scalars),
        ("hyper-static", Residual::HyperStatic),
        ("hyper-dynamic", Residual::HyperDynamic),
        ("mhc", Residual::Manifold),
    ];

    /// What its blocks measure that others don't.
    pub(super) fn measures(self) -> &'static [Metric] {
        match self {
            Residual::ReZero => &[known::GATE],
            Residual::Scalars => &[known::GATE, known::EMBEDDING_GATE],
            _ if self.has_streams() => &[known::MIXING_ROW_SUM, known::MIXING_COLUMN_SUM],
            _ => &[],
        }
    }

    /// Whether a token has several streams.
    pub(super) fn has_streams(self) -> bool {
        matches!(self, Residual::HyperStatic | Residual::HyperDynamic | Residual::Manifold)
    }
}

/// A layer of `D` features, with `THREE` of queries, keys and values, and `FOUR` inner ones.
pub(super) struct Block<const D: usize, const THREE: usize, const FOUR: usize> {
    attention: Attention<D, THREE>,
    feed_forward: FeedForward<D, FOUR>,
    ends: [Ends<D>; 2],
}

/// Causal self-attention, `proj(attention(qkv(x)))`.
struct Attention<const D: usize, const THREE: usize> {
    heads: usize,
    qkv: RowLayer<D, THREE>,
    proj: RowLayer<D, D>,
}

/// `fc2 gelu fc1 x`.
struct FeedForward<const D: usize, const FOUR: usize> {
    fc1: RowLayer<D, FOUR>,
    fc2: RowLayer<FOUR, D>,
}

/// What is around a branch.
struct Ends<const D: usize> {
    index: BlockIdx,
    residual: Residual,
    /// The layer whose output is the block's.
    last: LayerIdx,
    norm: Option<LayerNorm<D>>,
    norm_out: Option<LayerNorm<D>>,
    gain: Option<Rc<Parameter<Rank1<1>>>>,
    connection: Option<Connection>,
}

impl<const D: usize, const THREE: usize, const FOUR: usize> Block<D, THREE, FOUR> {
    /// Declares layer `layer`, from 0. The last layers of branches start smaller, as in GPT-2.
    pub(super) fn new(layer: usize, residual: Residual, sizes: Sizes, builder: &mut Builder) -> Self {
        let Sizes { layers, heads, context, deviation, .. } = sizes;
        let name = |part: &str| format!("blocks.{layer}.{part}");
        let of = |deviation| Declared {
            rows: context,
            has_bias: true,
            start: Start::Normal(deviation),
            besides: 0,
        };
        let last = of(deviation / (2.0 * (layers * sizes.streams(residual)) as f64).sqrt());
        let mixing = Connection::multiply_adds::<D>(residual, sizes);
        let kind = match residual {
            Residual::None => None,
            _ if residual.has_streams() => Some(shortcut::STREAMS),
            _ => Some(shortcut::IDENTITY),
        };
        let (attention, first) = builder.block(&name("attn"), 1, kind, |builder, index| {
            let besides = 2 * context * context * D + mixing;
            let qkv = RowLayer::new(&name("attn.qkv"), Declared { besides, ..of(deviation) }, builder);
            let proj: RowLayer<D, D> = RowLayer::new(&name("attn.proj"), last, builder);
            let ends = Ends::new(index, [layer, 1], residual, sizes, [qkv.layer, proj.layer], builder);
            (Attention { heads, qkv, proj }, ends)
        });
        let (feed_forward, second) = builder.block(&name("mlp"), 1, kind, |builder, index| {
            let fc1: RowLayer<D, FOUR> =
                RowLayer::new(&name("mlp.fc1"), Declared { besides: mixing, ..of(deviation) }, builder);
            let fc2: RowLayer<FOUR, D> = RowLayer::new(&name("mlp.fc2"), last, builder);
            let ends = Ends::new(index, [layer, 2], residual, sizes, [fc1.layer, fc2.layer], builder);
            (FeedForward { fc1, fc2 }, ends)
        });
        // A layer has one factor, that of both blocks.
        let second = Ends { gain: second.gain.or_else(|| first.gain.clone()), ..second };
        Block { attention, feed_forward, ends: [first, second] }
    }

    /// Its two blocks.
    pub(super) fn indices(&self) -> [BlockIdx; 2] {
        self.ends.each_ref().map(|ends| ends.index)
    }

    pub(super) fn forward(&self, x: Features<1, D>, context: &Context) -> Features<1, D> {
        let [first, second] = &self.ends;
        let x = first.around(x, context, |x, observed| self.attend(x, observed, context));
        second.around(x, context, |x, observed| self.feed_forward.forward(x, observed, context))
    }

    /// The same with several streams.
    pub(super) fn forward_streams(&self, x: Rows, context: &Context) -> Rows {
        let [first, second] = &self.ends;
        let x = first.around_streams(x, context, |x, observed| self.attend(x, observed, context));
        second.around_streams(x, context, |x, observed| self.feed_forward.forward(x, observed, context))
    }

    fn attend(&self, x: Features<1, D>, observed: Observed, context: &Context) -> Features<1, D> {
        let Attention { heads, qkv, proj } = &self.attention;
        let inputs = qkv.forward(&x, Observed::layer(qkv.layer), context);
        proj.forward(&attention(&inputs, *heads, self.ends[0].index, context), observed, context)
    }
}

impl<const D: usize, const FOUR: usize> FeedForward<D, FOUR> {
    fn forward(&self, x: Features<1, D>, observed: Observed, context: &Context) -> Features<1, D> {
        let FeedForward { fc1, fc2 } = self;
        let inner = gelu(fc1.forward(&x, Observed::NOTHING, context), Observed::layer(fc1.layer), context);
        fc2.forward(&inner, observed, context)
    }
}

impl<const D: usize> Ends<D> {
    /// Declares the norms, the factor and the hyper-connection of branch `number` of a layer, whose layers are the first
    /// and the last given.
    fn new(
        index: BlockIdx,
        [layer, number]: [usize; 2],
        residual: Residual,
        sizes: Sizes,
        [first, last]: [LayerIdx; 2],
        builder: &mut Builder,
    ) -> Self {
        let name = |part: &str| format!("blocks.{layer}.{part}");
        let scale = if residual == Residual::LnScale { ((layer + 1) as f32).sqrt().recip() } else { 1.0 };
        let has_norm = residual != Residual::ReZero;
        let of_norm = if residual == Residual::Post { last } else { first };
        let norm = has_norm.then(|| layer_norm(&name(&format!("norm{number}")), of_norm, scale, builder));
        let norm_out = (residual == Residual::Peri)
            .then(|| layer_norm(&name(&format!("norm{number}_out")), last, 1.0, builder));
        let has_gain = residual == Residual::ReZero && number == 1;
        let gain = has_gain.then(|| scalar(name("resweight"), last, 0.0, builder));
        let connection = residual.has_streams().then(|| {
            let name = name(if number == 1 { "attn_hc" } else { "mlp_hc" });
            Connection::new::<D>(&name, 2 * layer + number - 1, residual, sizes, first, builder)
        });
        Ends { index, residual, last, norm, norm_out, gain, connection }
    }

    /// Computes the block's streams around its branch, which takes its input and what its output is.
    fn around_streams(
        &self,
        x: Rows,
        context: &Context,
        branch: impl FnOnce(Features<1, D>, Observed) -> Features<1, D>,
    ) -> Rows {
        let (Some(connection), Some(norm)) = (&self.connection, &self.norm) else { return x };
        let (coefficients, streams) = (connection.coefficients(&x, context), connection.streams());
        if context.leaves_out(self.index) {
            return passed::<D>(&x, &coefficients, streams, context);
        }
        let start: Features<1, D> = entrance(&x, &coefficients, streams, context);
        let start = normalised(&start, norm, Observed::NOTHING, context);
        let f = branch(start, Observed::layer(self.last));
        let observed = Observed { block: Some(self.index), has_tokens: true, ..Observed::NOTHING };
        streamed(&x, &f, &coefficients, streams, observed, context)
    }

    /// Computes the block's output around its branch, which takes its input and what its output is.
    fn around(
        &self,
        x: Features<1, D>,
        context: &Context,
        branch: impl FnOnce(Features<1, D>, Observed) -> Features<1, D>,
    ) -> Features<1, D> {
        let observed = Observed { has_tokens: true, ..Observed::block(self.index, self.last) };
        let nothing = Observed::NOTHING;
        if context.leaves_out(self.index) {
            return match &self.norm {
                // The norm stands behind the addition.
                Some(norm) if self.residual == Residual::Post => normalised(&x, norm, observed, context),
                _ => x,
            };
        }
        let start = match &self.norm {
            Some(norm) if self.residual != Residual::Post => normalised(&x, norm, nothing, context),
            _ => x.clone(),
        };
        if self.residual == Residual::None {
            return branch(start, observed);
        }
        let mut f = branch(start, nothing);
        if let Some(norm) = &self.norm_out {
            f = normalised(&f, norm, nothing, context);
        }
        let gain = self.gain.as_ref().map(|gain| Rc::clone(gain) as Rc<dyn AnyParameter>);
        match &self.norm {
            Some(norm) if self.residual == Residual::Post => {
                let terms = Observed::terms_of(self.index);
                let sum = joined(f, &x, Join { observed: terms, ..Join::default() }, context);
                normalised(&sum, norm, observed, context)
            }
            _ => joined(f, &x, Join { gain, observed }, context),
        }
    }
}
