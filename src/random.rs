//! Random streams that are the same on every machine and for any number of threads: each purpose and index
//! has a generator of its own, so that no stream depends on how much another was used.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
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

/// A number in 0..1, a multiple of 2^-53, from one draw.
pub fn unit(random: &mut Xoshiro256PlusPlus) -> f64 {
    (random.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// A number in `low..high`, from one draw.
pub fn between(random: &mut Xoshiro256PlusPlus, low: f64, high: f64) -> f64 {
    low + (high - low) * unit(random)
}

/// A whole number below `count`, from one draw: the high half of the product (its bias is under count / 2^64).
pub fn below(random: &mut Xoshiro256PlusPlus, count: u64) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(count)) >> 64) as u64
}

/// An approximately normal number of mean 0 and variance 1, within 3.47, from one draw: the sum of its four 16-bit
/// parts, which is rounded alike on every machine.
pub fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    let bits = random.next_u64();
    let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
    // Four uniform numbers in 0..65536 have a sum of mean 131,070 and standard deviation 65536 / sqrt(3).
    (sum as f64 - 131_070.0) * (1.732_050_807_568_877_2 / 65_536.0)
}

/// Shuffles the items (Fisher and Yates), with one draw for each item but one.
pub fn shuffle<T>(random: &mut Xoshiro256PlusPlus, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(random, last as u64 + 1) as usize);
    }
}

/// Hex digits of a SHA-256, for provenance.
pub fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::rand_core::Rng;

    use super::{between, normal, shuffle, stream};

    #[test]
    fn a_shuffle_keeps_every_item_and_reaches_every_order() {
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..200 {
            let mut items = [0, 1, 2];
            shuffle(&mut stream(0, "shuffle", index), &mut items);
            seen.insert(items);
        }
        assert_eq!(seen.len(), 6);
        shuffle::<u8>(&mut stream(0, "shuffle", 0), &mut []);
    }

    #[test]
    fn numbers_fill_their_interval() {
        let mut random = stream(0, "interval", 0);
        let drawn: Vec<f64> = (0..4000).map(|_| between(&mut random, -2.0, 6.0)).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        assert!(drawn.iter().all(|x| (-2.0..6.0).contains(x)));
        assert!((mean - 2.0).abs() < 0.15, "the mean is {mean}");
    }

    #[test]
    fn noise_has_the_moments_it_says() {
        let mut random = stream(0, "noise", 0);
        let drawn: Vec<f64> = (0..20_000).map(|_| normal(&mut random)).collect();
        let mean = drawn.iter().sum::<f64>() / 20_000.0;
        let variance = drawn.iter().map(|x| x * x).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "mean {mean}, variance {variance}");
    }

    #[test]
    fn streams_differ_by_every_part_of_their_name() {
        let first = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        let base = first(0, "a", 0);
        assert_eq!(base, first(0, "a", 0));
        assert!([first(1, "a", 0), first(0, "b", 0), first(0, "a", 1)].iter().all(|&x| x != base));
    }
}
