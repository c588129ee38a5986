//! Batches of activations between layers, formed when first read, and their gradients in the backward pass.
//!
//! A layer stores the response of its convolution and how to form the output from it. The first reader of the output
//! forms it, row by row in its own sweep, and keeps it only if others need it, too: as a shortcut, or because a
//! shortcut was added to it. In the backward pass the first reader comes last: it adds up the gradients of all readers,
//! and propagates them back through ReLU.

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;

use super::buffers::Buffer;
use super::{Context, Recorder};
use crate::nn::kernels::bundle::{self, BatchShare, Shape, shares};
use crate::nn::kernels::normalisation::{Affine, FormShape, GradientSums, OutputSums, Passed, form_row};
use crate::nn::sweeps::{Masked, Source, Unformed};
use crate::statistics::Sums;
use crate::units::{BlockIdx, LayerIdx};

/// A batch of activations.
#[derive(Debug)]
pub(super) struct Activation {
    pub(super) shape: Shape,
    pub(super) images: usize,
    /// The layer it comes from; none for images and zero-padding shortcuts.
    pub(super) layer: Option<Layer>,
    /// Whether it is kept after it is formed.
    pub(super) keep: Cell<bool>,
    /// Whether only an addition reads it, after which its memory is released.
    pub(super) is_only_added: Cell<bool>,
    /// The values, if they are in memory.
    output: RefCell<Option<Buffer>>,
    /// Whether a reader has formed it.
    is_formed: Cell<bool>,
    /// Whether its gradient is needed.
    pub(super) has_gradient: bool,
    /// The gradients of readers other than the first.
    extra: RefCell<Option<Buffer>>,
    /// Its gradient, propagated back through ReLU, and its sums.
    taken: RefCell<Option<(Buffer, GradientSums)>>,
}

/// Divides bundles of a shape into shares.
pub(super) fn divide<'a>(
    shape: Shape,
    slice: &'a [f32],
    shares: &'a [BatchShare],
) -> impl Iterator<Item = &'a [f32]> {
    let bundle = shape.bundle();
    shares.iter().map(move |share| &slice[share.bundles.start * bundle..share.bundles.end * bundle])
}

/// As [`divide`], mutable.
pub(super) fn divide_mut<'a>(
    shape: Shape,
    mut slice: &'a mut [f32],
    shares: &'a [BatchShare],
) -> impl Iterator<Item = &'a mut [f32]> {
    shares.iter().map(move |share| {
        let (share, rest) = std::mem::take(&mut slice).split_at_mut(share.bundles.len() * shape.bundle());
        slice = rest;
        share
    })
}

/// A layer's response and how to form the output from it.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) response: Buffer,
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
    /// The response's mean.
    pub(super) mean: Vec<f32>,
    /// One over the response's standard deviation.
    pub(super) inverse_deviation: Vec<f32>,
    pub(super) relu: bool,
    /// What is added to the response; released when the output is formed.
    pub(super) shortcut: RefCell<Option<Rc<Activation>>>,
    /// The sums of batch norm's output, before addition and ReLU.
    pub(super) normalised: Sums,
    pub(super) index: LayerIdx,
    pub(super) block: Option<BlockIdx>,
}

impl Activation {
    /// Activations that are in memory.
    pub(super) fn formed(shape: Shape, images: usize, output: Buffer, has_gradient: bool) -> Activation {
        let activation = Activation::new(shape, images, None, has_gradient);
        activation.is_formed.set(true);
        *activation.output.borrow_mut() = Some(output);
        activation
    }

    /// As [`Activation::formed`], to be read only by an addition.
    pub(super) fn only_added(shape: Shape, images: usize, output: Buffer) -> Activation {
        let activation = Activation::formed(shape, images, output, true);
        activation.is_only_added.set(true);
        activation
    }

    /// A layer's output, not formed yet.
    pub(super) fn of_layer(shape: Shape, images: usize, layer: Layer) -> Activation {
        let has_shortcut = layer.shortcut.borrow().is_some();
        let activation = Activation::new(shape, images, Some(layer), true);
        // With a shortcut, the response alone does not determine where ReLU has passed.
        activation.keep.set(has_shortcut);
        activation
    }

    fn new(shape: Shape, images: usize, layer: Option<Layer>, has_gradient: bool) -> Activation {
        Activation {
            shape,
            images,
            layer,
            keep: Cell::new(false),
            is_only_added: Cell::new(false),
            output: RefCell::new(None),
            is_formed: Cell::new(false),
            has_gradient,
            extra: RefCell::new(None),
            taken: RefCell::new(None),
        }
    }

    pub(super) fn is_formed(&self) -> bool {
        self.is_formed.get()
    }

    /// The shares of the batch.
    pub(super) fn shares(&self) -> Vec<BatchShare> {
        shares(self.images).collect()
    }

