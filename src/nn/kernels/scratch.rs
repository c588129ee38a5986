//! Memory for vectors: aligned to cache lines, so that no vector straddles two, which would halve the speed of reading.
//! Working memory is kept per thread between calls, that of activations in a pool.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use super::bundle::IMAGES;

/// A cache line, for the alignment.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; IMAGES]);

const _: () =
    assert!(size_of::<Line>() == IMAGES * size_of::<f32>(), "a line holds a vector without padding");

/// Numbers that start at a cache line.
#[derive(Clone, Debug, Default)]
pub struct Aligned {
    lines: Vec<Line>,
    length: usize,
}

impl Aligned {
    /// `length` zeros.
    pub fn zeros(length: usize) -> Aligned {
        Aligned { lines: vec![Line([0.0; IMAGES]); length.div_ceil(IMAGES)], length }
    }

    /// The capacity in numbers.
    pub fn capacity(&self) -> usize {
        self.lines.len() * IMAGES
    }

    /// Sets the length in numbers, whose values are arbitrary.
    pub(crate) fn resized(mut self, length: usize) -> Aligned {
        self.grow(length);
        self
    }

    fn grow(&mut self, length: usize) {
        if self.capacity() < length {
            self.lines.resize(length.div_ceil(IMAGES), Line([0.0; IMAGES]));
        }
        self.length = length;
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a Line is `repr(C)` and exactly IMAGES numbers without padding; `length` is at most their count.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

thread_local! {
    static SCRATCH: RefCell<Aligned> = RefCell::new(Aligned::default());
}

/// Calls `work` with slices of these lengths, each aligned to cache lines; their initial content is arbitrary.
///
/// `work` must not call this function again.
pub(crate) fn with_scratch<const N: usize, R>(
    lengths: [usize; N],
    work: impl FnOnce([&mut [f32]; N]) -> R,
) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.grow(lengths.iter().map(|length| length.next_multiple_of(IMAGES)).sum());
        let mut rest: &mut [f32] = scratch;
        work(lengths.map(|length| {
            let (slice, behind) = std::mem::take(&mut rest).split_at_mut(length.next_multiple_of(IMAGES));
            rest = behind;
            &mut slice[..length]
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_apart_aligned_and_as_long_as_asked() {
        for lengths in [[0, 5, 1], [1, 1, 16], [16, 17, 3], [1000, 3, 64]] {
            with_scratch(lengths, |mut slices| {
                for (index, slice) in slices.iter_mut().enumerate() {
                    assert_eq!(slice.len(), lengths[index]);
                    assert!(slice.as_ptr().addr().is_multiple_of(64));
                    slice.fill(index as f32);
                }
                for (index, slice) in slices.iter().enumerate() {
                    assert!(slice.iter().all(|x| *x == index as f32));
                }
            });
        }
    }

    #[test]
    fn memory_is_kept_where_it_is_large_enough() {
        let first = Aligned::zeros(100);
        let place = first.as_ptr();
        let second = first.resized(37);
        assert_eq!((second.len(), second.capacity(), second.as_ptr()), (37, 112, place));
        assert_eq!(second.resized(200).len(), 200);
    }
}
