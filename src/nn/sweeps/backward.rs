//! A layer's gradients: to its response, its weights, and its input.

use std::ops::Range;

use super::{Masked, Source, bundles_of, clear_empty_lanes, place};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::{BatchShare, IMAGES, Shape};
use crate::nn::kernels::convolution::{
    Geometry, fold_weight_gradient, input_gradient_row, weight_gradient_rows,
};
use crate::nn::kernels::moments::Origin;
use crate::nn::kernels::normalisation::{spread_in_place, spread_row};
use crate::nn::kernels::rows::{Rows, slot};
use crate::nn::kernels::scratch::with_scratch;

/// Pixels of the output that a tile of weights passes over at a time: enough that reading and writing the tile costs
/// little in comparison, and few enough that all tiles find the rows in the cache.
const PIXELS: usize = 32;

/// What a layer's gradients are computed from.
#[derive(Debug)]
pub struct Backward<'a> {
    /// The gradient to the layer's response, or what it is computed from.
    pub gradient: ToResponse<'a>,
    /// The layer's input.
    pub source: Source<'a>,
}

/// What the gradient to a response is computed from, row by row.
#[derive(Debug)]
pub enum ToResponse<'a> {
    /// The gradient to what is formed of the response, propagated back through ReLU. The response's is needed only in
    /// this sweep.
    Spread {
        /// The gradient.
        gradient: &'a [f32],
        /// The response.
        response: &'a [f32],
        /// Scale, slope and constant of each channel.
        numbers: [&'a [f32]; 3],
    },
    /// As much of the gradient as is known, which is completed in place for others to read.
    Kept(Kept<'a>),
}

/// A gradient that is completed in place.
#[derive(Debug)]
pub struct Kept<'a> {
    /// The gradient to what is formed of the response, or the gradient itself.
    pub gradient: &'a mut [f32],
    /// Scale, slope and constant of each channel, in the first case.
    pub numbers: Option<[&'a [f32]; 3]>,
    /// The gradient of another reader, to be added.
    pub extra: Option<&'a [f32]>,
    /// Measures the sum; lets it through everywhere.
    pub masked: Masked<'a>,
}

/// The destination of the gradient to a layer's input.
#[derive(Debug)]
pub struct Towards<'a> {
    /// The weights, packed by `pack_turned`.
    pub weights: &'a [f32],
    /// Receives the gradient.
    pub gradient: &'a mut [f32],
    /// The gradient of another reader, to be added.
    pub extra: Option<&'a [f32]>,
    /// Propagates the sum of both back through the input's ReLU; without it the gradient is left as it is.
    pub masked: Option<Masked<'a>>,
}

/// Computes the gradients of a share: writes those to the weights, `[kernel][kernel][inputs][outputs]`, and those to the
/// source if wanted.
pub fn backward(
    set: InstructionSet,
    geometry: Geometry,
    share: &BatchShare,
    mut job: Backward,
    weight_gradient: &mut [f32],
    mut towards: Option<Towards>,
) {
    let (input, output) = (geometry.input, geometry.output());
    let rows = rows_at_a_time(geometry);
    let in_place = is_read_in_place(&job.source, input);
    let mut windows = windows(geometry);
    if in_place {
        windows[1] = 0;
    }
    with_scratch(windows, |[response_gradient, formed, elements]| {
        let mut origin = Origin::First;
        for (bundle, images) in bundles_of(share) {
            let mut progress = Progress { bundle, images, spread: 0, formed: 0 };
            for first in (0..output.height).step_by(rows) {
                let block = first..(first + rows).min(output.height);
                progress.spread(set, geometry, &mut job.gradient, block.end, response_gradient);
                if !in_place {
                    progress.form(set, geometry, &mut job.source, block.end - 1, formed);
                }
                let x = match &job.source {
                    Source::Formed(x) if in_place => {
                        Rows::new(input, &x[bundle * input.bundle()..][..input.bundle()])
                    }
                    _ => Rows::padded(input, formed),
                };
                let dz = Rows::padded(output, response_gradient);
                weight_gradient_rows(set, geometry, block.clone(), x, dz, elements, origin);
                origin = Origin::Kept;
                if let Some(towards) = &mut towards {
                    for row in block.start * geometry.stride..block.end * geometry.stride {
                        towards.row(set, geometry, bundle, row, dz);
                    }
                }
            }
            if let Some(Towards { masked: Some(masked), .. }) = &mut towards {
                masked.sums.fold(input.area(), images);
            }
            if let ToResponse::Kept(kept) = &mut job.gradient {
                kept.masked.sums.fold(output.area(), images);
            }
        }
        fold_weight_gradient(set, geometry, elements, weight_gradient);
    });
}

