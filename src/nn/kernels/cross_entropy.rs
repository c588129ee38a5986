//! The loss of a classifier on a bundle of logits, `[classes][16]`: softmax cross-entropy, its gradient, and which rows
//! are classified wrongly.

use super::InstructionSet;
use super::bundle::IMAGES;
use super::dispatch::{Instructions, Kernel};
use super::special::exp;
use super::vector::Vector;

/// In place of a label: the row is not counted, and its gradient is zero.
pub const NO_LABEL: u16 = u16::MAX;

/// The sums over the labelled rows of a bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// The cross-entropy in nats.
    pub sum: f64,
    /// Rows whose label is not the first of the largest logits, or that have a NaN among them.
    pub wrong: u32,
    /// Labelled rows.
    pub rows: u32,
}

/// Computes the loss of the first rows of a bundle, as many as there are labels. If the gradient is wanted, writes that of
/// the loss times `scale`; zero in rows without a label.
///
/// # Panics
/// If a label is none of the classes.
pub fn cross_entropy(
    set: InstructionSet,
    logits: &[f32],
    labels: &[u16],
    scale: f32,
    gradient: Option<&mut [f32]>,
) -> Loss {
    let classes = logits.len() / IMAGES;
    assert!(classes > 0 && logits.len() == classes * IMAGES, "a bundle of logits");
    assert!(labels.len() <= IMAGES, "a bundle has at most 16 rows");
    let labelled = || labels.iter().enumerate().filter(|(_, label)| **label != NO_LABEL);
    assert!(
        labelled().all(|(_, label)| usize::from(*label) < classes),
        "a label is one of {classes} classes"
    );
    assert!(
        gradient.as_ref().is_none_or(|gradient| gradient.len() == logits.len()),
        "a gradient of each logit"
    );
    let mut scales = [0.0; IMAGES];
    labelled().for_each(|(row, _)| scales[row] = scale);
    let gradient = match gradient {
        Some(gradient) => gradient,
        None => &mut [],
    };
    let Rows { largest, first, sums } = set.run(Softmax { logits, scales, gradient: &mut *gradient });
    let mut loss = Loss::default();
    // Of all sums together, so that one logarithm does; none exceeds 2^16.
    let mut product = 1.0_f64;
    for (row, &label) in labelled() {
        let at = usize::from(label) * IMAGES + row;
        product *= f64::from(sums[row]);
        loss.sum += f64::from(largest[row]) - f64::from(logits[at]);
        loss.rows += 1;
        loss.wrong += u32::from(sums[row].is_nan() || first[row] != f32::from(label));
        if let Some(gradient) = gradient.get_mut(at) {
            *gradient -= scale;
        }
    }
    loss.sum += product.ln();
    loss
}

/// Of each row of a bundle.
struct Rows {
    /// The largest logit.
    largest: [f32; IMAGES],
    /// The first class that has it.
    first: [f32; IMAGES],
    /// The sum of the exponentials of all logits less the largest.
    sums: [f32; IMAGES],
}

struct Softmax<'a> {
    logits: &'a [f32],
    /// Factors of the rows' gradients.
    scales: [f32; IMAGES],
    /// Empty if it is not wanted.
    gradient: &'a mut [f32],
}

