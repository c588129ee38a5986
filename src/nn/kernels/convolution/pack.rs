//! Packs weights in the order in which the tiles use them.

use super::{CHANNEL_BLOCK, Geometry};

/// Writes weights `[kernel][kernel][inputs][outputs]` as `[outputs / 4][kernel][inputs][kernel][4]`.
pub fn pack(geometry: Geometry, weights: &[f32], packed: &mut [f32]) {
    let Geometry { kernel, outputs, .. } = geometry;
    let inputs = geometry.input.channels;
    assert_eq!((weights.len(), packed.len()), (geometry.weights(), geometry.weights()), "all weights");
    let blocks = packed.chunks_exact_mut(kernel * inputs * kernel * CHANNEL_BLOCK);
    for (block, packed) in blocks.enumerate() {
        let rows = packed.chunks_exact_mut(inputs * kernel * CHANNEL_BLOCK);
        for (row, packed) in rows.enumerate() {
            for (place, to) in packed.as_chunks_mut::<CHANNEL_BLOCK>().0.iter_mut().enumerate() {
                let (input, column) = (place / kernel, place % kernel);
                let from = ((row * kernel + column) * inputs + input) * outputs + block * CHANNEL_BLOCK;
                to.copy_from_slice(&weights[from..from + CHANNEL_BLOCK]);
            }
        }
    }
}

/// Writes the same weights for the gradient to the input, which is a convolution from outputs to inputs with the kernel
/// rotated by 180 degrees: `[inputs / 4][kernel][outputs][kernel][4]`.
pub fn pack_turned(geometry: Geometry, weights: &[f32], packed: &mut [f32]) {
    let Geometry { kernel, outputs, .. } = geometry;
    let inputs = geometry.input.channels;
    assert_eq!((weights.len(), packed.len()), (geometry.weights(), geometry.weights()), "all weights");
    assert!(inputs.is_multiple_of(CHANNEL_BLOCK), "{inputs} input channels come in blocks");
    let blocks = packed.chunks_exact_mut(kernel * outputs * kernel * CHANNEL_BLOCK);
    for (block, packed) in blocks.enumerate() {
        let rows = packed.chunks_exact_mut(outputs * kernel * CHANNEL_BLOCK);
        for (row, packed) in rows.enumerate() {
            for column in 0..kernel {
                let tap = (kernel - 1 - row) * kernel + kernel - 1 - column;
                let of_tap = &weights[(tap * inputs + block * CHANNEL_BLOCK) * outputs..];
                let places =
                    packed.as_chunks_mut::<CHANNEL_BLOCK>().0.iter_mut().skip(column).step_by(kernel);
                for (output, to) in places.enumerate() {
                    *to = std::array::from_fn(|input| of_tap[input * outputs + output]);
                }
            }
        }
    }
}
