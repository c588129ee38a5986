//! The measurements of the operations in one training step, by layer and block. The operations of a pass share
//! one [`Recorder`]; the network reads it when the step is over.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::activation::{Activation, Observed};
use super::buffers::Buffer;
use super::mixing::Mixing;
use crate::event::Histogram;
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::normalisation::OutputSums;
use crate::nn::kernels::spectrum::effective_rank;
use crate::statistics::{Moments, Products, Sums, histogram};
use crate::units::{BlockIdx, LayerIdx};

/// The measurements of a layer in one step.
#[derive(Clone, Debug, Default)]
pub struct LayerRecord {
    /// Of its output.
    pub output: Moments,
    /// Channels of the output that are zero everywhere.
    pub dead_units: usize,
    /// Of its response, before addition and ReLU.
    pub response: Sums,
    /// Of the gradient with respect to its output.
    pub output_gradient: Sums,
    /// The histogram of its output, if wanted.
    pub histogram: Histogram,
    /// The effective rank of its output over its units, if histograms are wanted.
    pub effective_rank: Option<f32>,
    /// Whether there is a NaN or infinity in the forward pass; always known.
    pub broken_forward: bool,
    /// Whether there is one in the gradient; always known.
    pub broken_backward: bool,
}

/// The measurements of a block in one step.
#[derive(Clone, Debug, Default)]
pub struct BlockRecord {
    /// Of its output.
    pub output: Sums,
    /// Of residual branch and shortcut as they are added; none without a shortcut.
    pub terms: Option<Products>,
    /// Of the gradient with respect to its output.
    pub output_gradient: Sums,
    /// The mean entropy of each head's attention, in nats; empty without attention.
    pub entropies: Vec<f32>,
    /// The mean opening of its gate, or the number that its branch or its layer's input is multiplied by.
    pub gate: Option<f32>,
    /// The number that the embedding is multiplied by where it is added to its layer's input.
    pub embedding_gate: Option<f32>,
    /// The largest absolute sum of a row and of a column, of the product of all mixing matrices up to this block.
    pub mixing: Option<[f32; 2]>,
    /// The mean cosine between the tokens of a sequence in its output.
    pub token_cosine: Option<f32>,
    /// Its output, reduced to a row for each example or token; only if streams are wanted.
    pub stream: Option<Stream>,
}

/// The output of a block as probes need it: the stream of a residual network behind the block.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Channels, or features of a row.
    pub channels: usize,
    /// The mean of each channel over the pixels of each image, or the features of each vector or token:
    /// `[rows][channels]`.
    pub features: Vec<f32>,
    /// The mean over channels of the square of each channel's mean over all rows and pixels (Brock et al. 2021, section
    /// 3: average channel squared mean).
    pub square_mean: f64,
    /// The mean over channels of each channel's variance over all rows and pixels (the same: average channel variance).
    pub variance: f64,
    /// All numbers of the first row: `[pixels][channels]`.
    pub first: Vec<f32>,
}

impl Stream {
    /// The reduction of `values`, which have so many rows of pixels of so many channels, the channels fastest.
    pub fn of(values: &[f32], rows: usize, channels: usize) -> Stream {
        let area = (values.len() / (rows * channels).max(1)).max(1);
        let mut features = Vec::with_capacity(rows * channels);
        let [mut sums, mut squares] = [vec![0.0_f64; channels], vec![0.0_f64; channels]];
        let mut of_row = vec![0.0_f64; channels];
        for row in values.chunks_exact((area * channels).max(1)) {
            of_row.fill(0.0);
            for pixel in row.chunks_exact(channels) {
                for ((sum, square), &x) in of_row.iter_mut().zip(&mut squares).zip(pixel) {
                    let x = f64::from(x);
                    *sum += x;
                    *square += x * x;
                }
            }
            sums.iter_mut().zip(&of_row).for_each(|(sum, of_row)| *sum += of_row);
            features.extend(of_row.iter().map(|sum| (sum / area as f64) as f32));
        }
        let count = (rows * area) as f64;
        let mean_of = |number: &dyn Fn(f64, f64) -> f64| {
            let numbers = sums.iter().zip(&squares).map(|(sum, square)| number(sum / count, square / count));
            numbers.sum::<f64>() / channels as f64
        };
        let square_mean = mean_of(&|mean, _| mean * mean);
        let variance = mean_of(&|mean, square| (square - mean * mean).max(0.0));
        let first = values.get(..area * channels).unwrap_or_default().to_vec();
        Stream { channels, features, square_mean, variance, first }
    }
}

