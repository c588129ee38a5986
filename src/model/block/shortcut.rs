//! What is added to a branch.

use std::rc::Rc;

use dfdx::shapes::Rank1;

use super::style::{Shortcut, Style};
use crate::metric::known;
use crate::model::builder::{Builder, Start};
use crate::model::layer::{Convolution, batch_norm, fan_in};
use crate::nn::ops::{
    After, Context, Features, Gating, Norm, Observed, Parameter, Response, Scalars, gated, masked, shifted,
    zero_padding,
};
use crate::structure::kind;
use crate::units::BlockIdx;

/// The share of a dropout shortcut that is kept.
const KEPT: f32 = 0.5;

/// The shortcut of a block.
#[derive(Debug)]
pub(super) struct Added<const SIDE: usize, const IN: usize, const TO: usize, const OUT: usize> {
    shortcut: Shortcut,
    projection: Option<(Convolution<1, IN, TO, OUT>, Option<Norm<OUT>>)>,
    gate: Option<(Convolution<1, IN, TO, OUT>, Rc<Parameter<Rank1<OUT>>>)>,
}

/// What is added to a branch, in memory.
#[derive(Debug)]
pub struct Joined<const TO: usize, const OUT: usize> {
    pub(super) shortcut: Features<TO, OUT>,
    pub(super) gate: Option<Gate<TO, OUT>>,
}

/// A gate before its bias and sigmoid.
#[derive(Debug)]
pub(super) struct Gate<const TO: usize, const OUT: usize> {
    pub(super) response: Features<TO, OUT>,
    pub(super) bias: Rc<Parameter<Rank1<OUT>>>,
    /// Whether it also applies to the branch.
    pub(super) is_exclusive: bool,
}

impl<const SIDE: usize, const IN: usize, const TO: usize, const OUT: usize> Added<SIDE, IN, TO, OUT> {
    /// Declares its layers.
    pub(super) fn new(block: &str, style: &Style, builder: &mut Builder) -> Self {
        let changes = SIDE != TO || IN != OUT;
        let start = Start::he(fan_in(1, IN));
        let is_projected =
            style.shortcut == Shortcut::Convolution || style.shortcut == Shortcut::Projection && changes;
        builder.of_shortcut(|builder| {
            let projection = is_projected.then(|| {
                let name = format!("{block}.downsample.0");
                let projection = Convolution::new(&name, kind::PROJECTION, !style.norm, start, builder);
                // With pre-activation there is no norm between the convolution and the addition.
                let has_norm = style.norm && style.order != super::Order::Full;
                let name = format!("{block}.downsample.1");
                let layer = projection.layer;
                (projection, has_norm.then(|| batch_norm(&name, layer, 1.0, builder)))
            });
            let gate = match style.shortcut {
                Shortcut::ExclusiveGate(bias) | Shortcut::Gated(bias) => {
                    builder.measures(known::GATE);
                    let name = format!("{block}.gate");
                    let gate = Convolution::new(&name, kind::GATE, false, start, builder);
                    let bias = gate.new_bias(&name, bias, builder);
                    Some((gate, bias))
                }
                _ => None,
            };
            Added { shortcut: style.shortcut, projection, gate }
        })
    }

    /// What is added, from the block's input, which is in memory.
    pub(super) fn forward(
        &self,
        x: &Features<SIDE, IN>,
        block: BlockIdx,
        context: &Context,
    ) -> Joined<TO, OUT> {
        let identity = self.identity(x, context);
        let gate = self.gate.as_ref().map(|(gate, bias)| Gate {
            response: gate.response(x, observed(Observed::layer(gate.layer)), context),
            bias: Rc::clone(bias),
            is_exclusive: matches!(self.shortcut, Shortcut::ExclusiveGate(_)),
        });
        let scaled = |factor: f32| {
            let after = After { factor, ..After::default() };
            shifted(&identity, Scalars::default(), after, context).only_added(context)
        };
        let shortcut = match (self.shortcut, &context.chance) {
            (Shortcut::Scaled(factor), _) => scaled(factor),
            (Shortcut::Dropout, Some(chance)) => {
                let mask = chance.kept(block, f64::from(KEPT), identity.images() * TO * TO * OUT);
                masked(&identity, &mask, context)
            }
            (Shortcut::Dropout, None) => scaled(KEPT),
            _ => match &gate {
                Some(gate) => {
                    let gating = Gating::Complement(Some(block));
                    gated(&identity, &gate.response, &gate.bias, gating, context)
                }
                None => identity,
            },
        };
        Joined { shortcut, gate }
    }

    /// The input in the shape of the output.
    fn identity(&self, x: &Features<SIDE, IN>, context: &Context) -> Features<TO, OUT> {
        if let Some((projection, norm)) = &self.projection {
            let observed = Observed::layer(projection.layer);
            let after = After { observed, ..After::default() };
            return match norm {
                None => projection.raw(x, None, after, context),
                Some(norm) => {
                    let response = projection.response(x, Response::PLAIN, context);
                    projection.mapped(&response, Some(norm), None, after, context).only_added(context)
                }
            };
        }
        match x.same() {
            Some(same) => same,
            None => zero_padding(x, context),
        }
    }
}

fn observed<const TO: usize, const OUT: usize>(observed: Observed) -> Response<TO, OUT> {
    Response { observed, ..Response::PLAIN }
}
