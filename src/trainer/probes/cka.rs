//! How alike the outputs of two blocks are: linear centred kernel alignment (Kornblith et al. 2019, section 3) of all pairs
//! of the lane's blocks. Lanes do not meet, so a lane records what another one's blocks can be compared with: the Gram
//! matrix of each block for the first examples, which are the same in every lane.

use super::features::{Features, OfBlock};
use super::{EXAMPLES, Entry, PLAIN, Subject, examples, split};
use crate::event::{Outcome, Value, Values};
use crate::experiment::{Allowed, Key, Settings};
use crate::metric::probed::{CKA, COMPARED, GRAM, PAIR};
use crate::metric::{Axis, Metric, Points};
use crate::model::Description;
use crate::statistics::{alignment, gram};

pub(super) const PROBE: Entry = Entry {
    name: "cka",
    summary: "how alike the outputs of each two blocks are (Kornblith et al. 2019)",
    keys,
    metrics,
    axes,
    run,
    ..PLAIN
};

/// The most examples whose products are recorded, which bounds the size of a record.
const MOST_RECORDED: usize = 48;

fn keys() -> Vec<Key> {
    let about = "whether blocks can be compared with those of other lanes, by the first 48 examples";
    vec![split("test"), examples(256), Key::with_default("lanes", about, Allowed::Flag, false)]
}

fn metrics(settings: &Settings) -> Vec<Metric> {
    let of_lanes = settings.flag("lanes").then_some(GRAM);
    [CKA].into_iter().chain(of_lanes).collect()
}

fn axes(settings: &Settings, description: &Description) -> Vec<Axis> {
    let blocks = description.structure.blocks.iter().map(|block| block.name.clone());
    let axis = |name: &str, points| Axis { name: name.to_owned(), points: Points::Names(points) };
    vec![axis(COMPARED, blocks.collect()), axis(PAIR, pairs(recorded(settings)))]
}

/// The pairs of the first examples, counted from 1, as in the lower triangle, row by row.
fn pairs(rows: usize) -> Vec<String> {
    (1..=rows).flat_map(|a| (1..=a).map(move |b| format!("{a}-{b}"))).collect()
}

/// The examples whose products are recorded.
fn recorded(settings: &Settings) -> usize {
    settings.whole(EXAMPLES).unwrap_or_default().min(MOST_RECORDED)
}

fn run(subject: &mut Subject<'_>) -> Result<Values, Outcome> {
    let (split, most, blocks) = (subject.split(), subject.whole(EXAMPLES), subject.blocks());
    let features = Features::of(subject, split, most)?;
    let mut grams = Vec::new();
    for block in &features.blocks {
        grams.push(gram(&block.centred(), block.width));
        subject.rest()?;
    }
    let mut alike = vec![f32::NAN; blocks * blocks];
    for (at, a) in grams.iter().enumerate() {
        for (other, b) in grams.iter().enumerate().take(at + 1) {
            let alignment = alignment(a, b) as f32;
            (alike[at * blocks + other], alike[other * blocks + at]) = (alignment, alignment);
        }
        subject.rest()?;
    }
    let mut values = [(CKA, Value::Numbers(alike))].into_iter().collect::<Values>();
    if subject.settings.flag("lanes") {
        let rows = recorded(subject.settings);
        values.insert(
            GRAM,
            Value::Numbers(features.blocks.iter().flat_map(|block| of_first(block, rows)).collect()),
        );
    }
    Ok(values)
}

/// The Gram matrix of the first rows; zero for those that there are not.
fn of_first(block: &OfBlock, rows: usize) -> Vec<f32> {
    let numbers = block.numbers.chunks_exact(block.width).take(rows).flatten().copied().collect();
    let first = OfBlock { width: block.width, numbers };
    let mut triangle = gram(&first.centred(), first.width);
    triangle.resize(rows * (rows + 1) / 2, 0.0);
    triangle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_examples_are_recorded_with_zeros_for_those_that_there_are_not() {
        let numbers =
            |rows: usize| (0..rows * 3).map(|at| (at * 7919 % 104_729) as f32 / 5e4 - 1.0).collect();
        let of = |rows: usize| OfBlock { width: 3, numbers: numbers(rows) };
        let few = of_first(&of(5), 8);
        assert_eq!(few[..15], gram(&of(5).centred(), 3));
        assert!(few.len() == 36 && few[15..].iter().all(|x| *x == 0.0));
        assert!((alignment(&few, &few) - 1.0).abs() < 1e-6);
        assert_eq!(of_first(&of(20), 5), few[..15]);
    }

    #[test]
    fn there_is_a_pair_for_each_number() {
        let block = OfBlock { width: 1, numbers: vec![1.0, 2.0, 4.0, 8.0] };
        assert_eq!(pairs(3), ["1-1", "2-1", "2-2", "3-1", "3-2", "3-3"]);
        for rows in [2, 3, 4, 48] {
            assert_eq!(pairs(rows).len(), of_first(&block, rows).len());
        }
        let of = |examples: usize| recorded(&Settings::default().with(EXAMPLES, examples.into()));
        assert_eq!([2, 47, 48, 1_000].map(of), [2, 47, 48, 48]);
    }
}