/// The measurements of one step.
#[derive(Debug, Default)]
pub struct Record {
    /// By layer, in the topology's order.
    pub layers: Vec<LayerRecord>,
    /// By block, in the topology's order.
    pub blocks: Vec<BlockRecord>,
    /// The layers in the order in which the forward pass computed them.
    pub order: Vec<LayerIdx>,
    /// Time spent on histograms and ranks, which are computed outside the operations.
    pub histogram_time: Duration,
    /// What the streams of hyper-connections have become so far.
    mixing: Option<Mixing>,
}

impl Record {
    /// Computes the histogram of a layer's output, and its rank.
    fn count<V: Deref<Target = [f32]>>(
        &mut self,
        set: InstructionSet,
        layer: LayerIdx,
        units: usize,
        values: impl FnOnce() -> V,
    ) {
        let begin = Instant::now();
        let (values, entry) = (values(), &mut self.layers[layer.0]);
        entry.histogram = histogram(&values);
        entry.effective_rank = Some(effective_rank(set, &values, units));
        self.histogram_time += begin.elapsed();
    }
}

/// The measurements of an output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// Of its numbers.
    pub(super) moments: Moments,
    /// Channels that are zero everywhere.
    pub(super) dead_units: usize,
    /// Of the two terms of the addition, if it is a sum.
    pub(super) terms: Option<Products>,
}

impl Measured {
    /// The sums of all shares; none if nothing was measured.
    pub(super) fn of(shares: Vec<OutputSums>, has_shortcut: bool) -> Option<Measured> {
        let OutputSums { moments, products, alive, .. } = OutputSums::total(shares)?;
        let dead_units = alive.iter().filter(|alive| !**alive).count();
        Some(Measured { moments, dead_units, terms: has_shortcut.then_some(products) })
    }
}

/// A handle to the record of a step, cloned into every operation of its pass.
#[derive(Clone, Debug)]
pub struct Recorder {
    record: Rc<RefCell<Record>>,
    instructions: InstructionSet,
    scalars: bool,
    histograms: bool,
    /// The rows of the batch, if the output of every block is wanted.
    rows: Option<usize>,
}

impl Recorder {
    /// A recorder for a network with these numbers of layers and blocks.
    pub fn new(
        instructions: InstructionSet,
        [layers, blocks]: [usize; 2],
        scalars: bool,
        histograms: bool,
    ) -> Recorder {
        let record = Record {
            layers: vec![LayerRecord::default(); layers],
            blocks: vec![BlockRecord::default(); blocks],
            order: Vec::with_capacity(layers),
            histogram_time: Duration::ZERO,
            mixing: None,
        };
        Recorder { record: Rc::new(RefCell::new(record)), instructions, scalars, histograms, rows: None }
    }

    /// A recorder of the output of every block, for a batch of so many examples, or tokens of sequences.
    pub fn of_streams(instructions: InstructionSet, sizes: [usize; 2], rows: usize) -> Recorder {
        Recorder { rows: Some(rows), ..Recorder::new(instructions, sizes, true, false) }
    }

    /// Takes what has been recorded.
    pub fn take(&self) -> Record {
        self.record.take()
    }

    /// Whether the operations should measure what they compute.
    pub(super) fn measures(&self) -> bool {
        self.scalars
    }

