//! The operations of a network: kernels on rows, sweeps of them over a layer, and above them the operations on
//! dfdx's tape.

pub mod kernels;
pub mod team;
pub mod sweeps;
pub mod ops;