impl Kernel for Softmax<'_> {
    type Output = Rows;

    #[inline(always)]
    unsafe fn run<I: Instructions>(self) -> Rows {
        let mut rows = Rows { largest: [0.0; IMAGES], first: [0.0; IMAGES], sums: [0.0; IMAGES] };
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            let x = self.logits.as_ptr().wrapping_add(element);
            let to = self.gradient.as_mut_ptr().wrapping_add(element);
            let end = self.logits.len();
            // SAFETY: the caller guarantees the instructions; `cross_entropy` has checked that there are whole vectors of
            // logits, and as many of the gradient if there are any.
            unsafe {
                let (mut largest, mut first) = (I::Vector::load(x), I::Vector::zero());
                for at in (IMAGES..end).step_by(IMAGES) {
                    let logit = I::Vector::load(x.add(at));
                    first = I::Vector::splat((at / IMAGES) as f32).where_greater(logit, largest, first);
                    largest = logit.where_greater(logit, largest, largest);
                }
                let mut sum = I::Vector::zero();
                for at in (0..end).step_by(IMAGES) {
                    let power = exp(I::Vector::load(x.add(at)).sub(largest));
                    sum = sum.add(power);
                    if !self.gradient.is_empty() {
                        power.store(to.add(at));
                    }
                }
                let scale = I::Vector::load(self.scales.as_ptr().add(element)).div(sum);
                for at in (0..self.gradient.len()).step_by(IMAGES) {
                    I::Vector::load(to.add(at)).mul(scale).store(to.add(at));
                }
                largest.store(rows.largest.as_mut_ptr().add(element));
                first.store(rows.first.as_mut_ptr().add(element));
                sum.store(rows.sums.as_mut_ptr().add(element));
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nn::kernels::guarded::{Guarded, Side};
    use crate::nn::kernels::samples::{assert_fused_agree, numbers};

    proptest! {
        #[test]
        fn loss_and_gradient_are_those_of_the_definition_on_every_set(
            classes in 1..80_usize,
            labels in prop::collection::vec(0..100_u16, 0..17),
            size in prop::sample::select(vec![0.5_f32, 4.0, 60.0]),
            ties: bool,
            seed: u64,
        ) {
            let label = |label: u16| if label >= 90 { NO_LABEL } else { label % classes as u16 };
            let labels: Vec<u16> = labels.into_iter().map(label).collect();
            let rounded = |x: f32| if ties { (x * size).round() } else { x * size };
            let logits: Vec<f32> = numbers(classes * IMAGES, seed).into_iter().map(rounded).collect();
            let (scale, mut sum, mut wrong, mut rows) = (0.125, 0.0, 0, 0);
            let mut expected = vec![0.0; logits.len()];
            for (row, &label) in labels.iter().enumerate().filter(|(_, label)| **label != NO_LABEL) {
                let of_row: Vec<f64> = logits.iter().skip(row).step_by(IMAGES).map(|&x| f64::from(x)).collect();
                let largest = of_row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = of_row.iter().map(|x| (x - largest).exp()).sum();
                sum += total.ln() + largest - of_row[usize::from(label)];
                wrong += u32::from(of_row.iter().position(|x| *x == largest) != Some(usize::from(label)));
                rows += 1;
                for (class, x) in of_row.iter().enumerate() {
                    let own = if class == usize::from(label) { 1.0 } else { 0.0 };
                    expected[class * IMAGES + row] = ((x - largest).exp() / total - own) * scale;
                }
            }
            let mut results = Vec::new();
            for (set, side) in InstructionSet::available().into_iter().zip([Side::Front, Side::Back].repeat(2)) {
                let logits = Guarded::copied(side, &logits);
                let mut gradient = Guarded::filled(side, logits.len(), f32::NAN);
                let loss = cross_entropy(set, &logits, &labels, scale as f32, Some(&mut gradient));
                prop_assert!((loss.sum - sum).abs() <= 1e-6 * f64::max(sum, 1.0), "{} {sum}", loss.sum);
                prop_assert_eq!((loss.wrong, loss.rows), (wrong, rows));
                for (ours, expected) in gradient.iter().zip(&expected) {
                    prop_assert!((f64::from(*ours) - expected).abs() <= 1e-6 * scale, "{ours} {expected}");
                }
                prop_assert_eq!(loss, cross_entropy(set, &logits, &labels, 1.0, None));
                results.push((set, (loss.sum.to_bits(), gradient.to_vec())));
            }
            assert_fused_agree("cross-entropy", &results);
        }
    }

    #[test]
    fn a_row_with_nan_is_wrong_and_its_loss_too() {
        for set in InstructionSet::available() {
            for place in 0..3 {
                let mut logits = [[1.0; IMAGES], [2.0; IMAGES], [0.0; IMAGES]];
                logits[place][4] = f32::NAN;
                let labels = [[1; 4].as_slice(), &[1], &[1; 2]].concat();
                let loss = cross_entropy(set, logits.as_flattened(), &labels, 1.0, None);
                assert!(loss.sum.is_nan() && loss.wrong == 1, "{set}: {loss:?}");
                let others = [[1; 4].as_slice(), &[NO_LABEL], &[1; 2]].concat();
                let loss = cross_entropy(set, logits.as_flattened(), &others, 1.0, None);
                assert!(loss.sum.is_finite() && loss.wrong == 0 && loss.rows == 6, "{set}: {loss:?}");
            }
        }
    }

    #[test]
    fn a_label_beyond_the_classes_is_refused() {
        let refused = |label: u16| {
            let call = || cross_entropy(InstructionSet::baseline(), &[0.0; 3 * IMAGES], &[label], 1.0, None);
            std::panic::catch_unwind(call).is_err()
        };
        assert!(refused(3) && !refused(2) && !refused(NO_LABEL));
    }
}
