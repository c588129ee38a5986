//! What flows between the layers: a batch of activations that is formed when it is first read, and its gradient
//! on the way back.
//!
//! A layer puts out the response of its convolution and how an output is made of it. The first that reads the
//! output forms it, row by row in its own sweep, and keeps it only where others need it too: as a shortcut, or
//! because a shortcut went into it. On the way back, the first reader comes last: it adds up the gradients of all
//! readers, and takes them back through ReLU.

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;

use super::buffers::Buffer;
use super::{Context, Recorder};
use crate::nn::kernels::bundle::{self, Part, Shape, parts};
use crate::nn::kernels::normalisation::{Affine, FormShape, GradientSums, OutputSums, Passed, form_row};
use crate::nn::sweeps::{Masked, Source, Unformed};
use crate::statistics::Sums;
use crate::units::{BlockIdx, LayerIdx};

/// A batch of activations.
#[derive(Debug)]
pub(super) struct Activation {
    pub(super) shape: Shape,
    pub(super) images: usize,
    /// Where it comes from, unless from the images or a zero-padding shortcut.
    pub(super) layer: Option<Layer>,
    /// Whether it is kept once it is formed.
    pub(super) keep: Cell<bool>,
    /// Whether nobody reads it but an addition, after which its memory is free.
    pub(super) is_only_added: Cell<bool>,
    /// Itself, where it stands in memory.
    output: RefCell<Option<Buffer>>,
    /// Whether a reader has formed it.
    is_formed: Cell<bool>,
    /// Whether anybody needs its gradient.
    pub(super) has_gradient: bool,
    /// The gradients of readers other than the first.
    extra: RefCell<Option<Buffer>>,
    /// Its gradient, taken back through ReLU, and the sums of it.
    taken: RefCell<Option<(Buffer, GradientSums)>>,
}

/// Bundles of a shape divided by parts.
pub(super) fn divide<'a>(
    shape: Shape,
    slice: &'a [f32],
    parts: &'a [Part],
) -> impl Iterator<Item = &'a [f32]> {
    let bundle = shape.bundle();
    parts.iter().map(move |part| &slice[part.bundles.start * bundle..part.bundles.end * bundle])
}

/// The same, to write to.
pub(super) fn divide_mut<'a>(
    shape: Shape,
    mut slice: &'a mut [f32],
    parts: &'a [Part],
) -> impl Iterator<Item = &'a mut [f32]> {
    parts.iter().map(move |part| {
        let (part, rest) = std::mem::take(&mut slice).split_at_mut(part.bundles.len() * shape.bundle());
        slice = rest;
        part
    })
}

/// A layer's response and what makes an output of it.
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
    /// What is added to the response; given up when the output is formed.
    pub(super) shortcut: RefCell<Option<Rc<Activation>>>,
    /// Of what batch norm puts out, before addition and ReLU.
    pub(super) normalised: Sums,
    pub(super) index: LayerIdx,
    pub(super) block: Option<BlockIdx>,
}

impl Activation {
    /// Activations that stand in memory.
    pub(super) fn formed(shape: Shape, images: usize, output: Buffer, has_gradient: bool) -> Activation {
        let activation = Activation::new(shape, images, None, has_gradient);
        activation.is_formed.set(true);
        *activation.output.borrow_mut() = Some(output);
        activation
    }

    /// The same, for an addition alone.
    pub(super) fn only_added(shape: Shape, images: usize, output: Buffer) -> Activation {
        let activation = Activation::formed(shape, images, output, true);
        activation.is_only_added.set(true);
        activation
    }

