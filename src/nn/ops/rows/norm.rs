//! Layer norm (Ba et al. 2016), over the features of each row.

use std::rc::Rc;

use dfdx::shapes::Rank1;

use super::{record, record_gradient};
use crate::nn::kernels::bundle::IMAGES;
use crate::nn::kernels::layer_norm::{
    FeatureGradients, Gradient, RowStatistics, layer_norm as normalise, layer_norm_gradient,
};
use crate::nn::kernels::row_sums::fold;
use crate::nn::ops::activation::{Activation, Observed};
use crate::nn::ops::parameter::{AnyParameter, Parameter};
use crate::nn::ops::{Context, Features};

/// The parameters of a layer norm.
#[derive(Clone, Debug)]
pub struct LayerNorm<const N: usize> {
    /// Scale.
    pub gamma: Rc<Parameter<Rank1<N>>>,
    /// Shift.
    pub beta: Rc<Parameter<Rank1<N>>>,
    /// A constant factor of the output (Sun et al. 2025).
    pub factor: f32,
}

/// Computes `factor (gamma (x - mean) / sqrt(variance + 1e-5) + beta)` of every row.
pub fn layer_norm<const N: usize>(
    x: &Features<1, N>,
    norm: &LayerNorm<N>,
    observed: Observed,
    context: &Context,
) -> Features<1, N> {
    let x = Rc::clone(&x.activation);
    let (set, shares, bundle, factor) = (context.instructions, x.shares(), x.shape.bundle(), norm.factor);
    let scaled = |parameter: &Parameter<Rank1<N>>| -> Vec<f32> {
        parameter.values().iter().map(|value| factor * value).collect()
    };
    let (gamma, beta) = (scaled(&norm.gamma), scaled(&norm.beta));
    let mut y = context.buffers.take(x.len());
    let mut statistics = vec![RowStatistics::default(); x.layout.bundles()];
    {
        let values = x.kept();
        let mut rest = &mut statistics[..];
        let of_shares = shares.iter().map(|share| {
            let (own, behind) = std::mem::take(&mut rest).split_at_mut(share.bundles.len());
            rest = behind;
            own
        });
        let jobs = x.divide(&values, &shares).zip(x.divide_mut(&mut y, &shares)).zip(of_shares);
        context.run(jobs, |((x, y), statistics)| {
            let bundles = x.chunks_exact(bundle).zip(y.chunks_exact_mut(bundle));
            for ((x, y), statistics) in bundles.zip(statistics) {
                *statistics = normalise(set, [&gamma, &beta], x, y);
            }
        });
    }
    let y = Rc::new(Activation::in_memory(x.shape, x.layout, y, true));
    record(&y, observed, None, context);

    let (output, norm, context) = (Rc::clone(&y), norm.clone(), context.clone());
    context.tape.clone().record(move |gradients| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        record_gradient(&output, &dy, observed, &context);
        let mut dx = context.buffers.take(x.len());
        let shares = x.shares();
        let mut of_parameters = vec![vec![[[0.0; IMAGES]; 2]; N]; shares.len()];
        {
            let values = x.kept();
            let gradients = x.divide(&dy, &shares).zip(x.divide_mut(&mut dx, &shares));
            let jobs = shares.iter().zip(x.divide(&values, &shares)).zip(gradients).zip(&mut of_parameters);
            context.run(jobs, |(((share, x), (dy, dx)), parameters)| {
                let parameters: &mut [FeatureGradients] = parameters;
                let all =
                    x.chunks_exact(bundle).zip(dy.chunks_exact(bundle)).zip(dx.chunks_exact_mut(bundle));
                for (((x, dy), dx), at) in all.zip(share.bundles.clone()) {
                    let (valid, dx) = (share.layout.valid(at), Gradient::Written(dx));
                    layer_norm_gradient(set, &gamma, x, &statistics[at], dy, valid, dx, parameters);
                }
            });
        }
        for (which, parameter) in [&norm.gamma, &norm.beta].into_iter().enumerate() {
            let gradient = parameter.gradient(gradients)?;
            for share in &of_parameters {
                let sums = share.iter().map(|of_feature| fold(&of_feature[which]) as f32);
                gradient.iter_mut().zip(sums).for_each(|(gradient, sum)| *gradient += norm.factor * sum);
            }
        }
        x.add_extra(Rc::new(dx), &context);
        Ok(())
    });
    Features::of(y)
}
