//! Folds the elements of a gradient to the weights.

use super::weights::{Blocks, INPUT_BLOCK};
use super::{CHANNEL_BLOCK, Geometry};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::IMAGES;
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::nn::kernels::vector::Vector;

/// Sums the elements that [`weight_gradient_rows`](super::weight_gradient_rows) has added to, into
/// `[kernel][kernel][inputs][outputs]`.
pub(crate) fn fold_weight_gradient(
    set: InstructionSet,
    geometry: Geometry,
    elements: &[f32],
    gradient: &mut [f32],
) {
    assert_eq!(elements.len(), geometry.weights() * IMAGES, "one vector per weight");
    assert_eq!(gradient.len(), geometry.weights(), "one number per weight");
    set.run(Fold { geometry, elements, gradient });
}

struct Fold<'a> {
    geometry: Geometry,
    elements: &'a [f32],
    gradient: &'a mut [f32],
}

impl Kernel for Fold<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let Geometry { kernel, outputs, .. } = self.geometry;
        let inputs = self.geometry.input.channels;
        let Blocks { input: width } = Blocks::of(inputs);
        debug_assert!(width <= INPUT_BLOCK);
        let mut from = self.elements.as_ptr();
        for output in (0..outputs).step_by(CHANNEL_BLOCK) {
            for row in 0..kernel {
                for input in (0..inputs).step_by(width) {
                    for column in 0..kernel {
                        for input in input..input + width {
                            let to = ((row * kernel + column) * inputs + input) * outputs + output;
                            // SAFETY: the caller guarantees the instructions; each iteration reads a block of vectors,
                            // of which there are as many as blocks of weights, as `fold_weight_gradient` has checked.
                            let sums = unsafe { I::Vector::fold_four(from) };
                            self.gradient[to..to + CHANNEL_BLOCK].copy_from_slice(&sums);
                            from = from.wrapping_add(CHANNEL_BLOCK * IMAGES);
                        }
                    }
                }
            }
        }
    }
}
