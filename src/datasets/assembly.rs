//! Batches from examples: pixels and features standardised by the moments of the training split, images optionally
//! shifted and mirrored, tokens as they are.

use std::ops::Range;

use super::augmentation::{Augmentation, Move, write_moved};
use super::standardisation::{Feature, Standardisation};
use super::{Batch, Dataset, Examples, Inputs, Stored};
use crate::units::{ImageShape, InputShape, Step};

impl Dataset {
    /// Fills a batch with the given examples of the training split; images are augmented for a step. Indices are below
    /// the number of training examples.
    pub fn training_batch(&self, indices: &[u32], step: Step, augmentation: Augmentation, into: &mut Batch) {
        let mut next_move = augmentation.moves(step);
        self.fill(&self.train, indices.iter().map(|&index| (index as usize, next_move())), into);
    }

    /// Fills a batch with a range of a split's examples, unaugmented.
    pub fn evaluation_batch(&self, examples: &Examples, range: Range<usize>, into: &mut Batch) {
        self.fill(examples, range.map(|index| (index, Move::default())), into);
    }

    fn fill(
        &self,
        examples: &Examples,
        chosen: impl ExactSizeIterator<Item = (usize, Move)>,
        into: &mut Batch,
    ) {
        let labels = &examples.labels;
        match (self.shape, &self.standardisation, &examples.inputs) {
            (InputShape::Image(shape), Standardisation::Gray(values), Stored::Pixels(pixels)) => {
                fill_images(shape, values, pixels, labels, chosen, into);
            }
            (InputShape::Image(shape), Standardisation::Colour(values), Stored::Pixels(pixels)) => {
                fill_images(shape, values, pixels, labels, chosen, into);
            }
            (_, Standardisation::Features(features), Stored::Numbers(numbers)) => {
                fill_vectors(features, numbers, labels, chosen.map(|(index, _)| index), into);
            }
            (InputShape::Sequence { context, .. }, _, Stored::Tokens { tokens, starts }) => {
                let starts = chosen.map(|(index, _)| starts[index]);
                fill_sequences(context, tokens, labels, starts, into);
            }
            _ => panic!("expected examples of {}, found another form", self.shape),
        }
    }
}

fn fill_images<const CHANNELS: usize>(
    shape: ImageShape,
    values: &[[f32; 256]; CHANNELS],
    pixels: &[u8],
    labels: &[u16],
    chosen: impl ExactSizeIterator<Item = (usize, Move)>,
    into: &mut Batch,
) {
    let len = shape.len();
    let mut numbers = into.inputs.take_numbers(chosen.len() * len);
    into.labels.resize(chosen.len(), 0);
    let places = numbers.chunks_exact_mut(len).zip(&mut into.labels);
    for ((place, label), (index, how)) in places.zip(chosen) {
        *label = labels[index];
        write_moved(place, &pixels[index * len..][..len], shape, how, values);
    }
    into.inputs = Inputs::Numbers(numbers);
}

fn fill_vectors(
    features: &[Feature],
    numbers: &[f32],
    labels: &[u16],
    chosen: impl ExactSizeIterator<Item = usize>,
    into: &mut Batch,
) {
    let len = features.len();
    let mut standardised = into.inputs.take_numbers(chosen.len() * len);
    into.labels.resize(chosen.len(), 0);
    let places = standardised.chunks_exact_mut(len).zip(&mut into.labels);
    for ((place, label), index) in places.zip(chosen) {
        *label = labels[index];
        let numbers = numbers[index * len..][..len].iter().zip(features);
        place.iter_mut().zip(numbers).for_each(|(to, (&from, feature))| *to = feature.standardised(from));
    }
    into.inputs = Inputs::Numbers(standardised);
}

