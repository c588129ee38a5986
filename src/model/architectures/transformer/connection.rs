//! The hyper-connections of a transformer with several streams.

use std::rc::Rc;

use super::Sizes;
use super::block::Residual;
use crate::model::builder::{Builder, Role, Start};
use crate::nn::ops::rows::{Dynamic, Hyper, Manifold, Rows, coefficient_count, hyper, manifold};
use crate::nn::ops::{AnyParameter, Context};
use crate::units::LayerIdx;

/// The coefficients of one block.
pub(super) enum Connection {
    /// Of Zhu et al. 2024.
    Hyper(Hyper, usize),
    /// Of Xie et al. 2025.
    Manifold(Manifold, usize),
}

impl Connection {
    /// Declares the connection of block `site`, counted over all blocks. At first the branch reads one stream, every
    /// stream stays as it is, and the branch is added to all (Zhu et al. 2024, equation 14).
    pub(super) fn new<const D: usize>(
        name: &str,
        site: usize,
        residual: Residual,
        sizes: Sizes,
        layer: LayerIdx,
        builder: &mut Builder,
    ) -> Connection {
        let n = sizes.streams;
        let name = |part: &str| format!("{name}.{part}");
        if residual == Residual::Manifold {
            let rows = coefficient_count(n);
            let start = Start::Normal(sizes.deviation);
            let function = builder.parameter(name("fn"), layer, Role::Other, (rows, n * D), start);
            let mut base = vec![0.0; rows];
            base[..n].fill(-((n.max(2) - 1) as f32).ln());
            let base = builder.parameter_of(name("base"), layer, (rows,), &base);
            let scale = builder.parameter(name("scale"), layer, Role::Other, (3,), Start::Constant(0.01));
            return Connection::Manifold(Manifold { function, base, scale }, n);
        }
        let beta = builder.parameter(name("static_beta"), layer, Role::Other, (n,), Start::Constant(1.0));
        let mut alpha = vec![0.0; n * (n + 1)];
        alpha[site % n * (n + 1)] = 1.0;
        (0..n).for_each(|stream| alpha[stream * (n + 1) + stream + 1] = 1.0);
        let alpha = builder.parameter_of(name("static_alpha"), layer, (n, n + 1), &alpha);
        let dynamic = (residual == Residual::HyperDynamic).then(|| {
            let mut declare = |part: &str, length: usize, start: f32| -> Rc<dyn AnyParameter> {
                builder.parameter(name(part), layer, Role::Other, (length,), Start::Constant(start))
            };
            let alpha_scale = declare("dynamic_alpha_scale", 1, 0.01);
            let beta_scale = declare("dynamic_beta_scale", 1, 0.01);
            let beta_fn = declare("dynamic_beta_fn", D, 0.0);
            let norm = [declare("layer_norm.weight", D, 1.0), declare("layer_norm.bias", D, 0.0)];
            let zero = Start::Constant(0.0);
            let alpha_fn = builder.parameter(name("dynamic_alpha_fn"), layer, Role::Other, (D, n + 1), zero);
            Dynamic { alpha_fn, beta_fn, alpha_scale, beta_scale, norm }
        });
        Connection::Hyper(Hyper { alpha, beta, dynamic }, n)
    }

    /// Multiply-adds of the connection of one block.
    pub(super) fn multiply_adds<const D: usize>(residual: Residual, sizes: Sizes) -> usize {
        let (n, tokens) = (sizes.streams, sizes.context);
        match residual {
            Residual::HyperStatic => tokens * n * D * (n + 2),
            Residual::HyperDynamic => 2 * tokens * n * D * (n + 2),
            Residual::Manifold => tokens * n * D * (n * (n + 3) + 2),
            _ => 0,
        }
    }

    /// The number of streams.
    pub(super) fn streams(&self) -> usize {
        match self {
            Connection::Hyper(_, streams) | Connection::Manifold(_, streams) => *streams,
        }
    }

    /// The coefficients for these streams.
    pub(super) fn coefficients(&self, x: &Rows, context: &Context) -> Rows {
        match self {
            Connection::Hyper(parameters, streams) => hyper(x, parameters, *streams, context),
            Connection::Manifold(parameters, streams) => manifold(x, parameters, *streams, context),
        }
    }
}
