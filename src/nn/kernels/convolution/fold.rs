//! Folding the lanes of a gradient to the weights.

use super::weights::{Blocks, INPUT_BLOCK};
use super::{CHANNEL_BLOCK, Geometry};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::LANES;
use crate::nn::kernels::dispatch::{Instructions, Kernel};

/// Sums the lanes that [`weight_gradient_rows`](super::weight_gradient_rows) has added to, into
/// `[kernel][kernel][inputs][outputs]`.
pub fn fold_weight_gradient(set: InstructionSet, geometry: Geometry, lanes: &[f32], gradient: &mut [f32]) {
    assert_eq!(lanes.len(), geometry.weights() * LANES, "a vector a weight");
    assert_eq!(gradient.len(), geometry.weights(), "a number a weight");
    set.run(Fold { geometry, lanes, gradient });
}

struct Fold<'a> {
    geometry: Geometry,
    lanes: &'a [f32],
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
        let mut from = self.lanes.as_chunks::<LANES>().0.as_chunks::<CHANNEL_BLOCK>().0.iter();
        for row in 0..kernel {
            for input in (0..inputs).step_by(width) {
                for output in (0..outputs).step_by(CHANNEL_BLOCK) {
                    for column in 0..kernel {
                        for input in input..input + width {
                            let Some(vectors) = from.next() else { return };
                            let to = ((row * kernel + column) * inputs + input) * outputs + output;
                            self.gradient[to..to + CHANNEL_BLOCK].copy_from_slice(&sums(vectors));
                        }
                    }
                }
            }
        }
    }
}

/// The sum of each vector, half by half.
#[inline(always)]
fn sums(vectors: &[[f32; LANES]; CHANNEL_BLOCK]) -> [f32; CHANNEL_BLOCK] {
    std::array::from_fn(|i| {
        let v = &vectors[i];
        let eight: [f32; 8] = std::array::from_fn(|lane| v[lane] + v[lane + 8]);
        let four: [f32; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    })
}
