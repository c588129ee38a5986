//! A convolution of a branch with the batch norm before or after it.

use std::rc::Rc;

use dfdx::shapes::Rank1;

use super::shortcut::Joined;
use super::style::{Order, Style};
use crate::model::builder::{Builder, Start};
use crate::model::layer::{Convolution, batch_norm, fan_in};
use crate::nn::ops::{
    After, Context, Features, Gating, Norm, Observed, Parameter, Response, Scalars, gated, normalised,
    shifted,
};
use crate::structure::kind;
use crate::units::{BlockIdx, LayerIdx};

/// A convolution and its batch norm.
#[derive(Debug)]
pub(super) struct Step<const KERNEL: usize, const IN: usize, const TO: usize, const OUT: usize> {
    convolution: Convolution<KERNEL, IN, TO, OUT>,
    norm: Placed<IN, OUT>,
}

/// How a step starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Starts {
    /// Whether the convolution leaves everything as it is.
    pub(super) is_identity: bool,
    /// The scale of the norm.
    pub(super) scale: f32,
}

/// A batch norm and its place.
#[derive(Debug)]
enum Placed<const IN: usize, const OUT: usize> {
    Nowhere,
    Before(Norm<IN>),
    After(Norm<OUT>),
}

impl<const KERNEL: usize, const IN: usize, const TO: usize, const OUT: usize> Step<KERNEL, IN, TO, OUT> {
    /// Declares the convolution and batch norm of that number in a block.
    pub(super) fn new(
        block: &str,
        number: usize,
        style: &Style,
        starts: Starts,
        builder: &mut Builder,
    ) -> Self {
        let Starts { is_identity, scale } = starts;
        let start = if is_identity { Start::Dirac } else { Start::he(fan_in(KERNEL, IN)) };
        let name = format!("{block}.conv{number}");
        let convolution = Convolution::new(&name, kind::CONVOLUTION, !style.norm, start, builder);
        let (name, layer) = (format!("{block}.bn{number}"), convolution.layer);
        let norm = match style.order {
            _ if !style.norm => Placed::Nowhere,
            Order::Full => Placed::Before(batch_norm(&name, layer, scale, builder)),
            _ => Placed::After(batch_norm(&name, layer, scale, builder)),
        };
        Step { convolution, norm }
    }

    /// The layer of its convolution.
    pub(super) fn layer(&self) -> LayerIdx {
        self.convolution.layer
    }

    /// The norm behind the addition, if the convolution is the last of its branch and the order has one there.
    pub(super) fn norm_behind(&self, order: Order) -> Option<&Norm<OUT>> {
        match &self.norm {
            Placed::After(norm) if order == Order::NormAfter => Some(norm),
            _ => None,
        }
    }

    /// What the convolution reads, if it is the first of a block.
    pub(super) fn enter<const SIDE: usize>(
        &self,
        x: &Features<SIDE, IN>,
        order: Order,
        context: &Context,
    ) -> Features<SIDE, IN> {
        let after = After { relu: true, ..After::default() };
        match &self.norm {
            Placed::Before(norm) => normalised(x, norm, after, context),
            _ if order.is_pre_activation() => shifted(x, Scalars::default(), after, context),
            _ => x.clone(),
        }
    }

    /// The convolution's response.
    pub(super) fn response<const SIDE: usize>(
        &self,
        x: &Features<SIDE, IN>,
        context: &Context,
    ) -> Features<TO, OUT> {
        self.convolution.response(x, Response::PLAIN, context)
    }

    /// What the next convolution reads: norm or bias, and ReLU.
    pub(super) fn inner<const NEXT_KERNEL: usize, const NEXT: usize>(
        &self,
        response: &Features<TO, OUT>,
        next: &Step<NEXT_KERNEL, OUT, TO, NEXT>,
        context: &Context,
    ) -> Features<TO, OUT> {
        let norm = match (&self.norm, &next.norm) {
            (Placed::After(norm), _) | (_, Placed::Before(norm)) => Some(norm),
            _ => None,
        };
        let observed = Observed::layer(self.convolution.layer);
        let after = After { relu: true, observed, ..After::default() };
        self.convolution.mapped(response, norm, None, after, context)
    }

    /// The block's output, if the convolution is the last of its branch.
    pub(super) fn end<const SIDE: usize>(
        &self,
        x: &Features<SIDE, IN>,
        end: End<'_, TO, OUT>,
    ) -> Features<TO, OUT> {
        let End { order, factor, gain, joined, block, context } = end;
        let observed = Observed::block(block, self.convolution.layer);
        let (shortcut, gate) = joined.map(|joined| (joined.shortcut, joined.gate)).unzip();
        let norm = if let Placed::After(norm) = &self.norm { Some(norm) } else { None };
        let mapped = |response: &Features<TO, OUT>, after| {
            self.convolution.mapped(response, norm, gain, After { factor, ..after }, context)
        };
        if let Some(gate) = gate.flatten().filter(|gate| gate.is_exclusive) {
            let branch = mapped(&self.response(x, context), After::default()).formed(context);
            let branch = gated(&branch, &gate.response, &gate.bias, Gating::Gate, context);
            let after = After { shortcut, relu: true, observed, ..After::default() };
            return shifted(&branch, Scalars::default(), after, context);
        }
        match order {
            Order::Post => {
                let after = After { shortcut, relu: true, observed, ..After::default() };
                mapped(&self.response(x, context), after)
            }
            Order::NormAfter => {
                let observed_terms =
                    if shortcut.is_some() { Observed::terms_of(block) } else { Observed::NOTHING };
                let response = Response { shortcut, observed: observed_terms };
                let sum = self.convolution.response(x, response, context);
                mapped(&sum, After { relu: true, observed, ..After::default() })
            }
            Order::ReluBefore if shortcut.is_some() => {
                let after = After { relu: true, ..After::default() };
                let branch = mapped(&self.response(x, context), after).formed(context);
                let after = After { shortcut, observed, ..After::default() };
                shifted(&branch, Scalars::default(), after, context).formed(context)
            }
            Order::ReluBefore => {
                let after = After { relu: true, observed, ..After::default() };
                mapped(&self.response(x, context), after)
            }
            Order::ReluOnly => {
                let after = After { shortcut, observed, ..After::default() };
                mapped(&self.response(x, context), after).formed(context)
            }
            Order::Full => {
                let after = After { factor, shortcut, observed, ..After::default() };
                self.convolution.raw(x, gain, after, context)
            }
        }
    }
}

/// How a block ends.
pub(super) struct End<'a, const TO: usize, const OUT: usize> {
    pub(super) order: Order,
    /// A constant factor of the branch.
    pub(super) factor: f32,
    /// A trained one.
    pub(super) gain: Option<&'a Rc<Parameter<Rank1<1>>>>,
    /// What is added to it.
    pub(super) joined: Option<Joined<TO, OUT>>,
    pub(super) block: BlockIdx,
    pub(super) context: &'a Context,
}
