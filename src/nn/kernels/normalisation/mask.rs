//! Taking the gradient to an output back through addition and ReLU, and summing what batch norm's gradient needs.

use super::form::add;
use super::{Affine, GradientSums};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::LANES;
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::nn::kernels::vector::Vector;

/// Where ReLU lets the gradient through.
#[derive(Clone, Copy, Debug)]
pub enum Passed<'a> {
    /// Where this output is positive.
    Output(&'a [f32]),
    /// Where the output that this makes of the response is positive.
    Formed(Affine<'a>),
    /// Everywhere: there is no ReLU.
    Everywhere,
}

/// Adds `extra`, another reader's gradient, to a row of the gradient to an output, and takes it back through
/// ReLU, in place. `response` is the output's, `mean` that of each of its channels; `sums` are added to, those of
/// the gradient itself only where `measured`.
#[expect(clippy::too_many_arguments, reason = "each is a row or a number a channel")]
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
    assert!(
        gradient.len().is_multiple_of(channels * LANES) && channels.is_multiple_of(2),
        "a row of whole pixels of an even number of channels, not {channels}"
    );
    assert_eq!(response.len(), gradient.len(), "the response is as long as its gradient");
    assert!(extra.is_none_or(|row| row.len() == gradient.len()), "what is added is as long");
    assert_eq!(sums.channels.len(), channels, "sums of each channel");
    match passed {
        Passed::Output(y) => assert_eq!(y.len(), gradient.len(), "the output is as long as its gradient"),
        Passed::Formed(Affine { scale, shift }) => {
            assert_eq!((scale.len(), shift.len()), (channels, channels), "a scale a channel");
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
        // SAFETY: the instructions are the caller's word; `mask_row` has checked the lengths.
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
/// The machine has the instructions; the lengths are those that `mask_row` asks for.
#[inline(always)]
unsafe fn pass<I: Instructions, const EXTRA: bool, const MEASURED: bool>(mask: &mut Mask<'_>) {
    for lane in (0..LANES).step_by(I::Vector::LANES) {
        // SAFETY: the caller's word, handed on; the number of channels is even. Even and odd channels have sums of
        // their own, whether they are done together or after each other, so that all sets come to the same.
        unsafe {
            match (mask.passed, I::MANY_REGISTERS) {
                (Passed::Output(_), true) => blocks::<I::Vector, 2, OUTPUT, EXTRA, MEASURED>(mask, lane, 0),
                (Passed::Formed(_), true) => blocks::<I::Vector, 2, FORMED, EXTRA, MEASURED>(mask, lane, 0),
                _ => single::<I::Vector, EXTRA, MEASURED>(mask, lane),
            }
        }
    }
}

/// Does even channels, then odd ones.
///
/// # Safety
/// As [`pass`].
#[inline(always)]
unsafe fn single<V: Vector, const EXTRA: bool, const MEASURED: bool>(mask: &mut Mask<'_>, lane: usize) {
    for first in 0..2 {
        // SAFETY: the caller's word, handed on.
        unsafe {
            match mask.passed {
                Passed::Everywhere => blocks::<V, 1, EVERYWHERE, EXTRA, MEASURED>(mask, lane, first),
                Passed::Output(_) => blocks::<V, 1, OUTPUT, EXTRA, MEASURED>(mask, lane, first),
                Passed::Formed(_) => blocks::<V, 1, FORMED, EXTRA, MEASURED>(mask, lane, first),
            }
        }
    }
}

/// Does `BLOCK` of every two channels, from `first` on.
///
/// # Safety
/// As [`pass`], `first` and `BLOCK` are together at most two, and `PASSED` is the kind of `mask.passed`.
#[inline(always)]
unsafe fn blocks<V: Vector, const BLOCK: usize, const PASSED: u8, const EXTRA: bool, const MEASURED: bool>(
    mask: &mut Mask<'_>,
    lane: usize,
    first: usize,
) {
    let channels = mask.mean.len();
    let step = channels * LANES;
    let pixels = mask.gradient.len() / step;
    let nothing: &[f32] = &[];
    let (output, affine) = match mask.passed {
        Passed::Output(y) => (y, None),
        Passed::Formed(affine) => (nothing, Some(affine)),
        Passed::Everywhere => (nothing, None),
    };
    // SAFETY: pixel p and channel c are read and written at (p * channels + c) * LANES + lane, V's lanes of them,
    // which all rows that are read have.
    unsafe {
        let (mut sum, mut squares) = ([V::zero(); BLOCK], [V::zero(); BLOCK]);
        for channel in (first..channels).step_by(2) {
            let mean: [V; BLOCK] = std::array::from_fn(|c| V::splat(*mask.mean.get_unchecked(channel + c)));
            let (mut factor, mut term) = ([V::zero(); BLOCK], [V::zero(); BLOCK]);
            if let Some(Affine { scale, shift }) = affine {
                factor = std::array::from_fn(|c| V::splat(*scale.get_unchecked(channel + c)));
                term = std::array::from_fn(|c| V::splat(*shift.get_unchecked(channel + c)));
            }
            let of_channels = mask.sums.channels.as_mut_ptr().add(channel).cast::<f32>();
            let place = |c: usize, which: usize| of_channels.add((2 * c + which) * LANES + lane);
            let mut total: [V; BLOCK] = std::array::from_fn(|c| V::load(place(c, 0)));
            let mut along: [V; BLOCK] = std::array::from_fn(|c| V::load(place(c, 1)));
            let from = channel * LANES + lane;
            let mut g = mask.gradient.as_mut_ptr().add(from);
            let mut more = mask.extra.unwrap_or(nothing).as_ptr().wrapping_add(from);
            let mut y = output.as_ptr().wrapping_add(from);
            let mut x = mask.response.as_ptr().add(from);
            for _ in 0..pixels {
                for c in 0..BLOCK {
                    let mut gradient = V::load(g.add(c * LANES));
                    if EXTRA {
                        gradient = gradient.add(V::load(more.add(c * LANES)));
                    }
                    if MEASURED {
                        sum[c] = sum[c].add(gradient);
                        squares[c] = gradient.mul_add(gradient, squares[c]);
                    }
                    let response = V::load(x.add(c * LANES));
                    if PASSED == OUTPUT {
                        gradient = gradient.where_positive(V::load(y.add(c * LANES)));
                    } else if PASSED == FORMED {
                        gradient = gradient.where_positive(response.mul_add(factor[c], term[c]));
                    }
                    gradient.store(g.add(c * LANES));
                    total[c] = total[c].add(gradient);
                    along[c] = gradient.mul_add(response.sub(mean[c]), along[c]);
                }
                g = g.wrapping_add(step);
                more = more.wrapping_add(step);
                y = y.wrapping_add(step);
                x = x.wrapping_add(step);
            }
            for c in 0..BLOCK {
                total[c].store(place(c, 0));
                along[c].store(place(c, 1));
            }
        }
        if MEASURED {
            let [of_gradient, of_squares] = &mut mask.sums.lanes;
            for c in 0..BLOCK {
                add(of_gradient, sum[c], lane);
                add(of_squares, squares[c], lane);
            }
        }
    }
}
