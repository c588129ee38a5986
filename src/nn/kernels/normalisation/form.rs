//! Forming an output: `y = f(scale * response + shift + shortcut)`, f being ReLU or nothing.

use super::{Affine, OutputLanes, OutputSums};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::LANES;
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::nn::kernels::vector::Vector;

/// What is fused into forming an output.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// The scale of each channel.
    pub affine: Affine<'a>,
    /// Whether ReLU follows.
    pub relu: bool,
}

/// Writes a row of an output; all rows are `[pixels][channels][LANES]`. `sums` are added to.
pub fn form_row(
    set: InstructionSet,
    shape: Shape,
    response: &[f32],
    shortcut: Option<&[f32]>,
    y: &mut [f32],
    sums: Option<&mut OutputSums>,
) {
    let channels = shape.affine.scale.len();
    assert!(
        response.len().is_multiple_of(channels * LANES) && channels.is_multiple_of(2),
        "a row of whole pixels of an even number of channels, not {channels}"
    );
    assert_eq!(shape.affine.shift.len(), channels, "a term a channel");
    assert_eq!(y.len(), response.len(), "what is put out is as long as what goes in");
    assert!(shortcut.is_none_or(|h| h.len() == y.len()), "the shortcut is as long as the branch");
    let lanes = sums.map(|sums| &mut sums.lanes);
    assert!(lanes.as_ref().is_none_or(|lanes| lanes.squares.len() == channels), "sums of each channel");
    set.run(Form { shape, response, shortcut, y, lanes });
}

struct Form<'a> {
    shape: Shape<'a>,
    response: &'a [f32],
    shortcut: Option<&'a [f32]>,
    y: &'a mut [f32],
    lanes: Option<&'a mut OutputLanes>,
}

impl Kernel for Form<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(mut self) {
        // SAFETY: the instructions are the caller's word; `form_row` has checked the lengths.
        unsafe {
            match (self.shape.relu, self.shortcut.is_some(), self.lanes.is_some()) {
                (false, false, false) => pass::<I, false, false, false>(&mut self),
                (false, true, false) => pass::<I, false, true, false>(&mut self),
                (true, false, false) => pass::<I, true, false, false>(&mut self),
                (true, true, false) => pass::<I, true, true, false>(&mut self),
                (false, false, true) => pass::<I, false, false, true>(&mut self),
                (false, true, true) => pass::<I, false, true, true>(&mut self),
                (true, false, true) => pass::<I, true, false, true>(&mut self),
                (true, true, true) => pass::<I, true, true, true>(&mut self),
            }
        }
    }
}

/// # Safety
/// The machine has the instructions; the lengths are those that `form_row` asks for.
#[inline(always)]
unsafe fn pass<I: Instructions, const RELU: bool, const SHORTCUT: bool, const MEASURED: bool>(
    form: &mut Form<'_>,
) {
    for lane in (0..LANES).step_by(I::Vector::LANES) {
        // SAFETY: the caller's word, handed on; the number of channels is even. Even and odd channels have sums of
        // their own, whether they are done together or after each other, so that all sets come to the same.
        unsafe {
            if I::MANY_REGISTERS {
                blocks::<I::Vector, 2, RELU, SHORTCUT, MEASURED>(form, lane, 0);
            } else {
                for first in 0..2 {
                    blocks::<I::Vector, 1, RELU, SHORTCUT, MEASURED>(form, lane, first);
                }
            }
        }
    }
}

/// Does `BLOCK` of every two channels, from `first` on.
///
/// # Safety
/// As [`pass`], and `first` and `BLOCK` are together at most two.
#[inline(always)]
unsafe fn blocks<
    V: Vector,
    const BLOCK: usize,
    const RELU: bool,
    const SHORTCUT: bool,
    const MEASURED: bool,
