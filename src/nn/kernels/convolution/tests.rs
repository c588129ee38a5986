//! The fast convolutions against the reference, over shapes, sizes, seeds and instruction sets.

use proptest::prelude::*;

use super::*;
use crate::nn::kernels::reference::Convolution;
use crate::nn::kernels::samples::numbers;

/// Asserts equality up to rounding, against the size of the largest number.
fn assert_close(what: &str, ours: &[f32], expected: &[f64]) {
    assert_eq!(ours.len(), expected.len());
    let scale = expected.iter().fold(1e-3_f64, |scale, x| scale.max(x.abs()));
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!((f64::from(*a) - b).abs() <= 2e-6 * scale, "{what}: element {i} is {a}, expected {b}");
    }
}

fn compare<const KERNEL: usize, const STRIDE: usize, const INPUTS: usize, const OUTPUTS: usize>(
    size: Size,
    seed: u64,
) {
    let plain = Convolution { kernel: KERNEL, stride: STRIDE, inputs: INPUTS, outputs: OUTPUTS };
    let x = numbers(size.pixels() * INPUTS, seed);
    let w = numbers(plain.weights(), seed + 1);
    let dy = numbers(size.strided(STRIDE).pixels() * OUTPUTS, seed + 2);
    let add =
        |expected: Vec<f64>, before: f32| expected.iter().map(|e| e + f64::from(before)).collect::<Vec<_>>();
    for set in InstructionSet::available() {
        let name = |what| format!("{what} {set} {KERNEL}x{KERNEL}/{STRIDE} {INPUTS}->{OUTPUTS} {size:?}");
        let mut y = vec![f32::NAN; dy.len()];
        forward::<KERNEL, STRIDE, INPUTS, OUTPUTS>(set, size, &x, &w, &mut y);
        assert_close(&name("forward"), &y, &plain.forward(size, &x, &w));
        let mut dx = vec![0.5; x.len()];
        input_gradient::<KERNEL, STRIDE, INPUTS, OUTPUTS>(set, size, &dy, &w, &mut dx);
        assert_close(&name("input gradient"), &dx, &add(plain.input_gradient(size, &dy, &w), 0.5));
        let mut dw = vec![0.25; w.len()];
        weight_gradient::<KERNEL, STRIDE, INPUTS, OUTPUTS>(set, size, &x, &dy, &mut dw);
        assert_close(&name("weight gradient"), &dw, &add(plain.weight_gradient(size, &x, &dy), 0.25));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn every_shape_equals_the_reference(
        batch in 1_usize..4,
        height in prop::sample::select(vec![2_usize, 4, 6, 8]),
        width in prop::sample::select(vec![2_usize, 4, 6, 8, 10, 16]),
        seed in 0_u64..1 << 40,
    ) {
        let size = Size::new(batch, height, width);
        compare::<3, 1, 1, 4>(size, seed);
        compare::<3, 1, 1, 8>(size, seed);
        compare::<3, 1, 3, 16>(size, seed);
        compare::<3, 1, 3, 32>(size, seed);
        compare::<3, 1, 4, 4>(size, seed);
        compare::<3, 2, 4, 8>(size, seed);
        compare::<3, 1, 8, 8>(size, seed);
        compare::<3, 2, 8, 16>(size, seed);
        compare::<3, 1, 16, 16>(size, seed);
        compare::<3, 2, 16, 32>(size, seed);
        compare::<3, 1, 32, 32>(size, seed);
        compare::<1, 2, 4, 8>(size, seed);
        compare::<1, 2, 8, 16>(size, seed);
        compare::<1, 2, 16, 32>(size, seed);
        compare::<1, 1, 8, 8>(size, seed);
    }
}

#[test]
fn the_sizes_that_networks_use_equal_the_reference() {
    compare::<3, 1, 8, 8>(Size::new(2, 16, 16), 1);
    compare::<3, 1, 4, 4>(Size::new(1, 32, 32), 2);
    compare::<3, 2, 16, 32>(Size::new(1, 16, 16), 3);
    compare::<3, 1, 64, 64>(Size::new(1, 4, 4), 4);
    compare::<3, 2, 64, 128>(Size::new(1, 8, 8), 5);
    compare::<3, 1, 128, 128>(Size::new(1, 4, 4), 6);
    compare::<1, 2, 64, 128>(Size::new(1, 8, 8), 7);
}

#[test]
fn a_call_gives_the_same_bits_whatever_ran_before() {
    let size = Size::new(3, 8, 8);
    let (x, w) = (numbers(size.pixels() * 8, 1), numbers(9 * 8 * 8, 2));
    for set in InstructionSet::available() {
        let mut first = vec![0.0; x.len()];
        forward::<3, 1, 8, 8>(set, size, &x, &w, &mut first);
        compare::<3, 2, 16, 32>(Size::new(2, 4, 4), 9);
        let mut second = vec![1.0; x.len()];
        forward::<3, 1, 8, 8>(set, size, &x, &w, &mut second);
        assert!(first.iter().zip(&second).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}

#[test]
#[should_panic(expected = "the input has 8 channels")]
fn slices_of_a_wrong_length_are_refused() {
    let mut y = vec![0.0; 4 * 4 * 8];
    forward::<3, 1, 8, 8>(InstructionSet::detect(), Size::new(1, 4, 4), &[0.0; 7], &[0.0; 9 * 64], &mut y);
}
