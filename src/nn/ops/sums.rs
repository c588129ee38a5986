//! The sums of each channel of numbers in memory.

use super::Context;
use super::activation::divide;
use crate::nn::kernels::bundle::{BatchShare, IMAGES, Layout, Shape};
use crate::nn::kernels::moments::{ChannelSums, Origin, ROW_MOMENTS, sum_row};
use crate::nn::kernels::scratch::with_scratch;

/// Sums each channel over all images and pixels.
pub(super) fn channel_sums(shape: Shape, layout: Layout, numbers: &[f32], context: &Context) -> ChannelSums {
    let (set, shares): (_, Vec<BatchShare>) = (context.instructions, layout.shares().collect());
    let mut sums: Vec<ChannelSums> = shares.iter().map(|_| ChannelSums::none(shape.channels)).collect();
    let jobs = shares.iter().zip(divide(shape, numbers, &shares)).zip(&mut sums);
    context.run(jobs, |((share, numbers), sums)| {
        with_scratch([shape.channels * ROW_MOMENTS * IMAGES], |[moments]| {
            for (bundle, numbers) in share.bundles.clone().zip(numbers.chunks_exact(shape.bundle())) {
                sum_row(set, shape.channels, numbers, moments, Origin::First);
                sums.fold(moments, shape.area(), layout.valid(bundle));
            }
        });
    });
    ChannelSums::total(&sums)
}
