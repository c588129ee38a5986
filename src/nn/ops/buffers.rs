//! The memory of a lane's activations and gradients. A step uses the same buffers as the one before, so that nothing is
//! allocated after the first.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use crate::nn::kernels::scratch::Aligned;

/// A pool of buffers; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Buffers(Rc<RefCell<Store>>);

#[derive(Debug, Default)]
struct Store {
    /// Unused buffers by their capacity.
    free: BTreeMap<usize, Vec<Aligned>>,
    /// Bytes of all buffers, used and unused.
    bytes: usize,
}

impl Buffers {
    /// A buffer of `length` numbers with arbitrary values: the smallest unused one that is large enough, or a new one.
    pub fn take(&self, length: usize) -> Buffer {
        let mut store = self.0.borrow_mut();
        let fitting = store.free.range(length..).next().map(|(capacity, _)| *capacity);
        let buffer = match fitting {
            Some(capacity) => {
                let buffer = store.free.get_mut(&capacity).and_then(Vec::pop);
                if store.free.get(&capacity).is_some_and(Vec::is_empty) {
                    store.free.remove(&capacity);
                }
                buffer
            }
            None => None,
        };
        let memory = match buffer {
            Some(buffer) => buffer.resized(length),
            None => {
                let new = Aligned::zeros(length);
                store.bytes += new.capacity() * size_of::<f32>();
                new
            }
        };
        Buffer { memory, home: self.clone() }
    }

    /// The bytes of all buffers.
    pub fn bytes(&self) -> usize {
        self.0.borrow().bytes
    }
}

/// A buffer that returns to its pool when dropped.
#[derive(Debug)]
pub struct Buffer {
    memory: Aligned,
    home: Buffers,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        self.home.0.borrow_mut().free.entry(memory.capacity()).or_default().push(memory);
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.memory
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_dropped_is_taken_again() {
        let buffers = Buffers::default();
        let (small, large) = (buffers.take(10), buffers.take(1000));
        let (at_small, at_large) = (small.as_ptr(), large.as_ptr());
        drop((small, large));
        let bytes = buffers.bytes();
        let (large, small) = (buffers.take(990), buffers.take(3));
        assert_eq!((large.as_ptr(), small.as_ptr()), (at_large, at_small));
        assert_eq!((large.len(), small.len(), buffers.bytes()), (990, 3, bytes));
        assert_eq!(buffers.take(3).len(), 3);
        assert!(buffers.bytes() > bytes);
    }
}
