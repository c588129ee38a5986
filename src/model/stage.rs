//! Stages: rows of blocks of one shape. A stage's type has the side and channels of its input and output, so that a
//! network whose stages do not fit together does not compile; the number of blocks is chosen at run time.
//!
//! Three stages that fit together:
//!
//! ```
//! use dfdx::tensor::CpuError;
//! use skiplane::model::stage::{HalvingStage, Stage};
//! use skiplane::nn::ops::{Context, Features};
//!
//! fn forward(
//!     first: &mut Stage<16, 8>,
//!     second: &mut HalvingStage<16, 8, 8, 16>,
//!     third: &mut HalvingStage<8, 16, 4, 32>,
//!     images: Features<16, 16, 8>,
//!     context: &Context,
//! ) -> Result<Features<4, 4, 32>, CpuError> {
//!     let x = first.forward(images, context)?;
//!     let x = second.forward(x, context)?;
//!     third.forward(x, context)
//! }
//!
//! const _: () = HalvingStage::<16, 8, 8, 16>::FITS;
//! ```
//!
//! Without the second, the first passes 16x16 pixels of 8 channels to one that reads 8x8 of 16, which does not compile
//! (E0308):
//!
//! ```compile_fail
//! # use dfdx::tensor::CpuError;
//! # use skiplane::model::stage::{HalvingStage, Stage};
//! # use skiplane::nn::ops::{Context, Features};
//! fn forward(
//!     first: &mut Stage<16, 8>,
//!     third: &mut HalvingStage<8, 16, 4, 32>,
//!     images: Features<16, 16, 8>,
//!     context: &Context,
//! ) -> Result<Features<4, 4, 32>, CpuError> {
//!     let x = first.forward(images, context)?;
//!     third.forward(x, context)
//! }
//! ```
//!
//! Neither does a halving stage that keeps the side (E0080, "a halving stage halves the side"):
//!
//! ```compile_fail
//! # use skiplane::model::stage::HalvingStage;
//! const _: () = HalvingStage::<16, 8, 16, 16>::FITS;
//! ```

use dfdx::tensor::{Cpu, CpuError, Tape};

use crate::model::block::{Block, Transition};
pub use crate::model::builder::Builder;
use crate::model::entry::{Entry, EntryMut};
use crate::nn::ops::{Context, Features};

/// A stage that keeps the shape: blocks of `C` channels on `SIDE` by `SIDE` pixels.
#[derive(Debug)]
pub struct Stage<const SIDE: usize, const C: usize> {
    blocks: Vec<Block<C>>,
}

impl<const SIDE: usize, const C: usize> Stage<SIDE, C> {
    /// The blocks of a stage of the topology, counted from 1, but for the first `skip`.
    pub fn new(stage: usize, skip: usize, builder: &Builder) -> Result<Self, CpuError> {
        let blocks = builder.blocks(stage).skip(skip).map(|(index, block)| Block::new(index, block, builder));
        Ok(Stage { blocks: blocks.collect::<Result<_, _>>()? })
    }

    /// Computes the output of its last block.
    pub fn forward<T: Tape<f32, Cpu> + 'static>(
        &mut self,
        x: Features<SIDE, SIDE, C, T>,
        context: &Context,
    ) -> Result<Features<SIDE, SIDE, C, T>, CpuError> {
        self.blocks.iter_mut().try_fold(x, |x, block| block.forward(x, context))
    }

    /// Lists its tensors in the state dict's order.
    pub(super) fn entries<'a>(&'a self, into: &mut Vec<Entry<'a>>) {
        self.blocks.iter().for_each(|block| block.entries(into));
    }

    /// Lists its tensors in the state dict's order, mutable.
    pub(super) fn entries_mut<'a>(&'a mut self, into: &mut Vec<EntryMut<'a>>) {
        self.blocks.iter_mut().for_each(|block| block.entries_mut(into));
    }
}

/// A stage whose first block halves the side, from `SIDE` to `HALF`, and doubles the channels, from `C` to
/// `DOUBLE`.
#[derive(Debug)]
pub struct HalvingStage<const SIDE: usize, const C: usize, const HALF: usize, const DOUBLE: usize> {
    first: Transition<C, DOUBLE>,
    rest: Stage<HALF, DOUBLE>,
}

impl<const SIDE: usize, const C: usize, const HALF: usize, const DOUBLE: usize>
    HalvingStage<SIDE, C, HALF, DOUBLE>
{
    /// Does not compile unless the side is halved and the channels are doubled; evaluated for every network that is
    /// built.
    pub const FITS: () = {
        assert!(HALF * 2 == SIDE, "a halving stage halves the side");
        assert!(C * 2 == DOUBLE, "a halving stage doubles the channels");
    };

    /// The blocks of a stage of the topology, counted from 1.
    pub fn new(stage: usize, builder: &Builder) -> Result<Self, CpuError> {
        const { Self::FITS };
        let (index, block) = builder.blocks(stage).next().expect("every stage of a topology has a block");
        let first = Transition::new(index, block, builder)?;
        Ok(HalvingStage { first, rest: Stage::new(stage, 1, builder)? })
    }

    /// Computes the output of its last block.
    pub fn forward<T: Tape<f32, Cpu> + 'static>(
        &mut self,
        x: Features<SIDE, SIDE, C, T>,
        context: &Context,
    ) -> Result<Features<HALF, HALF, DOUBLE, T>, CpuError> {
        let x = self.first.forward(x, context)?;
        self.rest.forward(x, context)
    }

    /// Lists its tensors in the state dict's order.
    pub(super) fn entries<'a>(&'a self, into: &mut Vec<Entry<'a>>) {
        self.first.entries(into);
        self.rest.entries(into);
    }

    /// Lists its tensors in the state dict's order, mutable.
    pub(super) fn entries_mut<'a>(&'a mut self, into: &mut Vec<EntryMut<'a>>) {
        self.first.entries_mut(into);
        self.rest.entries_mut(into);
    }
}