>(
    form: &mut Form<'_>,
    lane: usize,
    first: usize,
) {
    let Affine { scale, shift } = form.shape.affine;
    let channels = scale.len();
    let pixels = form.response.len() / (channels * LANES);
    let step = channels * LANES;
    let mut lanes = form.lanes.as_deref_mut();
    // SAFETY: pixel p and channel c are read and written at (p * channels + c) * LANES + lane, V's lanes of them,
    // which all rows have.
    unsafe {
        let (mut sum, mut zeros) = ([V::zero(); BLOCK], [V::zero(); BLOCK]);
        let (mut min, mut max) = ([V::splat(f32::INFINITY); BLOCK], [V::splat(f32::NEG_INFINITY); BLOCK]);
        let (mut both, mut ours, mut theirs) = ([V::zero(); BLOCK], [V::zero(); BLOCK], [V::zero(); BLOCK]);
        for channel in (first..channels).step_by(2) {
            let factor: [V; BLOCK] = std::array::from_fn(|c| V::splat(*scale.get_unchecked(channel + c)));
            let term: [V; BLOCK] = std::array::from_fn(|c| V::splat(*shift.get_unchecked(channel + c)));
            let mut squares = [V::zero(); BLOCK];
            if let Some(lanes) = &lanes {
                squares = std::array::from_fn(|c| {
                    V::load(lanes.squares.get_unchecked(channel + c).as_ptr().add(lane))
                });
            }
            let from = channel * LANES + lane;
            let mut x = form.response.as_ptr().add(from);
            let mut h = form.shortcut.unwrap_or_default().as_ptr().wrapping_add(from);
            let mut y = form.y.as_mut_ptr().add(from);
            for _ in 0..pixels {
                for c in 0..BLOCK {
                    let response = V::load(x.add(c * LANES)).mul_add(factor[c], term[c]);
                    let mut out = response;
                    if SHORTCUT {
                        let h = V::load(h.add(c * LANES));
                        out = out.add(h);
                        if MEASURED {
                            ours[c] = response.mul_add(response, ours[c]);
                            theirs[c] = h.mul_add(h, theirs[c]);
                            both[c] = response.mul_add(h, both[c]);
                        }
                    }
                    if RELU {
                        // The other way round, `max` would make a zero of NaN.
                        out = V::zero().max(out);
                    }
                    out.store(y.add(c * LANES));
                    if MEASURED {
                        sum[c] = sum[c].add(out);
                        squares[c] = out.mul_add(out, squares[c]);
                        zeros[c] = zeros[c].add(out.is_zero());
                        min[c] = out.min(min[c]);
                        max[c] = out.max(max[c]);
                    }
                }
                x = x.wrapping_add(step);
                h = h.wrapping_add(step);
                y = y.wrapping_add(step);
            }
            if let Some(lanes) = &mut lanes {
                for (c, squares) in squares.iter().enumerate() {
                    squares.store(lanes.squares.get_unchecked_mut(channel + c).as_mut_ptr().add(lane));
                }
            }
        }
        if let Some(lanes) = lanes {
            for c in 0..BLOCK {
                add(&mut lanes.sum, sum[c], lane);
                add(&mut lanes.zeros, zeros[c], lane);
                if SHORTCUT {
                    add(&mut lanes.response_squares, ours[c], lane);
                    add(&mut lanes.shortcut_squares, theirs[c], lane);
                    add(&mut lanes.products, both[c], lane);
                }
                let to = lanes.min.as_mut_ptr().add(lane);
                V::load(to).min(min[c]).store(to);
                let to = lanes.max.as_mut_ptr().add(lane);
                V::load(to).max(max[c]).store(to);
            }
        }
    }
}

/// Adds a vector to sums in f64, from `lane` on.
///
/// # Safety
/// The machine has the instructions, and the lanes are there.
#[inline(always)]
pub(super) unsafe fn add<V: Vector>(to: &mut [f64; LANES], vector: V, lane: usize) {
    let mut numbers = [0.0_f32; LANES];
    // SAFETY: the caller's word; `numbers` has room for a vector of any set.
    unsafe { vector.store(numbers.as_mut_ptr()) };
    for (to, number) in to[lane..lane + V::LANES].iter_mut().zip(numbers) {
        *to += f64::from(number);
    }
}
