//! The operations of a network: kernels on rows, sweeps that apply them to a layer, and on top the operations on dfdx's
//! tape.

pub mod kernels;
pub mod thread_pool;
pub mod sweeps;
pub mod ops;
