//! The operations of a network on slices and, above them, on dfdx's tape.

pub mod kernels;
pub mod ops;
