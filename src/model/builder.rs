//! Makes the parameters of a network for a topology: names, shapes and initial values.

use dfdx::shapes::Shape;
use dfdx::tensor::{Cache, Cpu, CpuError};

use crate::model::initialisation::he_normal;
use crate::model::parameter::{Parameter, Role};
use crate::topology::{Block, Topology};
use crate::units::{BlockIdx, LayerIdx};

/// Builds the parameters of the layers of one network.
#[derive(Debug)]
pub struct Builder {
    device: Cpu,
    topology: Topology,
    seed: u64,
}

impl Builder {
    /// A builder with its own device, which reuses the memory of tensors.
    pub fn new(topology: Topology, seed: u64) -> Builder {
        let device = Cpu::default();
        device.enable_cache();
        Builder { device, topology, seed }
    }

    /// The network's device and topology, after its layers are built.
    pub(super) fn finish(self) -> (Cpu, Topology) {
        (self.device, self.topology)
    }

    /// The blocks of a stage, counted from 1, with their indices.
    pub(super) fn blocks(&self, stage: usize) -> impl Iterator<Item = (BlockIdx, &Block)> {
        let indexed = self.topology.blocks.iter().enumerate();
        indexed.filter(move |(_, block)| block.stage == stage).map(|(index, block)| (BlockIdx(index), block))
    }

    /// A layer's name.
    pub(super) fn name(&self, layer: LayerIdx) -> &str {
        &self.topology.layers[layer.0].name
    }

    /// The head.
    pub(super) fn last_layer(&self) -> LayerIdx {
        LayerIdx(self.topology.layers.len() - 1)
    }

    /// The number of classes.
    pub(super) fn classes(&self) -> usize {
        self.topology.classes
    }

    /// A parameter with these values.
    pub(super) fn parameter<S: Shape>(
        &self,
        shape: S,
        values: Vec<f32>,
        name: String,
        layer: LayerIdx,
        role: Role,
    ) -> Result<Parameter<S>, CpuError> {
        Parameter::new(&self.device, shape, values, name, layer, role)
    }

    /// A layer's weights, He-normal, drawn in memory order (row-major).
    pub(super) fn weights<S: Shape>(
        &self,
        shape: S,
        length: usize,
        fan_in: usize,
        name: String,
        layer: LayerIdx,
    ) -> Result<Parameter<S>, CpuError> {
        let values = he_normal(self.seed, &name, length, fan_in);
        self.parameter(shape, values, name, layer, Role::Weight)
    }
}
