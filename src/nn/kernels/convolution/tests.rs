//! Tests the rows of convolutions, combined to whole batches, against the reference: over shapes, sizes, seeds and
//! instruction sets, with every row in its own memory between inaccessible pages.

use proptest::prelude::*;

use super::*;
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::{IMAGES, bundles, images_of, interleave, separate};
use crate::nn::kernels::guarded::{Guarded, Side};
use crate::nn::kernels::moments::{ChannelSums, Origin, ROW_MOMENTS};
use crate::nn::kernels::reference::{Convolution, Size};
use crate::nn::kernels::rows::Rows;
use crate::nn::kernels::samples::{assert_close, assert_fused_agree, assert_moments, bits, numbers};

/// A batch of images and all results of convolving it, NHWC.
struct Batch {
    geometry: Geometry,
    images: usize,
    x: Vec<f32>,
    weights: Vec<f32>,
    dy: Vec<f32>,
    /// Where the memory of the rows ends.
    side: Side,
}

/// What the kernels compute for a batch.
#[derive(Debug, PartialEq)]
struct Results {
    y: Vec<f32>,
    sums: ChannelSums,
    /// None if there are too few input channels.
    dx: Vec<f32>,
    dw: Vec<f32>,
}

impl Batch {
    /// A batch of numbers of about unit size.
    fn new(geometry: Geometry, images: usize, seed: u64) -> Batch {
        let side = if seed.is_multiple_of(2) { Side::Back } else { Side::Front };
        Batch {
            geometry,
            images,
            x: numbers(images * geometry.input.image(), seed),
            weights: numbers(geometry.weights(), seed + 1),
            dy: numbers(images * geometry.output().image(), seed + 2),
            side,
        }
    }

    /// The rows of bundles, each in its own memory, with a given number in unused elements.
    fn rows(&self, shape: Shape, images: &[f32], empty: f32) -> Vec<Vec<Guarded>> {
        let mut interleaved = vec![f32::NAN; bundles(self.images) * shape.bundle()];
        interleave(images, shape.image(), &mut interleaved);
        let of_bundle = |(bundle, numbers): (usize, &mut [f32])| {
            let images = images_of(bundle, self.images);
            numbers
                .as_chunks_mut::<IMAGES>()
                .0
                .iter_mut()
                .for_each(|elements| elements[images..].fill(empty));
            numbers.chunks_exact(shape.row()).map(|row| Guarded::copied(self.side, row)).collect()
        };
        interleaved.chunks_exact_mut(shape.bundle()).enumerate().map(of_bundle).collect()
    }

    /// Images of bundles of rows.
    fn images(&self, shape: Shape, rows: &[Vec<Guarded>]) -> Vec<f32> {
        let together: Vec<f32> = rows.iter().flatten().flat_map(|row| row.iter().copied()).collect();
        let mut images = vec![f32::NAN; self.images * shape.image()];
        separate(&together, shape.image(), &mut images);
        images
    }

    fn run(&self, set: InstructionSet) -> Results {
        // In the forward pass, the values in unused elements must not matter.
        let (y, sums) = self.forward(set, &self.rows(self.geometry.input, &self.x, f32::NAN));
        let dx = if self.geometry.input.channels.is_multiple_of(CHANNEL_BLOCK) {
            self.input_gradient(set, &self.rows(self.geometry.output(), &self.dy, f32::NAN))
        } else {
            Vec::new()
        };
        // Weights sum over elements, so there the gradient has to be zero.
        let x = self.rows(self.geometry.input, &self.x, 3.0);
        let dw = self.weight_gradient(set, &x, &self.rows(self.geometry.output(), &self.dy, 0.0));
        Results { y, sums, dx, dw }
    }

