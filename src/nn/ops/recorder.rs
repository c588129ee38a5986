//! The measurements of the operations in one training step, by layer and block. The operations of a pass share
//! one [`Recorder`]; the network reads it when the step is over.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::activation::Observed;
use super::buffers::Buffer;
use crate::event::Histogram;
use crate::nn::kernels::normalisation::OutputSums;
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
    /// The mean entropy of each head's attention, in nats.
    pub entropies: Vec<f32>,
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
    /// Time spent on histograms, which are computed outside the operations.
    pub histogram_time: Duration,
}

impl Record {
    /// Computes the histogram of a layer's output.
    fn count<V: Deref<Target = [f32]>>(&mut self, layer: LayerIdx, values: impl FnOnce() -> V) {
        let begin = Instant::now();
        self.layers[layer.0].histogram = histogram(&values());
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
    scalars: bool,
    histograms: bool,
}

impl Recorder {
    /// A recorder for a network with these numbers of layers and blocks.
    pub fn new(layers: usize, blocks: usize, scalars: bool, histograms: bool) -> Recorder {
        let record = Record {
            layers: vec![LayerRecord::default(); layers],
            blocks: vec![BlockRecord::default(); blocks],
            order: Vec::with_capacity(layers),
            histogram_time: Duration::ZERO,
        };
        Recorder { record: Rc::new(RefCell::new(record)), scalars, histograms }
    }

    /// Takes what has been recorded.
    pub fn take(&self) -> Record {
        self.record.take()
    }

    /// Whether the operations should measure what they compute.
    pub(super) fn measures(&self) -> bool {
        self.scalars
    }

    /// Records an output: the sums of what a shortcut is added to and ReLU is applied to, and the measurements of what
    /// comes out, if wanted. `values` returns all of its numbers.
    pub(super) fn output(
        &self,
        of: Observed,
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
            record.count(layer, values);
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
            record.count(layer, || logits);
        }
    }

    /// Records the gradient with respect to the output of a layer in one of dfdx's tensors.
    pub(super) fn logits_gradient(&self, layer: LayerIdx, gradient: &[f32]) {
        let entry = &mut self.record.borrow_mut().layers[layer.0];
        entry.output_gradient = Sums::of(gradient);
        entry.broken_backward = !entry.output_gradient.sum.is_finite();
    }
}
