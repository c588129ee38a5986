//! Activations with their shape as a type, so that layers which do not fit together do not compile.

use std::rc::Rc;

use dfdx::tensor::{Cpu, NoneTape, Tape};

use super::Context;
use super::activation::Activation;
use crate::nn::kernels::bundle::{self, Shape};
use crate::nn::sweeps::{self, Source};

/// A batch of activations of `H` by `W` pixels of `C` channels, with the tape that led to it.
#[derive(Clone, Debug)]
pub struct Features<const H: usize, const W: usize, const C: usize, T = NoneTape> {
    pub(super) activation: Rc<Activation>,
    pub(super) tape: T,
}

impl<const H: usize, const W: usize, const C: usize> Features<H, W, C> {
    /// Images, NHWC.
    pub fn images(pixels: &[f32], context: &Context) -> Features<H, W, C> {
        let shape = Shape::new(H, W, C);
        let images = pixels.len() / shape.image();
        let mut bundled = context.buffers.take(bundle::bundles(images) * shape.bundle());
        bundle::interleave(pixels, shape.image(), &mut bundled);
        Features::of(Activation::formed(shape, images, bundled, false), NoneTape)
    }
}

impl<const H: usize, const W: usize, const C: usize, T> Features<H, W, C, T> {
    pub(super) fn of(activation: Activation, tape: T) -> Self {
        debug_assert_eq!(activation.shape, Shape::new(H, W, C));
        Features { activation: Rc::new(activation), tape }
    }

    /// The same activations for a second reader: they are kept in memory after they are formed.
    pub fn shared(&self) -> Features<H, W, C> {
        self.activation.keep.set(true);
        Features { activation: Rc::clone(&self.activation), tape: NoneTape }
    }

    /// The same activations, formed now, to be read only by an addition.
    pub fn formed(self, context: &Context) -> Self {
        let (activation, set) = (&self.activation, context.instructions);
        activation.keep.set(true);
        activation.is_only_added.set(true);
        let (shares, shape) = (activation.shares(), activation.shape);
        activation.read(context, &shares, |sources| {
            context.workers.run(shares.iter().zip(sources), |(share, source)| {
                if let Source::Response(unformed) = source {
                    sweeps::form(set, shape, share, unformed);
                }
            });
        });
        self
    }

    /// The same activations with a tape that starts here.
    pub fn with_tape<U: Tape<f32, Cpu>>(self, tape: U) -> Features<H, W, C, U> {
        Features { activation: self.activation, tape }
    }

    /// Splits activations and tape.
    pub fn split_tape(self) -> (Features<H, W, C>, T) {
        (Features { activation: self.activation, tape: NoneTape }, self.tape)
    }
}
