//! Operations on rows: vectors of features, or tokens. Unlike those on images they compute their outputs at once, since
//! a row has no neighbours by which it would be read again. Rows are images of one pixel: `Features<1, N>`.

use super::Context;
use super::activation::{Activation, Observed};
use super::recorder::Measured;
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::BatchShare;
use crate::nn::kernels::row_sums::{self, RowSums};
use crate::nn::kernels::token_cosine::mean_cosine;
use crate::statistics::{Products, Sums};

mod attention;
mod coefficients;
mod embedding;
mod join;
mod linear;
mod loss;
mod norm;
mod slope;
mod streams;

pub use attention::attention;
pub use coefficients::{Dynamic, Hyper, Manifold, hyper, manifold};
pub use embedding::{Table, embedding};
pub use join::{Join, Weighing, joined, weighed};
pub use linear::{Linear, Rows, head, linear_rows, responses, stem};
pub use loss::{RowLogits, RowLoss, cross_entropy};
pub use norm::{LayerNorm, layer_norm};
pub use slope::gelu;
pub(super) use streams::between;
pub use streams::{coefficients as coefficient_count, copied, entrance, streamed, summed};

/// The bundles of a share, each with the number of its rows that count.
fn bundles_of<'a>(
    share: &'a BatchShare,
    numbers: &'a [f32],
    bundle: usize,
) -> impl Iterator<Item = (usize, &'a [f32])> {
    let valid = share.bundles.clone().map(|at| share.layout.valid(at));
    valid.zip(numbers.chunks_exact(bundle))
}

/// What a share of an output measures.
#[derive(Clone, Debug, Default)]
struct Share {
    /// Of the output, if all is wanted.
    sums: Option<RowSums>,
    /// Of what a shortcut was added to, or of the output.
    before: Sums,
    products: Products,
}

impl Share {
    fn measure(&mut self, set: InstructionSet, bundle: usize, share: &BatchShare, [y, f, h]: [&[f32]; 3]) {
        for (valid, y) in bundles_of(share, y, bundle) {
            match &mut self.sums {
                Some(sums) => sums.add(set, y, valid),
                None => self.before.merge(&row_sums::sums(set, y, valid)),
            }
        }
        if self.sums.is_some() {
            for ((valid, f), h) in bundles_of(share, f, bundle).zip(h.chunks_exact(bundle)) {
                self.before.merge(&row_sums::sums(set, f, valid));
                self.products.merge(&row_sums::products(set, f, h, valid));
            }
        }
    }

    fn merge(&mut self, other: Share) {
        self.before.merge(&other.before);
        self.products.merge(&other.products);
        if let (Some(sums), Some(others)) = (&mut self.sums, &other.sums) {
            sums.merge(others);
        }
    }
}

/// Records an output, which may be the sum of two terms.
fn record(y: &Activation, observed: Observed, terms: Option<[&Activation; 2]>, context: &Context) {
    let Some(recorder) = context.recorder.as_ref().filter(|_| observed.is_any()) else { return };
    let (set, bundle, shares) = (context.instructions, y.shape.bundle(), y.shares());
    let none = || context.measures().then(|| RowSums::none(y.shape.channels));
    let mut measured: Vec<Share> =
        shares.iter().map(|_| Share { sums: none(), ..Share::default() }).collect();
    {
        let values = y.kept();
        let terms = terms.map(|terms| terms.map(Activation::kept));
        let nothing: &[f32] = &[];
        let of_terms: Vec<[&[f32]; 2]> = match &terms {
            Some([f, h]) => y.divide(f, &shares).zip(y.divide(h, &shares)).map(|(f, h)| [f, h]).collect(),
            None => vec![[nothing; 2]; shares.len()],
        };
        let jobs = shares.iter().zip(y.divide(&values, &shares)).zip(of_terms.into_iter().zip(&mut measured));
        context.run(jobs, |((share, y), ([f, h], measured))| measured.measure(set, bundle, share, [y, f, h]));
    }
    let mut total = Share { sums: none(), ..Share::default() };
    measured.into_iter().for_each(|share| total.merge(share));
    let products = terms.map(|_| total.products);
    let before = match &total.sums {
        Some(sums) if terms.is_none() => sums.moments.sums,
        _ => total.before,
    };
    let measured = total.sums.map(|sums| Measured {
        moments: sums.moments,
        dead_units: sums.alive().filter(|alive| !alive).count(),
        terms: products,
    });
    let has_pairs = observed.has_tokens && y.layout.length > 1;
    if let Some(block) = observed.block.filter(|_| has_pairs && context.measures()) {
        recorder.token_cosine(block, token_cosine(y, context));
    }
    recorder.output(observed, y.shape.channels, before, measured, || y.values(context));
}

/// The mean cosine between two tokens of a sequence.
fn token_cosine(y: &Activation, context: &Context) -> f32 {
    let (set, length) = (context.instructions, y.layout.length);
    let of_run = y.layout.bundles_of_run() * y.shape.bundle();
    let mut cosines = vec![0.0_f64; y.layout.runs];
    let values = y.kept();
    context.run(values.chunks_exact(of_run).zip(&mut cosines), |(sequence, cosine)| {
        *cosine = mean_cosine(set, sequence, length);
    });
    (cosines.iter().sum::<f64>() / cosines.len() as f64) as f32
}

/// Records the gradient to an output.
fn record_gradient(y: &Activation, gradient: &[f32], observed: Observed, context: &Context) {
    let Some(recorder) = context.recorder.as_ref().filter(|_| observed.is_any()) else { return };
    let (set, bundle, shares) = (context.instructions, y.shape.bundle(), y.shares());
    let mut sums = vec![Sums::default(); shares.len()];
    let jobs = shares.iter().zip(y.divide(gradient, &shares)).zip(&mut sums);
    context.run(jobs, |((share, gradient), sums)| {
        for (valid, gradient) in bundles_of(share, gradient, bundle) {
            sums.merge(&row_sums::sums(set, gradient, valid));
        }
    });
    let mut total = Sums::default();
    sums.iter().for_each(|sums| total.merge(sums));
    recorder.output_gradient(observed, total, total.sum.is_finite());
}
