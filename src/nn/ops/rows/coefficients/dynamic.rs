//! Coefficients that depend on the token: hyperbolic tangents of linear functions of each normalised stream (Zhu et al.
//! 2024, equations 10 to 13).

use std::rc::Rc;

use dfdx::tensor::{Cpu, CpuError, Gradients};

use super::{Function, add, place, products};
use crate::nn::kernels::bundle::{IMAGES, Layout, Shape};
use crate::nn::kernels::elementwise;
use crate::nn::kernels::layer_norm::{Gradient, RowStatistics, layer_norm, layer_norm_gradient};
use crate::nn::kernels::row_sums::fold;
use crate::nn::ops::Context;
use crate::nn::ops::activation::{Activation, divide, divide_mut};
use crate::nn::ops::buffers::Buffer;
use crate::nn::ops::parameter::AnyParameter;
use crate::nn::ops::rows::linear::panels_of;

/// The parameters of what depends on the token.
#[derive(Clone)]
pub struct Dynamic {
    /// `[features][streams + 1]`.
    pub alpha_fn: Rc<dyn AnyParameter>,
    /// `[features]`.
    pub beta_fn: Rc<dyn AnyParameter>,
    /// One number.
    pub alpha_scale: Rc<dyn AnyParameter>,
    /// One number.
    pub beta_scale: Rc<dyn AnyParameter>,
    /// Scale and shift of the layer norm of each stream.
    pub norm: [Rc<dyn AnyParameter>; 2],
}

/// What dynamic coefficients keep for the backward pass, of each bundle and stream.
pub(super) struct Kept {
    /// The normalised features.
    normal: Buffer,
    statistics: Vec<RowStatistics>,
    /// `[streams + 2][16]`: the hyperbolic tangents.
    tanh: Buffer,
}

impl Dynamic {
    /// The functions of a stream's features, `[streams + 2][features]`: to the branch, to each stream, and from the branch.
    fn functions(&self, streams: usize) -> Vec<f32> {
        let (alpha, beta) = (self.alpha_fn.values(), self.beta_fn.values());
        let columns = (0..=streams).flat_map(|to| alpha[to..].iter().step_by(streams + 1));
        columns.chain(beta.iter()).copied().collect()
    }

    /// Of each function.
    fn scales(&self, streams: usize) -> Vec<f32> {
        let [alpha, beta] = [&self.alpha_scale, &self.beta_scale].map(|scale| scale.values()[0]);
        [vec![alpha; streams + 1], vec![beta]].concat()
    }

    /// Adds what depends on the token to the coefficients.
    pub(super) fn add(
        &self,
        x: &Activation,
        shape: Shape,
        c: &mut [f32],
        streams: usize,
        context: &Context,
    ) -> Kept {
        let (set, shares, features) = (context.instructions, x.shares(), x.shape.channels / streams);
        let of_tanh = Shape::new(1, 1, streams * (streams + 2));
        let (functions, scales) = (self.functions(streams), self.scales(streams));
        let [gamma, beta] = self.norm.each_ref().map(|parameter| parameter.values().to_vec());
        let mut normal = context.buffers.take(x.len());
        let mut tanh = context.buffers.take(x.layout.bundles() * of_tanh.bundle());
        let mut statistics = vec![RowStatistics::default(); x.layout.bundles() * streams];
        {
            let values = x.kept();
            let mut rest = &mut statistics[..];
            let statistics = shares.iter().map(|share| rest.split_off_mut(..share.bundles.len() * streams));
            let kept = x.divide_mut(&mut normal, &shares).zip(divide_mut(of_tanh, &mut tanh, &shares));
            let jobs =
                x.divide(&values, &shares).zip(divide_mut(shape, c, &shares)).zip(kept).zip(statistics);
            context.run(jobs, |(((x, c), (normal, tanh)), statistics)| {
                let of_stream = features * IMAGES;
                let all = x.chunks_exact(of_stream).zip(normal.chunks_exact_mut(of_stream));
                for ((x, normal), statistics) in all.zip(statistics.into_iter().flatten()) {
                    *statistics = layer_norm(set, [&gamma, &beta], x, normal);
                }
                Function { set, weights: &functions, outputs: streams + 2 }.values(normal, tanh);
                elementwise::tanh(set, tanh);
                for (c, tanh) in c.chunks_exact_mut(shape.bundle()).zip(tanh.chunks_exact(of_tanh.bundle())) {
                    for (at, tanh) in tanh.as_chunks::<IMAGES>().0.iter().enumerate() {
                        let (from, to) = (at / (streams + 2), at % (streams + 2));
                        let c = &mut c[place(streams, from, to) * IMAGES..][..IMAGES];
                        c.iter_mut().zip(tanh).for_each(|(c, tanh)| *c += scales[to] * tanh);
                    }
                }
            });
        }
        Kept { normal, statistics, tanh }
    }

