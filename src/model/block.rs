//! Residual blocks and their plain counterparts: a branch of convolutions, what is added to it, and what follows the
//! addition. Which operations stand where, and what is added, is chosen at run time; shapes and channels are types.

use crate::model::builder::Builder;
use crate::model::module::{Module, Place, StageBlock};
use crate::nn::ops::{After, Context, Features, Observed, Scalars, normalised, shifted};
use crate::units::BlockIdx;
use branch::{Bottleneck, Branch, TwoConvolutions};
use shortcut::Added;
pub(super) use style::{Init, Order, Shortcut, Style};

mod branch;
mod fixup;
mod shortcut;
mod step;
mod style;

pub(super) use fixup::FixupBlock;

/// A block of two 3x3 convolutions from `SIDE` by `SIDE` pixels of `IN` channels to `TO` by `TO` of `OUT`.
pub type BasicBlock<const SIDE: usize, const IN: usize, const TO: usize, const OUT: usize> =
    Block<SIDE, IN, TO, OUT, TwoConvolutions<IN, TO, OUT>>;

/// A block of a 1x1, a 3x3 and a 1x1 convolution, the first two of `INNER` channels (He et al. 2016, appendix).
pub(super) type BottleneckBlock<
    const SIDE: usize,
    const IN: usize,
    const TO: usize,
    const INNER: usize,
    const OUT: usize,
> = Block<SIDE, IN, TO, OUT, Bottleneck<IN, TO, INNER, OUT>>;

/// A block with any branch.
#[derive(Debug)]
pub struct Block<const SIDE: usize, const IN: usize, const TO: usize, const OUT: usize, B> {
    index: BlockIdx,
    style: Style,
    /// Whether the shortcut, too, starts behind the first activation (He et al. 2016, appendix).
    shares_start: bool,
    /// The probability with which the branch is computed in a step.
    survival: Option<f64>,
    branch: B,
    added: Added<SIDE, IN, TO, OUT>,
}

impl<const SIDE: usize, const IN: usize, const TO: usize, const OUT: usize, B> StageBlock
    for Block<SIDE, IN, TO, OUT, B>
where
    B: Branch<IN, TO, OUT>,
{
    type Style = Style;

    fn new(place: &Place, style: &Style, builder: &mut Builder) -> Self {
        let changes = SIDE != TO || IN != OUT;
        let shortcut = style.shortcut.kind(changes);
        builder.block(&place.name, place.stage, shortcut, |builder, index| {
            let branch = B::new(&place.name, !changes, style, builder);
            let added = Added::new(&place.name, style, builder);
            let branch = branch.with_gain(&place.name, style, builder);
            let share = place.number as f64 / place.count as f64;
            Block {
                index,
                style: *style,
                shares_start: style.order.is_pre_activation() && (place.number == 1 || changes),
                survival: style.survival.map(|last| 1.0 - share * (1.0 - last)),
                branch,
                added,
            }
        })
    }
}

impl<const SIDE: usize, const IN: usize, const TO: usize, const OUT: usize, B> Module
    for Block<SIDE, IN, TO, OUT, B>
where
    B: Branch<IN, TO, OUT>,
{
    type Input = Features<SIDE, IN>;
    type Output = Features<TO, OUT>;

    fn forward(&self, x: Features<SIDE, IN>, context: &Context) -> Features<TO, OUT> {
        let order = self.style.order;
        if context.leaves_out(self.index) {
            return self.without_branch(x, context);
        }
        let mut factor = self.style.branch_scale;
        let is_dropped = match (self.survival, &context.chance) {
            (Some(survival), Some(chance)) => !chance.survives(self.index, survival),
            (Some(survival), None) => {
                // Without chance, the branch counts as much as it does on average.
                factor *= survival as f32;
                false
            }
            (None, _) => false,
        };
        if is_dropped {
            return self.without_branch(x, context);
        }
        let has_shortcut = self.style.shortcut != Shortcut::None;
        let (from, start) = if self.shares_start {
            let start = self.branch.enter(&x, order, context);
            (has_shortcut.then(|| start.shared()), start)
        } else {
            (has_shortcut.then(|| x.shared()), self.branch.enter(&x, order, context))
        };
        // The first convolution forms the start, which the shortcut then finds in memory. The tape records the branch
        // first and then the shortcut, so that in the backward pass the first convolution comes last and adds both
        // gradients.
        let begun = self.branch.begin(&start, context);
        let joined = from.map(|from| self.added.forward(&from, self.index, context));
        self.branch.finish(begun, order, factor, joined, self.index, context)
    }
}

impl<const SIDE: usize, const IN: usize, const TO: usize, const OUT: usize, B> Block<SIDE, IN, TO, OUT, B>
where
    B: Branch<IN, TO, OUT>,
{
    /// What is left of the block if its branch contributes nothing: the shortcut and what follows the addition. A block
    /// without shortcut passes its input on, which must have the shape of its output.
    fn without_branch(&self, x: Features<SIDE, IN>, context: &Context) -> Features<TO, OUT> {
        let order = self.style.order;
        if self.style.shortcut == Shortcut::None {
            return x.same().expect("a plain block is left out only where it keeps the shape");
        }
        let from = if self.shares_start { self.branch.enter(&x, order, context) } else { x };
        let from = from.formed(context);
        let shortcut = self.added.forward(&from, self.index, context).shortcut;
        let observed = Observed { block: Some(self.index), ..Observed::NOTHING };
        let after = After { relu: !order.ends_with_addition(), observed, ..After::default() };
        match self.branch.norm_behind(order) {
            Some(norm) => normalised(&shortcut, norm, after, context).formed(context),
            None => shifted(&shortcut, Scalars::default(), after, context).formed(context),
        }
    }
}
