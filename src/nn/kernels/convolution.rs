//! Convolution with square kernels of 1 or 3, padding `kernel / 2` and stride 1 or 2, on bundles of images, a row at a
//! time, so that the caller can do what comes before and after while the row is in the cache.
//!
//! A tile of pixels times output channels is summed in registers over all taps and input channels: `rows`
//! forward and, with the kernel rotated by 180 degrees, for the gradient to the input; `spread` does the latter with a
//! stride. The gradient to the weights keeps a tile of weights in registers and passes over pixels (`weights`). Every
//! number has a fixed order of summation, independent of tiles.

use super::bundle::Shape;

mod fold;
mod pack;
mod rows;
mod spread;
mod weights;

pub(crate) use fold::fold_weight_gradient;
pub use pack::{pack, pack_turned};
pub use rows::{forward_row, input_gradient_row};
pub use weights::weight_gradient_rows;

/// Output channels of a tile; all channels but those of images are multiples of it.
pub(crate) const CHANNEL_BLOCK: usize = 4;

/// The most input channels of a convolution.
const MOST_INPUTS: usize = 1024;

/// The zeros that are read for pixels outside the image.
#[repr(align(64))]
struct Outside([f32; MOST_INPUTS * super::bundle::IMAGES]);

static OUTSIDE: Outside = Outside([0.0; MOST_INPUTS * super::bundle::IMAGES]);

/// The shape of a convolution. Its output is named `y`, its input `x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Side of the kernel: 1 or 3.
    pub kernel: usize,
    /// Distance of neighbouring outputs in pixels of the input: 1 or 2.
    pub stride: usize,
    /// The shape of the input.
    pub input: Shape,
    /// Output channels.
    pub outputs: usize,
}

impl Geometry {
    /// A shape that the kernels support.
    ///
    /// # Panics
    /// If they don't; all `unsafe` code relies on these checks.
    pub fn new(kernel: usize, stride: usize, input: Shape, outputs: usize) -> Geometry {
        assert!((kernel == 1 || kernel == 3) && (stride == 1 || stride == 2), "kernel 1 or 3, stride 1 or 2");
        assert!(
            input.height.is_multiple_of(stride) && input.width.is_multiple_of(stride),
            "height and width are multiples of the stride, not {input:?} of {stride}"
        );
        assert!(outputs.is_multiple_of(CHANNEL_BLOCK), "{outputs} output channels come in blocks");
        let possible = 1..=MOST_INPUTS;
        assert!(
            possible.contains(&input.channels) && possible.contains(&outputs),
            "1 to {MOST_INPUTS} channels, not {} and {outputs}",
            input.channels
        );
        Geometry { kernel, stride, input, outputs }
    }

    /// The shape of the output.
    pub fn output(self) -> Shape {
        Shape {
            height: self.input.height / self.stride,
            width: self.input.width / self.stride,
            channels: self.outputs,
        }
    }

    /// The number of weights, `[kernel][kernel][inputs][outputs]`.
    pub fn weights(self) -> usize {
        self.kernel * self.kernel * self.input.channels * self.outputs
    }

    /// Multiply-adds of one image that each pass computes: taps on rows outside the image are left out, those on
    /// columns outside are computed on zeros.
    pub fn computed(self) -> usize {
        let taps = |row: usize| (0..self.kernel).filter(move |tap| self.input_row(row, *tap).is_some());
        let rows: usize = (0..self.output().height).map(|row| taps(row).count()).sum();
        rows * self.output().width * self.kernel * self.input.channels * self.outputs
    }

    /// The row of the input that tap row `tap` reads for an output row; none outside the image.
    fn input_row(self, output_row: usize, tap: usize) -> Option<usize> {
        (output_row * self.stride + tap).checked_sub(self.kernel / 2).filter(|row| *row < self.input.height)
    }

    /// The rows of the input that an output row reads, by tap row.
    pub fn rows_read(self, output_row: usize) -> [Option<usize>; 3] {
        std::array::from_fn(|tap| self.input_row(output_row, tap).filter(|_| tap < self.kernel))
    }

    /// The rows of the output's gradient that the gradient to an input row is computed from: with stride 1 the three
    /// around it, with stride 2 the one at half its index and the next.
    pub fn rows_reached(self, input_row: usize) -> [Option<usize>; 3] {
        let inside = |row: usize| Some(row).filter(|row| *row < self.output().height);
        match (self.kernel, self.stride) {
            (_, 2) => [inside(input_row / 2), inside(input_row / 2 + 1), None],
            (1, _) => [inside(input_row), None, None],
            (_, _) => [input_row.checked_sub(1).and_then(inside), inside(input_row), inside(input_row + 1)],
        }
    }
}

#[cfg(test)]
mod tests;
