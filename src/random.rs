//! Random streams that are the same on every machine and for any number of threads: each purpose and index
//! has a generator of its own, so that no stream depends on how much another was used.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// The generator for `purpose` (such as `"glyphs/train"`) and `index` under a run's `seed`:
/// xoshiro256++ seeded with SHA-256(seed, index, purpose), all little-endian.
pub fn stream(seed: u64, purpose: &str, index: u64) -> Xoshiro256PlusPlus {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(index.to_le_bytes());
    hash.update(purpose.as_bytes());
    Xoshiro256PlusPlus::from_seed(hash.finalize().into())
}

/// Hex digits of a SHA-256, for provenance.
pub fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::rand_core::Rng;

    use super::stream;

    #[test]
    fn streams_differ_by_every_part_of_their_name() {
        let first = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        let base = first(0, "a", 0);
        assert_eq!(base, first(0, "a", 0));
        assert!([first(1, "a", 0), first(0, "b", 0), first(0, "a", 1)].iter().all(|&x| x != base));
    }
}
