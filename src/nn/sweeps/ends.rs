//! Sweeps of global average pooling and its gradient.

use super::{Masked, Source, Unformed, bundles_of, place};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::{BatchShare, IMAGES, Shape};
use crate::nn::kernels::pooling;
use crate::nn::kernels::scratch::with_scratch;

/// Writes the means of a share's images, `[images][channels]`.
pub fn pool(set: InstructionSet, shape: Shape, share: &BatchShare, mut source: Source, means: &mut [f32]) {
    let mut means = means.chunks_mut(IMAGES * shape.channels);
    with_scratch([shape.row(), shape.channels * IMAGES], |[window, sums]| {
        for ((bundle, images), means) in bundles_of(share).zip(&mut means) {
            sums.fill(0.0);
            for row in 0..shape.height {
                let at = place(shape, bundle, row);
                let formed = match &mut source {
                    Source::Formed(x) => &x[at],
                    Source::Response(unformed) => {
                        unformed.form(set, shape, bundle, row, (shape.row(), window));
                        match &unformed.keep {
                            Some(keep) => &keep[at],
                            None => &*window,
                        }
                    }
                };
                pooling::add_row(shape, formed, sums);
            }
            pooling::means(shape, sums, means);
            if let Source::Response(Unformed { sums: Some(sums), .. }) = &mut source {
                sums.fold(shape.area(), images);
            }
        }
    });
}

/// Writes the gradient to the pooled activations, propagated back through ReLU, from the gradient to the means of a
/// share's images.
pub(crate) fn unpool(
    set: InstructionSet,
    shape: Shape,
    share: &BatchShare,
    of_means: &[f32],
    gradient: &mut [f32],
    mut masked: Masked,
) {
    let of_means: Vec<&[f32]> = of_means.chunks(IMAGES * shape.channels).collect();
    with_scratch([shape.channels * IMAGES], |[pixel]| {
        for (bundle, images) in bundles_of(share) {
            pooling::pixel_gradient(shape, of_means[bundle], pixel);
            for row in 0..shape.height {
                let at = place(shape, bundle, row);
                let row = &mut gradient[at.clone()];
                row.chunks_exact_mut(pixel.len()).for_each(|to| to.copy_from_slice(pixel));
                masked.row(set, at, row, None);
            }
            masked.sums.fold(shape.area(), images);
        }
    });
}
