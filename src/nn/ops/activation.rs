//! Batches of activations between operations, and their gradients in the backward pass.
//!
//! Some are in memory: the responses of convolutions, images, sums. Others are *formed*: a map of one that is in memory
//! (batch norm, or a bias), an addition, and ReLU. The first reader forms them, row by row in its own sweep, and they are
//! kept only if others need them, too: as a shortcut, or because a shortcut was added. In the backward pass the first
//! reader comes last: it adds up the gradients of all readers, and propagates them back through ReLU.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::rc::Rc;

use super::buffers::Buffer;
use super::recorder::Measured;
use super::{Context, Recorder};
use crate::nn::kernels::bundle::{BatchShare, Layout, Shape};
use crate::nn::kernels::elementwise;
use crate::nn::kernels::moments::ChannelSums;
use crate::nn::kernels::normalisation::{Affine, FormShape, GradientSums, OutputSums, Passed, form_row};
use crate::nn::sweeps::{self, Masked, Source, Unformed};
use crate::statistics::Sums;
use crate::units::{BlockIdx, LayerIdx};

/// A batch of activations.
#[derive(Debug)]
pub(super) struct Activation {
    pub(super) shape: Shape,
    pub(super) layout: Layout,
    /// How it is formed; none for what is in memory from the start.
    pub(super) form: Option<Form>,
    /// The sums of its channels; only of a convolution's response.
    pub(super) sums: Option<ChannelSums>,
    /// Whether it is kept after it is formed.
    pub(super) keep: Cell<bool>,
    /// Whether only an addition reads it, after which its memory is released.
    pub(super) is_only_added: Cell<bool>,
    /// Whether its gradient is needed.
    pub(super) has_gradient: bool,
    /// The values, if they are in memory.
    output: RefCell<Option<Buffer>>,
    /// Whether a reader has formed it.
    is_formed: Cell<bool>,
    /// The gradient through what is formed from it.
    spread: RefCell<Option<Spread>>,
    /// The gradients of readers other than the first.
    extra: RefCell<Option<Rc<Buffer>>>,
    /// Its gradient, propagated back through ReLU, and its sums.
    taken: RefCell<Option<(Buffer, GradientSums)>>,
}

/// How an activation is formed: `f(scale * base + shift + shortcut)`, where f is ReLU or the identity.
#[derive(Debug)]
pub(super) struct Form {
    /// What it is a map of.
    pub(super) base: Rc<Activation>,
    /// One factor per channel.
    pub(super) scale: Vec<f32>,
    /// One term per channel.
    pub(super) shift: Vec<f32>,
    /// The number of each channel from which the base is measured in the sums of its gradient: its mean, for batch norm.
    pub(super) mean: Vec<f32>,
    pub(super) relu: bool,
    /// What is added; released when the output is formed.
    pub(super) shortcut: RefCell<Option<Rc<Activation>>>,
    /// The sums of `scale * base + shift`, if known.
    pub(super) mapped: Sums,
    pub(super) observed: Observed,
}

/// Whose output an activation is, for the recorder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The layer.
    pub layer: Option<LayerIdx>,
    /// The block.
    pub block: Option<BlockIdx>,
    /// The block of whose output this is only the sum of branch and shortcut, before what follows the addition.
    pub terms_of: Option<BlockIdx>,
    /// Whether its rows are tokens of sequences, which are to be compared.
    pub has_tokens: bool,
}

/// A gradient that reaches an activation through a map: `scale * gradient + slope * values + constant`, with one number
/// each per channel. Slope and constant are those of batch norm, whose statistics depend on the values.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    pub(super) gradient: Rc<Buffer>,
    pub(super) numbers: [Vec<f32>; 3],
}

/// What is known of an activation's gradient when all readers have run.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) spread: Option<Spread>,
    pub(super) extra: Option<Rc<Buffer>>,
}

/// Divides bundles of a shape into shares; where memory is only counted, there is nothing to divide.
pub(super) fn divide<'a>(
    shape: Shape,
    slice: &'a [f32],
    shares: &'a [BatchShare],
) -> impl Iterator<Item = &'a [f32]> {
    let bundle = if slice.is_empty() { 0 } else { shape.bundle() };
    shares.iter().map(move |share| &slice[share.bundles.start * bundle..share.bundles.end * bundle])
}