    fn forward(&self, set: InstructionSet, x: &[Vec<Guarded>]) -> (Vec<f32>, ChannelSums) {
        let (geometry, output) = (self.geometry, self.geometry.output());
        let mut packed = Guarded::filled(self.side, geometry.weights(), f32::NAN);
        pack(geometry, &self.weights, &mut packed);
        let mut moments = Guarded::filled(self.side, output.channels * ROW_MOMENTS * IMAGES, f32::NAN);
        let mut sums = ChannelSums::none(output.channels);
        let mut y = Vec::new();
        for (bundle, x) in x.iter().enumerate() {
            let of_row = |row: usize| {
                let mut y = Guarded::filled(self.side, output.row(), f32::NAN);
                let taps: [Option<&[f32]>; 3] = std::array::from_fn(|tap| {
                    let row = geometry.input_row(row, tap).filter(|_| tap < geometry.kernel);
                    row.map(|row| &*x[row])
                });
                let origin = if row == 0 { Origin::First } else { Origin::Kept };
                forward_row(set, geometry, taps, &packed, &mut y, Some((&mut moments, origin)));
                let mut unmeasured = Guarded::filled(self.side, output.row(), f32::NAN);
                forward_row(set, geometry, taps, &packed, &mut unmeasured, None);
                assert!(bits(&y) == bits(&unmeasured), "measuring changes nothing");
                y
            };
            y.push((0..output.height).map(of_row).collect::<Vec<_>>());
            sums.fold(&moments, output.area(), images_of(bundle, self.images));
        }
        (self.images(output, &y), sums)
    }

    fn input_gradient(&self, set: InstructionSet, dy: &[Vec<Guarded>]) -> Vec<f32> {
        let (geometry, output) = (self.geometry, self.geometry.output());
        let mut packed = Guarded::filled(self.side, geometry.weights(), f32::NAN);
        pack_turned(geometry, &self.weights, &mut packed);
        let of_bundle = |dy: &Vec<Guarded>| -> Vec<Guarded> {
            let near = |row: usize| (row < output.height).then(|| &*dy[row]);
            let of_row = |row: usize| {
                let rows = match (geometry.kernel, geometry.stride) {
                    (_, 2) => [near(row / 2), near(row / 2 + 1), None],
                    (1, _) => [near(row), None, None],
                    (_, _) => [row.checked_sub(1).and_then(near), near(row), near(row + 1)],
                };
                let mut dx = Guarded::filled(self.side, geometry.input.row(), f32::NAN);
                input_gradient_row(set, geometry, row, rows, &packed, &mut dx);
                dx
            };
            (0..geometry.input.height).map(of_row).collect()
        };
        self.images(geometry.input, &dy.iter().map(of_bundle).collect::<Vec<_>>())
    }

    /// The gradient to the weights, each bundle in two calls.
    fn weight_gradient(&self, set: InstructionSet, x: &[Vec<Guarded>], dy: &[Vec<Guarded>]) -> Vec<f32> {
        let (geometry, output) = (self.geometry, self.geometry.output());
        let mut elements = Guarded::filled(self.side, geometry.weights() * IMAGES, f32::NAN);
        let together = |rows: &[Guarded]| {
            let rows: Vec<f32> = rows.iter().flat_map(|row| row.iter().copied()).collect();
            Guarded::copied(self.side, &rows)
        };
        for (bundle, (x, dy)) in x.iter().zip(dy).enumerate() {
            let (x, dy) = (together(x), together(dy));
            let (x, dy) = (Rows::new(geometry.input, &x), Rows::new(output, &dy));
            let cut = bundle % output.height;
            let origin = if bundle == 0 { Origin::First } else { Origin::Kept };
            weight_gradient_rows(set, geometry, 0..cut, x, dy, &mut elements, origin);
            weight_gradient_rows(set, geometry, cut..output.height, x, dy, &mut elements, Origin::Kept);
        }
        let mut gradient = Guarded::filled(self.side, geometry.weights(), f32::NAN);
        fold_weight_gradient(set, geometry, &elements, &mut gradient);
        gradient.to_vec()
    }

