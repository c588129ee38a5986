//! Blocks of two convolutions: those that keep the shape, and those that halve the side and double the
//! channels at the entrance of a stage. What is added to the residual branch is chosen at run time.

use dfdx::tensor::{Cpu, CpuError, Tape};

use crate::model::builder::Builder;
use crate::model::entry::{Entry, EntryMut};
use crate::model::layer::ConvolutionNorm;
use crate::nn::ops::{self, Context, Features};
use crate::topology::{Block as Description, ShortcutKind};
use crate::units::BlockIdx;

/// A block that keeps the shape: `relu(F(x) + x)`, or `relu(F(x))` in a plain network.
#[derive(Debug)]
pub(super) struct Block<const C: usize> {
    index: BlockIdx,
    residual: bool,
    first: ConvolutionNorm<3, 1, C, C>,
    second: ConvolutionNorm<3, 1, C, C>,
}

impl<const C: usize> Block<C> {
    /// The block of the topology with that index.
    pub(super) fn new(index: BlockIdx, block: &Description, builder: &Builder) -> Result<Self, CpuError> {
        Ok(Block {
            index,
            residual: block.shortcut != ShortcutKind::None,
            first: ConvolutionNorm::new(block.layers[0], builder)?,
            second: ConvolutionNorm::new(block.layers[1], builder)?,
        })
    }

    /// Computes the block's output.
    pub(super) fn forward<const H: usize, const W: usize, T: Tape<f32, Cpu> + 'static>(
        &mut self,
        x: Features<H, W, C, T>,
        context: &Context,
    ) -> Result<Features<H, W, C, T>, CpuError> {
        let shortcut = self.residual.then(|| x.shared());
        let inner = self.first.forward::<H, W, H, W, T>(x, true, None, None, context)?;
        self.second.forward::<H, W, H, W, T>(inner, true, shortcut, Some(self.index), context)
    }

    /// Lists its tensors in the state dict's order.
    pub(super) fn entries<'a>(&'a self, into: &mut Vec<Entry<'a>>) {
        self.first.entries(into);
        self.second.entries(into);
    }

    /// Lists its tensors in the state dict's order, mutable.
    pub(super) fn entries_mut<'a>(&'a mut self, into: &mut Vec<EntryMut<'a>>) {
        self.first.entries_mut(into);
        self.second.entries_mut(into);
    }
}

/// What a block that changes the shape adds to its residual branch.
#[derive(Debug)]
enum Shortcut<const IN: usize, const OUT: usize> {
    /// Nothing.
    None,
    /// Option A.
    ZeroPadding,
    /// Option B.
    Projection(Box<ConvolutionNorm<1, 2, IN, OUT>>),
}

/// A block that halves the side and changes the channels: `relu(F(x) + h(x))`, or `relu(F(x))`.
#[derive(Debug)]
pub(super) struct Transition<const IN: usize, const OUT: usize> {
    index: BlockIdx,
    first: ConvolutionNorm<3, 2, IN, OUT>,
    second: ConvolutionNorm<3, 1, OUT, OUT>,
    shortcut: Shortcut<IN, OUT>,
}

impl<const IN: usize, const OUT: usize> Transition<IN, OUT> {
    /// The block of the topology with that index.
    pub(super) fn new(index: BlockIdx, block: &Description, builder: &Builder) -> Result<Self, CpuError> {
        let shortcut = match (block.shortcut, block.layers.get(2)) {
            (ShortcutKind::Projection, Some(&layer)) => {
                Shortcut::Projection(Box::new(ConvolutionNorm::new(layer, builder)?))
            }
            (ShortcutKind::None, _) => Shortcut::None,
            _ => Shortcut::ZeroPadding,
        };
        Ok(Transition {
            index,
            first: ConvolutionNorm::new(block.layers[0], builder)?,
            second: ConvolutionNorm::new(block.layers[1], builder)?,
            shortcut,
        })
    }

    /// Computes the block's output.
    pub(super) fn forward<
        const H: usize,
        const W: usize,
        const HO: usize,
        const WO: usize,
        T: Tape<f32, Cpu> + 'static,
    >(
        &mut self,
        x: Features<H, W, IN, T>,
        context: &Context,
    ) -> Result<Features<HO, WO, OUT, T>, CpuError> {
        let shared = (!matches!(self.shortcut, Shortcut::None)).then(|| x.shared());
        // The first layer forms the block's input, which the shortcut then finds in memory. The tape records the branch
        // first and then the shortcut, so that in the backward pass the first layer comes last and adds both gradients.
        let inner = self.first.forward::<H, W, HO, WO, T>(x, true, None, None, context)?;
        let (inner, mut tape) = inner.split_tape();
        let shortcut = match (&mut self.shortcut, shared) {
            (Shortcut::ZeroPadding, Some(x)) => Some(ops::zero_padding(&x, &mut tape, context)?),
            (Shortcut::Projection(projection), Some(x)) => {
                let x = x.with_tape(tape);
                let h = projection.forward::<H, W, HO, WO, T>(x, false, None, None, context)?;
                let h = h.formed(context);
                let (h, back) = h.split_tape();
                tape = back;
                Some(h)
            }
            _ => None,
        };
        self.second.forward::<HO, WO, HO, WO, T>(
            inner.with_tape(tape),
            true,
            shortcut,
            Some(self.index),
            context,
        )
    }

    /// Lists its tensors in the state dict's order.
    pub(super) fn entries<'a>(&'a self, into: &mut Vec<Entry<'a>>) {
        self.first.entries(into);
        self.second.entries(into);
        if let Shortcut::Projection(projection) = &self.shortcut {
            projection.entries(into);
        }
    }

    /// Lists its tensors in the state dict's order, mutable.
    pub(super) fn entries_mut<'a>(&'a mut self, into: &mut Vec<EntryMut<'a>>) {
        self.first.entries_mut(into);
        self.second.entries_mut(into);
        if let Shortcut::Projection(projection) = &mut self.shortcut {
            projection.entries_mut(into);
        }
    }
}