    /// Adds the gradients of all parameters, and leaves that of the streams.
    pub(super) fn backward(
        &self,
        x: &Rc<Activation>,
        kept: &Kept,
        (shape, dc): (Shape, &[f32]),
        streams: usize,
        gradients: &mut Gradients<f32, Cpu>,
        context: &Context,
    ) -> Result<(), CpuError> {
        let (set, shares, features) = (context.instructions, x.shares(), x.shape.channels / streams);
        let (layout, of_tanh) = (x.layout, Shape::new(1, 1, streams * (streams + 2)));
        let (functions, scales) = (self.functions(streams), self.scales(streams));
        let gamma = self.norm[0].values().to_vec();
        let mut slopes = context.buffers.take(layout.bundles() * of_tanh.bundle());
        let (mut of_normal, mut dx) = (context.buffers.take(x.len()), context.buffers.take(x.len()));
        let mut sums =
            vec![(vec![0.0_f64; streams + 2], vec![[[0.0_f32; IMAGES]; 2]; features]); shares.len()];
        {
            let values = x.kept();
            let mut rest = &kept.statistics[..];
            let statistics = shares.iter().map(|share| rest.split_off(..share.bundles.len() * streams));
            let known = divide(of_tanh, &kept.tanh, &shares).zip(divide(shape, dc, &shares));
            let known = known.zip(x.divide(&values, &shares).zip(statistics));
            let to = x.divide_mut(&mut of_normal, &shares).zip(x.divide_mut(&mut dx, &shares));
            let to = divide_mut(of_tanh, &mut slopes, &shares).zip(to).zip(&mut sums);
            context.run(shares.iter().zip(known).zip(to), |((share, known), to)| {
                let (((tanh, dc), (x, statistics)), ((slopes, (of_normal, dx)), (of_scales, of_norm))) =
                    (known, to);
                let bundles =
                    slopes.chunks_exact_mut(of_tanh.bundle()).zip(tanh.chunks_exact(of_tanh.bundle()));
                let bundles = share.bundles.clone().zip(bundles.zip(dc.chunks_exact(shape.bundle())));
                for (bundle, ((slopes, tanh), dc)) in bundles {
                    let valid = layout.valid(bundle);
                    let vectors =
                        slopes.as_chunks_mut::<IMAGES>().0.iter_mut().zip(tanh.as_chunks::<IMAGES>().0);
                    for (at, (slopes, tanh)) in vectors.enumerate() {
                        let (from, to) = (at / (streams + 2), at % (streams + 2));
                        let dc = &dc[place(streams, from, to) * IMAGES..][..IMAGES];
                        slopes.fill(0.0);
                        for row in 0..valid {
                            of_scales[to] += f64::from(dc[row] * tanh[row]);
                            slopes[row] = scales[to] * dc[row] * (1.0 - tanh[row] * tanh[row]);
                        }
                    }
                }
                Function { set, weights: &functions, outputs: streams + 2 }.gradient(slopes, of_normal);
                let of_stream = features * IMAGES;
                let all = x.chunks_exact(of_stream).zip(of_normal.chunks_exact(of_stream));
                let all = all.zip(dx.chunks_exact_mut(of_stream)).zip(statistics.into_iter().flatten());
                for (at, (((x, dy), dx), statistics)) in all.enumerate() {
                    let valid = layout.valid(share.bundles.start + at / streams);
                    let dx = Gradient::Written(dx);
                    layer_norm_gradient(set, &gamma, x, statistics, dy, valid, dx, of_norm);
                }
            });
        }
        // Rows that don't count have slopes of zero.
        let rows = Layout::examples(layout.bundles() * streams * IMAGES);
        let panels = panels_of(rows, features, &kept.normal, context);
        let mut of_functions = vec![0.0; functions.len()];
        products(&slopes, streams + 2, &panels, rows.bundles(), &mut of_functions, context);
        let (of_alpha, of_beta) = of_functions.split_at((streams + 1) * features);
        let alpha_fn = self.alpha_fn.gradient(gradients)?;
        for (to, of_function) in of_alpha.chunks_exact(features).enumerate() {
            let places = alpha_fn[to..].iter_mut().step_by(streams + 1);
            places.zip(of_function).for_each(|(to, sum)| *to += sum);
        }
        self.beta_fn.gradient(gradients)?.iter_mut().zip(of_beta).for_each(|(to, sum)| *to += sum);
        for (of_scales, of_norm) in &sums {
            self.alpha_scale.gradient(gradients)?[0] += of_scales[..=streams].iter().sum::<f64>() as f32;
            self.beta_scale.gradient(gradients)?[0] += of_scales[streams + 1] as f32;
            for (which, parameter) in self.norm.iter().enumerate() {
                let sums: Vec<f64> = of_norm.iter().map(|of_feature| fold(&of_feature[which])).collect();
                add(parameter.gradient(gradients)?, &sums);
            }
        }
        x.add_extra(Rc::new(dx), context);
        Ok(())
    }
}
