//! Tests sweeps over a layer with weights, forward and backward.

use proptest::prelude::*;

use super::*;
use crate::nn::kernels::convolution::{Geometry, pack, pack_turned};
use crate::nn::kernels::moments::ChannelSums;
use crate::nn::kernels::reference::{Convolution, Size};
use crate::nn::kernels::samples::assert_moments;

/// A layer that reads the output of another.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) geometry: Geometry,
    pub(super) source: Output,
    pub(super) weights: Vec<f32>,
}

/// The result of a forward sweep.
pub(super) struct Responses {
    pub(super) response: Vec<f32>,
    pub(super) sums: ChannelSums,
    pub(super) formed: Formed,
}

/// The options of a backward sweep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) reading: Reading,
    /// How the gradient to the source is propagated back; none if it is left as it is.
    pub(super) through: Option<Through>,
    pub(super) measured: bool,
}

/// What a layer's gradients are computed from, NHWC, with numbers of each channel.
pub(super) struct Given<'a> {
    pub(super) gradient: &'a [f32],
    pub(super) response: &'a [f32],
    pub(super) spread: &'a [Vec<f32>; 3],
    pub(super) extra: Option<&'a [f32]>,
}

/// The result of a backward sweep.
#[derive(Debug, PartialEq)]
pub(super) struct Gradients {
    pub(super) weights: Vec<f32>,
    pub(super) source: Vec<f32>,
    pub(super) measured: Measured,
}

impl Layer {
    pub(super) fn new(
        geometry: Geometry,
        images: usize,
        [relu, has_shortcut]: [bool; 2],
        seed: u64,
    ) -> Layer {
        let side = if seed.is_multiple_of(2) { Side::Back } else { Side::Front };
        let of = Activation { shape: geometry.input, images, side };
        let weights = numbers(geometry.weights(), seed + 10);
        Layer { geometry, source: Output::new(of, relu, has_shortcut, seed), weights }
    }

    /// Where the memory of the responses ends.
    pub(super) fn of(&self) -> Activation {
        Activation { shape: self.geometry.output(), ..self.source.of }
    }

    /// Whether there can be a gradient to the source.
    fn goes_on(&self) -> bool {
        self.geometry.input.channels.is_multiple_of(4)
    }

    fn plain(&self) -> (Convolution, Size) {
        let Geometry { kernel, stride, input, outputs } = self.geometry;
        let size = Size::new(self.of().images, input.height, input.width);
        (Convolution { kernel, stride, inputs: input.channels, outputs }, size)
    }

    /// The response by definition.
    pub(super) fn expected_response(&self) -> Vec<f64> {
        let (plain, size) = self.plain();
        plain.forward(size, &self.source.formed, &self.weights)
    }

    /// The gradients to the weights and to the source, by definition.
    pub(super) fn expected_gradients(&self, to_response: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let (plain, size) = self.plain();
        (
            plain.weight_gradient(size, &self.source.formed, to_response),
            plain.input_gradient(size, to_response, &self.weights),
        )
    }

    pub(super) fn forward(&self, workers: &ThreadPool, set: InstructionSet, reading: Reading) -> Responses {
        let of = self.of();
        let mut packed = Guarded::filled(of.side, self.weights.len(), f32::NAN);
        pack(self.geometry, &self.weights, &mut packed);
        let shares = in_shares(workers, of.images, |share| {
            let (mut response, mut sums) = (of.room(share), ChannelSums::none(of.shape.channels));
            let sweep = |source: Source| {
                forward(set, self.geometry, share, source, &packed, None, &mut response, &mut sums);
            };
            let (keep, measured) = self.source.read(share, reading, sweep);
            (response, sums, keep, measured)
        });
        let mut sums = ChannelSums::none(of.shape.channels);
        shares.iter().for_each(|(_, of_part, _, _)| sums.merge(of_part));
        Responses {
            response: of.together(shares.iter().map(|(response, ..)| response)),
            sums,
            formed: self.source.merge(reading, shares.iter().map(|(_, _, keep, measured)| (keep, measured))),
        }
    }

