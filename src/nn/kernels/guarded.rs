//! Memory for tests next to an inaccessible page: a kernel that reads or writes past a slice, even by one number,
//! crashes at once, whatever its instructions.

use std::ffi::c_void;
use std::ops::{Deref, DerefMut};
use std::ptr::null_mut;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// The side on which the memory ends at an inaccessible page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nn) enum Side {
    /// Before the first number; this memory is aligned to a page.
    Front,
    /// After the last number; this memory is aligned only to a number.
    Back,
}

/// Numbers between inaccessible pages, adjacent to the one on the given side.
#[derive(Debug)]
pub(in crate::nn) struct Guarded {
    mapping: *mut c_void,
    mapped: usize,
    first: *mut f32,
    length: usize,
}

// SAFETY: the mapping belongs to this value, and its numbers are accessed only through borrows of it.
unsafe impl Send for Guarded {}
// SAFETY: as above.
unsafe impl Sync for Guarded {}

impl Guarded {
    /// `length` copies of this number.
    pub(in crate::nn) fn filled(side: Side, length: usize, number: f32) -> Guarded {
        let page = rustix::param::page_size();
        let size = length * size_of::<f32>();
        let inside = size.next_multiple_of(page);
        let mapped = inside + 2 * page;
        let (access, flags) = (ProtFlags::empty(), MapFlags::PRIVATE);
        // SAFETY: a new mapping, of which only the pages between the first and the last become accessible; the numbers
        // are within these, and each is aligned.
        let (mapping, first) = unsafe {
            let mapping = mmap_anonymous(null_mut(), mapped, access, flags).expect("memory is there");
            let inner = mapping.byte_add(page);
            if inside > 0 {
                mprotect(inner, inside, MprotectFlags::READ | MprotectFlags::WRITE).expect("it may be used");
            }
            let offset = if side == Side::Front { 0 } else { inside - size };
            (mapping, inner.byte_add(offset).cast::<f32>())
        };
        let mut guarded = Guarded { mapping, mapped, first, length };
        guarded.fill(number);
        guarded
    }

    /// The same numbers as these.
    pub(in crate::nn) fn copied(side: Side, numbers: &[f32]) -> Guarded {
        let mut guarded = Guarded::filled(side, numbers.len(), 0.0);
        guarded.copy_from_slice(numbers);
        guarded
    }
}

impl Deref for Guarded {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `filled` has made this many numbers readable, which live as long as the mapping.
        unsafe { std::slice::from_raw_parts(self.first, self.length) }
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; they are also writable, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.first, self.length) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping belongs to this value, and is no longer borrowed.
        unsafe { munmap(self.mapping, self.mapped) }.expect("what is mapped can be unmapped");
    }
}

#[test]
fn the_numbers_lie_against_the_page_that_cannot_be_touched() {
    let page = rustix::param::page_size();
    for length in [1, 16, 17, 5000] {
        let (front, back) =
            (Guarded::filled(Side::Front, length, 1.5), Guarded::filled(Side::Back, length, 2.5));
        let (start, end) = (front.as_ptr_range().start.addr(), back.as_ptr_range().end.addr());
        assert!(start.is_multiple_of(page) && end.is_multiple_of(page));
        assert_eq!(
            (start, end - page - back.mapped + 2 * page),
            (front.mapping.addr() + page, back.mapping.addr())
        );
        assert!(front.iter().all(|x| *x == 1.5) && back.iter().all(|x| *x == 2.5));
    }
}