/// As [`divide`], mutable.
pub(super) fn divide_mut<'a>(
    shape: Shape,
    mut slice: &'a mut [f32],
    shares: &'a [BatchShare],
) -> impl Iterator<Item = &'a mut [f32]> {
    let bundle = if slice.is_empty() { 0 } else { shape.bundle() };
    shares.iter().map(move |share| {
        let (share, rest) = std::mem::take(&mut slice).split_at_mut(share.bundles.len() * bundle);
        slice = rest;
        share
    })
}

impl Activation {
    /// Activations that are in memory.
    pub(super) fn in_memory(shape: Shape, layout: Layout, output: Buffer, has_gradient: bool) -> Activation {
        let activation = Activation::new(shape, layout, None, has_gradient);
        activation.is_formed.set(true);
        *activation.output.borrow_mut() = Some(output);
        activation
    }

    /// As [`Activation::in_memory`], to be read only by an addition.
    pub(super) fn only_added(shape: Shape, layout: Layout, output: Buffer) -> Activation {
        let activation = Activation::in_memory(shape, layout, output, true);
        activation.is_only_added.set(true);
        activation
    }

    /// The response of a convolution.
    pub(super) fn response(shape: Shape, layout: Layout, output: Buffer, sums: ChannelSums) -> Activation {
        Activation { sums: Some(sums), ..Activation::in_memory(shape, layout, output, true) }
    }

    /// An activation that its first reader forms.
    pub(super) fn unformed(form: Form) -> Activation {
        let has_shortcut = form.shortcut.borrow().is_some();
        let (shape, layout) = (form.base.shape, form.base.layout);
        let activation = Activation::new(shape, layout, Some(form), true);
        // With a shortcut, the base alone does not determine where ReLU has passed.
        activation.keep.set(has_shortcut);
        activation
    }

    fn new(shape: Shape, layout: Layout, form: Option<Form>, has_gradient: bool) -> Activation {
        Activation {
            shape,
            layout,
            form,
            sums: None,
            keep: Cell::new(false),
            is_only_added: Cell::new(false),
            has_gradient,
            output: RefCell::new(None),
            is_formed: Cell::new(false),
            spread: RefCell::new(None),
            extra: RefCell::new(None),
            taken: RefCell::new(None),
        }
    }

    /// The numbers of its bundles.
    pub(super) fn len(&self) -> usize {
        self.layout.bundles() * self.shape.bundle()
    }

    pub(super) fn is_formed(&self) -> bool {
        self.is_formed.get()
    }

