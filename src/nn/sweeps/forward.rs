//! Forming a layer's input and convolving it.

use super::{Source, Unformed, bundles_of, place};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::{LANES, Part, Shape};
use crate::nn::kernels::convolution::{Geometry, forward_row};
use crate::nn::kernels::moments::{ChannelSums, Origin, ROW_MOMENTS};
use crate::nn::kernels::normalisation::form_row;
use crate::nn::kernels::rows::{Rows, slot};
use crate::nn::kernels::scratch::with_scratch;

/// Computes the responses of a part, `response = source * weights`, and adds their sums to `sums`. `weights` are
/// packed.
pub fn forward(
    set: InstructionSet,
    geometry: Geometry,
    part: &Part,
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
    with_scratch([window, output.channels * ROW_MOMENTS * LANES], |[window, moments]| {
        for (bundle, images) in bundles_of(part) {
            let mut formed = 0;
            for row in 0..output.height {
                let last = (0..geometry.kernel).filter_map(|tap| geometry.input_row(row, tap)).max();
                let rows = match &mut source {
                    Source::Formed(x) => Rows::new(input, &x[bundle * input.bundle()..][..input.bundle()]),
                    Source::Response(unformed) => {
                        while last.is_some_and(|last| formed <= last) {
                            unformed.form_by_turns(set, input, bundle, formed, window);
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
                let taps = std::array::from_fn(|tap| {
                    let row = geometry.input_row(row, tap).filter(|_| tap < geometry.kernel);
                    row.map(|row| rows.get(row))
                });
                let origin = if row == 0 { Origin::First } else { Origin::Kept };
                let y = &mut response[place(output, bundle, row)];
                forward_row(set, geometry, taps, weights, y, Some((moments, origin)));
            }
            sums.fold(moments, output.area(), images);
            if let Source::Response(unformed) = &mut source {
                // With a kernel of 1 and a stride nobody reads the last row, which is kept and measured all the same.
                for row in formed..input.height {
                    unformed.form_by_turns(set, input, bundle, row, window);
                }
                if let Some(sums) = &mut unformed.sums {
                    sums.fold(input.area(), images);
                }
            }
        }
    });
}

impl Unformed<'_> {
    /// Forms one row, where it is kept, else in its slot of a window of the last rows.
    fn form_by_turns(
        &mut self,
        set: InstructionSet,
        shape: Shape,
        bundle: usize,
        row: usize,
        window: &mut [f32],
    ) {
        let to = if self.keep.is_some() { &mut [] } else { slot(shape.row(), window, row) };
        self.form(set, shape, bundle, row, to);
    }

    /// Forms one row, where it is kept, else in `window`.
    pub(super) fn form(
        &mut self,
        set: InstructionSet,
        shape: Shape,
        bundle: usize,
        row: usize,
        window: &mut [f32],
    ) {
        let at = place(shape, bundle, row);
        let shortcut = self.shortcut.map(|h| &h[at.clone()]);
        let to = match &mut self.keep {
            Some(keep) => &mut keep[at.clone()],
            None => window,
        };
        form_row(set, self.shape, &self.response[at], shortcut, to, self.sums.as_deref_mut());
    }
}