    /// Divides a slice of this shape into shares.
    pub(super) fn divide<'a>(
        &self,
        slice: &'a [f32],
        shares: &'a [BatchShare],
    ) -> impl Iterator<Item = &'a [f32]> {
        divide(self.shape, slice, shares)
    }

    /// As [`Activation::divide`], mutable.
    pub(super) fn divide_mut<'a>(
        &self,
        slice: &'a mut [f32],
        shares: &'a [BatchShare],
    ) -> impl Iterator<Item = &'a mut [f32]> {
        divide_mut(self.shape, slice, shares)
    }

    /// Lets a sweep read it: calls `work` with a source for each share. The first sweep forms it, and measures it if the
    /// recorder wants that.
    pub(super) fn read<R>(
        &self,
        context: &Context,
        shares: &[BatchShare],
        work: impl FnOnce(Vec<Source>) -> R,
    ) -> R {
        if let Some(output) = &*self.output.borrow() {
            return work(self.divide(output, shares).map(Source::Formed).collect());
        }
        let layer = self.layer.as_ref().expect("what is not formed comes from a layer");
        let first = !self.is_formed.replace(true);
        let shortcut = layer.shortcut.take().filter(|_| first);
        {
            let h = shortcut.as_ref().map(|h| h.kept());
            let mut shortcuts = h.as_ref().map(|h| self.divide(h, shares));
            let mut keep = (first && self.keep.get()).then(|| context.buffers.take(layer.response.len()));
            let mut kept = keep.as_deref_mut().map(|keep| self.divide_mut(keep, shares));
            let measured = first && context.recorder.as_ref().is_some_and(Recorder::measures);
            let none = |_| OutputSums::none(self.shape.channels);
            let mut sums: Vec<OutputSums> = shares.iter().filter(|_| measured).map(none).collect();
            let mut of_parts = sums.iter_mut();
            let sources = self.divide(&layer.response, shares).map(|response| {
                Source::Response(Unformed {
                    shape: layer.form(),
                    response,
                    shortcut: shortcuts.as_mut().and_then(Iterator::next),
                    keep: kept.as_mut().and_then(Iterator::next),
                    sums: of_parts.next(),
                })
            });
            let result = work(sources.collect());
            drop(kept);
            *self.output.borrow_mut() = keep;
            if let Some(recorder) = context.recorder.as_ref().filter(|_| first) {
                let total = sums.into_iter().reduce(|mut total, sums| {
                    total.merge(&sums);
                    total
                });
                recorder.output(layer, total, shortcut.is_some(), || self.values(context));
            }
            drop(shortcuts);
            drop(h);
            if let Some(h) = shortcut.filter(|h| h.is_only_added.get()) {
                h.output.take();
            }
            result
        }
    }

    /// The values, which must be in memory.
    pub(super) fn kept(&self) -> Ref<'_, Buffer> {
        Ref::map(self.output.borrow(), |output| {
            output.as_ref().expect("what is shared is kept once it is formed")
        })
    }

    /// The values of all images, NHWC.
    pub(super) fn values(&self, context: &Context) -> Buffer {
        let mut values = context.buffers.take(self.images * self.shape.image());
        let mut copy = |from: &[f32]| bundle::separate(from, self.shape.image(), &mut values);
        match (&*self.output.borrow(), &self.layer) {
            (Some(output), _) => copy(output),
            (None, Some(layer)) => {
                let mut formed = context.buffers.take(layer.response.len());
                let rows = formed.chunks_exact_mut(self.shape.row());
                for (to, response) in rows.zip(layer.response.chunks_exact(self.shape.row())) {
                    let set = context.instructions;
                    form_row(set, layer.form(), response, None, to, None);
                }
                copy(&formed);
            }
            (None, None) => values.fill(0.0),
        }
        values
    }

    /// Adds the gradient of a reader other than the first.
    pub(super) fn add_extra(&self, gradient: Buffer) {
        match &mut *self.extra.borrow_mut() {
            Some(extra) => extra.iter_mut().zip(&*gradient).for_each(|(extra, x)| *extra += x),
            none => *none = Some(gradient),
        }
    }

    /// Takes the sum of the gradients of readers other than the first.
    pub(super) fn take_extra(&self) -> Option<Buffer> {
        self.extra.take()
    }

    /// Propagates its gradient back through ReLU: calls `work` with what is needed for each share, and keeps what the
    /// first reader's sweep writes to `gradient`.
    pub(super) fn take_back(
        &self,
        context: &Context,
        shares: &[BatchShare],
        mut gradient: Buffer,
        work: impl FnOnce(Vec<(&mut [f32], Masked)>),
    ) {
        let layer = self.layer.as_ref().expect("what is taken back comes from a layer");
        let measured = context.recorder.as_ref().is_some_and(Recorder::measures);
        let mut sums: Vec<GradientSums> =
            shares.iter().map(|_| GradientSums::none(self.shape.channels)).collect();
        {
            let output = self.output.borrow();
            let mut kept = output.as_ref().map(|output| self.divide(output, shares));
            let affine = Affine { scale: &layer.scale, shift: &layer.shift };
            let jobs = self.divide_mut(&mut gradient, shares).zip(self.divide(&layer.response, shares));
            let jobs = jobs.zip(&mut sums).map(|((gradient, response), sums)| {
                let kept = kept.as_mut().and_then(Iterator::next);
                let passed = match kept {
                    _ if !layer.relu => Passed::Everywhere,
                    Some(output) => Passed::Output(output),
                    None => Passed::Formed(affine),
                };
                (gradient, Masked { passed, response, mean: &layer.mean, sums, measured })
            });
            work(jobs.collect());
        }
        let mut sums = sums.into_iter();
        if let Some(mut total) = sums.next() {
            sums.for_each(|sums| total.merge(&sums));
            if let Some(recorder) = &context.recorder {
                recorder.output_gradient(layer.index, &total);
            }
            *self.taken.borrow_mut() = Some((gradient, total));
        }
    }

    /// Takes the gradient that [`Activation::take_back`] has kept.
    pub(super) fn taken(&self) -> Option<(Buffer, GradientSums)> {
        self.taken.take()
    }
}

impl Layer {
    pub(super) fn form(&self) -> FormShape<'_> {
        FormShape { affine: Affine { scale: &self.scale, shift: &self.shift }, relu: self.relu }
    }
}