    /// The shares of the batch.
    pub(super) fn shares(&self) -> Vec<BatchShare> {
        self.layout.shares().collect()
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
        let form = self.form.as_ref().expect("what is not in memory is formed");
        let first = !self.is_formed.replace(true);
        let shortcut = form.shortcut.take().filter(|_| first);
        let base = form.base.kept();
        {
            let h = shortcut.as_ref().map(|h| h.kept());
            let mut shortcuts = h.as_ref().map(|h| self.divide(h, shares));
            let mut keep = (first && self.keep.get()).then(|| context.buffers.take(self.len()));
            let mut kept = keep.as_deref_mut().map(|keep| self.divide_mut(keep, shares));
            let measured = first && form.observed.is_any() && context.measures();
            let none = |_| OutputSums::none(self.shape.channels);
            let mut sums: Vec<OutputSums> = shares.iter().filter(|_| measured).map(none).collect();
            let mut of_parts = sums.iter_mut();
            let sources = self.divide(&base, shares).map(|response| {
                Source::Response(Unformed {
                    shape: form.map(),
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
                let measured = Measured::of(sums, shortcut.is_some());
                let units = self.shape.channels;
                recorder.output(form.observed, units, form.mapped, measured, || self.values(context));
            }
            drop(shortcuts);
            drop(h);
            if let Some(h) = shortcut.filter(|h| h.is_only_added.get()) {
                h.output.take();
            }
            result
        }
    }

    /// Forms it now, if it is not in memory.
    pub(super) fn form_now(&self, context: &Context) {
        if self.output.borrow().is_some() {
            return;
        }
        assert!(!self.is_formed(), "it is in memory, or nothing has read it");
        self.keep.set(true);
        let (shares, set, shape) = (self.shares(), context.instructions, self.shape);
        self.read(context, &shares, |sources| {
            context.run(shares.iter().zip(sources), |(share, source)| {
                if let Source::Response(unformed) = source {
                    sweeps::form(set, shape, share, unformed);
                }
            });
        });
    }

    /// The values, which must be in memory.
    pub(super) fn kept(&self) -> Ref<'_, Buffer> {
        Ref::map(self.output.borrow(), |output| {
            output.as_ref().expect("what is shared is kept once it is formed")
        })
    }

    /// The values, mutable; they must be in memory.
    pub(super) fn kept_mut(&self) -> RefMut<'_, Buffer> {
        RefMut::map(self.output.borrow_mut(), |output| output.as_mut().expect("it is in memory"))
    }

    /// Releases its memory if only an addition was to read it, which it has.
    pub(super) fn was_added(&self) {
        if self.is_only_added.get() {
            self.output.take();
        }
    }

    /// The values of all images, NHWC.
    pub(super) fn values(&self, context: &Context) -> Buffer {
        let mut values = context.buffers.take(self.layout.rows() * self.shape.image());
        let mut copy = |from: &[f32]| self.layout.separate(from, self.shape.image(), &mut values);
        match (&*self.output.borrow(), &self.form) {
            (Some(output), _) => copy(output),
            (None, Some(form)) => {
                let base = form.base.kept();
                let mut formed = context.buffers.take(self.len());
                let rows = formed.chunks_exact_mut(self.shape.row());
                for (to, response) in rows.zip(base.chunks_exact(self.shape.row())) {
                    form_row(context.instructions, form.map(), response, None, to, None);
                }
                copy(&formed);
            }
            (None, None) => values.fill(0.0),
        }
        values
    }

    /// Adds the gradient of a reader other than the first.
    pub(super) fn add_extra(&self, gradient: Rc<Buffer>, context: &Context) {
        let mut slot = self.extra.borrow_mut();
        match slot.take() {
            None => *slot = Some(gradient),
            Some(mut extra) => {
                match Rc::get_mut(&mut extra) {
                    Some(sum) => self.add(sum, &gradient, context),
                    None => {
                        let (set, shares) = (context.instructions, self.shares());
                        let mut sum = context.buffers.take(self.len());
                        let terms = self.divide(&extra, &shares).zip(self.divide(&gradient, &shares));
                        let jobs = self.divide_mut(&mut sum, &shares).zip(terms);
                        context.run(jobs, |(sum, (a, b))| elementwise::sum(set, sum, [a, b]));
                        extra = Rc::new(sum);
                    }
                }
                *slot = Some(extra);
            }
        }
    }

    /// Adds numbers of this shape to others.
    fn add(&self, to: &mut [f32], other: &[f32], context: &Context) {
        let (set, shares) = (context.instructions, self.shares());
        let jobs = self.divide_mut(to, &shares).zip(self.divide(other, &shares));
        context.run(jobs, |(to, other)| elementwise::add(set, to, other));
    }

    /// Sets the gradient that reaches it through a map. At most one map of an activation has a gradient.
    pub(super) fn set_spread(&self, spread: Spread) {
        let before = self.spread.replace(Some(spread));
        assert!(before.is_none(), "one map is formed of an activation");
    }

    /// Takes what its readers have left.
    pub(super) fn take_pending(&self) -> Pending {
        Pending { spread: self.spread.take(), extra: self.extra.take() }
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
        let form = self.form.as_ref().expect("what is taken back is formed");
        let measured = form.observed.is_any() && context.measures();
        let mut sums: Vec<GradientSums> =
            shares.iter().map(|_| GradientSums::none(self.shape.channels)).collect();
        {
            let output = self.output.borrow();
            let base = form.base.kept();
            let mut kept = output.as_ref().map(|output| self.divide(output, shares));
            let affine = Affine { scale: &form.scale, shift: &form.shift };
            let jobs = self.divide_mut(&mut gradient, shares).zip(self.divide(&base, shares));
            let jobs = jobs.zip(&mut sums).map(|((gradient, response), sums)| {
                let kept = kept.as_mut().and_then(Iterator::next);
                let passed = match kept {
                    _ if !form.relu => Passed::Everywhere,
                    Some(output) => Passed::Output(output),
                    None => Passed::Formed(affine),
                };
                (gradient, Masked { passed, response, mean: &form.mean, sums, measured })
            });
            work(jobs.collect());
        }
        if let Some(total) = GradientSums::total(sums) {
            if let Some(recorder) = &context.recorder {
                recorder.output_gradient(form.observed, total.sums, total.is_finite());
            }
            *self.taken.borrow_mut() = Some((gradient, total));
        }
    }

    /// Its gradient, propagated back through ReLU, with its sums; none if nothing has read it.
    pub(super) fn gradient(&self, context: &Context) -> Option<(Buffer, GradientSums)> {
        if let Some(taken) = self.taken.take() {
            return Some(taken);
        }
        // No sweep has read it: additions have left their gradients, or a map of it has.
        let (mut gradient, extra) = self.complete(context)?;
        let shares = self.shares();
        if let Some(extra) = extra {
            self.add(&mut gradient, &extra, context);
        }
        let (set, shape) = (context.instructions, self.shape);
        self.take_back(context, &shares, gradient, |jobs| {
            context.run(shares.iter().zip(jobs), |(share, (gradient, masked))| {
                sweeps::reduce(set, shape, share, gradient, masked);
            });
        });
        self.taken.take()
    }

    /// A gradient to it: the buffer itself where nothing else holds it, else a copy.
    pub(super) fn owned(&self, buffer: Rc<Buffer>, context: &Context) -> Buffer {
        Rc::try_unwrap(buffer).unwrap_or_else(|shared| {
            let (mut copy, shares) = (context.buffers.take(self.len()), self.shares());
            let jobs = self.divide_mut(&mut copy, &shares).zip(self.divide(&shared, &shares));
            context.run(jobs, |(to, from)| to.copy_from_slice(from));
            copy
        })
    }

    /// The sum of the gradients that its readers have left; none if they have left nothing.
    pub(super) fn left(&self, context: &Context) -> Option<Rc<Buffer>> {
        if self.spread.borrow().is_none() {
            return self.extra.take();
        }
        let (mut gradient, extra) = self.complete(context)?;
        if let Some(extra) = extra {
            self.add(&mut gradient, &extra, context);
        }
        Some(Rc::new(gradient))
    }

    /// The gradient to the values in memory as its readers have left it, and what is still to be added to it; none if
    /// nothing has read it.
    fn complete(&self, context: &Context) -> Option<(Buffer, Option<Rc<Buffer>>)> {
        let Pending { spread, extra } = self.take_pending();
        let Some(Spread { gradient, numbers }) = spread else {
            return Some((self.owned(extra?, context), None));
        };
        let mut gradient = self.owned(gradient, context);
        let (shares, base) = (self.shares(), self.kept());
        let numbers = numbers.each_ref().map(Vec::as_slice);
        let jobs = self.divide_mut(&mut gradient, &shares).zip(self.divide(&base, &shares));
        let (set, shape) = (context.instructions, self.shape);
        context.run(jobs, |(gradient, values)| {
            sweeps::spread_in_place(set, shape, numbers, gradient, values);
        });
        Some((gradient, extra))
    }
}

impl Form {
    pub(super) fn map(&self) -> FormShape<'_> {
        FormShape { affine: Affine { scale: &self.scale, shift: &self.shift }, relu: self.relu }
    }
}

