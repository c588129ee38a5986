//! The memory of a lane's activations and gradients. A step uses the same buffers as the one before, so that nothing is
//! allocated after the first. A pool may also only count, to find out how much a step would take.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use crate::nn::kernels::bundle::IMAGES;
use crate::nn::kernels::scratch::Aligned;

/// Buffers that are free to be taken. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Buffers(Rc<RefCell<Store>>);

#[derive(Debug, Default)]
struct Store {
    /// By capacity.
    free: BTreeMap<usize, Vec<Aligned>>,
    /// All memory that was ever taken, in bytes.
    bytes: usize,
    /// The numbers of all buffers that have not returned.
    in_use: usize,
    /// The most working memory of one thread, in numbers; only known where memory is only counted.
    scratch: usize,
    /// Whether buffers are empty, and only their sizes are counted.
    only_counts: bool,
}

impl Buffers {
    /// A pool that counts what is taken from it. Its buffers are empty.
    pub fn counting() -> Buffers {
        Buffers(Rc::new(RefCell::new(Store { only_counts: true, ..Store::default() })))
    }

    /// Whether its buffers are empty, so that nothing can be computed.
    pub fn only_counts(&self) -> bool {
        self.0.borrow().only_counts
    }

    /// Takes a buffer of a length, whose values are arbitrary: the smallest free one that fits, or new memory.
    pub(super) fn take(&self, length: usize) -> Buffer {
        let mut store = self.0.borrow_mut();
        store.in_use += length;
        let free = store.free.range_mut(length..).find(|(_, free)| !free.is_empty());
        if let Some((&capacity, free)) = free
            && let Some(memory) = free.pop()
        {
            let memory = memory.resized(if store.only_counts { 0 } else { length });
            return Buffer { memory, length, capacity, home: self.clone() };
        }
        let capacity = length.next_multiple_of(IMAGES);
        store.bytes += capacity * size_of::<f32>();
        let memory = Aligned::zeros(if store.only_counts { 0 } else { length });
        Buffer { memory, length, capacity, home: self.clone() }
    }

    /// Counts the working memory of one thread.
    pub(super) fn note_scratch(&self, numbers: usize) {
        let mut store = self.0.borrow_mut();
        store.scratch = store.scratch.max(numbers);
    }

    /// All memory that was ever taken, in bytes.
    pub fn bytes(&self) -> usize {
        self.0.borrow().bytes
    }

    /// What is in use, in bytes, without what buffers are longer than they need to be.
    pub fn bytes_in_use(&self) -> usize {
        self.0.borrow().in_use * size_of::<f32>()
    }

    /// The most working memory of one thread, in bytes; only where memory is only counted.
    pub fn scratch_bytes(&self) -> usize {
        self.0.borrow().scratch * size_of::<f32>()
    }
}

/// Memory that returns to its pool when it is dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    memory: Aligned,
    /// Its numbers; more than the memory has where it is only counted.
    length: usize,
    /// In numbers; more than the memory has where it is only counted.
    capacity: usize,
    home: Buffers,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let mut store = self.home.0.borrow_mut();
        store.in_use -= self.length;
        store.free.entry(self.capacity).or_default().push(memory);
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
        assert_eq!(buffers.bytes_in_use(), 4 * (990 + 3));
        drop(small);
        assert_eq!(buffers.bytes_in_use(), 4 * 990);
        let small = buffers.take(10);
        assert_eq!((small.len(), buffers.take(3).len()), (10, 3));
        assert!(buffers.bytes() > bytes);
    }

    #[test]
    fn counting_takes_as_much_as_memory_does() {
        let take = |buffers: Buffers| {
            let (a, b) = (buffers.take(100), buffers.take(33));
            drop(a);
            let c = buffers.take(90);
            drop((b, c));
            let _all = [buffers.take(1), buffers.take(60), buffers.take(200)];
            (buffers.bytes(), buffers.bytes_in_use())
        };
        assert_eq!(take(Buffers::counting()), take(Buffers::default()));
        assert!(Buffers::counting().take(100).is_empty());
    }
}
