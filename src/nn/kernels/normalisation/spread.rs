//! The gradient to a response, once the sums over the whole batch are known.

use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::LANES;
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::nn::kernels::vector::Vector;

/// Writes `scale * gradient + slope * response + constant` to a row; rows are `[pixels][channels][LANES]`, the
/// others a number a channel.
pub fn spread_row(
    set: InstructionSet,
    [scale, slope, constant]: [&[f32]; 3],
    gradient: &[f32],
    response: &[f32],
    to: &mut [f32],
) {
    let channels = scale.len();
    assert!(
        to.len().is_multiple_of(channels * LANES) && channels.is_multiple_of(2),
        "a row of whole pixels of an even number of channels, not {channels}"
    );
    assert_eq!([slope.len(), constant.len()], [channels; 2], "a number a channel");
    assert_eq!([gradient.len(), response.len()], [to.len(); 2], "rows of one length");
    set.run(Spread { channels: [scale, slope, constant], gradient, response, to });
}

struct Spread<'a> {
    channels: [&'a [f32]; 3],
    gradient: &'a [f32],
    response: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for Spread<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(mut self) {
        for lane in (0..LANES).step_by(I::Vector::LANES) {
            // SAFETY: the instructions are the caller's word; `spread_row` has checked the lengths.
            unsafe { pass::<I::Vector, 2>(&mut self, lane) };
        }
    }
}

/// # Safety
/// The machine has the instructions; the lengths are those that `spread_row` asks for; `BLOCK` divides the
/// channels.
#[inline(always)]
unsafe fn pass<V: Vector, const BLOCK: usize>(spread: &mut Spread<'_>, lane: usize) {
    let [scale, slope, constant] = spread.channels;
    let step = scale.len() * LANES;
    let pixels = spread.to.len() / step;
    // SAFETY: pixel p and channel c are read and written at (p * channels + c) * LANES + lane, V's lanes of them,
    // which all rows have.
    unsafe {
        for channel in (0..scale.len()).step_by(BLOCK) {
            let of = |numbers: &[f32]| -> [V; BLOCK] {
                std::array::from_fn(|c| V::splat(*numbers.get_unchecked(channel + c)))
            };
            let (scale, slope, constant) = (of(scale), of(slope), of(constant));
            let from = channel * LANES + lane;
            let mut g = spread.gradient.as_ptr().add(from);
            let mut x = spread.response.as_ptr().add(from);
            let mut to = spread.to.as_mut_ptr().add(from);
            for _ in 0..pixels {
                for c in 0..BLOCK {
                    let rest = V::load(x.add(c * LANES)).mul_add(slope[c], constant[c]);
                    V::load(g.add(c * LANES)).mul_add(scale[c], rest).store(to.add(c * LANES));
                }
                g = g.wrapping_add(step);
                x = x.wrapping_add(step);
                to = to.wrapping_add(step);
            }
        }
    }
}