impl Observed {
    /// The output of nothing that is recorded.
    pub const NOTHING: Observed = Observed { layer: None, block: None, terms_of: None, has_tokens: false };

    /// The output of a layer.
    pub fn layer(layer: LayerIdx) -> Observed {
        Observed { layer: Some(layer), ..Observed::NOTHING }
    }

    /// The output of a block and of its last layer.
    pub fn block(block: BlockIdx, layer: LayerIdx) -> Observed {
        Observed { layer: Some(layer), block: Some(block), ..Observed::NOTHING }
    }

    /// The sum of a block's branch and shortcut, before what follows the addition.
    pub fn terms_of(block: BlockIdx) -> Observed {
        Observed { terms_of: Some(block), ..Observed::NOTHING }
    }

    /// Whether it is recorded.
    pub(super) fn is_any(&self) -> bool {
        *self != Observed::NOTHING
    }
}

impl Context {
    /// Whether outputs and gradients are to be measured.
    pub(super) fn measures(&self) -> bool {
        self.recorder.as_ref().is_some_and(Recorder::measures)
    }

    /// Runs all jobs, each on one thread, unless memory is only counted.
    pub(super) fn run<J: Send>(&self, jobs: impl IntoIterator<Item = J>, work: impl Fn(J) + Sync) {
        if !self.buffers.only_counts() {
            self.workers.run(jobs, work);
        }
    }
}
