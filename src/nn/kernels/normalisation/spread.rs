//! Computes the gradient to a response, once the sums over the whole batch are known.

use super::PIXELS;
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::IMAGES;
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::nn::kernels::vector::Vector;

/// Writes `scale * gradient + slope * response + constant` to a row; rows are `[pixels][channels][IMAGES]`, the written
/// one possibly with a vector of padding after each pixel; the factors are one number per channel.
pub fn spread_row(
    set: InstructionSet,
    [scale, slope, constant]: [&[f32]; 3],
    gradient: &[f32],
    response: &[f32],
    to: &mut [f32],
) {
    let channels = scale.len();
    let pixels = response.len() / (channels * IMAGES);
    assert_eq!(response.len(), pixels * channels * IMAGES, "a row of whole pixels of {channels} channels");
    assert!([0, pixels * IMAGES].contains(&to.len().wrapping_sub(response.len())), "a row to write to");
    assert_eq!([slope.len(), constant.len()], [channels; 2], "one number per channel");
    assert_eq!(gradient.len(), response.len(), "rows of one length");
    let (gradient, step) = (gradient.as_ptr(), to.len() / pixels.max(1));
    set.run(Spread { channels: [scale, slope, constant], gradient, response, to: to.as_mut_ptr(), step });
}

/// As [`spread_row`], in the place of the gradient.
pub fn spread_in_place(
    set: InstructionSet,
    [scale, slope, constant]: [&[f32]; 3],
    gradient: &mut [f32],
    response: &[f32],
) {
    let step = scale.len() * IMAGES;
    assert!(response.len().is_multiple_of(step), "a row of whole pixels of {} channels", scale.len());
    assert_eq!([slope.len(), constant.len()], [scale.len(); 2], "one number per channel");
    assert_eq!(gradient.len(), response.len(), "rows of one length");
    let to = gradient.as_mut_ptr();
    set.run(Spread { channels: [scale, slope, constant], gradient: to, response, to, step });
}

struct Spread<'a> {
    channels: [&'a [f32]; 3],
    /// As many numbers as the response has.
    gradient: *const f32,
    response: &'a [f32],
    /// Room for each pixel at a multiple of `step`; may be the gradient itself, each number of which is read before its
    /// place is written.
    to: *mut f32,
    step: usize,
}

impl Kernel for Spread<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(mut self) {
        let pixels = self.response.len() / (self.channels[0].len() * IMAGES);
        for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
            // SAFETY: the caller guarantees the instructions; `spread_row` has checked the lengths.
            unsafe {
                for first in (0..pixels - pixels % PIXELS).step_by(PIXELS) {
                    strip::<I::Vector, PIXELS>(&mut self, first, element);
                }
                for first in pixels - pixels % PIXELS..pixels {
                    strip::<I::Vector, 1>(&mut self, first, element);
                }
            }
        }
    }
}

/// Computes all channels of `COUNT` pixels.
///
/// # Safety
/// The machine has the instructions; the lengths are those that `spread_row` requires; the pixels are the row's.
#[inline(always)]
unsafe fn strip<V: Vector, const COUNT: usize>(spread: &mut Spread<'_>, first: usize, element: usize) {
    let [scale, slope, constant] = spread.channels;
    let step = scale.len() * IMAGES;
    let from = first * step + element;
    let g = spread.gradient.wrapping_add(from);
    let x = spread.response.as_ptr().wrapping_add(from);
    let to_step = spread.step;
    let to = spread.to.wrapping_add(first * to_step + element);
    // SAFETY: pixel p and channel c are read and written at (p * channels + c) * IMAGES + element, V's elements of them,
    // which all rows have.
    unsafe {
        for channel in 0..scale.len() {
            let [scale, slope, constant] =
                [scale, slope, constant].map(|numbers| V::splat(*numbers.get_unchecked(channel)));
            for p in 0..COUNT {
                let at = p * step + channel * IMAGES;
                let rest = V::load(x.add(at)).mul_add(slope, constant);
                V::load(g.add(at)).mul_add(scale, rest).store(to.add(p * to_step + channel * IMAGES));
            }
        }
    }
}
