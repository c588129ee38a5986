//! The operations of a network: kernels on rows, sweeps that apply them to a layer, and on top the operations on dfdx's
//! tape.

pub mod kernels;
pub mod team;
pub mod sweeps;
pub mod ops;
