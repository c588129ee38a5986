//! What a network of images looks at, as pictures: the filters of its first convolution, what a block makes of the first
//! example, and the examples with the greatest loss. Of every example, label, prediction and loss are recorded, so that
//! lanes, which never meet, can be compared on each other's mistakes. Other networks than those of images have the numbers
//! of examples only.

use std::ops::ControlFlow;

use super::lens::{cross_entropy, largest};
use super::{EXAMPLES, Entry, PLAIN, Subject, examples, split};
use crate::datasets::{Dataset, NO_LABEL};
use crate::event::{Outcome, Split, Value, Values};
use crate::experiment::{Allowed, Key, Settings};
use crate::metric::probed::{
    COLOUR, EXAMPLE, EXAMPLE_LABEL, EXAMPLE_LOSS, EXAMPLE_PREDICTION, FEATURE_MAPS, FILTERS, MAPPED_PICTURE,
    MISTAKE, MISTAKE_EXAMPLE, MISTAKE_PICTURES, PICTURES,
};
use crate::metric::{Axis, Points};
use crate::model::{Description, NamedTensor, Stream, TensorData};
use crate::structure::{Structure, kind};
use crate::units::{ImageShape, InputShape};

pub(super) const PROBE: Entry = Entry {
    name: "pictures",
    summary: "filters, feature maps, and the examples with the greatest loss, as pictures",
    keys,
    metrics: |_| PICTURES.to_vec(),
    axes,
    run,
    ..PLAIN
};

/// The rows and columns of a filter that is recorded.
const KERNEL: usize = 3;

fn keys() -> Vec<Key> {
    let whole = |name, about, most, default: usize| {
        Key::with_default(name, about, Allowed::Whole { least: 1, most }, default)
    };
    vec![
        split("test"),
        examples(256),
        whole("mistakes", "how many examples with the greatest loss are recorded", 64, 12),
        whole("filters", "how many filters of the first convolution are recorded", 64, 16),
        whole("maps", "how many channels of the block's output are recorded", 64, 8),
        whole("block", "the block whose output is recorded, from 1", 10_000, 1),
    ]
}

fn axes(settings: &Settings, description: &Description) -> Vec<Axis> {
    let whole = |key| settings.whole(key).unwrap_or(1);
    let numbered = |name: &str, count: usize| Axis {
        name: name.to_owned(),
        points: Points::Numbers((1..=count).map(|at| at as f64).collect()),
    };
    let picture = image(description.input);
    let [height, width] = map_sides(&description.structure, block(&description.structure, settings));
    let colours: &[&str] = if picture.channels == 3 { &["red", "green", "blue"] } else { &["gray"] };
    let colours = Points::Names(colours.iter().map(|&name| name.to_owned()).collect());
    vec![
        numbered(EXAMPLE, whole(EXAMPLES)),
        numbered(MISTAKE, whole("mistakes")),
        Axis { name: COLOUR.to_owned(), points: colours },
        numbered("picture_row", picture.height),
        numbered("picture_column", picture.width),
        numbered("map", whole("maps")),
        numbered("map_row", height),
        numbered("map_column", width),
        numbered("filter", whole("filters")),
        numbered("filter_row", KERNEL),
        numbered("filter_column", KERNEL),
    ]
}

/// The images that a network reads; a single gray pixel for one that reads none.
fn image(input: InputShape) -> ImageShape {
    match input {
        InputShape::Image(shape) => shape,
        InputShape::Vector { .. } | InputShape::Sequence { .. } => {
            ImageShape { channels: 1, height: 1, width: 1 }
        }
    }
}

/// The place of the block whose output is recorded: the last one, if there are fewer.
fn block(structure: &Structure, settings: &Settings) -> usize {
    let wanted = settings.whole("block").unwrap_or(1).saturating_sub(1);
    wanted.min(structure.blocks.len().saturating_sub(1))
}

/// Height and width of a block's output; 1 where it has none.
fn map_sides(structure: &Structure, block: usize) -> [usize; 2] {
    let layers = structure.blocks.get(block).map_or(&[][..], |block| &block.layers);
    let mut of_branch = layers.iter().filter_map(|layer| structure.layer(*layer));
    let last = of_branch.rfind(|layer| kind::is_counted(&layer.kind));
    match last.map(|layer| layer.output.as_slice()) {
        Some(&[_, height, width]) => [height, width],
        _ => [1, 1],
    }
}

/// An example and what the network says of it.
struct Seen {
    label: usize,
    prediction: usize,
    loss: f64,
}

