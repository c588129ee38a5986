//! Convolution with square kernels of 1 or 3, padding `KERNEL / 2` and stride 1 or 2.
//!
//! Each image is copied into a scratch with a border of zeros, and the weights into one where they stand in the
//! order of their use. Then a tile of pixels times a block of channels is summed in registers over all taps and
//! input channels (`tiles`). The gradient to the input is such a convolution too: of the output's gradient,
//! spread out by the stride, with the kernel turned by half a turn. The gradient to the weights keeps a tile of
//! weights in registers and passes over the pixels (`outer`).

use super::dispatch::{Instructions, Kernel};
use super::scratch::with_scratch;
use super::{InstructionSet, Size};

mod outer;
mod padding;
mod tiles;

use padding::Padding;

/// Computes `y = x * weights`.
///
/// Shapes: x `[size][INPUTS]`, weights `[KERNEL][KERNEL][INPUTS][OUTPUTS]`, y `[size / STRIDE][OUTPUTS]`.
pub fn forward<const KERNEL: usize, const STRIDE: usize, const INPUTS: usize, const OUTPUTS: usize>(
    set: InstructionSet,
    size: Size,
    x: &[f32],
    weights: &[f32],
    y: &mut [f32],
) {
    let geometry = Geometry::of::<KERNEL, STRIDE, INPUTS, OUTPUTS>();
    geometry.check(size, x.len(), weights.len(), y.len());
    convolve(
        set,
        Convolution {
            geometry,
            source_size: size,
            padding: Padding { border: KERNEL / 2, spread: 1 },
            source: x,
            weights,
            turned: false,
            destination: y,
        },
    );
}

/// Adds the gradient with respect to the input to `dx`, for the gradient `dy` with respect to the output.
///
/// `size` is the input's; shapes as in [`forward`].
pub fn input_gradient<const KERNEL: usize, const STRIDE: usize, const INPUTS: usize, const OUTPUTS: usize>(
    set: InstructionSet,
    size: Size,
    dy: &[f32],
    weights: &[f32],
    dx: &mut [f32],
) {
    Geometry::of::<KERNEL, STRIDE, INPUTS, OUTPUTS>().check(size, dx.len(), weights.len(), dy.len());
    convolve(
        set,
        Convolution {
            geometry: Geometry::of::<KERNEL, 1, OUTPUTS, INPUTS>(),
            source_size: size.strided(STRIDE),
            padding: Padding { border: KERNEL / 2, spread: STRIDE },
            source: dy,
            weights,
            turned: true,
            destination: dx,
        },
    );
}

/// Adds the gradient with respect to the weights to `dweights`, for the gradient `dy` with respect to the output.
///
/// `size` is the input's; shapes as in [`forward`].
pub fn weight_gradient<
    const KERNEL: usize,
    const STRIDE: usize,
    const INPUTS: usize,
    const OUTPUTS: usize,
>(
    set: InstructionSet,
    size: Size,
    x: &[f32],
    dy: &[f32],
    dweights: &mut [f32],
) {
    let geometry = Geometry::of::<KERNEL, STRIDE, INPUTS, OUTPUTS>();
    geometry.check(size, x.len(), dweights.len(), dy.len());
    correlate(set, Correlation { geometry, size, x, dy, dweights });
}

/// The shape of a convolution at run time. The inner loops know tile sizes alone at compile time, so that they
/// are compiled once for each instruction set and not once for each layer.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    kernel: usize,
    stride: usize,
    inputs: usize,
    outputs: usize,
}

impl Geometry {
    fn of<const KERNEL: usize, const STRIDE: usize, const INPUTS: usize, const OUTPUTS: usize>() -> Geometry {
        const {
            assert!(
                (KERNEL == 1 || KERNEL == 3) && (STRIDE == 1 || STRIDE == 2),
                "kernel 1 or 3, stride 1 or 2"
            )
        };
        Geometry { kernel: KERNEL, stride: STRIDE, inputs: INPUTS, outputs: OUTPUTS }
    }

