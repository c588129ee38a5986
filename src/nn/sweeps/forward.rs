//! Forms a layer's input and convolves it.

use super::{Source, Unformed, bundles_of, place};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::{BatchShare, IMAGES, Shape};
use crate::nn::kernels::convolution::{Geometry, forward_row};
use crate::nn::kernels::moments::{ChannelSums, Origin, ROW_MOMENTS, sum_row};
use crate::nn::kernels::normalisation::{FormShape, OutputSums, form_row};
use crate::nn::kernels::rows::{Rows, slot};
use crate::nn::kernels::scratch::with_scratch;

/// What is added to a response in the sweep that computes it, and the measurements of the sum.
#[derive(Debug)]
pub struct Addition<'a> {
    /// The identity map, for the sum.
    pub map: FormShape<'a>,
    /// What is added; nothing if the response is only measured.
    pub shortcut: Option<&'a [f32]>,
    /// The sums of each channel of the response itself.
    pub branch: &'a mut ChannelSums,
    /// Receives the measurements of the sum, if wanted.
    pub measured: Option<&'a mut OutputSums>,
}

/// Computes the responses of a share, `response = source * weights`, to which `addition` may add a shortcut, and adds
/// the sums of their channels to `sums`. `weights` are packed.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a share of a batch or what is the same for all of them"
)]
pub fn forward(
    set: InstructionSet,
    geometry: Geometry,
    share: &BatchShare,
    mut source: Source,
    weights: &[f32],
    mut addition: Option<Addition>,
    response: &mut [f32],
    sums: &mut ChannelSums,
) {
    let (input, output) = (geometry.input, geometry.output());
    let window = match &source {
        Source::Response(Unformed { keep: None, .. }) => 3 * input.row(),
        _ => 0,
    };
    let moments = output.channels * ROW_MOMENTS * IMAGES;
    let added = if addition.is_some() { [output.row(), moments] } else { [0, 0] };
    with_scratch([window, moments, added[0], added[1]], |[window, moments, branch, of_sum]| {
        for (bundle, images) in bundles_of(share) {
            let mut formed = 0;
            for row in 0..output.height {
                let read = geometry.rows_read(row);
                let rows = match &mut source {
                    Source::Formed(x) => Rows::new(input, &x[bundle * input.bundle()..][..input.bundle()]),
                    Source::Response(unformed) => {
                        while read.into_iter().flatten().max().is_some_and(|last| formed <= last) {
                            unformed.form(set, input, bundle, formed, (input.row(), window));
                            formed += 1;
                        }
                        match &unformed.keep {
                            Some(keep) => {
                                Rows::new(input, &keep[bundle * input.bundle()..][..input.bundle()])
                            }
                            None => Rows::new(input, window),
                        }
                    }
                };
                let taps = read.map(|row| row.map(|row| rows.get(row)));
                let origin = if row == 0 { Origin::First } else { Origin::Kept };
                let at = place(output, bundle, row);
                let y = &mut response[at.clone()];
                match &mut addition {
                    None => forward_row(set, geometry, taps, weights, y, Some((moments, origin))),
                    Some(addition) => {
                        forward_row(set, geometry, taps, weights, branch, Some((moments, origin)));
                        let shortcut = addition.shortcut.map(|h| &h[at]);
                        form_row(set, addition.map, branch, shortcut, y, addition.measured.as_deref_mut());
                        sum_row(set, output.channels, y, of_sum, origin);
                    }
                }
            }
            match &mut addition {
                None => sums.fold(moments, output.area(), images),
                Some(addition) => {
                    addition.branch.fold(moments, output.area(), images);
                    sums.fold(of_sum, output.area(), images);
                    if let Some(measured) = &mut addition.measured {
                        measured.fold(output.area(), images);
                    }
                }
            }
            if let Source::Response(unformed) = &mut source {
                // With a kernel of 1 and a stride the last row is not read, but it must still be kept and measured.
                for row in formed..input.height {
                    unformed.form(set, input, bundle, row, (input.row(), window));
                }
                if let Some(sums) = &mut unformed.sums {
                    sums.fold(input.area(), images);
                }
            }
        }
    });
}

impl Unformed<'_> {
    /// Forms one row in its kept place, or else in its slot of a sliding window.
    pub(super) fn form(
        &mut self,
        set: InstructionSet,
        shape: Shape,
        bundle: usize,
        row: usize,
        (length, window): (usize, &mut [f32]),
    ) {
        let at = place(shape, bundle, row);
        let shortcut = self.shortcut.map(|h| &h[at.clone()]);
        let to = match &mut self.keep {
            Some(keep) => &mut keep[at.clone()],
            None => slot(length, window, row),
        };
        form_row(set, self.shape, &self.response[at], shortcut, to, self.sums.as_deref_mut());
    }
}
