//! The tensors of a network, in the order of the state dict.

use crate::model::parameter::AnyParameter;
use crate::nn::ops::Running;

/// A parameter, or a batch norm's running statistics with its name.
pub(super) enum Entry<'a> {
    /// A trained parameter.
    Parameter(&'a dyn AnyParameter),
    /// Running statistics, updated by each batch.
    Running(&'a str, &'a Running),
}

/// The same, mutable.
pub(super) enum EntryMut<'a> {
    /// A trained parameter.
    Parameter(&'a mut dyn AnyParameter),
    /// Running statistics, updated by each batch.
    Running(&'a str, &'a mut Running),
}
