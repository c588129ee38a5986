//! The architectures by name: an explicit list, one file per architecture. Knows only what is needed to check and build
//! a lane.

use dfdx::tensor::Cpu;

use crate::experiment::{ArchitectureEntry, Lane};
use crate::model::builder::{Builder, Entry, Named, Role};
use crate::model::trained::Model;
use crate::model::{Description, ModelError, state};
use crate::units::InputShape;

mod resnet;
mod densenet;
mod mlp;
mod transformer;

/// An architecture: two functions, so that a new one is one file and one line of [`ALL`].
pub(super) struct Architecture {
    /// What the parser of experiments needs to know about it.
    pub(super) entry: fn() -> ArchitectureEntry,
    /// Builds a lane's modules.
    pub(super) build: Build,
}

/// Builds the modules of a lane's network for an input and a number of classes.
type Build = fn(&Lane, InputShape, usize, &mut Builder) -> Result<Box<dyn Model>, ModelError>;

/// A network before its first step.
pub(super) struct Built {
    /// Which of its parameters are trained how.
    pub(super) lane: Lane,
    pub(super) device: Cpu,
    pub(super) description: Description,
    pub(super) entries: Vec<Entry>,
    pub(super) model: Box<dyn Model>,
}

/// Every architecture, in the order in which they are listed to a user.
pub(super) const ALL: &[Architecture] =
    &[resnet::ARCHITECTURE, densenet::ARCHITECTURE, mlp::ARCHITECTURE, transformer::ARCHITECTURE];

/// Builds a lane's network; without a seed, with weights that are zero.
pub(super) fn build(
    lane: &Lane,
    input: InputShape,
    classes: usize,
    seed: Option<u64>,
) -> Result<Built, ModelError> {
    let architecture = find(&lane.architecture)?;
    if !(2..=256).contains(&classes) {
        return Err(ModelError::Classes { found: classes });
    }
    let mut builder = Builder::new(seed);
    let model = (architecture.build)(lane, input, classes, &mut builder)?;
    let (device, mut description, entries) = builder.finish(input, classes);
    for Named { name, layer, role, .. } in state::parameters(&entries) {
        description.structure.layers[layer.0].frozen |= *role == Role::Weight && lane.freezes(name);
    }
    Ok(Built { lane: lane.clone(), device, description, entries, model })
}

/// Finds the architecture that a lane names.
fn find(name: &str) -> Result<&'static Architecture, ModelError> {
    ALL.iter().find(|architecture| (architecture.entry)().name == name).ok_or_else(|| {
        ModelError::UnknownArchitecture {
            found: name.to_owned(),
            known: ALL.iter().map(|architecture| (architecture.entry)().name).collect(),
        }
    })
}