/// Whether the rows of a source are read in place: if they are in memory, and their pixels are close enough to need no
/// padding between them.
fn is_read_in_place(source: &Source, shape: Shape) -> bool {
    matches!(source, Source::Formed(_)) && shape.channels < 16
}

/// Copies a row to one with padding.
fn copy(shape: Shape, row: &[f32], to: &mut [f32]) {
    let pixel = shape.channels * IMAGES;
    let pixels = row.chunks_exact(pixel).zip(to.chunks_exact_mut(pixel + IMAGES));
    pixels.for_each(|(from, to)| to[..pixel].copy_from_slice(from));
}

/// Rows of the output that are processed per pass over the weights.
fn rows_at_a_time(geometry: Geometry) -> usize {
    (PIXELS / geometry.output().width).clamp(1, geometry.output().height)
}

/// The working memory of a share: rows of the response's gradient and of the source, and a vector per weight.
fn windows(geometry: Geometry) -> [usize; 3] {
    let rows = rows_at_a_time(geometry);
    [
        (rows + 2) * geometry.output().padded_row(),
        (rows * geometry.stride + 2) * geometry.input.padded_row(),
        geometry.weights() * IMAGES,
    ]
}

/// The working memory, in numbers, that a thread needs for the sweeps over a layer, of which the backward one needs
/// most.
pub fn scratch(geometry: Geometry) -> usize {
    windows(geometry).iter().sum()
}

/// The progress within a bundle.
struct Progress {
    bundle: usize,
    images: usize,
    /// Rows of the response's gradient that have been computed.
    spread: usize,
    /// Rows of the source that have been formed.
    formed: usize,
}

impl Progress {
    /// Computes the response's gradient up to a row, inclusive, or up to the last row.
    fn spread(
        &mut self,
        set: InstructionSet,
        geometry: Geometry,
        from: &mut ToResponse,
        last: usize,
        to: &mut [f32],
    ) {
        let output = geometry.output();
        while self.spread <= last.min(output.height - 1) {
            let at = place(output, self.bundle, self.spread);
            let row = slot(output.padded_row(), to, self.spread);
            match from {
                ToResponse::Spread { gradient, response, numbers } => {
                    spread_row(set, *numbers, &gradient[at.clone()], &response[at], row);
                }
                ToResponse::Kept(kept) => {
                    kept.row(set, at.clone());
                    copy(output, &kept.gradient[at], row);
                }
            }
            clear_empty_lanes(row, self.images);
            self.spread += 1;
        }
    }

    /// Forms or copies the source as far as a row of the output reads it.
    fn form(
        &mut self,
        set: InstructionSet,
        geometry: Geometry,
        source: &mut Source,
        row: usize,
        to: &mut [f32],
    ) {
        let (input, length) = (geometry.input, geometry.input.padded_row());
        let last = geometry.rows_read(row).into_iter().flatten().max();
        while last.is_some_and(|last| self.formed <= last) {
            match source {
                Source::Response(unformed) => {
                    unformed.form(set, input, self.bundle, self.formed, (length, to));
                }
                Source::Formed(x) => {
                    let row = &x[place(input, self.bundle, self.formed)];
                    copy(input, row, slot(length, to, self.formed));
                }
            }
            self.formed += 1;
        }
    }
}

impl Kept<'_> {
    /// Completes a row.
    fn row(&mut self, set: InstructionSet, at: Range<usize>) {
        let row = &mut self.gradient[at.clone()];
        if let Some(numbers) = self.numbers {
            spread_in_place(set, numbers, row, &self.masked.response[at.clone()]);
        }
        let extra = self.extra.map(|extra| &extra[at.clone()]);
        self.masked.row(set, at, row, extra);
    }
}

impl Towards<'_> {
    /// Computes one row of the gradient to the source.
    fn row(&mut self, set: InstructionSet, geometry: Geometry, bundle: usize, row: usize, dz: Rows) {
        let rows = geometry.rows_reached(row).map(|row| row.map(|row| dz.get(row)));
        let at = place(geometry.input, bundle, row);
        let dx = &mut self.gradient[at.clone()];
        input_gradient_row(set, geometry, row, rows, self.weights, dx);
        let extra = self.extra.map(|extra| &extra[at.clone()]);
        match &mut self.masked {
            Some(masked) => masked.row(set, at, dx, extra),
            None => assert!(extra.is_none(), "a gradient that is left as it is has one reader"),
        }
    }
}
