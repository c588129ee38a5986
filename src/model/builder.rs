//! Builds a network: modules declare their layers, blocks and tensors here, in the order in which they are named in the
//! state dict, and so describe the network once. Parameters are shared by the module that reads them and the network
//! that updates and saves them.

use std::cell::RefCell;
use std::rc::Rc;

use dfdx::shapes::Shape;
use dfdx::tensor::{Cache, Cpu};

use crate::metric::Metric;
use crate::model::Description;
use crate::model::initialisation::normal;
use crate::nn::ops::{AnyParameter, Parameter, Running};
use crate::structure::{Block, Layer, Structure, kind};
use crate::units::{BlockIdx, InputShape, LayerIdx};

/// The role of a parameter in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The weights of a convolution or linear layer: the ones in the layer's statistics.
    Weight,
    /// A bias, a gain, or a norm's scale or shift.
    Other,
}

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Start {
    /// All values the same.
    Constant(f32),
    /// Normal, with mean 0 and this standard deviation.
    Normal(f64),
    /// The identity: the weights of a convolution that leaves every channel as it is.
    Dirac,
}

impl Start {
    /// The initialisation of He et al. (1502.01852, equation 10), for layers before ReLU.
    pub(super) fn he(fan_in: usize) -> Start {
        Start::Normal((2.0 / fan_in as f64).sqrt())
    }
}

/// A tensor of a network.
pub(super) enum Entry {
    /// A trained parameter.
    Parameter(Named),
    /// A batch norm's running statistics.
    Running(NamedRunning),
}

impl Entry {
    /// The block that it belongs to; none outside blocks.
    pub(super) fn block(&self) -> Option<BlockIdx> {
        match self {
            Entry::Parameter(named) => named.block,
            Entry::Running(named) => named.block,
        }
    }

    /// Whether a plain network has it, too.
    pub(super) fn origin(&self) -> Origin {
        match self {
            Entry::Parameter(named) => named.origin,
            Entry::Running(named) => named.origin,
        }
    }
}

/// A batch norm's running statistics with its name and place.
pub(super) struct NamedRunning {
    /// The name of the norm in the state dict.
    pub(super) name: String,
    /// The block it belongs to.
    pub(super) block: Option<BlockIdx>,
    /// Whether a plain network has it, too.
    pub(super) origin: Origin,
    /// The statistics.
    pub(super) running: Rc<RefCell<Running>>,
}

/// Whether a tensor belongs to a residual branch, or to what a plain network has no use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A plain network has it, too.
    Shared,
    /// Of a shortcut.
    Shortcut,
}

/// A parameter with its name and place.
pub(super) struct Named {
    /// Its name in the state dict.
    pub(super) name: String,
    /// The layer it belongs to.
    pub(super) layer: LayerIdx,
    /// The block it belongs to.
    pub(super) block: Option<BlockIdx>,
    /// Its role there.
    pub(super) role: Role,
    /// Whether a plain network has it, too.
    pub(super) origin: Origin,
    /// The tensor.
    pub(super) parameter: Rc<dyn AnyParameter>,
}

/// Builds the modules of one network.
pub struct Builder {
    device: Cpu,
    /// Draws the initial weights; without it they are zero, for a network that is only described.
    seed: Option<u64>,
    structure: Structure,
    measured: Vec<Metric>,
    heads: usize,
    entries: Vec<Entry>,
    block: Option<BlockIdx>,
    origin: Origin,
    depth: usize,
}

/// The weights, `[kernel][kernel][channels][channels]`, of a convolution that leaves every channel as it is.
fn dirac(shape: Vec<usize>) -> Vec<f32> {
    let [kernel, _, inputs, outputs] = shape[..] else { return vec![0.0; shape.iter().product()] };
    let middle = (kernel * kernel / 2) * inputs * outputs;
    let mut weights = vec![0.0; kernel * kernel * inputs * outputs];
    (0..inputs.min(outputs)).for_each(|channel| weights[middle + channel * outputs + channel] = 1.0);
    weights
}

/// Why tensors on the device can be made: its errors are wrong lengths and, unless memory runs out, which aborts,
/// nothing else.
const INFALLIBLE: &str = "values fill the shape";

impl Builder {
    /// A builder with its own device, which reuses the memory of tensors.
    pub(super) fn new(seed: Option<u64>) -> Builder {
        let device = Cpu::default();
        device.enable_cache();
        Builder {
            device,
            seed,
            structure: Structure::default(),
            measured: Vec::new(),
            heads: 0,
            entries: Vec::new(),
            block: None,
            origin: Origin::Shared,
            depth: 0,
        }
    }

