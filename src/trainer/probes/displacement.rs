//! Networks with displaced parameters.

use crate::model::{NamedTensor, Network, TensorData};
use crate::random;

/// A direction in the space of parameters: numbers for each tensor of a state, none for those that it leaves as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Direction(pub(super) Vec<Option<Vec<f64>>>);

impl Direction {
    /// Normal numbers for the tensors that are `wanted`, from a random stream for each by its name, so that lanes share
    /// the directions of the tensors that they share.
    pub(super) fn random(
        state: &[NamedTensor],
        seed: u64,
        purpose: &str,
        wanted: impl Fn(&NamedTensor) -> bool,
    ) -> Direction {
        let of_tensor = |tensor: &NamedTensor| {
            let TensorData::F32(values) = &tensor.data else { return None };
            let mut stream = random::stream(seed, &format!("{purpose}/{}", tensor.name), 0);
            wanted(tensor).then(|| values.iter().map(|_| random::normal(&mut stream)).collect())
        };
        Direction(state.iter().map(of_tensor).collect())
    }

    /// All numbers.
    pub(super) fn numbers(&self) -> impl Iterator<Item = f64> {
        self.0.iter().flatten().flatten().copied()
    }

    /// The scalar product with another direction.
    pub(super) fn product(&self, other: &Direction) -> f64 {
        self.numbers().zip(other.numbers()).map(|(a, b)| a * b).sum()
    }

    /// Adds a multiple of another direction.
    pub(super) fn add(&mut self, factor: f64, other: &Direction) {
        self.0
            .iter_mut()
            .flatten()
            .flatten()
            .zip(other.numbers())
            .for_each(|(x, other)| *x += factor * other);
    }

    /// Its length.
    pub(super) fn norm(&self) -> f64 {
        self.product(self).sqrt()
    }

    /// All numbers times a factor.
    #[must_use]
    pub(super) fn times(mut self, factor: f64) -> Direction {
        self.0.iter_mut().flatten().flatten().for_each(|x| *x *= factor);
        self
    }
}

/// A state moved by so much along each direction.
pub(super) fn moved(state: &[NamedTensor], along: &[(f64, &Direction)]) -> Vec<NamedTensor> {
    let mut state = state.to_vec();
    for (at, tensor) in state.iter_mut().enumerate() {
        let TensorData::F32(values) = &mut tensor.data else { continue };
        let moves: Vec<(f64, &Vec<f64>)> =
            along.iter().filter_map(|(by, direction)| Some((*by, direction.0[at].as_ref()?))).collect();
        for (place, value) in values.iter_mut().enumerate().filter(|_| !moves.is_empty()) {
            let by: f64 = moves.iter().map(|(by, direction)| by * direction[place]).sum();
            *value = (f64::from(*value) + by) as f32;
        }
    }
    state
}

/// Why a network takes the state that it has given.
const OWN: &str = "a network has the tensors of its own state";

/// Computes something of a network in another state, and restores its own.
pub(super) fn displaced<R>(
    network: &mut dyn Network,
    [own, other]: [&[NamedTensor]; 2],
    compute: impl FnOnce(&mut dyn Network) -> R,
) -> R {
    network.load_state(other).expect(OWN);
    let result = compute(network);
    network.load_state(own).expect(OWN);
    result
}