    /// Asserts that every instruction set agrees with the reference, and that those with fused multiply-adds give the
    /// same bits.
    fn check(&self) {
        let Geometry { kernel, stride, input, outputs } = self.geometry;
        let plain = Convolution { kernel, stride, inputs: input.channels, outputs };
        let size = Size::new(self.images, input.height, input.width);
        let y = plain.forward(size, &self.x, &self.weights);
        let dx = plain.input_gradient(size, &self.dy, &self.weights);
        let dw = plain.weight_gradient(size, &self.x, &self.dy);
        let name = |what: &str, set| format!("{what} of {} images, {:?}, {set}", self.images, self.geometry);
        let mut all = Vec::new();
        for set in InstructionSet::available() {
            let results = self.run(set);
            assert_close(&name("forward", set), &results.y, &y, 2e-6);
            if !results.dx.is_empty() {
                assert_close(&name("input gradient", set), &results.dx, &dx, 2e-6);
            }
            assert_close(&name("weight gradient", set), &results.dw, &dw, 2e-6);
            assert_moments(&name("moments", set), &results.sums, &results.y, self.images);
            all.push((set, results));
        }
        assert_fused_agree(&name("a convolution", InstructionSet::detect()), &all);
    }
}

const CHANNELS_IN: [usize; 7] = [1, 2, 3, 4, 6, 8, 20];
const CHANNELS_OUT: [usize; 4] = [4, 8, 12, 20];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_shape_equals_the_reference(
        images in prop::sample::select(vec![1_usize, 3, 15, 16, 17, 33]),
        height in 1_usize..6,
        width in 1_usize..12,
        which in 0_usize..4,
        seed in 0_u64..1 << 40,
    ) {
        for (index, inputs) in CHANNELS_IN.into_iter().enumerate() {
            let outputs = CHANNELS_OUT[(which + index) % CHANNELS_OUT.len()];
            for (kernel, stride) in [(3, 1), (3, 2), (1, 1), (1, 2)] {
                let (height, width) = (height.next_multiple_of(stride), width.next_multiple_of(stride));
                let geometry = Geometry::new(kernel, stride, Shape::new(height, width, inputs), outputs);
                Batch::new(geometry, images, seed).check();
            }
        }
    }

    #[test]
    fn a_large_mean_costs_the_moments_nothing(mean in 10_f32..1e4, images in 1_usize..20, seed in 0_u64..1 << 40) {
        let geometry = Geometry::new(1, 1, Shape::new(6, 7, 4), 8);
        let mut batch = Batch::new(geometry, images, seed);
        batch.x.iter_mut().for_each(|x| *x += mean);
        for set in InstructionSet::available() {
            let Results { y, sums, .. } = batch.run(set);
            assert_moments(&format!("mean {mean}, {set}"), &sums, &y, batch.images);
        }
    }
}

#[test]
fn moments_survive_a_first_pixel_that_is_unlike_the_others() {
    // Ones convolved with ones are 9000 inside, 4000 in the corner that sums are counted from.
    let geometry = Geometry::new(3, 1, Shape::new(16, 16, 1), 4);
    let mut batch = Batch::new(geometry, 5, 1);
    batch.x.iter_mut().for_each(|x| *x = 1000.0 + 0.1 * *x);
    batch.weights.fill(1.0);
    for set in InstructionSet::available() {
        let Results { y, sums, .. } = batch.run(set);
        assert_moments(&set.to_string(), &sums, &y, batch.images);
    }
}

#[test]
fn the_sizes_that_networks_use_equal_the_reference() {
    let shape = |side: usize, channels: usize| Shape::new(side, side, channels);
    for (geometry, seed) in [
        (Geometry::new(3, 1, shape(32, 3), 16), 1),
        (Geometry::new(3, 1, shape(16, 8), 8), 2),
        (Geometry::new(3, 2, shape(16, 16), 32), 3),
        (Geometry::new(1, 2, shape(16, 16), 32), 4),
        (Geometry::new(3, 1, shape(4, 64), 64), 5),
        (Geometry::new(3, 2, shape(4, 64), 128), 6),
    ] {
        Batch::new(geometry, 2, seed).check();
    }
}

#[test]
fn the_most_channels_read_no_further_than_the_zeros_outside() {
    for (inputs, outputs) in [(MOST_INPUTS, 4), (4, MOST_INPUTS)] {
        for stride in [1, 2] {
            Batch::new(Geometry::new(3, stride, Shape::new(2, 2, inputs), outputs), 1, 1).check();
        }
    }
}