    /// Panics where slices don't have the lengths that the shapes ask for; everything `unsafe` rests on this.
    fn check(self, size: Size, x: usize, weights: usize, y: usize) {
        let Geometry { kernel, stride, inputs, outputs } = self;
        assert_eq!(x, size.pixels() * inputs, "the input has {inputs} channels and {size:?}");
        assert_eq!(weights, kernel * kernel * inputs * outputs, "one weight a tap, input and output channel");
        assert_eq!(y, size.strided(stride).pixels() * outputs, "the output has {outputs} channels");
    }
}

/// A convolution of padded images, forward or as the gradient to the input.
struct Convolution<'a> {
    geometry: Geometry,
    source_size: Size,
    padding: Padding,
    source: &'a [f32],
    weights: &'a [f32],
    /// Whether this is the gradient to the input: the weights are of the forward convolution, and the result is
    /// added to the destination.
    turned: bool,
    destination: &'a mut [f32],
}

fn convolve(set: InstructionSet, convolution: Convolution) {
    let padded = convolution.padding.padded(convolution.source_size);
    let image = padded.area() * convolution.geometry.inputs;
    with_scratch(convolution.weights.len(), image, |packed, image| {
        image.fill(0.0);
        set.run(Convolve { convolution, padded, packed, image });
    });
}

/// [`Convolution`] with the scratch it needs.
struct Convolve<'a, 's> {
    convolution: Convolution<'a>,
    padded: Size,
    packed: &'s mut [f32],
    image: &'s mut [f32],
}

impl Kernel for Convolve<'_, '_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let Convolve { convolution, padded, packed, image } = self;
        let Convolution { geometry, source_size, padding, source, weights, turned, destination } =
            convolution;
        let Geometry { kernel, stride, inputs, outputs } = geometry;
        tiles::pack(geometry, tiles::block::<I>(outputs), weights, turned, packed);
        let shape = tiles::Shape {
            image_row: padded.width * inputs,
            height: (padded.height - kernel) / stride + 1,
            width: (padded.width - kernel) / stride + 1,
        };
        let sources = source.chunks_exact(source_size.area() * inputs);
        let destinations = destination.chunks_exact_mut(shape.height * shape.width * outputs);
        for (source, destination) in sources.zip(destinations) {
            padding.copy(source_size, inputs, source, image);
            // SAFETY: the instructions are the caller's word. The scratch has the lengths of all weights and of
            // a padded image, the output's shape follows from the latter, and a destination has its length.
            unsafe { tiles::convolve::<I>(geometry, shape, image, packed, destination, turned) };
        }
    }
}

/// The gradient to the weights: the correlation of padded images with the output's gradients.
struct Correlation<'a> {
    geometry: Geometry,
    size: Size,
    x: &'a [f32],
    dy: &'a [f32],
    dweights: &'a mut [f32],
}

fn correlate(set: InstructionSet, correlation: Correlation) {
    let padding = Padding { border: correlation.geometry.kernel / 2, spread: 1 };
    let padded = padding.padded(correlation.size);
    with_scratch(0, padded.area() * correlation.geometry.inputs, |_, image| {
        image.fill(0.0);
        set.run(Correlate { correlation, padding, padded, image });
    });
}

/// [`Correlation`] with the scratch it needs.
struct Correlate<'a, 's> {
    correlation: Correlation<'a>,
    padding: Padding,
    padded: Size,
    image: &'s mut [f32],
}

impl Kernel for Correlate<'_, '_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) {
        let Correlate { correlation, padding, padded, image } = self;
        let Correlation { geometry, size, x, dy, dweights } = correlation;
        let Geometry { stride, inputs, outputs, .. } = geometry;
        let output = size.strided(stride);
        let shape =
            tiles::Shape { image_row: padded.width * inputs, height: output.height, width: output.width };
        let gradients = dy.chunks_exact(output.area() * outputs);
        for (x, dy) in x.chunks_exact(size.area() * inputs).zip(gradients) {
            padding.copy(size, inputs, x, image);
            // SAFETY: the instructions are the caller's word; the lengths are those of `Geometry::check`, and
            // the padded image reaches `(height - 1) * stride + kernel` rows and as many columns.
            unsafe { outer::correlate::<I>(geometry, shape, image, dy, dweights) };
        }
    }
}

#[cfg(test)]
mod tests;
