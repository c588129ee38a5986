//! What a network would say if it ended behind a block: the logit lens (nostalgebraist 2020), and from which block on it
//! says what it says at the end (prediction depth, Baldock et al. 2021). Later blocks are left out, so that their shortcuts
//! pass the output of the block on to the head.

use std::ops::ControlFlow;

use super::{EXAMPLES, Entry, PLAIN, Subject, examples, split};
use crate::datasets::NO_LABEL;
use crate::event::{Outcome, Value, Values};
use crate::metric::probed;
use crate::model::Changes;
use crate::units::BlockIdx;

pub(super) const PROBE: Entry = Entry {
    name: "lens",
    summary: "loss and error of the head on each block's output, and the depth at which predictions settle",
    keys: || vec![split("test"), examples(256)],
    metrics: |_| vec![probed::LENS_LOSS, probed::LENS_ERROR, probed::PREDICTION_DEPTH],
    run,
    ..PLAIN
};

/// What the head says of a block's output.
struct Seen {
    loss: f32,
    error: f32,
    /// The class of each labelled row.
    predictions: Vec<usize>,
}

fn run(subject: &mut Subject<'_>) -> Result<Values, Outcome> {
    let blocks = subject.blocks();
    let mut seen: Vec<Option<Seen>> = Vec::new();
    for block in (0..blocks).map(BlockIdx) {
        let changes = Changes::without_all_after(block, blocks);
        let is_possible = subject.network().can_change(&changes);
        seen.push(if is_possible { Some(look(subject, &changes)?) } else { None });
    }
    let column = |of: fn(&Seen) -> f32| {
        let numbers = seen.iter().map(|seen| seen.as_ref().map_or(f32::NAN, of));
        Value::Numbers(numbers.collect())
    };
    let all: Vec<Option<&[usize]>> =
        seen.iter().map(|seen| seen.as_ref().map(|seen| seen.predictions.as_slice())).collect();
    let columns =
        [(probed::LENS_LOSS, column(|seen| seen.loss)), (probed::LENS_ERROR, column(|seen| seen.error))];
    Ok(columns.into_iter().collect::<Values>().with(probed::PREDICTION_DEPTH, prediction_depth(&all)))
}

fn look(subject: &mut Subject<'_>, changes: &Changes) -> Result<Seen, Outcome> {
    let (split, most, mode) = (subject.split(), subject.whole(EXAMPLES), subject.mode());
    let (mut loss, mut wrong, mut predictions) = (0.0, 0, Vec::new());
    subject.each_batch(split, most, mode, |network, batch| {
        let classes = network.description().classes;
        let logits = network.logits_changed(batch, mode, changes);
        let rows = logits.chunks_exact(classes).zip(&batch.labels);
        for (logits, &label) in rows.filter(|(_, label)| **label != NO_LABEL) {
            let label = usize::from(label);
            let prediction = largest(logits);
            loss += cross_entropy(logits, label);
            wrong += usize::from(prediction != label);
            predictions.push(prediction);
        }
        ControlFlow::Continue(())
    })?;
    let count = predictions.len() as f64;
    Ok(Seen { loss: (loss / count) as f32, error: (wrong as f64 / count) as f32, predictions })
}

/// The place of the first of the largest numbers; behind all of them if one is NaN.
pub(super) fn largest(numbers: &[f32]) -> usize {
    let is_largest = |x: &f32| numbers.iter().all(|other| x >= other);
    numbers.iter().position(is_largest).unwrap_or(numbers.len())
}

/// The cross-entropy of logits, in nats.
pub(super) fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    let most = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.iter().map(|z| (f64::from(*z) - most).exp()).sum();
    sum.ln() + most - f64::from(logits[label])
}

/// The mean number of blocks from which on the prediction of a row is the last one. What is not known of a block counts as
/// another prediction.
fn prediction_depth(predictions: &[Option<&[usize]>]) -> f32 {
    let Some(last) = predictions.last().copied().flatten() else { return f32::NAN };
    let depth = |row: usize| {
        let is_last = |of: &&Option<&[usize]>| of.is_some_and(|of| of[row] == last[row]);
        let settled = predictions.iter().rev().take_while(is_last).count();
        (predictions.len() - settled + 1) as f64
    };
    ((0..last.len()).map(depth).sum::<f64>() / last.len() as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prediction_settles_where_it_no_longer_changes() {
        // Of three blocks: the first row settles at the third, the second at the first, the third at the second.
        let rows: [&[usize]; 3] = [&[1, 2, 0], &[1, 2, 3], &[0, 2, 3]];
        let known = rows.map(Some);
        assert_eq!(prediction_depth(&known), (3.0 + 1.0 + 2.0) / 3.0);
        assert_eq!(prediction_depth(&[None, known[1], known[2]]), (3.0 + 2.0 + 2.0) / 3.0);
        assert!(prediction_depth(&[known[0], None]).is_nan() && prediction_depth(&[]).is_nan());
    }

    #[test]
    fn the_first_of_the_largest_is_predicted() {
        assert_eq!((largest(&[1.0, 3.0, 3.0]), largest(&[f32::NAN, 1.0])), (1, 2));
        assert!((cross_entropy(&[0.0; 10], 3) - 10_f64.ln()).abs() < 1e-12);
    }
}