    pub(super) fn backward(
        &self,
        workers: &ThreadPool,
        set: InstructionSet,
        wanted: Wanted,
        given: &Given,
    ) -> Gradients {
        let (of, read) = (self.of(), self.source.of);
        let mut turned = Guarded::filled(of.side, self.weights.len(), f32::NAN);
        if self.goes_on() {
            pack_turned(self.geometry, &self.weights, &mut turned);
        }
        let shares = in_shares(workers, of.images, |share| {
            let (gradient, response) = (of.share(share, given.gradient), of.share(share, given.response));
            let extra = given.extra.map(|extra| read.share(share, extra));
            let mut to_source = read.room(share);
            let mut to_weights = Guarded::filled(of.side, self.weights.len(), f32::NAN);
            let spread = given.spread.each_ref().map(Vec::as_slice);
            let mut sweep = |masked: Option<Masked>| {
                let extra = extra.as_deref();
                let towards = Towards { weights: &turned, gradient: &mut to_source, extra, masked };
                self.source.read(share, wanted.reading, |mut source| {
                    if let Source::Response(unformed) = &mut source {
                        // It has been measured in the forward pass.
                        unformed.sums = None;
                    }
                    let (gradient, response) = (&*gradient, &*response);
                    let gradient = ToResponse::Spread { gradient, response, numbers: spread };
                    let job = Backward { gradient, source };
                    let towards = self.goes_on().then_some(towards);
                    backward(set, self.geometry, share, job, &mut to_weights, towards);
                });
            };
            let sums = match wanted.through {
                Some(through) => {
                    self.source.mask(share, through, wanted.measured, |masked| sweep(Some(masked)))
                }
                None => {
                    sweep(None);
                    GradientSums::none(read.shape.channels)
                }
            };
            (to_weights, to_source, sums)
        });
        let mut weights = vec![0.0; self.weights.len()];
        for (of_part, _, _) in &shares {
            weights.iter_mut().zip(of_part.iter()).for_each(|(sum, share)| *sum += share);
        }
        let source =
            if self.goes_on() { read.together(shares.iter().map(|(_, to, _)| to)) } else { Vec::new() };
        let measured = Measured::merged(read.shape.channels, shares.iter().map(|(_, _, sums)| sums));
        Gradients { weights, source, measured }
    }
}

