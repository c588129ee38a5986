//! The shortcuts of blocks that change the shape, whose outputs are in memory: projections (option B), which
//! are formed from a response without ReLU, and zero padding (option A).

use super::{Masked, Unformed, bundles_of, place};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::{BatchShare, Shape};
use crate::nn::kernels::normalisation;
use crate::nn::kernels::subsample as kernel;

/// Forms an output that is kept.
pub fn form(set: InstructionSet, shape: Shape, share: &BatchShare, mut unformed: Unformed) {
    for (bundle, images) in bundles_of(share) {
        for row in 0..shape.height {
            unformed.form(set, shape, bundle, row, (shape.row(), &mut []));
        }
        if let Some(sums) = &mut unformed.sums {
            sums.fold(shape.area(), images);
        }
    }
}

/// Sums what batch norm's gradient needs, for a gradient that another layer has already propagated back through ReLU.
pub fn reduce(
    set: InstructionSet,
    shape: Shape,
    share: &BatchShare,
    gradient: &mut [f32],
    mut masked: Masked,
) {
    for (bundle, images) in bundles_of(share) {
        for row in 0..shape.height {
            let at = place(shape, bundle, row);
            masked.row(set, at.clone(), &mut gradient[at], None);
        }
        masked.sums.fold(shape.area(), images);
    }
}

/// Turns the gradient to what is formed of some values into that to the values, in place: `scale * gradient + slope *
/// value + constant`, with one number each per channel.
pub(crate) fn spread_in_place(
    set: InstructionSet,
    shape: Shape,
    numbers: [&[f32]; 3],
    gradient: &mut [f32],
    values: &[f32],
) {
    for (gradient, values) in gradient.chunks_exact_mut(shape.row()).zip(values.chunks_exact(shape.row())) {
        normalisation::spread_in_place(set, numbers, gradient, values);
    }
}

/// Writes a share of a zero-padding shortcut.
pub(crate) fn subsample(input: Shape, output: Shape, share: &BatchShare, x: &[f32], y: &mut [f32]) {
    let stride = input.height / output.height;
    for (bundle, _) in bundles_of(share) {
        for row in 0..output.height {
            let (from, to) = (place(input, bundle, stride * row), place(output, bundle, row));
            kernel::forward_row(input, stride, output.channels, &x[from], &mut y[to]);
        }
    }
}

/// Writes the gradient to the input of a share of a zero-padding shortcut.
pub(crate) fn subsample_gradient(
    input: Shape,
    output: Shape,
    share: &BatchShare,
    dy: &[f32],
    dx: &mut [f32],
) {
    let stride = input.height / output.height;
    for (bundle, _) in bundles_of(share) {
        for row in 0..input.height {
            let to = &mut dx[place(input, bundle, row)];
            to.fill(0.0);
            if row.is_multiple_of(stride) {
                let from = &dy[place(output, bundle, row / stride)];
                kernel::add_gradient_row(input, stride, output.channels, from, to);
            }
        }
    }
}
