//! Modules that fit together by their types, and stages: rows of blocks of one shape. The type of a stage has the side
//! and channels of its input and output, so that a network whose stages do not fit together does not compile; the number
//! of blocks is chosen at run time.
//!
//! Three stages that fit together:
//!
//! ```
//! use skiplane::model::module::{HalvingStage, KeepingStage, Module};
//! use skiplane::nn::ops::{Context, Features};
//!
//! fn forward(
//!     first: &KeepingStage<16, 8>,
//!     second: &HalvingStage<16, 8, 8, 16>,
//!     third: &HalvingStage<8, 16, 4, 32>,
//!     images: Features<16, 8>,
//!     context: &Context,
//! ) -> Features<4, 32> {
//!     let x = first.forward(images, context);
//!     let x = second.forward(x, context);
//!     third.forward(x, context)
//! }
//! ```
//!
//! Without the second, the first passes 16x16 pixels of 8 channels to one that reads 8x8 of 16, which does not compile
//! (E0308):
//!
//! ```compile_fail
//! # use skiplane::model::module::{HalvingStage, KeepingStage, Module};
//! # use skiplane::nn::ops::{Context, Features};
//! fn forward(
//!     first: &KeepingStage<16, 8>,
//!     third: &HalvingStage<8, 16, 4, 32>,
//!     images: Features<16, 8>,
//!     context: &Context,
//! ) -> Features<4, 32> {
//!     let x = first.forward(images, context);
//!     third.forward(x, context)
//! }
//! ```
//!
//! Neither does a stage whose first block leaves another shape than the others read (E0271):
//!
//! ```compile_fail
//! # use skiplane::model::module::{BasicBlock, Module, Stage};
//! # use skiplane::nn::ops::{Context, Features};
//! fn forward(
//!     stage: &Stage<BasicBlock<16, 8, 8, 16>, BasicBlock<8, 8, 8, 8>>,
//!     images: Features<16, 8>,
//!     context: &Context,
//! ) -> Features<8, 8> {
//!     stage.forward(images, context)
//! }
//! ```

pub use crate::model::block::BasicBlock;
use crate::model::builder::Builder;
use crate::nn::ops::Context;

/// A module: shapes of input and output are its type's.
pub trait Module {
    /// What it reads.
    type Input;
    /// What it computes.
    type Output;

    /// Computes its output.
    fn forward(&self, x: Self::Input, context: &Context) -> Self::Output;
}

/// A module that stages are made of.
pub trait StageBlock: Module {
    /// What all blocks of a network have in common.
    type Style;

    /// Declares its layers.
    fn new(place: &Place, style: &Self::Style, builder: &mut Builder) -> Self;
}

/// A block's place in its network.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name in the state dict.
    pub(super) name: String,
    /// Its stage, from 1.
    pub(super) stage: usize,
    /// Its number among all blocks, from 1.
    pub(super) number: usize,
    /// The number of blocks.
    pub(super) count: usize,
}

/// A stage: a first block, which may change the shape, and others, which keep it.
#[derive(Debug)]
pub struct Stage<F, R> {
    first: F,
    rest: Vec<R>,
}

/// A stage of blocks of two convolutions that keeps the shape.
pub type KeepingStage<const SIDE: usize, const C: usize> =
    Stage<BasicBlock<SIDE, C, SIDE, C>, BasicBlock<SIDE, C, SIDE, C>>;

/// A stage of blocks of two convolutions whose first block halves the side, from `SIDE` to `HALF`, and doubles the
/// channels, from `C` to `DOUBLE`.
pub type HalvingStage<const SIDE: usize, const C: usize, const HALF: usize, const DOUBLE: usize> =
    Stage<BasicBlock<SIDE, C, HALF, DOUBLE>, BasicBlock<HALF, DOUBLE, HALF, DOUBLE>>;

/// A row of blocks.
pub trait Row: Module {
    /// What all blocks of a network have in common.
    type Style;

    /// Declares `blocks` blocks, at least one, of stage `stage` of `stages`, counted from 1.
    fn new(name: &str, stages: [usize; 2], blocks: usize, style: &Self::Style, builder: &mut Builder)
    -> Self;
}

impl<F, R> Row for Stage<F, R>
where
    F: StageBlock,
    R: StageBlock<Style = F::Style, Input = F::Output, Output = F::Output>,
{
    type Style = F::Style;

    fn new(
        name: &str,
        [stage, stages]: [usize; 2],
        blocks: usize,
        style: &F::Style,
        builder: &mut Builder,
    ) -> Self {
        let place = |index: usize| Place {
            name: format!("{name}.{index}"),
            stage,
            number: (stage - 1) * blocks + index + 1,
            count: stages * blocks,
        };
        let first = F::new(&place(0), style, builder);
        Stage { first, rest: (1..blocks).map(|index| R::new(&place(index), style, builder)).collect() }
    }
}

impl<F, R> Module for Stage<F, R>
where
    F: Module,
    R: Module<Input = F::Output, Output = F::Output>,
{
    type Input = F::Input;
    type Output = F::Output;

    fn forward(&self, x: F::Input, context: &Context) -> F::Output {
        let x = self.first.forward(x, context);
        self.rest.iter().fold(x, |x, block| block.forward(x, context))
    }
}
