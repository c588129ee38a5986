//! Sums of vectors over features, in a fixed order, in which an addition need not wait for the one before.

use std::ops::Range;

use super::vector::Vector;

/// What is summed. A trait rather than a closure, which could not be marked to be inlined.
pub(super) trait Terms<V: Vector, const N: usize> {
    /// Adds the terms of a feature to `N` sums.
    ///
    /// # Safety
    /// The machine has the instructions; the feature is one of those summed over.
    unsafe fn add(&mut self, feature: usize, sums: [V; N]) -> [V; N];
}

/// The sums over features, in as many chains as there are registers for.
///
/// # Safety
/// The machine has the instructions; the terms are those of these features.
#[inline(always)]
pub(super) unsafe fn sum<V: Vector, const N: usize, const CHAINS: usize>(
    features: Range<usize>,
    terms: &mut impl Terms<V, N>,
) -> [V; N] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut chains = [[V::zero(); N]; CHAINS];
        let whole = features.end - features.len() % CHAINS;
        for feature in (features.start..whole).step_by(CHAINS) {
            for (chain, sums) in chains.iter_mut().enumerate() {
                *sums = terms.add(feature + chain, *sums);
            }
        }
        for feature in whole..features.end {
            chains[0] = terms.add(feature, chains[0]);
        }
        let mut total = chains[0];
        for chain in &chains[1..] {
            for (total, sum) in total.iter_mut().zip(chain) {
                *total = total.add(*sum);
            }
        }
        total
    }
}
