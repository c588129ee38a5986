//! The network itself, for the compiled shapes.

use dfdx::tensor::{Cpu, CpuError, NoneTape, OwnedTape, Tape};

use crate::model::builder::Builder;
use crate::model::entry::{Entry, EntryMut};
use crate::model::layer::{ConvolutionNorm, Head, Logits};
use crate::model::stage::{HalvingStage, Stage};
use crate::model::trained::{Make, Model};
use crate::nn::ops::{Context, Features};
use crate::units::LayerIdx;

/// The constructor of the compiled network for images of `channels` and `side` and for a base `width`.
pub(super) fn compiled(channels: usize, side: usize, width: usize) -> Option<Make> {
    macro_rules! registry {
        ($($channels:literal x $side:literal $half:literal $quarter:literal {
            $($width:literal $double:literal $fourfold:literal,)*
        })*) => {
            match (channels, side, width) {
                $($(($channels, $side, $width) => Some(
                    ResNet::<$channels, $side, $half, $quarter, $width, $double, $fourfold>::make
                ),)*)*
                _ => None,
            }
        };
    }
    registry! {
        1 x 16 8 4 { 4 8 16, 8 16 32, 16 32 64, 32 64 128, }
        3 x 16 8 4 { 4 8 16, 8 16 32, 16 32 64, 32 64 128, }
        1 x 32 16 8 { 4 8 16, 8 16 32, 16 32 64, 32 64 128, }
        3 x 32 16 8 { 4 8 16, 8 16 32, 16 32 64, 32 64 128, }
    }
}

/// A network for images of `CHANNELS` on `SIDE` by `SIDE` pixels, with stages of `A`, `B` and `C` channels.
#[derive(Debug)]
struct ResNet<
    const CHANNELS: usize,
    const SIDE: usize,
    const HALF: usize,
    const QUARTER: usize,
    const A: usize,
    const B: usize,
    const C: usize,
> {
    stem: ConvolutionNorm<3, 1, CHANNELS, A>,
    first: Stage<SIDE, A>,
    second: HalvingStage<SIDE, A, HALF, B>,
    third: HalvingStage<HALF, B, QUARTER, C>,
    head: Head<C>,
}

impl<
    const CHANNELS: usize,
    const SIDE: usize,
    const HALF: usize,
    const QUARTER: usize,
    const A: usize,
    const B: usize,
    const C: usize,
> ResNet<CHANNELS, SIDE, HALF, QUARTER, A, B, C>
{
    fn make(builder: &Builder) -> Result<Box<dyn Model>, CpuError> {
        Ok(Box::new(Self {
            stem: ConvolutionNorm::new(LayerIdx(0), builder)?,
            first: Stage::new(1, 0, builder)?,
            second: HalvingStage::new(2, builder)?,
            third: HalvingStage::new(3, builder)?,
            head: Head::new(builder)?,
        }))
    }

    fn forward<T: Tape<f32, Cpu> + 'static>(
        &mut self,
        images: Features<SIDE, SIDE, CHANNELS, T>,
        device: &Cpu,
        context: &Context,
    ) -> Result<Logits<T>, CpuError> {
        let x = self.stem.forward::<SIDE, SIDE, SIDE, SIDE, T>(images, true, None, None, context)?;
        let x = self.first.forward(x, context)?;
        let x = self.second.forward(x, context)?;
        let x = self.third.forward(x, context)?;
        self.head.forward(x, device, context)
    }
}

impl<
    const CHANNELS: usize,
    const SIDE: usize,
    const HALF: usize,
    const QUARTER: usize,
    const A: usize,
    const B: usize,
    const C: usize,
> Model for ResNet<CHANNELS, SIDE, HALF, QUARTER, A, B, C>
{
    fn trace(
        &mut self,
        device: &Cpu,
        pixels: &[f32],
        context: &Context,
    ) -> Result<Logits<OwnedTape<f32, Cpu>>, CpuError> {
        let images = Features::images(pixels, context).with_tape(OwnedTape::default());
        self.forward(images, device, context)
    }

    fn infer(
        &mut self,
        device: &Cpu,
        pixels: &[f32],
        context: &Context,
    ) -> Result<Logits<NoneTape>, CpuError> {
        self.forward(Features::images(pixels, context), device, context)
    }

    fn entries(&self) -> Vec<Entry<'_>> {
        let mut entries = Vec::new();
        self.stem.entries(&mut entries);
        self.first.entries(&mut entries);
        self.second.entries(&mut entries);
        self.third.entries(&mut entries);
        self.head.entries(&mut entries);
        entries
    }

    fn entries_mut(&mut self) -> Vec<EntryMut<'_>> {
        let mut entries = Vec::new();
        self.stem.entries_mut(&mut entries);
        self.first.entries_mut(&mut entries);
        self.second.entries_mut(&mut entries);
        self.third.entries_mut(&mut entries);
        self.head.entries_mut(&mut entries);
        entries
    }
}