fn run(subject: &mut Subject<'_>) -> Result<Values, Outcome> {
    let (split, most, mode) = (subject.split(), subject.whole(EXAMPLES), subject.mode());
    let description = subject.network().description().clone();
    let (classes, block) = (description.classes, block(&description.structure, subject.settings));
    let mut seen: Vec<Seen> = Vec::new();
    let mut stream = None;
    subject.each_batch(split, most, mode, |network, batch| {
        if seen.is_empty() {
            stream = network.streams(batch, mode).into_iter().nth(block);
        }
        let logits = network.logits(batch, mode);
        let rows = logits.chunks_exact(classes).zip(&batch.labels);
        let labelled = rows.filter(|(_, label)| **label != NO_LABEL).take(most - seen.len());
        seen.extend(labelled.map(|(logits, &label)| {
            let label = usize::from(label);
            Seen { label, prediction: largest(logits), loss: cross_entropy(logits, label) }
        }));
        if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let worst = worst(&seen, subject.whole("mistakes"));
    let shape = image(description.input);
    let picture = |at: Option<usize>| picture(subject.dataset, split, at, shape);
    let pictures = worst.iter().flat_map(|at| picture(*at)).collect();
    let mapped = picture(Some(0));
    let state = subject.network().state();
    let maps = maps(stream.as_ref(), map_sides(&description.structure, block), subject.whole("maps"));
    let of_examples = |of: &dyn Fn(&Seen) -> f32| padded(seen.iter().map(of), most);
    // A prediction is no class where a score is NaN.
    let prediction = |seen: &Seen| if seen.prediction < classes { seen.prediction as f32 } else { f32::NAN };
    let columns = [
        (EXAMPLE_LABEL, of_examples(&|seen| seen.label as f32)),
        (EXAMPLE_PREDICTION, of_examples(&prediction)),
        (EXAMPLE_LOSS, of_examples(&|seen| seen.loss as f32)),
        (MISTAKE_EXAMPLE, worst.iter().map(|at| at.map_or(f32::NAN, |at| at as f32 + 1.0)).collect()),
        (MISTAKE_PICTURES, pictures),
        (MAPPED_PICTURE, mapped),
        (FEATURE_MAPS, maps),
        (FILTERS, filters(&state, subject.whole("filters"))),
    ];
    Ok(columns.into_iter().map(|(metric, numbers)| (metric, Value::Numbers(numbers))).collect())
}

/// These numbers, and NaN up to so many.
fn padded(numbers: impl Iterator<Item = f32>, most: usize) -> Vec<f32> {
    numbers.chain(std::iter::repeat(f32::NAN)).take(most).collect()
}

/// The places of the examples with the greatest loss, the greatest first, one that is not finite before all others; none
/// where there are fewer.
fn worst(seen: &[Seen], most: usize) -> Vec<Option<usize>> {
    let key = |at: &usize| if seen[*at].loss.is_finite() { seen[*at].loss } else { f64::INFINITY };
    let mut order: Vec<usize> = (0..seen.len()).collect();
    order.sort_by(|a, b| key(b).total_cmp(&key(a)).then(a.cmp(b)));
    order.into_iter().map(Some).chain(std::iter::repeat(None)).take(most).collect()
}

/// The pixels of an example, 0 to 1, colour by colour; NaN without an image.
fn picture(dataset: &Dataset, split: Split, at: Option<usize>, shape: ImageShape) -> Vec<f32> {
    let examples = if split == Split::Train { &dataset.train } else { &dataset.test };
    let (area, channels) = (shape.height * shape.width, shape.channels);
    let pixels = at.and_then(|at| examples.pixels().chunks_exact(area * channels).nth(at));
    let Some(pixels) = pixels else { return vec![f32::NAN; area * channels] };
    let colour = |channel| pixels.iter().skip(channel).step_by(channels);
    (0..channels).flat_map(colour).map(|byte| f32::from(*byte) / 255.0).collect()
}

/// The first channels of the first example's stream, row by row; NaN where it has fewer, or no pixels.
fn maps(stream: Option<&Stream>, [height, width]: [usize; 2], most: usize) -> Vec<f32> {
    let area = height * width;
    let map = |channel: usize| {
        let known = stream.filter(|stream| stream.first.len() == area * stream.channels && area > 1);
        let known = known.filter(|stream| channel < stream.channels);
        let pixel = |at: usize| known.map_or(f32::NAN, |stream| stream.first[at * stream.channels + channel]);
        (0..area).map(pixel).collect::<Vec<f32>>()
    };
    (0..most).flat_map(map).collect()
}

/// The first filters of the first convolution, one for each output and input; NaN where it has fewer.
fn filters(state: &[NamedTensor], most: usize) -> Vec<f32> {
    let is_it = |tensor: &&NamedTensor| matches!(tensor.shape.as_slice(), &[_, _, KERNEL, KERNEL]);
    let numbers = state.iter().find(is_it).map_or(&[][..], |tensor| match &tensor.data {
        TensorData::F32(numbers) => numbers,
        TensorData::I64(_) => &[],
    });
    padded(numbers.iter().copied(), most * KERNEL * KERNEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_come_first_and_what_is_not_finite_before_all() {
        let seen: Vec<Seen> = [1.0, 3.0, f64::NAN, 3.0, 0.5]
            .map(|loss| Seen { label: 0, prediction: 0, loss })
            .into_iter()
            .collect();
        assert_eq!(worst(&seen, 4), [Some(2), Some(1), Some(3), Some(0)]);
        assert_eq!(worst(&seen[..1], 3), [Some(0), None, None]);
    }

    #[test]
    fn a_channel_of_a_stream_is_one_map() {
        // Two rows of two pixels of three channels.
        let first = vec![1.0, 10.0, 100.0, 2.0, 20.0, 200.0, 3.0, 30.0, 300.0, 4.0, 40.0, 400.0];
        let stream = Stream { channels: 3, first, ..Stream::of(&[0.0; 12], 1, 3) };
        assert_eq!(maps(Some(&stream), [2, 2], 2), [1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0]);
        let more = maps(Some(&stream), [2, 2], 4);
        assert!(more[..12].iter().all(|x| x.is_finite()) && more[12..].iter().all(|x| x.is_nan()));
        assert!(maps(Some(&stream), [3, 2], 1).iter().all(|x| x.is_nan()), "another size");
    }
}
