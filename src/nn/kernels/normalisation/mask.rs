//! Propagates the gradient to an output back through addition and ReLU, and sums what batch norm's gradient needs.

use super::form::add;
use super::{Affine, GradientSums, PIXELS};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::IMAGES;
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::nn::kernels::vector::Vector;

/// Where ReLU lets the gradient through.
#[derive(Clone, Copy, Debug)]
pub enum Passed<'a> {
    /// Where this output is positive.
    Output(&'a [f32]),
    /// Where the output that this map gives for the response is positive.
    Formed(Affine<'a>),
    /// Everywhere: there is no ReLU.
    Everywhere,
}

/// Adds `extra`, another reader's gradient, to a row of the gradient to an output, and propagates it back through ReLU,
/// in place. `response` is that of the output, `mean` the mean of each of its channels; adds to `sums`, to those of the
/// gradient itself only if `measured`.
#[expect(clippy::too_many_arguments, reason = "each is a row or one number per channel")]
pub fn mask_row(
    set: InstructionSet,
    gradient: &mut [f32],
    extra: Option<&[f32]>,
    passed: Passed,
    response: &[f32],
    mean: &[f32],
    sums: &mut GradientSums,
    measured: bool,
) {
    let channels = mean.len();
    assert!(gradient.len().is_multiple_of(channels * IMAGES), "a row of whole pixels of {channels} channels");
    assert_eq!(response.len(), gradient.len(), "the response is as long as its gradient");
    assert!(extra.is_none_or(|row| row.len() == gradient.len()), "what is added is as long");
    assert_eq!(sums.channels.len(), channels, "sums of each channel");
    match passed {
        Passed::Output(y) => assert_eq!(y.len(), gradient.len(), "the output is as long as its gradient"),
        Passed::Formed(Affine { scale, shift }) => {
            assert_eq!((scale.len(), shift.len()), (channels, channels), "one scale and shift per channel");
        }
        Passed::Everywhere => {}
    }
    set.run(Mask { gradient, extra, passed, response, mean, sums, measured });
}

struct Mask<'a> {
    gradient: &'a mut [f32],
    extra: Option<&'a [f32]>,
    passed: Passed<'a>,
    response: &'a [f32],
    mean: &'a [f32],
    sums: &'a mut GradientSums,
    measured: bool,
}

impl Kernel for Mask<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(mut self) {
        // SAFETY: the caller guarantees the instructions; `mask_row` has checked the lengths.
        unsafe {
            match (self.extra.is_some(), self.measured) {
                (false, false) => pass::<I, false, false>(&mut self),
                (false, true) => pass::<I, false, true>(&mut self),
                (true, false) => pass::<I, true, false>(&mut self),
                (true, true) => pass::<I, true, true>(&mut self),
            }
        }
    }
}

const EVERYWHERE: u8 = 0;
const OUTPUT: u8 = 1;
const FORMED: u8 = 2;

/// # Safety
/// The machine has the instructions; the lengths are those that `mask_row` requires.
#[inline(always)]
unsafe fn pass<I: Instructions, const EXTRA: bool, const MEASURED: bool>(mask: &mut Mask<'_>) {
    for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match mask.passed {
                Passed::Everywhere => row::<I::Vector, EVERYWHERE, EXTRA, MEASURED>(mask, element),
                Passed::Output(_) => row::<I::Vector, OUTPUT, EXTRA, MEASURED>(mask, element),
                Passed::Formed(_) => row::<I::Vector, FORMED, EXTRA, MEASURED>(mask, element),
            }
        }
    }
}

/// # Safety
/// As [`pass`], and `PASSED` is the kind of `mask.passed`.
#[inline(always)]
unsafe fn row<V: Vector, const PASSED: u8, const EXTRA: bool, const MEASURED: bool>(
    mask: &mut Mask<'_>,
    element: usize,
) {
    let pixels = mask.gradient.len() / (mask.mean.len() * IMAGES);
    // SAFETY: guaranteed by the caller; the pixels are those of the row.
    unsafe {
        let mut totals = [[V::zero(); 2]; 2];
        for first in (0..pixels - pixels % PIXELS).step_by(PIXELS) {
            strip::<V, PIXELS, PASSED, EXTRA, MEASURED>(mask, first, element, &mut totals);
        }
        for first in pixels - pixels % PIXELS..pixels {
            strip::<V, 1, PASSED, EXTRA, MEASURED>(mask, first, element, &mut totals);
        }
        if MEASURED {
            for (elements, totals) in mask.sums.elements.iter_mut().zip(totals) {
                totals.into_iter().for_each(|total| add(elements, total, element));
            }
        }
    }
}

/// Propagates all channels of `COUNT` pixels back; `totals` are the sums and squares of even and odd pixels.
///
/// # Safety
/// As [`row`], and the pixels are the row's.
#[inline(always)]
unsafe fn strip<V: Vector, const COUNT: usize, const PASSED: u8, const EXTRA: bool, const MEASURED: bool>(
    mask: &mut Mask<'_>,
    first: usize,
    element: usize,
    totals: &mut [[V; 2]; 2],
) {
    let nothing: &[f32] = &[];
    let (output, [scale, shift]) = match mask.passed {
        Passed::Output(y) => (y, [nothing; 2]),
        Passed::Formed(Affine { scale, shift }) => (nothing, [scale, shift]),
        Passed::Everywhere => (nothing, [nothing; 2]),
    };
    let step = mask.mean.len() * IMAGES;
    let from = first * step + element;
    let g = mask.gradient.as_mut_ptr().wrapping_add(from);
    let more = mask.extra.unwrap_or(nothing).as_ptr().wrapping_add(from);
    let y = output.as_ptr().wrapping_add(from);
    let x = mask.response.as_ptr().wrapping_add(from);
    let of_channels = mask.sums.channels.as_mut_ptr().cast::<f32>().wrapping_add(element);
    // SAFETY: pixel p and channel c are read and written at (p * channels + c) * IMAGES + element, V's elements of them,
    // which all rows that are read have; there are two vectors of sums and a scale per channel.
    unsafe {
        for (channel, &mean) in mask.mean.iter().enumerate() {
            let mean = V::splat(mean);
            let (mut factor, mut term) = (V::zero(), V::zero());
            if PASSED == FORMED {
                factor = V::splat(*scale.get_unchecked(channel));
                term = V::splat(*shift.get_unchecked(channel));
            }
            let total_at = of_channels.add(2 * channel * IMAGES);
            let along_at = total_at.add(IMAGES);
            let (mut total, mut along) = (V::load(total_at), V::load(along_at));
            for p in 0..COUNT {
                let at = p * step + channel * IMAGES;
                let mut gradient = V::load(g.add(at));
                if EXTRA {
                    gradient = gradient.add(V::load(more.add(at)));
                }
                if MEASURED {
                    totals[0][p % 2] = totals[0][p % 2].add(gradient);
                    totals[1][p % 2] = gradient.mul_add(gradient, totals[1][p % 2]);
                }
                let response = V::load(x.add(at));
                if PASSED == OUTPUT {
                    gradient = gradient.where_positive(V::load(y.add(at)));
                } else if PASSED == FORMED {
                    gradient = gradient.where_positive(response.mul_add(factor, term));
                }
                gradient.store(g.add(at));
                total = total.add(gradient);
                along = gradient.mul_add(response.sub(mean), along);
            }
            total.store(total_at);
            along.store(along_at);
        }
    }
}
