//! The signal propagation plot (Brock et al. 2021, section 3): mean and variance of the channels of each block's output.

use std::ops::ControlFlow;

use super::{EXAMPLES, Entry, PLAIN, Subject, examples, split};
use crate::event::{Outcome, Value, Values};
use crate::metric::probed;

pub(super) const PROBE: Entry = Entry {
    name: "signal",
    summary: "squared mean and variance of the channels of each block's output (Brock et al. 2021)",
    keys: || vec![split("train"), examples(64)],
    metrics: |_| vec![probed::CHANNEL_SQUARE_MEAN, probed::CHANNEL_VARIANCE],
    run,
    ..PLAIN
};

/// The mean over batches, each counted by its examples.
fn run(subject: &mut Subject<'_>) -> Result<Values, Outcome> {
    let (split, most, mode) = (subject.split(), subject.whole(EXAMPLES), subject.mode());
    let mut sums = vec![[0.0, 0.0]; subject.blocks()];
    let mut count = 0.0;
    subject.each_batch(split, most, mode, |network, batch| {
        let rows = batch.labels.len() as f64;
        count += rows;
        for ([mean, variance], stream) in sums.iter_mut().zip(network.streams(batch, mode)) {
            *mean += rows * stream.square_mean;
            *variance += rows * stream.variance;
        }
        ControlFlow::Continue(())
    })?;
    let column = |at: usize| Value::Numbers(sums.iter().map(|sums| (sums[at] / count) as f32).collect());
    let columns = [(probed::CHANNEL_SQUARE_MEAN, column(0)), (probed::CHANNEL_VARIANCE, column(1))];
    Ok(columns.into_iter().collect())
}
