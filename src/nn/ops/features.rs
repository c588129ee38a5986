//! Activations with their shape as a type, so that layers which do not fit together do not compile.

use std::rc::Rc;

use super::Context;
use super::activation::Activation;
use crate::nn::kernels::bundle::{self, Layout, Shape};

/// A batch of activations of `SIDE` by `SIDE` pixels of `C` channels.
#[derive(Clone, Debug)]
pub struct Features<const SIDE: usize, const C: usize> {
    pub(super) activation: Rc<Activation>,
}

impl<const SIDE: usize, const C: usize> Features<SIDE, C> {
    /// Images, NHWC.
    pub fn of_images(pixels: &[f32], images: usize, context: &Context) -> Features<SIDE, C> {
        let shape = Shape::new(SIDE, SIDE, C);
        let layout = Layout::examples(images);
        let mut bundled = context.buffers.take(layout.bundles() * shape.bundle());
        if !bundled.is_empty() {
            bundle::interleave(pixels, shape.image(), &mut bundled);
        }
        Features::of(Rc::new(Activation::in_memory(shape, layout, bundled, false)))
    }

    pub(super) fn of(activation: Rc<Activation>) -> Self {
        debug_assert_eq!(activation.shape, Shape::new(SIDE, SIDE, C));
        Features { activation }
    }

    /// The same activations for a second reader: they are kept in memory after they are formed.
    pub fn shared(&self) -> Features<SIDE, C> {
        self.activation.keep.set(true);
        self.clone()
    }

    /// The same activations, formed now and kept in memory.
    pub fn formed(self, context: &Context) -> Self {
        self.activation.form_now(context);
        self
    }

    /// The same activations, formed now, to be read only by an addition.
    pub fn only_added(self, context: &Context) -> Self {
        self.activation.is_only_added.set(true);
        self.formed(context)
    }

    /// The number of images.
    pub fn images(&self) -> usize {
        self.activation.layout.rows()
    }

    /// The same activations for a reader that knows their shape by other names; none if it is another shape.
    pub fn same<const TO: usize, const OUT: usize>(&self) -> Option<Features<TO, OUT>> {
        (SIDE == TO && C == OUT).then(|| Features::of(Rc::clone(&self.activation)))
    }
}
