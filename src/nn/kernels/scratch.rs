//! Working memory that a thread keeps from call to call, so that kernels allocate nothing once warm.

use std::cell::RefCell;

/// A cache line, for the alignment.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Numbers in a cache line.
const LINE: usize = 16;

thread_local! {
    static LINES: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with two slices of these lengths, aligned to cache lines; what they hold at first is anything.
///
/// `work` must not call this function again.
pub(super) fn with_scratch<R>(
    first: usize,
    second: usize,
    work: impl FnOnce(&mut [f32], &mut [f32]) -> R,
) -> R {
    LINES.with_borrow_mut(|lines| {
        let boundary = first.div_ceil(LINE);
        let needed = boundary + second.div_ceil(LINE);
        if lines.len() < needed {
            lines.resize(needed, Line([0.0; LINE]));
        }
        let (front, back) = lines.split_at_mut(boundary);
        work(&mut numbers(front)[..first], &mut numbers(back)[..second])
    })
}

/// The numbers of some lines.
fn numbers(lines: &mut [Line]) -> &mut [f32] {
    // SAFETY: a Line is `repr(C)` and exactly LINE numbers without padding; the borrow is handed on.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LINE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_apart_aligned_and_as_long_as_asked() {
        for (first, second) in [(0, 5), (1, 1), (16, 17), (1000, 3)] {
            with_scratch(first, second, |a, b| {
                assert_eq!((a.len(), b.len()), (first, second));
                assert!(a.as_ptr().addr().is_multiple_of(64) && b.as_ptr().addr().is_multiple_of(64));
                a.fill(1.0);
                b.fill(2.0);
                assert!(a.iter().all(|x| *x == 1.0));
            });
        }
    }
}
