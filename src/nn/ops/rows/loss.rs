//! The loss of a batch of logits, and its gradient.

use std::rc::Rc;

use crate::nn::kernels::bundle::IMAGES;
use crate::nn::kernels::cross_entropy::{Loss, NO_LABEL, cross_entropy as of_bundle};
use crate::nn::ops::Context;
use crate::nn::ops::activation::Activation;

/// The logits of a batch of rows.
#[derive(Clone, Debug)]
pub struct RowLogits(pub(super) Rc<Activation>);

/// The loss of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowLoss {
    /// The sum of the cross-entropy over labelled rows, in nats.
    pub sum: f64,
    /// Labelled rows that are classified wrongly.
    pub wrong: usize,
    /// Labelled rows.
    pub labelled: usize,
}

impl RowLogits {
    /// The logits of the rows that count, `[rows][classes]`.
    pub fn values(&self, context: &Context) -> Vec<f32> {
        self.0.values(context).to_vec()
    }
}

/// Computes the loss of logits, one label a row, [`NO_LABEL`] where there is none. If the context records, the gradient
/// of the mean over the labelled rows is left for the layer before.
pub fn cross_entropy(logits: &RowLogits, labels: &[u16], context: &Context) -> RowLoss {
    let logits = &logits.0;
    let (set, layout, bundle) = (context.instructions, logits.layout, logits.shape.bundle());
    let labelled = labels.iter().filter(|label| **label != NO_LABEL).count();
    let mut gradient = context.tape.is_recording().then(|| context.buffers.take(logits.len()));
    let mut losses = vec![Loss::default(); layout.bundles()];
    let scale = 1.0 / labelled.max(1) as f32;
    {
        let values = logits.kept();
        let mut gradients = gradient.as_deref_mut().map(|gradient| gradient.chunks_exact_mut(bundle));
        let of_run = layout.bundles_of_run().max(1);
        let jobs = values.chunks_exact(bundle).enumerate().zip(&mut losses).map(|((at, logits), loss)| {
            let first = at / of_run * layout.length + at % of_run * IMAGES;
            let labels = &labels[first..first + layout.valid(at)];
            (logits, labels, gradients.as_mut().and_then(Iterator::next), loss)
        });
        context.run(jobs, |(logits, labels, gradient, loss)| {
            *loss = of_bundle(set, logits, labels, scale, gradient);
        });
    }
    if let Some(gradient) = gradient {
        logits.add_extra(Rc::new(gradient), context);
    }
    let mut total = RowLoss { labelled, ..RowLoss::default() };
    for loss in losses {
        total.sum += loss.sum;
        total.wrong += loss.wrong as usize;
    }
    total
}
