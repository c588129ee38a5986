//! What the blocks of a network make of the same examples.

use std::ops::ControlFlow;

use super::Subject;
use crate::datasets::NO_LABEL;
use crate::event::{Outcome, Split};

/// The outputs of every block for the same rows: examples, or labelled tokens of sequences.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Features {
    /// The label of each row.
    pub(super) labels: Vec<u16>,
    /// By block.
    pub(super) blocks: Vec<OfBlock>,
}

/// The output of a block.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct OfBlock {
    /// Features of a row: the means of channels over pixels, or the numbers of a vector or token.
    pub(super) width: usize,
    /// `[rows][width]`.
    pub(super) numbers: Vec<f32>,
}

impl Features {
    /// Of the first rows of a split.
    pub(super) fn of(subject: &mut Subject<'_>, split: Split, rows: usize) -> Result<Features, Outcome> {
        let mode = subject.mode();
        let mut all = Features::default();
        subject.each_batch(split, rows, mode, |network, batch| {
            let labelled = batch.labels.iter().enumerate().filter(|(_, label)| **label != NO_LABEL);
            let taken: Vec<(usize, u16)> =
                labelled.map(|(row, label)| (row, *label)).take(rows - all.labels.len()).collect();
            all.labels.extend(taken.iter().map(|(_, label)| label));
            let streams = network.streams(batch, mode);
            all.blocks.resize_with(streams.len(), OfBlock::default);
            for (to, stream) in all.blocks.iter_mut().zip(streams) {
                to.width = stream.channels;
                let row =
                    |&(row, _): &(usize, u16)| &stream.features[row * stream.channels..][..stream.channels];
                to.numbers.extend(taken.iter().flat_map(row));
            }
            if all.labels.len() < rows { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(all)
    }
}

impl OfBlock {
    /// The mean of each feature.
    pub(super) fn means(&self) -> Vec<f64> {
        let rows = self.numbers.chunks_exact(self.width);
        let (count, mut means) = (rows.len() as f64, vec![0.0; self.width]);
        rows.for_each(|row| means.iter_mut().zip(row).for_each(|(mean, x)| *mean += f64::from(*x)));
        // Divided last, so that the mean of equal numbers is that number.
        means.iter_mut().for_each(|mean| *mean /= count);
        means
    }

    /// The numbers less the mean of each feature.
    pub(super) fn centred(&self) -> Vec<f64> {
        let means = self.means();
        let rows = self.numbers.chunks_exact(self.width);
        rows.flat_map(|row| row.iter().zip(&means).map(|(x, mean)| f64::from(*x) - mean)).collect()
    }
}
