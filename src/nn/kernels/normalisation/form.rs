//! Forming an output: `y = f(scale * response + shift + shortcut)`, where f is ReLU or the identity.

use super::{Affine, OutputLanes, OutputSums, PIXELS};
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

/// Writes a row of an output; all rows are `[pixels][channels][LANES]`, that of the output possibly with a vector of
/// padding after each pixel. `sums` are added to.
pub fn form_row(
    set: InstructionSet,
    shape: Shape,
    response: &[f32],
    shortcut: Option<&[f32]>,
    y: &mut [f32],
    sums: Option<&mut OutputSums>,
) {
    let channels = shape.affine.scale.len();
    assert!(response.len().is_multiple_of(channels * LANES), "a row of whole pixels of {channels} channels");
    assert_eq!(shape.affine.shift.len(), channels, "a term a channel");
    let pixels = response.len() / (channels * LANES);
    assert!([0, pixels * LANES].contains(&y.len().wrapping_sub(response.len())), "a row to write to");
    assert!(shortcut.is_none_or(|h| h.len() == response.len()), "the shortcut is as long as the branch");
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
        // SAFETY: the caller guarantees the instructions; `form_row` has checked the lengths.
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
/// The machine has the instructions; the lengths are those that `form_row` requires.
#[inline(always)]
unsafe fn pass<I: Instructions, const RELU: bool, const SHORTCUT: bool, const MEASURED: bool>(
    form: &mut Form<'_>,
) {
    let channels = form.shape.affine.scale.len();
    let pixels = form.response.len() / (channels * LANES);
    for lane in (0..LANES).step_by(I::Vector::LANES) {
        // SAFETY: guaranteed by the caller; the pixels are those of the row.
        unsafe {
            let mut totals = Totals::<I::Vector>::none();
            for first in (0..pixels - pixels % PIXELS).step_by(PIXELS) {
                strip::<I::Vector, PIXELS, RELU, SHORTCUT, MEASURED>(form, first, lane, &mut totals);
            }
            for first in pixels - pixels % PIXELS..pixels {
                strip::<I::Vector, 1, RELU, SHORTCUT, MEASURED>(form, first, lane, &mut totals);
            }
            if let Some(lanes) = form.lanes.as_deref_mut() {
                totals.add_to::<SHORTCUT>(lanes, lane);
            }
        }
    }
}

/// Forms all channels of `COUNT` pixels.
///
/// # Safety
/// As [`pass`], and the pixels are the row's.
#[inline(always)]
unsafe fn strip<
    V: Vector,
    const COUNT: usize,
    const RELU: bool,
    const SHORTCUT: bool,
    const MEASURED: bool,
>(
    form: &mut Form<'_>,
    first: usize,
    lane: usize,
    totals: &mut Totals<V>,
) {
    let Affine { scale, shift } = form.shape.affine;
    let step = scale.len() * LANES;
    let from = first * step + lane;
    let x = form.response.as_ptr().wrapping_add(from);
    let h = form.shortcut.unwrap_or_default().as_ptr().wrapping_add(from);
    let to_step = form.y.len() / (form.response.len() / step);
    let y = form.y.as_mut_ptr().wrapping_add(first * to_step + lane);
    let of_channels = match form.lanes.as_deref_mut() {
        Some(lanes) => lanes.squares.as_mut_ptr().cast::<f32>().wrapping_add(lane),
        None => std::ptr::null_mut(),
    };
    // SAFETY: pixel p and channel c are read and written at (p * channels + c) * LANES + lane, V's lanes of them,
    // which all rows have; if something is measured there is a vector of squares per channel.
    unsafe {
        for channel in 0..scale.len() {
            let factor = V::splat(*scale.get_unchecked(channel));
            let term = V::splat(*shift.get_unchecked(channel));
            let squares_at = of_channels.wrapping_add(channel * LANES);
            let mut squares = if MEASURED { V::load(squares_at) } else { V::zero() };
            for p in 0..COUNT {
                let at = p * step + channel * LANES;
                let response = V::load(x.add(at)).mul_add(factor, term);
                let mut out = response;
                if SHORTCUT {
                    let h = V::load(h.add(at));
                    out = out.add(h);
                    if MEASURED {
                        totals.ours[p % 2] = response.mul_add(response, totals.ours[p % 2]);
                        totals.theirs[p % 2] = h.mul_add(h, totals.theirs[p % 2]);
                        totals.both[p % 2] = response.mul_add(h, totals.both[p % 2]);
                    }
                }
                if RELU {
                    // With swapped operands, `max` would turn NaN into zero.
                    out = V::zero().max(out);
                }
                out.store(y.add(p * to_step + channel * LANES));
                if MEASURED {
                    totals.sum[p % 2] = totals.sum[p % 2].add(out);
                    squares = out.mul_add(out, squares);
                    totals.zeros[p % 2] = out.count_zeros(totals.zeros[p % 2]);
                    totals.min[p % 2] = out.min(totals.min[p % 2]);
                    totals.max[p % 2] = out.max(totals.max[p % 2]);
                }
            }
            if MEASURED {
                squares.store(squares_at);
            }
        }
    }
}

/// Sums over a row, of even and odd pixels.
struct Totals<V> {
    sum: [V; 2],
    zeros: [V; 2],
    min: [V; 2],
    max: [V; 2],
    ours: [V; 2],
    theirs: [V; 2],
    both: [V; 2],
}

impl<V: Vector> Totals<V> {
    /// # Safety
    /// The machine has the instructions.
    #[inline(always)]
    unsafe fn none() -> Totals<V> {
        // SAFETY: guaranteed by the caller.
        let (zero, least, most) =
            unsafe { (V::zero(), V::splat(f32::NEG_INFINITY), V::splat(f32::INFINITY)) };
        Totals {
            sum: [zero; 2],
            zeros: [zero; 2],
            min: [most; 2],
            max: [least; 2],
            ours: [zero; 2],
            theirs: [zero; 2],
            both: [zero; 2],
        }
    }

    /// # Safety
    /// The machine has the instructions, and the lanes from `lane` on exist.
    #[inline(always)]
    unsafe fn add_to<const SHORTCUT: bool>(&self, lanes: &mut OutputLanes, lane: usize) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            for p in 0..2 {
                add(&mut lanes.sum, self.sum[p], lane);
                add(&mut lanes.zeros, self.zeros[p], lane);
                if SHORTCUT {
                    add(&mut lanes.response_squares, self.ours[p], lane);
                    add(&mut lanes.shortcut_squares, self.theirs[p], lane);
                    add(&mut lanes.products, self.both[p], lane);
                }
                let to = lanes.min.as_mut_ptr().add(lane);
                V::load(to).min(self.min[p]).store(to);
                let to = lanes.max.as_mut_ptr().add(lane);
                V::load(to).max(self.max[p]).store(to);
            }
        }
    }
}

/// Adds a vector to sums in f64, from `lane` on.
///
/// # Safety
/// The machine has the instructions, and the lanes exist.
#[inline(always)]
pub(super) unsafe fn add<V: Vector>(to: &mut [f64; LANES], vector: V, lane: usize) {
    let mut numbers = [0.0_f32; LANES];
    // SAFETY: guaranteed by the caller; `numbers` has room for a vector of any set.
    unsafe { vector.store(numbers.as_mut_ptr()) };
    for (to, number) in to[lane..lane + V::LANES].iter_mut().zip(numbers) {
        *to += f64::from(number);
    }
}