    /// Records an output of so many units: the sums of what a shortcut is added to and ReLU is applied to, and the
    /// measurements of what comes out, if wanted. `values` returns all of its numbers, the units fastest.
    pub(super) fn output(
        &self,
        of: Observed,
        units: usize,
        before: Sums,
        measured: Option<Measured>,
        values: impl Fn() -> Buffer,
    ) {
        let mut record = self.record.borrow_mut();
        if let Some(Measured { moments, terms, .. }) = &measured {
            if let Some(block) = of.block.or(of.terms_of).filter(|_| terms.is_some()) {
                record.blocks[block.0].terms = *terms;
            }
            if let Some(block) = of.block {
                record.blocks[block.0].output = moments.sums;
            }
        }
        if let (Some(rows), Some(block)) = (self.rows, of.block) {
            record.blocks[block.0].stream = Some(Stream::of(&values(), rows, units));
        }
        let Some(layer) = of.layer else { return };
        record.order.push(layer);
        let entry = &mut record.layers[layer.0];
        entry.broken_forward = !before.squares.is_finite();
        entry.response = before;
        if let Some(Measured { moments, dead_units, .. }) = measured {
            // Non-finite sums give neither the number of non-finite values nor the extremes of the others.
            entry.output = if moments.sums.sum.is_finite() { moments } else { Moments::of(&values()) };
            entry.broken_forward |= entry.output.non_finite > 0;
            entry.dead_units = dead_units;
        }
        if self.histograms {
            record.count(self.instructions, layer, units, values);
        }
    }

    /// Records the gradient with respect to an output, and whether all of it is finite.
    pub(super) fn output_gradient(&self, of: Observed, gradient: Sums, is_finite: bool) {
        let mut record = self.record.borrow_mut();
        if let Some(block) = of.block {
            record.blocks[block.0].output_gradient = gradient;
        }
        let Some(layer) = of.layer else { return };
        let entry = &mut record.layers[layer.0];
        entry.output_gradient = gradient;
        entry.broken_backward = !is_finite;
    }

    /// Records the mean entropy of each head's attention in a block, in nats.
    pub(super) fn entropies(&self, block: BlockIdx, entropies: Vec<f32>) {
        self.record.borrow_mut().blocks[block.0].entropies = entropies;
    }

    /// Records the mean opening of a block's gate, or the number that its branch or its layer's input is multiplied by.
    pub(super) fn gate(&self, block: BlockIdx, gate: f32) {
        self.record.borrow_mut().blocks[block.0].gate = Some(gate);
    }

    /// Records the number that the embedding is multiplied by where it is added to the input of a block's layer.
    pub(super) fn embedding_gate(&self, block: BlockIdx, gate: f32) {
        self.record.borrow_mut().blocks[block.0].embedding_gate = Some(gate);
    }

    /// Records the mean cosine between the tokens of a sequence in the output of a block.
    pub(super) fn token_cosine(&self, block: BlockIdx, cosine: f32) {
        self.record.borrow_mut().blocks[block.0].token_cosine = Some(cosine);
    }

    /// Records the matrices with which a block mixes the streams of each token; blocks come in their order.
    pub(super) fn mixing(&self, block: BlockIdx, matrices: &Activation, streams: usize) {
        let mut record = self.record.borrow_mut();
        let mut mixing = record.mixing.take().unwrap_or_else(|| Mixing::none(matrices.layout, streams));
        mixing.mix(&matrices.kept());
        record.blocks[block.0].mixing = Some(mixing.largest_sums());
        record.mixing = Some(mixing);
    }

    /// Records the output of a layer in one of dfdx's tensors.
    pub(super) fn logits(&self, layer: LayerIdx, logits: &[f32], units: usize) {
        let mut record = self.record.borrow_mut();
        record.order.push(layer);
        let entry = &mut record.layers[layer.0];
        entry.output = Moments::of(logits);
        entry.broken_forward = entry.output.non_finite > 0;
        entry.response = entry.output.sums;
        let is_dead = |unit: &usize| logits.iter().skip(*unit).step_by(units).all(|&x| x == 0.0);
        entry.dead_units = (0..units).filter(is_dead).count();
        if self.histograms {
            record.count(self.instructions, layer, units, || logits);
        }
    }

    /// Records the gradient with respect to the output of a layer in one of dfdx's tensors.
    pub(super) fn logits_gradient(&self, layer: LayerIdx, gradient: &[f32]) {
        let entry = &mut self.record.borrow_mut().layers[layer.0];
        entry.output_gradient = Sums::of(gradient);
        entry.broken_backward = !entry.output_gradient.sum.is_finite();
    }
}
