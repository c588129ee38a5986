//! What probes ask of a network between two steps: everything is as before when they have an answer.

use std::rc::Rc;

use super::{INFALLIBLE, Trained, normalisation};
use crate::datasets::Batch;
use crate::event::Mode;
use crate::model::changes::{Changes, can_leave_out, have_same_output};
use crate::model::{LossGradient, Stream, state};
use crate::nn::ops::{Context, Normalisation, Recorder, Tape};

impl Trained {
    /// Whether the network can be computed with these changes.
    pub(super) fn fits(&self, changes: &Changes) -> bool {
        let (structure, shapes) =
            (&self.description.structure, |block| state::shapes_of_block(&self.entries, block));
        changes.without.iter().all(|block| can_leave_out(structure, *block))
            && changes
                .swapped
                .is_none_or(|[a, b]| a != b && shapes(a) == shapes(b) && have_same_output(structure, [a, b]))
    }

    /// Computes something with changes, in the context of an evaluation.
    pub(super) fn changed<R>(
        &mut self,
        mode: Mode,
        changes: &Changes,
        compute: impl FnOnce(&Trained, &Context) -> R,
    ) -> R {
        assert!(self.fits(changes), "expected changes that are possible, found {changes:?}");
        let without = (!changes.without.is_empty()).then(|| Rc::new(changes.without.clone()));
        let context = Context { without, ..self.context(normalisation(mode)) };
        if let Some(blocks) = changes.swapped {
            state::exchange(&self.entries, blocks);
        }
        let result = compute(self, &context);
        if let Some(blocks) = changes.swapped {
            state::exchange(&self.entries, blocks);
        }
        result
    }

    /// The output of every block.
    pub(super) fn streams_of(&self, batch: &Batch, mode: Mode) -> Vec<Stream> {
        self.check(batch);
        let structure = &self.description.structure;
        let sizes = [structure.layers.len(), structure.blocks.len()];
        let recorder = Recorder::of_streams(self.instructions, sizes, batch.labels.len());
        let context = Context { recorder: Some(recorder.clone()), ..self.context(normalisation(mode)) };
        drop(self.model.forward(batch, &self.device, &context));
        let blocks = recorder.take().blocks.into_iter();
        blocks.map(|block| block.stream.expect("every block says what its output is")).collect()
    }

    /// The gradient of the mean loss of a batch.
    pub(super) fn gradients_of(&self, batch: &Batch) -> LossGradient {
        self.check(batch);
        let context = Context { tape: Tape::recording(), ..self.context(Normalisation::Batch) };
        let scores = self.model.forward(batch, &self.device, &context);
        let (loss, mut gradients) = self.backward(scores, batch, &context).expect(INFALLIBLE);
        let tensors = state::parameters(&self.entries).map(|named| {
            let (name, shape) = (named.name.clone(), named.parameter.shape());
            let gradient = named.parameter.gradient(&mut gradients).expect(INFALLIBLE);
            state::in_torch_layout(name, &shape, gradient)
        });
        let tensors = tensors.collect();
        LossGradient { loss: loss.mean, labelled: loss.labelled, tensors }
    }
}
