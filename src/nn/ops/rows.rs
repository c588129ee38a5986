//! Operations on rows: vectors of features, or tokens. Unlike those on images they compute their outputs at once, since
//! a row has no neighbours by which it would be read again. Rows are images of one pixel: `Features<1, N>`.

use super::Context;
use super::activation::{Activation, Observed};
use super::recorder::Measured;
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::{BatchShare, IMAGES};
use crate::nn::kernels::row_sums::{self, RowSums};
use crate::nn::kernels::token_cosine::mean_cosine;
use crate::statistics::{Moments, Products, Sums};

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
pub use linear::{Linear, Rows, head, linear_rows, stem};
pub use loss::{RowLogits, RowLoss, cross_entropy};
pub use norm::{LayerNorm, layer_norm};
pub use slope::gelu;
pub(super) use streams::between;
pub use streams::{coefficients as coefficient_count, copied, entrance, passed, streamed, summed};

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
    output: Option<Output>,
    /// Of what a shortcut was added to, or of the output.
    before: Sums,
    products: Products,
}

/// The measurements of an output.
#[derive(Clone, Debug)]
struct Output {
    moments: Moments,
    /// Whether each feature had a non-zero value in a row.
    alive: Vec<bool>,
}

impl Share {
    /// Measures an output, and what it is the sum of; if `all` is wanted, everything.
    fn of(
        set: InstructionSet,
        bundle: usize,
        share: &BatchShare,
        [y, f, h]: [&[f32]; 3],
        all: bool,
    ) -> Share {
        let mut measured = Share::default();
        if !all {
            let sums = bundles_of(share, y, bundle).map(|(valid, y)| row_sums::sums(set, y, valid));
            sums.for_each(|sums| measured.before.merge(&sums));
            return measured;
        }
        let mut sums = RowSums::none(bundle / IMAGES);
        bundles_of(share, y, bundle).for_each(|(valid, y)| sums.add(set, y, valid));
        for ((valid, f), h) in bundles_of(share, f, bundle).zip(h.chunks_exact(bundle)) {
            measured.before.merge(&row_sums::sums(set, f, valid));
            measured.products.merge(&row_sums::products(set, f, h, valid));
        }
        measured.output = Some(Output { moments: sums.moments, alive: sums.alive().collect() });
        measured
    }

    fn merge(&mut self, other: Share) {
        self.before.merge(&other.before);
        self.products.merge(&other.products);
        match (&mut self.output, other.output) {
            (Some(output), Some(other)) => {
                output.moments.merge(&other.moments);
                output.alive.iter_mut().zip(other.alive).for_each(|(alive, other)| *alive |= other);
            }
            (output, other) => *output = output.take().or(other),
        }
    }
}

/// Records an output, which may be the sum of two terms.
fn record(y: &Activation, observed: Observed, terms: Option<[&Activation; 2]>, context: &Context) {
    let Some(recorder) = context.recorder.as_ref().filter(|_| observed.is_any()) else { return };
    let (set, bundle, shares) = (context.instructions, y.shape.bundle(), y.shares());
    let all = context.measures();
    let mut measured = vec![Share::default(); shares.len()];
    {
        let values = y.kept();
        let terms = terms.map(|terms| terms.map(Activation::kept));
        let nothing: &[f32] = &[];
        let of_terms: Vec<[&[f32]; 2]> = match &terms {
            Some([f, h]) => y.divide(f, &shares).zip(y.divide(h, &shares)).map(|(f, h)| [f, h]).collect(),
            None => vec![[nothing; 2]; shares.len()],
        };
        let jobs = shares.iter().zip(y.divide(&values, &shares)).zip(of_terms.into_iter().zip(&mut measured));
        context.run(jobs, |((share, y), ([f, h], measured))| {
            *measured = Share::of(set, bundle, share, [y, f, h], all);
        });
    }
    let mut total = Share::default();
    measured.into_iter().for_each(|share| total.merge(share));
    let products = terms.map(|_| total.products);
    let before = match &total.output {
        Some(output) if terms.is_none() => output.moments.sums,
        _ => total.before,
    };
    let measured = total.output.map(|Output { moments, alive }| Measured {
        moments,
        dead_units: alive.iter().filter(|alive| !**alive).count(),
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