fn fill_sequences(
    context: usize,
    tokens: &[u16],
    labels: &[u16],
    starts: impl Iterator<Item = usize>,
    into: &mut Batch,
) {
    let mut chosen = into.inputs.take_tokens();
    into.labels.clear();
    for start in starts {
        chosen.extend_from_slice(&tokens[start..][..context]);
        into.labels.extend_from_slice(&labels[start..][..context]);
    }
    into.inputs = Inputs::Tokens(chosen);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_xoshiro::rand_core::Rng;

    use super::*;
    use crate::datasets::NO_LABEL;
    use crate::random::stream;

    fn numbers(batch: &Batch) -> &[f32] {
        batch.inputs.numbers().unwrap()
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| class.to_string()).collect()
    }

    fn dataset(channels: usize, side: usize, images: usize) -> Dataset {
        let shape = ImageShape { channels, height: side, width: side };
        let mut random = stream(5, "test images", 0);
        let labels: Vec<u8> = (0..images).map(|index| (index % 10) as u8).collect();
        let mut split = || {
            Examples::images((0..images * shape.len()).map(|_| random.next_u64() as u8).collect(), &labels)
        };
        let (train, test) = (split(), split());
        Dataset::new(shape, names(10), train, test)
    }

    fn none(seed: u64) -> Augmentation {
        Augmentation { crop: false, flip: false, seed }
    }

    #[test]
    fn the_training_split_is_standardised_by_channel() {
        let dataset = dataset(3, 8, 50);
        let mut batch = Batch::default();
        dataset.evaluation_batch(&dataset.train, 0..50, &mut batch);
        for channel in 0..3 {
            let values: Vec<f64> =
                numbers(&batch).iter().skip(channel).step_by(3).map(|&x| f64::from(x)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
            assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
        }
    }

    #[test]
    fn without_augmentation_training_and_evaluation_see_the_same_image() {
        let dataset = dataset(3, 8, 6);
        let (mut trained, mut evaluated) = (Batch::default(), Batch::default());
        dataset.training_batch(&[2, 3, 4], Step(9), none(1), &mut trained);
        dataset.evaluation_batch(&dataset.train, 2..5, &mut evaluated);
        assert_eq!(trained, evaluated);
        assert_eq!(trained.labels, [2, 3, 4]);
    }

    #[test]
    fn augmented_images_are_moves_of_the_image_by_at_most_four_pixels() {
        let dataset = dataset(1, 16, 40);
        let indices: Vec<u32> = (0..40).collect();
        let (mut plain, mut moved) = (Batch::default(), Batch::default());
        dataset.evaluation_batch(&dataset.train, 0..40, &mut plain);
        let augmentation = Augmentation { crop: true, flip: true, seed: 7 };
        dataset.training_batch(&indices, Step(1), augmentation, &mut moved);
        let mut mirrored_images = 0;
        for (before, after) in numbers(&plain).chunks(256).zip(numbers(&moved).chunks(256)) {
            let at = |row: i64, column: i64| match (0..16).contains(&row) && (0..16).contains(&column) {
                true => before[(row * 16 + column) as usize],
                false => 0.0,
            };
            let explains = |down: i64, right: i64, mirrored: bool| {
                (0..16).all(|row| {
                    (0..16).all(|column| {
                        let from = if mirrored { 15 - column } else { column };
                        after[(row * 16 + column) as usize] == at(row + down, from + right)
                    })
                })
            };
            let moves = (-4..=4).flat_map(|d| (-4..=4).flat_map(move |r| [(d, r, false), (d, r, true)]));
            let found: Vec<_> = moves.filter(|&(d, r, m)| explains(d, r, m)).collect();
            assert_eq!(found.len(), 1, "{found:?}");
            mirrored_images += usize::from(found[0].2);
        }
        assert!((8..=32).contains(&mirrored_images), "{mirrored_images} of 40 are mirrored");
    }

    #[test]
    fn flips_and_crops_are_drawn_apart_and_anew_for_each_step() {
        let dataset = dataset(1, 16, 8);
        let indices = [0, 1, 2, 3, 4, 5, 6, 7];
        let batch = |step, crop, flip, seed| {
            let mut batch = Batch::default();
            dataset.training_batch(&indices, Step(step), Augmentation { crop, flip, seed }, &mut batch);
            batch.inputs
        };
        let base = batch(1, true, true, 0);
        assert_eq!(base, batch(1, true, true, 0));
        assert_ne!(base, batch(2, true, true, 0));
        assert_ne!(base, batch(1, true, true, 1));
        assert_ne!(base, batch(1, true, false, 0));
        assert_ne!(base, batch(1, false, true, 0));
    }

    #[test]
    fn features_are_standardised_and_a_constant_one_is_centred() {
        let train = Examples::vectors(vec![1.0, 0.1, 3.0, 0.1, 5.0, 0.1], vec![0, 1, 0]);
        let test = Examples::vectors(vec![3.0, 0.6], vec![1]);
        let dataset = Dataset::new(InputShape::Vector { features: 2 }, names(2), train, test);
        let mut batch = Batch { inputs: Inputs::Tokens(vec![7]), labels: vec![7; 9] };
        dataset.evaluation_batch(&dataset.train, 0..3, &mut batch);
        let deviation = (8.0_f64 / 3.0).sqrt();
        let outer = (2.0 / deviation) as f32;
        assert_eq!(numbers(&batch), [-outer, 0.0, 0.0, 0.0, outer, 0.0]);
        assert_eq!(batch.labels, [0, 1, 0]);
        dataset.evaluation_batch(&dataset.test, 0..1, &mut batch);
        assert_eq!(numbers(&batch), [0.0, 0.5], "by the moments of the training split");
    }

    #[test]
    fn a_batch_switches_its_form_and_keeps_its_buffer() {
        let train = Examples::sequences((0..8).collect(), (0..8).collect(), 4);
        let shape = InputShape::Sequence { context: 4, vocabulary: 8 };
        let sequences = Dataset::new(shape, names(8), train.clone(), train);
        let mut batch = Batch::default();
        sequences.training_batch(&[1, 0], Step(1), none(0), &mut batch);
        assert_eq!(batch.inputs, Inputs::Tokens(vec![4, 5, 6, 7, 0, 1, 2, 3]));
        assert_eq!(batch.labels, [4, 5, 6, 7, 0, 1, 2, 3]);
        let buffer = batch.inputs.tokens().unwrap().as_ptr();
        sequences.evaluation_batch(&sequences.test, 1..2, &mut batch);
        assert_eq!(batch.inputs, Inputs::Tokens(vec![4, 5, 6, 7]));
        assert_eq!(batch.inputs.tokens().unwrap().as_ptr(), buffer);
        let images = dataset(1, 16, 2);
        images.evaluation_batch(&images.test, 0..2, &mut batch);
        assert_eq!((numbers(&batch).len(), batch.labels.len(), batch.inputs.tokens()), (512, 2, None));
    }

    #[test]
    #[should_panic(expected = "expected examples of 2 features, found another form")]
    fn examples_of_another_form_are_refused() {
        let vectors = Examples::vectors(vec![0.0; 4], vec![0, 1]);
        let dataset = Dataset::new(InputShape::Vector { features: 2 }, names(2), vectors.clone(), vectors);
        let images = Examples::images(vec![0; 4], &[0, 1]);
        dataset.evaluation_batch(&images, 0..1, &mut Batch::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Every example of a batch is the one of its index: alone in a batch it is the same.
        #[test]
        fn a_batch_holds_the_examples_that_it_names(
            form in 0..3,
            examples in 1..12_usize,
            len in 1..6_usize,
            chosen in proptest::collection::vec(any::<prop::sample::Index>(), 1..9),
            seed in any::<u64>(),
        ) {
            let mut random = stream(seed, "property", 0);
            let mut draw = |count: usize| -> Vec<u16> {
                (0..count).map(|_| (random.next_u64() % 256) as u16).collect()
            };
            let all = draw(examples * len);
            let image = ImageShape { channels: 1, height: len, width: 1 };
            let (shape, train): (InputShape, Examples) = match form {
                0 => {
                    let labels: Vec<u8> = draw(examples).iter().map(|&label| label as u8).collect();
                    let pixels = all.iter().map(|&pixel| pixel as u8).collect();
                    (image.into(), Examples::images(pixels, &labels))
                }
                1 => {
                    let numbers = all.iter().map(|&number| f32::from(number) / 7.0).collect();
                    (InputShape::Vector { features: len }, Examples::vectors(numbers, draw(examples)))
                }
                _ => {
                    let mut labels = draw(examples * len);
                    labels.iter_mut().filter(|label| **label % 3 == 0).for_each(|label| *label = NO_LABEL);
                    let shape = InputShape::Sequence { context: len, vocabulary: 256 };
                    (shape, Examples::sequences(all, labels, len))
                }
            };
            let dataset = Dataset::new(shape, names(256), train.clone(), train);
            let indices: Vec<u32> = chosen.iter().map(|index| index.index(examples) as u32).collect();
            let (mut together, mut alone) = (Batch::default(), Batch::default());
            dataset.training_batch(&indices, Step(3), none(seed), &mut together);
            let (mut numbers, mut tokens, mut labels) = (Vec::new(), Vec::new(), Vec::new());
            for &index in &indices {
                let index = index as usize;
                dataset.evaluation_batch(&dataset.train, index..index + 1, &mut alone);
                numbers.extend_from_slice(alone.inputs.numbers().unwrap_or_default());
                tokens.extend_from_slice(alone.inputs.tokens().unwrap_or_default());
                labels.extend_from_slice(&alone.labels);
                // Tokens are unchanged, and standardised numbers keep their order.
                match &dataset.train.inputs {
                    Stored::Tokens { tokens, .. } => {
                        prop_assert_eq!(alone.inputs.tokens(), Some(&tokens[index * len..][..len]));
                        prop_assert_eq!(&alone.labels[..], &dataset.train.labels[index * len..][..len]);
                    }
                    _ => prop_assert_eq!(&alone.labels[..], &dataset.train.labels[index..][..1]),
                }
            }
            prop_assert_eq!(together.inputs.numbers().unwrap_or_default(), numbers);
            prop_assert_eq!(together.inputs.tokens().unwrap_or_default(), tokens);
            prop_assert_eq!(together.labels, labels);
        }
    }
}
