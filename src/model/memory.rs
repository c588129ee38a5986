//! Estimates the memory for training a network from its topology. Knows what the operations keep and for how long; a
//! test compares it with what they take.

use std::collections::BTreeSet;

use crate::experiment::Optimizer;
use crate::nn::kernels::bundle::{self, MOST_SHARES, Shape};
use crate::nn::kernels::convolution::Geometry;
use crate::nn::sweeps;
use crate::topology::{LayerKind, ShortcutKind, Topology};
use crate::units::ImageShape;

/// The bytes of a number.
const NUMBER: u64 = size_of::<f32>() as u64;

/// How many gradients of one shape exist at a time in the backward pass: that of a layer's output, and that of its
/// input. A third, of a pending shortcut, reuses the memory of an output no longer needed.
const GRADIENTS: u64 = 2;

/// The memory that a network takes in training, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What a step keeps from the forward to the backward pass: the images and every layer's response, in bundles, and
    /// the outputs that shortcuts read or change.
    pub activations: u64,
    /// The gradients of activations, of which a few exist at a time.
    pub gradients: u64,
    /// Weights as the kernels read them, and the gradients of weights for each share of the batch.
    pub weights: u64,
    /// The working memory of the threads.
    pub scratch: u64,
    /// Parameters and their gradients.
    pub parameters: u64,
    /// The optimiser's state.
    pub remembered: u64,
}

impl Memory {
    /// The memory for training a network of this topology on batches of `batch` images, with `threads` threads in a
    /// step.
    pub fn of(topology: &Topology, batch: usize, optimizer: &Optimizer, threads: usize) -> Memory {
        let geometries = convolutions(topology);
        let scratch = geometries.iter().map(|geometry| sweeps::scratch(*geometry)).max().unwrap_or(0);
        let weights: BTreeSet<usize> = geometries.iter().map(|geometry| geometry.weights()).collect();
        let largest = weights.last().copied().unwrap_or(0);
        let shares = bundle::shares(batch).len();
        let moments = match optimizer {
            Optimizer::Sgd { .. } => 1,
            Optimizer::Adam { .. } | Optimizer::AdamW { .. } => 2,
        };
        let parameters = NUMBER * topology.parameters();
        Memory {
            activations: activations(topology, batch),
            gradients: gradients(topology, batch),
            weights: NUMBER * (weights.iter().sum::<usize>() + shares * largest) as u64,
            scratch: NUMBER * (threads.min(MOST_SHARES).min(shares) * scratch) as u64,
            parameters: 2 * parameters,
            remembered: moments * parameters,
        }
    }

    /// The part from the network's pool of buffers.
    pub fn pool(self) -> u64 {
        self.activations + self.gradients + self.weights
    }

    /// The total.
    pub fn total(self) -> u64 {
        self.pool() + self.scratch + self.parameters + self.remembered
    }
}

/// The convolutions of a network, in the topology's order.
pub fn convolutions(topology: &Topology) -> Vec<Geometry> {
    let input = image(topology);
    let (mut current, mut block, mut entrance) = (input, None, input);
    let layers = topology.layers.iter().filter(|layer| layer.kind != LayerKind::Head);
    layers
        .map(|layer| {
            if layer.block != block {
                (block, entrance) = (layer.block, current);
            }
            let (kernel, input) = match layer.kind {
                LayerKind::Projection => (1, entrance),
                _ => (3, current),
            };
            current = layer.output;
            Geometry::new(kernel, input.height / layer.output.height, shape(input), layer.output.channels)
        })
        .collect()
}

/// The shape of an input image.
///
/// # Panics
/// If the network takes no images.
fn image(topology: &Topology) -> ImageShape {
    topology.input.image().expect("a network of convolutions takes images")
}

fn shape(image: ImageShape) -> Shape {
    Shape::new(image.height, image.width, image.channels)
}

/// The bytes of a batch of activations.
fn bundled(image: ImageShape, batch: usize) -> u64 {
    NUMBER * (bundle::bundles(batch) * shape(image).bundle()) as u64
}

fn activations(topology: &Topology, batch: usize) -> u64 {
    let convolutions = topology.layers.iter().filter(|layer| layer.kind != LayerKind::Head);
    let responses = convolutions.map(|layer| bundled(layer.output, batch)).sum::<u64>();
    let mut outputs = 0;
    // A block's input is kept for its shortcut; outputs of blocks have been counted, but not the stem's.
    let mut input_is_kept = false;
    for block in &topology.blocks {
        let Some(output) = block.layers.first().map(|layer| topology.layers[layer.0].output) else {
            continue;
        };
        let own = match block.shortcut {
            ShortcutKind::None => 0,
            // If the shortcut is not the input itself, its memory is released after the addition.
            ShortcutKind::Identity | ShortcutKind::ZeroPadding | ShortcutKind::Projection => 1,
        };
        if own > 0 && !input_is_kept {
            outputs += topology.layers.first().map_or(0, |stem| bundled(stem.output, batch));
        }
        input_is_kept = own > 0;
        outputs += own * bundled(output, batch);
    }
    bundled(image(topology), batch) + responses + outputs
}

fn gradients(topology: &Topology, batch: usize) -> u64 {
    let convolutions = topology.layers.iter().filter(|layer| layer.kind != LayerKind::Head);
    let sizes: BTreeSet<u64> = convolutions.map(|layer| bundled(layer.output, batch)).collect();
    GRADIENTS * sizes.iter().sum::<u64>()
}
