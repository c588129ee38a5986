//! What a network holds, tensor by tensor, in the order of the state dict.

use crate::model::parameter::AnyParameter;
use crate::nn::ops::Running;

/// A parameter, or a batch norm's running statistics with its name.
pub(super) enum Entry<'a> {
    /// Trained.
    Parameter(&'a dyn AnyParameter),
    /// Moved by each batch.
    Running(&'a str, &'a Running),
}

/// The same, to write to.
pub(super) enum EntryMut<'a> {
    /// Trained.
    Parameter(&'a mut dyn AnyParameter),
    /// Moved by each batch.
    Running(&'a str, &'a mut Running),
}
