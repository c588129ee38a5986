//! What the operations of one training step have measured, by layer and block. The operations of a pass share
//! one [`Recorder`]; the network reads it when the step is over.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::event::Histogram;
use crate::nn::kernels::batch_norm::ForwardStatistics;
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
    pub output_gradient: Moments,
    /// Of its output, where wanted.
    pub histogram: Histogram,
}

/// The measurements of one step.
#[derive(Debug)]
pub struct Record {
    /// By layer, in the topology's order.
    pub layers: Vec<LayerRecord>,
    /// Residual branch against shortcut by block, where there is a shortcut.
    pub branches: Vec<Option<Products>>,
    /// The layers in the order in which the forward pass computed them.
    pub order: Vec<LayerIdx>,
    /// Time spent on histograms, which no operation computes on its way.
    pub histogram_time: Duration,
    with_histograms: bool,
}

/// A handle on the record of a step, cloned into every operation of its pass.
#[derive(Clone, Debug)]
pub struct Recorder(Rc<RefCell<Record>>);

impl Recorder {
    /// A recorder for a network of so many layers and blocks.
    pub fn new(layers: usize, blocks: usize, with_histograms: bool) -> Recorder {
        Recorder(Rc::new(RefCell::new(Record {
            layers: vec![LayerRecord::default(); layers],
            branches: vec![None; blocks],
            order: Vec::with_capacity(layers),
            histogram_time: Duration::ZERO,
            with_histograms,
        })))
    }

    /// Gives what has been recorded and leaves nothing.
    pub fn take(&self) -> Record {
        let mut record = self.0.borrow_mut();
        let empty = Record {
            layers: Vec::new(),
            branches: Vec::new(),
            order: Vec::new(),
            histogram_time: Duration::ZERO,
            with_histograms: false,
        };
        std::mem::replace(&mut record, empty)
    }

    /// Records a layer's output, and the branch of the block that it closes.
    pub(super) fn output(
        &self,
        layer: LayerIdx,
        block: Option<BlockIdx>,
        values: &[f32],
        measured: &ForwardStatistics,
    ) {
        let mut record = self.0.borrow_mut();
        record.order.push(layer);
        if let (Some(block), Some(branch)) = (block, measured.branch) {
            record.branches[block.0] = Some(branch);
        }
        let entry = &mut record.layers[layer.0];
        entry.output = measured.output;
        entry.dead_units = measured.dead_units;
        entry.response = measured.response;
        if record.with_histograms {
            let begin = Instant::now();
            record.layers[layer.0].histogram = histogram(values);
            record.histogram_time += begin.elapsed();
        }
    }

    /// Records the gradient with respect to a layer's output.
    pub(super) fn output_gradient(&self, layer: LayerIdx, gradient: Moments) {
        self.0.borrow_mut().layers[layer.0].output_gradient = gradient;
    }
}