#[test]
fn shapes_that_the_kernels_cannot_do_are_refused() {
    let refused = |kernel, stride, shape: Shape, outputs| {
        std::panic::catch_unwind(|| Geometry::new(kernel, stride, shape, outputs)).is_err()
    };
    let shape = Shape::new(4, 4, 4);
    assert!(!refused(3, 2, shape, 8));
    assert!(refused(5, 1, shape, 8) && refused(2, 1, shape, 8) && refused(3, 3, shape, 8));
    assert!(refused(3, 2, Shape::new(3, 4, 4), 8) && refused(3, 2, Shape::new(4, 3, 4), 8));
    assert!(refused(3, 1, shape, 6) && refused(3, 1, Shape::new(4, 4, MOST_INPUTS + 1), 8));
    assert!(
        refused(3, 1, shape, MOST_INPUTS + 4)
            && refused(3, 1, Shape::new(4, 4, 0), 8)
            && refused(3, 1, shape, 0)
    );
}

#[test]
fn slices_of_a_wrong_length_are_refused() {
    let geometry = Geometry::new(3, 1, Shape::new(4, 4, 4), 8);
    let (x, y, w) = (geometry.input.row(), geometry.output().row(), geometry.weights());
    let set = InstructionSet::detect();
    let refused = |call: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err();
    let forward = |[x, y, w, m]: [usize; 4]| {
        let (x, w, mut y, mut m) = (vec![0.0; x], vec![0.0; w], vec![0.0; y], vec![0.0; m]);
        forward_row(set, geometry, [Some(&x), None, None], &w, &mut y, Some((&mut m, Origin::First)));
    };
    let backward = |[x, y, w]: [usize; 3]| {
        let (y, w, mut x) = (vec![0.0; y], vec![0.0; w], vec![0.0; x]);
        input_gradient_row(set, geometry, 0, [Some(&y), None, None], &w, &mut x);
    };
    let weights = |[x, y, w, end]: [usize; 4]| {
        let (x, y, mut w) = (vec![0.0; x], vec![0.0; y], vec![0.0; w]);
        let (x, y) = (Rows::new(geometry.input, &x), Rows::new(geometry.output(), &y));
        weight_gradient_rows(set, geometry, 0..end, x, y, &mut w, Origin::Kept);
    };
    let m = 8 * ROW_MOMENTS * IMAGES;
    assert!(!refused(&|| forward([x, y, w, m])) && !refused(&|| backward([x, y, w])));
    assert!(!refused(&|| weights([4 * x, 4 * y, w * IMAGES, 4])));
    for wrong in [[x - 1, y, w, m], [x, y - 1, w, m], [x, y, w - 1, m], [x, y, w, m - 1]] {
        assert!(refused(&|| forward(wrong)), "forward of {wrong:?}");
    }
    for wrong in [[x - 1, y, w], [x, y - 1, w], [x, y, w - 1]] {
        assert!(refused(&|| backward(wrong)), "gradient of {wrong:?}");
    }
    for wrong in
        [[4 * x, 4 * y, w * IMAGES - 1, 4], [4 * x, 4 * y, w * IMAGES, 5], [4 * x - 1, 4 * y, w * IMAGES, 4]]
    {
        assert!(refused(&|| weights(wrong)), "weights of {wrong:?}");
    }
}

#[test]
fn rows_outside_the_image_are_not_counted() {
    let shape = Shape::new(6, 8, 4);
    let computed = |kernel, stride| Geometry::new(kernel, stride, shape, 12).computed();
    // The first and the last row have two taps; with a stride only the first.
    assert_eq!(computed(3, 1), (3 * 6 - 2) * 8 * 3 * 4 * 12);
    assert_eq!(computed(3, 2), (3 * 3 - 1) * 4 * 3 * 4 * 12);
    assert_eq!(computed(1, 2), 3 * 4 * 4 * 12);
}