    /// A layer's output, which is not formed yet.
    pub(super) fn of_layer(shape: Shape, images: usize, layer: Layer) -> Activation {
        let has_shortcut = layer.shortcut.borrow().is_some();
        let activation = Activation::new(shape, images, Some(layer), true);
        // Where a shortcut went into it, the response alone does not say where ReLU has passed.
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

    /// The batch in parts.
    pub(super) fn parts(&self) -> Vec<Part> {
        parts(self.images).collect()
    }

    /// A slice of this shape divided by parts.
    pub(super) fn divide<'a>(&self, slice: &'a [f32], parts: &'a [Part]) -> impl Iterator<Item = &'a [f32]> {
        divide(self.shape, slice, parts)
    }

    /// The same, to write to.
    pub(super) fn divide_mut<'a>(
        &self,
        slice: &'a mut [f32],
        parts: &'a [Part],
    ) -> impl Iterator<Item = &'a mut [f32]> {
        divide_mut(self.shape, slice, parts)
    }

    /// Lets a sweep read it: calls `work` with a source for each part. The first time, the sweep forms it, and it
    /// is measured where `recorder` wants it.
    pub(super) fn read<R>(
        &self,
        context: &Context,
        parts: &[Part],
        work: impl FnOnce(Vec<Source>) -> R,
    ) -> R {
        if let Some(output) = &*self.output.borrow() {
            return work(self.divide(output, parts).map(Source::Formed).collect());
        }
        let layer = self.layer.as_ref().expect("what is not formed comes from a layer");
        let first = !self.is_formed.replace(true);
        let shortcut = layer.shortcut.take().filter(|_| first);
        {
            let h = shortcut.as_ref().map(|h| h.kept());
            let mut shortcuts = h.as_ref().map(|h| self.divide(h, parts));
            let mut keep = (first && self.keep.get()).then(|| context.buffers.take(layer.response.len()));
            let mut kept = keep.as_deref_mut().map(|keep| self.divide_mut(keep, parts));
            let measured = first && context.recorder.as_ref().is_some_and(Recorder::measures);
            let none = |_| OutputSums::none(self.shape.channels);
            let mut sums: Vec<OutputSums> = parts.iter().filter(|_| measured).map(none).collect();
            let mut of_parts = sums.iter_mut();
            let sources = self.divide(&layer.response, parts).map(|response| {
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

    /// Itself, where it stands in memory.
    pub(super) fn kept(&self) -> Ref<'_, Buffer> {
        Ref::map(self.output.borrow(), |output| {
            output.as_ref().expect("what is shared is kept once it is formed")
        })
    }

    /// The values of all images, NHWC, for what looks at each of them.
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

    /// Takes a gradient of a reader other than the first.
    pub(super) fn add_extra(&self, gradient: Buffer) {
        match &mut *self.extra.borrow_mut() {
            Some(extra) => extra.iter_mut().zip(&*gradient).for_each(|(extra, x)| *extra += x),
            none => *none = Some(gradient),
        }
    }

    /// Gives the gradients of readers other than the first.
    pub(super) fn take_extra(&self) -> Option<Buffer> {
        self.extra.take()
    }

    /// Takes its gradient back to its response: calls `work` with what is needed for each part, and keeps what
    /// the first reader's sweep has written to `gradient`.
    pub(super) fn take_back(
        &self,
        context: &Context,
        parts: &[Part],
        mut gradient: Buffer,
        work: impl FnOnce(Vec<(&mut [f32], Masked)>),
    ) {
        let layer = self.layer.as_ref().expect("what is taken back comes from a layer");
        let measured = context.recorder.as_ref().is_some_and(Recorder::measures);
        let mut sums: Vec<GradientSums> =
            parts.iter().map(|_| GradientSums::none(self.shape.channels)).collect();
        {
            let output = self.output.borrow();
            let mut kept = output.as_ref().map(|output| self.divide(output, parts));
            let affine = Affine { scale: &layer.scale, shift: &layer.shift };
            let jobs = self.divide_mut(&mut gradient, parts).zip(self.divide(&layer.response, parts));
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

    /// Gives the gradient that [`Activation::take_back`] has kept.
    pub(super) fn taken(&self) -> Option<(Buffer, GradientSums)> {
        self.taken.take()
    }
}

impl Layer {
    pub(super) fn form(&self) -> FormShape<'_> {
        FormShape { affine: Affine { scale: &self.scale, shift: &self.shift }, relu: self.relu }
    }
}
