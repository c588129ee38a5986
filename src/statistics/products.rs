//! How two vectors of equal length relate: norms, angle, ratio.

/// The three inner products of two vectors, in f64.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Products {
    /// The sum of squares of the first.
    pub first: f64,
    /// The sum of squares of the second.
    pub second: f64,
    /// The sum of products.
    pub both: f64,
}

impl Products {
    /// The products of two slices of equal length.
    pub fn of(first: &[f32], second: &[f32]) -> Products {
        assert_eq!(first.len(), second.len(), "vectors have one length");
        const LANES: usize = 8;
        let (mut a2, mut b2, mut ab) = ([0.0_f64; LANES], [0.0_f64; LANES], [0.0_f64; LANES]);
        let mut add = |a: &[f32], b: &[f32]| {
            for (lane, (&a, &b)) in a.iter().zip(b).enumerate() {
                let (a, b) = (f64::from(a), f64::from(b));
                a2[lane] += a * a;
                b2[lane] += b * b;
                ab[lane] += a * b;
            }
        };
        let (first, first_rest) = first.as_chunks::<LANES>();
        let (second, second_rest) = second.as_chunks::<LANES>();
        first.iter().zip(second).for_each(|(a, b)| add(a, b));
        add(first_rest, second_rest);
        Products { first: a2.iter().sum(), second: b2.iter().sum(), both: ab.iter().sum() }
    }

    /// Adds the products of more elements.
    pub fn merge(&mut self, other: &Products) {
        self.first += other.first;
        self.second += other.second;
        self.both += other.both;
    }

    /// The inner product.
    pub fn dot(&self) -> f32 {
        self.both as f32
    }

    /// The cosine of the angle between the vectors, -1 to 1; NaN where one of them is zero.
    pub fn cosine(&self) -> f32 {
        // Roots before the product, which could overflow; clamping keeps NaN.
        (self.both / (self.first.sqrt() * self.second.sqrt())).clamp(-1.0, 1.0) as f32
    }

    /// The norm of the first over that of the second, which is also the ratio of their root mean squares; NaN
    /// where both are zero.
    pub fn ratio(&self) -> f32 {
        (self.first / self.second).sqrt() as f32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_angles_and_ratios_come_out() {
        let of = |a: &[f32], b: &[f32]| (Products::of(a, b).cosine(), Products::of(a, b).ratio());
        assert_eq!(of(&[3.0, 4.0], &[-3.0, -4.0]), (-1.0, 1.0));
        assert_eq!(of(&[2.0, 0.0], &[0.0, 1.0]), (0.0, 2.0));
        assert_eq!(of(&[1e38; 20], &[1e38; 20]), (1.0, 1.0));
        assert!(Products::of(&[0.0], &[1.0]).cosine().is_nan());
        assert!(Products::of(&[f32::NAN], &[1.0]).cosine().is_nan());
        assert!(Products::of(&[], &[]).ratio().is_nan());
    }

    proptest! {
        #[test]
        fn products_equal_a_naive_computation(pairs in prop::collection::vec((-9.0_f32..9.0, -9.0_f32..9.0), 1..100)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
            let products = Products::of(&a, &b);
            prop_assert!((products.both - dot(&a, &b)).abs() < 1e-11);
            prop_assert!((products.first - dot(&a, &a)).abs() < 1e-11);
            prop_assert!((products.second - dot(&b, &b)).abs() < 1e-11);
        }
    }
}