/// Layers and batches; for every layer the kernel, the stride, and input and output channels.
pub(super) fn layers(inputs: &[usize]) -> impl Strategy<Value = (Geometry, usize)> {
    let kinds = prop::sample::select(vec![(3_usize, 1_usize), (3, 2), (1, 1), (1, 2)]);
    let inputs = prop::sample::select(inputs.to_vec());
    let outputs = prop::sample::select(vec![4_usize, 8, 12]);
    let width = prop::sample::select(vec![1_usize, 2, 3, 5, 8, 11, 16, 33, 40]);
    let images = prop::sample::select(BATCHES.to_vec());
    (kinds, 1_usize..8, width, inputs, outputs, images).prop_map(
        |((kernel, stride), height, width, inputs, outputs, images)| {
            let (height, width) = (height.next_multiple_of(stride), width.next_multiple_of(stride));
            // Wide images are few and have few rows, which saves time for the reference.
            let (height, images) =
                if width > 12 { (height.min(4), images.min(19)) } else { (height, images) };
            (Geometry::new(kernel, stride, Shape::new(height, width, inputs), outputs), images)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn responses_are_the_references_however_the_source_is_read(
        (geometry, images) in layers(&[2, 4, 6, 8, 12]),
        relu: bool,
        has_shortcut: bool,
        seed in 0_u64..1 << 40,
    ) {
        let layer = Layer::new(geometry, images, [relu, has_shortcut], seed);
        let expected = layer.expected_response();
        let mut all = Vec::new();
        for set in InstructionSet::available() {
            let mut readings = Vec::new();
            for reading in READINGS {
                let what = format!("{geometry:?} of {images} images, {reading:?}, {set}");
                let ours = layer.forward(&ThreadPool::new(1), set, reading);
                assert_close(&what, &ours.response, &expected, 2e-6);
                layer.source.check(&what, reading, &ours.formed);
                assert_moments(&what, &ours.sums, &ours.response, images);
                readings.push((bits(&ours.response), ours.sums));
            }
            prop_assert!(readings.windows(2).all(|pair| pair[0] == pair[1]), "however it is read, {}", set);
            all.push((set, readings.remove(0)));
        }
        assert_fused_agree("responses", &all);
    }

    #[test]
    fn gradients_are_the_references_however_the_source_is_read_and_passed(
        (geometry, images) in layers(&[2, 4, 6, 8, 12]),
        [relu, has_shortcut, has_extra, measured] in any::<[bool; 4]>(),
        seed in 0_u64..1 << 40,
    ) {
        let layer = Layer::new(geometry, images, [relu, has_shortcut], seed);
        let response = narrow(&layer.expected_response());
        let gradient = layer.of().numbers(seed + 20);
        let extra = layer.source.of.numbers(seed + 21);
        let spread = [22, 23, 24].map(|more| numbers(geometry.outputs, seed + more));
        let [scale, slope, constant] = spread.each_ref().map(|numbers| wide(numbers));
        let to_response = |(i, (g, z)): (usize, (&f32, &f32))| {
            let c = i % geometry.outputs;
            (scale[c] * f64::from(*g) + slope[c] * f64::from(*z) + constant[c]) as f32
        };
        let to_response: Vec<f32> = gradient.iter().zip(&response).enumerate().map(to_response).collect();
        let (to_weights, to_source) = layer.expected_gradients(&to_response);
        let ways: Vec<Option<Through>> = layer.source.ways().into_iter().map(Some).chain([None]).collect();
        for through in ways {
            // A gradient left as it is has one reader.
            let extra = (has_extra && through.is_some()).then_some(extra.as_slice());
            let mut whole = to_source.clone();
            whole.iter_mut().zip(extra.unwrap_or_default()).for_each(|(dx, extra)| *dx += f64::from(*extra));
            let expected = if through.is_some() { layer.source.passed(&whole) } else { whole.clone() };
            let given = Given { gradient: &gradient, response: &response, spread: &spread, extra };
            let mut all = Vec::new();
            for set in InstructionSet::available() {
                let run = |reading: Reading| {
                    let wanted = Wanted { reading, through, measured };
                    let what = format!("{geometry:?}, {images} images, extra {has_extra}, {wanted:?}, {set}");
                    let ours = layer.backward(&ThreadPool::new(1), set, wanted, &given);
                    assert_close(&what, &ours.weights, &to_weights, 5e-6);
                    if layer.goes_on() {
                        assert_close(&what, &ours.source, &expected, 5e-6);
                    }
                    if layer.goes_on() && through.is_some() {
                        layer.source.check_measured(&what, measured, &ours.measured, &whole);
                    }
                    (bits(&ours.weights), bits(&ours.source), ours.measured)
                };
                let formed = run(Reading::Formed);
                prop_assert!(formed == run(Reading::Unkept), "however the source is read, {}", set);
                all.push((set, formed));
            }
            assert_fused_agree("gradients", &all);
        }
    }
}

#[test]
fn the_first_layer_reads_images_of_one_or_three_channels() {
    for (channels, seed) in [(1, 1), (3, 2)] {
        for (kernel, stride) in [(3, 1), (3, 2)] {
            let geometry = Geometry::new(kernel, stride, Shape::new(8, 8, channels), 8);
            let layer = Layer::new(geometry, 19, [false, false], seed);
            let expected = layer.expected_response();
            let gradient = layer.of().numbers(9);
            let spread = [vec![1.0; 8], vec![0.0; 8], vec![0.0; 8]];
            for set in InstructionSet::available() {
                let what = format!("{geometry:?}, {set}");
                let Responses { response, .. } = layer.forward(&ThreadPool::new(1), set, Reading::Formed);
                assert_close(&what, &response, &expected, 2e-6);
                let wanted = Wanted { reading: Reading::Formed, through: None, measured: false };
                let given = Given { gradient: &gradient, response: &response, spread: &spread, extra: None };
                let ours = layer.backward(&ThreadPool::new(1), set, wanted, &given);
                assert_close(&what, &ours.weights, &layer.expected_gradients(&gradient).0, 2e-6);
            }
        }
    }
}

#[test]
fn results_are_the_same_for_any_number_of_threads() {
    for images in [1, 19, 40, 70, 140] {
        let layer = Layer::new(Geometry::new(3, 1, Shape::new(5, 6, 8), 12), images, [true, false], 7);
        let set = InstructionSet::detect();
        let gradient = layer.of().numbers(1);
        let extra = layer.source.of.numbers(2);
        let spread = [3, 4, 5].map(|seed| numbers(12, seed));
        let run = |workers: &ThreadPool| {
            let Responses { response, sums, formed } = layer.forward(workers, set, Reading::Kept);
            let through = Some(Through::FormedAgain);
            let wanted = Wanted { reading: Reading::Unkept, through, measured: true };
            let given =
                Given { gradient: &gradient, response: &response, spread: &spread, extra: Some(&extra) };
            let gradients = layer.backward(workers, set, wanted, &given);
            let OutputSums { moments, products, alive, .. } = formed.sums;
            (response, sums, formed.kept, (moments, products, alive), gradients)
        };
        let alone = run(&ThreadPool::new(1));
        for threads in [2, 3, 5] {
            let workers = ThreadPool::new(threads);
            for round in 0..3 {
                assert!(run(&workers) == alone, "{images} images, {threads} threads, round {round}");
            }
        }
    }
}
