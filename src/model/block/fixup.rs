//! Blocks without norm that start as the identity by their initialisation: Fixup (Zhang et al. 2019, section 3, and
//! github.com/hongyi-zhang/Fixup).

use std::rc::Rc;

use dfdx::shapes::Rank1;

use super::style::Style;
use crate::metric::known;
use crate::model::builder::{Builder, Start};
use crate::model::layer::{Convolution, scalar};
use crate::model::module::{Module, Place, StageBlock};
use crate::nn::ops::{
    After, AnyParameter, Context, Features, Observed, Parameter, Response, Scalars, shifted, zero_padding,
};
use crate::structure::kind;
use crate::units::BlockIdx;

/// `F = scale conv2(relu(conv1(x + bias1a) + bias1b) + bias2a) + bias2b, y = relu(h + F)`, where scale and biases are
/// single numbers; h is x, or option A of `x + bias1a` where the shape changes. The paper's code puts the zero channels
/// behind, ours on both sides, as everywhere. `x` is in memory.
#[derive(Debug)]
pub(in crate::model) struct FixupBlock<const SIDE: usize, const IN: usize, const TO: usize, const OUT: usize>
{
    index: BlockIdx,
    first: Convolution<3, IN, TO, OUT>,
    second: Convolution<3, OUT, TO, OUT>,
    first_biases: [Rc<Parameter<Rank1<1>>>; 2],
    second_biases: [Rc<Parameter<Rank1<1>>>; 2],
    scale: Rc<Parameter<Rank1<1>>>,
}

impl<const SIDE: usize, const IN: usize, const TO: usize, const OUT: usize> StageBlock
    for FixupBlock<SIDE, IN, TO, OUT>
{
    type Style = Style;

    /// The first convolution starts with variance `2 / (9 OUT blocks)`, the second at 0.
    fn new(place: &Place, style: &Style, builder: &mut Builder) -> Self {
        let changes = SIDE != TO || IN != OUT;
        let name = |part: &str| format!("{}.{part}", place.name);
        builder.block(&place.name, place.stage, style.shortcut.kind(changes), |builder, index| {
            let start = Start::Normal((2.0 / (9 * OUT * place.count) as f64).sqrt());
            let first = Convolution::new(&name("conv1"), kind::CONVOLUTION, false, start, builder);
            let first_biases = ["bias1a", "bias1b"].map(|part| scalar(name(part), first.layer, 0.0, builder));
            let zero = Start::Constant(0.0);
            let second = Convolution::new(&name("conv2"), kind::CONVOLUTION, false, zero, builder);
            let second_biases =
                ["bias2a", "bias2b"].map(|part| scalar(name(part), second.layer, 0.0, builder));
            builder.measures(known::GATE);
            let scale = scalar(name("scale"), second.layer, 1.0, builder);
            FixupBlock { index, first, second, first_biases, second_biases, scale }
        })
    }
}

impl<const SIDE: usize, const IN: usize, const TO: usize, const OUT: usize> Module
    for FixupBlock<SIDE, IN, TO, OUT>
{
    type Input = Features<SIDE, IN>;
    type Output = Features<TO, OUT>;

    fn forward(&self, x: Features<SIDE, IN>, context: &Context) -> Features<TO, OUT> {
        let [bias1a, bias1b] = self.first_biases.each_ref().map(plus);
        let [bias2a, bias2b] = self.second_biases.each_ref().map(plus);
        let start = shifted(&x, bias1a, After::default(), context);
        let unchanged = x.same();
        let from = if unchanged.is_some() { start.clone() } else { start.shared() };
        let response = self.first.response(&from, Response::PLAIN, context);
        let shortcut = unchanged.unwrap_or_else(|| zero_padding(&from, context));
        if context.leaves_out(self.index) {
            let observed = Observed { block: Some(self.index), ..Observed::NOTHING };
            let after = After { relu: true, observed, ..After::default() };
            return shifted(&shortcut, Scalars::default(), after, context).formed(context);
        }

        let observed = Observed::layer(self.first.layer);
        let after = After { relu: true, observed, ..After::default() };
        let x = shifted(&response, bias1b, after, context).formed(context);
        let x = shifted(&x, bias2a, After::default(), context);
        let response = self.second.response(&x, Response::PLAIN, context);
        let scalars = Scalars { gain: Some(self.scale.clone()), after: bias2b.before, before: None };
        let observed = Observed::block(self.index, self.second.layer);
        let after = After { shortcut: Some(shortcut), relu: true, observed, ..After::default() };
        shifted(&response, scalars, after, context).formed(context)
    }
}

/// Adds a number.
fn plus(bias: &Rc<Parameter<Rank1<1>>>) -> Scalars {
    Scalars { before: Some(Rc::clone(bias) as Rc<dyn AnyParameter>), ..Scalars::default() }
}
