//! Errors of lanes, and of states that are restored.

use super::start::told;
use crate::units::{ImageShape, InputShape};

/// Why a network cannot be described, built or loaded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The registry has no architecture of that name.
    #[error("expected an architecture ({}), found {found:?}", known.join(", "))]
    UnknownArchitecture {
        /// The lane's.
        found: String,
        /// The registry's.
        known: Vec<&'static str>,
    },
    /// The depth is not one of the architecture's.
    #[error("expected a depth of {step} n + {offset}, such as {}, found {found}", nearest(*found, *step, *offset))]
    Depth {
        /// The lane's.
        found: usize,
        /// Weight layers that one more block in each stage adds.
        step: usize,
        /// Weight layers outside the stages.
        offset: usize,
    },
    /// The width is not compiled in.
    #[error("expected a width that is compiled in ({}), found {found}", list(compiled))]
    Width {
        /// The lane's.
        found: usize,
        /// The registry's.
        compiled: Vec<usize>,
    },
    /// The examples are not images, or of a shape that is not compiled in.
    #[error(
        "expected images of a shape (channels x height x width) that is compiled in ({}), found {found}",
        list(compiled)
    )]
    Input {
        /// The data set's.
        found: InputShape,
        /// The registry's.
        compiled: Vec<ImageShape>,
    },
    /// The architecture has no such shortcut.
    #[error("expected a shortcut of the architecture {architecture}, found {found:?}")]
    Shortcut {
        /// The architecture's name.
        architecture: &'static str,
        /// The lane's.
        found: String,
    },
    /// The architecture reads vectors.
    #[error("expected vectors, found {found}")]
    NoVectors {
        /// The data set's examples.
        found: InputShape,
    },
    /// The architecture reads sequences.
    #[error("expected sequences of tokens, found {found}")]
    NoSequences {
        /// The data set's examples.
        found: InputShape,
    },
    /// Settings don't fit together.
    #[error("{message}")]
    Setting {
        /// The key to blame.
        key: &'static str,
        /// What was expected, what was found and what to do.
        message: String,
    },
    /// The number of classes is not valid.
    #[error("expected 2 to 256 classes, found {found}")]
    Classes {
        /// The data set's.
        found: usize,
    },
    /// A state lacks a tensor.
    #[error("expected a tensor {name:?} in the state, found none: is it a state of another network?")]
    MissingTensor {
        /// Its name.
        name: String,
    },
    /// A state has a tensor that the network lacks.
    #[error(
        "found a tensor {name:?} in the state, which the network lacks: is it a state of another network?"
    )]
    SurplusTensor {
        /// Its name.
        name: String,
    },
    /// A tensor of a state has another shape or type.
    #[error("expected {name:?} to be {expected}, found {found}")]
    TensorShape {
        /// Its name.
        name: String,
        /// Type and shape in the network.
        expected: String,
        /// Type and shape in the state.
        found: String,
    },
    /// A checkpoint does not fit the network that is to start from it.
    #[error("{}", told(problems, remedies))]
    Unfit {
        /// Each thing that does not fit: what was expected and what was found.
        problems: Vec<String>,
        /// What to do about them.
        remedies: Vec<&'static str>,
    },
}

fn nearest(found: usize, step: usize, offset: usize) -> usize {
    let n = (found.saturating_sub(offset) + step / 2) / step;
    step * n.max(1) + offset
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
