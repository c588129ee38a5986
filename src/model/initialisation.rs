//! Initial weights: normal, from a random stream for each tensor's name, so that networks which differ only in their
//! shortcuts start from bit-identical weights.

use rand_distr::{Distribution, StandardNormal};
use sha2::{Digest, Sha256};

use crate::model::TensorData;
use crate::model::builder::{Entry, Origin};
use crate::model::state;
use crate::random;

/// Draws `length` values with mean 0 and this standard deviation.
pub(super) fn normal(seed: u64, name: &str, length: usize, deviation: f64) -> Vec<f32> {
    let mut stream = random::stream(seed, &format!("weights/{name}"), 0);
    (0..length)
        .map(|_| {
            let x: f64 = StandardNormal.sample(&mut stream);
            (deviation * x) as f32
        })
        .collect()
}

/// SHA-256, in hex, of the tensors that a plain network and one with option-A shortcuts share: all but those of
/// shortcuts. Taken before the first step, it shows that two lanes start from the same weights.
pub(super) fn shared_weights_hash(entries: &[Entry]) -> String {
    let mut hash = Sha256::new();
    let is_shared = |entry: &&Entry| entry.origin() == Origin::Shared;
    for tensor in entries.iter().filter(is_shared).flat_map(state::of_entry) {
        hash.update(tensor.name.as_bytes());
        hash.update([0]);
        tensor.shape.iter().for_each(|&length| hash.update((length as u64).to_le_bytes()));
        match &tensor.data {
            TensorData::F32(values) => values.iter().for_each(|x| hash.update(x.to_le_bytes())),
            TensorData::I64(values) => values.iter().for_each(|x| hash.update(x.to_le_bytes())),
        }
    }
    random::hex(hash)
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn weights_have_the_moments_asked_for_and_depend_on_seed_and_name() {
        let weights = normal(7, "conv1", 200_000, (2.0_f64 / 72.0).sqrt());
        let n = weights.len() as f64;
        let mean = weights.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = weights.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
        let expected = 2.0 / 72.0;
        // Five standard errors of the mean and of the variance.
        assert!(mean.abs() < 5.0 * (expected / n).sqrt(), "mean {mean}");
        assert!((variance - expected).abs() < 5.0 * expected * (2.0 / n).sqrt(), "variance {variance}");
        let deviation = expected.sqrt();
        assert_eq!(weights[..8], normal(7, "conv1", 8, deviation));
        assert_ne!(weights[..8], normal(8, "conv1", 8, deviation));
        assert_ne!(weights[..8], normal(7, "conv2", 8, deviation));
    }
}