    /// What has been built, for a network with this input and these classes.
    pub(super) fn finish(self, input: InputShape, classes: usize) -> (Cpu, Description, Vec<Entry>) {
        let Builder { device, structure, measured, heads, entries, .. } = self;
        (device, Description { input, classes, structure, measured, heads }, entries)
    }

    /// Declares that blocks of the network measure a metric that not all networks have.
    pub(super) fn measures(&mut self, metric: Metric) {
        if !self.measured.contains(&metric) {
            self.measured.push(metric);
        }
    }

    /// Declares that blocks of the network have so many heads of attention, whose entropy they measure.
    pub(super) fn attends(&mut self, heads: usize) {
        self.heads = heads;
    }

    /// Declares a weight layer with its output's shape for one example and the multiply-adds of that.
    pub(super) fn layer(
        &mut self,
        name: &str,
        kind: &str,
        output: Vec<usize>,
        multiply_adds: usize,
    ) -> LayerIdx {
        // A layer beside others shares their depth.
        self.depth += usize::from(kind::is_counted(kind));
        let index = LayerIdx(self.structure.layers.len());
        let block = self.block.and_then(|block| self.structure.blocks.get_mut(block.0));
        let stage = block.as_ref().and_then(|block| block.stage);
        if let Some(block) = block {
            block.layers.push(index);
        }
        self.structure.layers.push(Layer {
            name: name.to_owned(),
            kind: kind.to_owned(),
            stage,
            block: self.block,
            depth: Some(self.depth),
            output,
            parameters: Some(0),
            multiply_adds: Some(multiply_adds as u64),
            frozen: false,
        });
        index
    }

    /// Declares a block; the layers that `make` declares belong to it.
    pub(super) fn block<M>(
        &mut self,
        name: &str,
        stage: usize,
        shortcut: Option<&str>,
        make: impl FnOnce(&mut Builder, BlockIdx) -> M,
    ) -> M {
        let index = BlockIdx(self.structure.blocks.len());
        let (name, shortcut) = (name.to_owned(), shortcut.map(str::to_owned));
        self.structure.blocks.push(Block { name, stage: Some(stage), shortcut, layers: Vec::new() });
        self.block = Some(index);
        let made = make(self, index);
        self.block = None;
        made
    }

    /// The tensors that `make` declares are those of a shortcut, which a plain network doesn't have.
    pub(super) fn of_shortcut<M>(&mut self, make: impl FnOnce(&mut Builder) -> M) -> M {
        self.origin = Origin::Shortcut;
        let made = make(self);
        self.origin = Origin::Shared;
        made
    }

    /// A parameter of a layer; drawn values are in memory order (row-major).
    pub(super) fn parameter<S: Shape>(
        &mut self,
        name: String,
        layer: LayerIdx,
        role: Role,
        shape: S,
        start: Start,
    ) -> Rc<Parameter<S>> {
        let length = shape.num_elements();
        let values = match (start, self.seed) {
            (Start::Normal(deviation), Some(seed)) => normal(seed, &name, length, deviation),
            (Start::Constant(value), Some(_)) if value != 0.0 => vec![value; length],
            (Start::Dirac, Some(_)) => dirac(shape.concrete().into()),
            _ => vec![0.0; length],
        };
        let parameter = Rc::new(Parameter::new(&self.device, shape, values).expect(INFALLIBLE));
        let of_layer = &mut self.structure.layers[layer.0].parameters;
        *of_layer = of_layer.map(|parameters| parameters + length as u64);
        let (block, origin) = (self.block, self.origin);
        let named = Named { name, layer, block, role, origin, parameter: parameter.clone() };
        self.entries.push(Entry::Parameter(named));
        parameter
    }

    /// A parameter that starts with these values, which fill the shape row-major.
    pub(super) fn parameter_of<S: Shape>(
        &mut self,
        name: String,
        layer: LayerIdx,
        shape: S,
        values: &[f32],
    ) -> Rc<Parameter<S>> {
        let parameter = self.parameter(name, layer, Role::Other, shape, Start::Constant(0.0));
        if self.seed.is_some() {
            parameter.values_mut().copy_from_slice(values);
        }
        parameter
    }

    /// The running statistics of a batch norm.
    pub(super) fn running(&mut self, name: &str, channels: usize) -> Rc<RefCell<Running>> {
        let running = Rc::new(RefCell::new(Running::new(channels)));
        let (name, block, origin) = (name.to_owned(), self.block, self.origin);
        self.entries.push(Entry::Running(NamedRunning { name, block, origin, running: running.clone() }));
        running
    }
}
