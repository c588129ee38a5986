//! Forms a layer's input and convolves it.

use super::{Source, Unformed, bundles_of, place};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::{BatchShare, IMAGES, Shape};
use crate::nn::kernels::convolution::{Geometry, forward_row};
use crate::nn::kernels::moments::{ChannelSums, Origin, ROW_MOMENTS};
use crate::nn::kernels::normalisation::form_row;
use crate::nn::kernels::rows::{Rows, slot};
use crate::nn::kernels::scratch::with_scratch;

/// Computes the responses of a share, `response = source * weights`, and adds their sums to `sums`. `weights` are
/// packed.
pub fn forward(
    set: InstructionSet,
    geometry: Geometry,
    share: &BatchShare,
    mut source: Source,
    weights: &[f32],
    response: &mut [f32],
    sums: &mut ChannelSums,
) {
    let (input, output) = (geometry.input, geometry.output());
    let window = match &source {
        Source::Response(Unformed { keep: None, .. }) => 3 * input.row(),
        _ => 0,
    };
    with_scratch([window, output.channels * ROW_MOMENTS * IMAGES], |[window, moments]| {
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
                let y = &mut response[place(output, bundle, row)];
                forward_row(set, geometry, taps, weights, y, Some((moments, origin)));
            }
            sums.fold(moments, output.area(), images);
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
