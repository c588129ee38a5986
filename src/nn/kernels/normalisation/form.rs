//! Forming an output: `y = f(scale * response + shift + shortcut)`, where f is ReLU or the identity.

use super::{Affine, OutputLanes, OutputSums, PIXELS};
use crate::nn::kernels::InstructionSet;
use crate::nn::kernels::bundle::IMAGES;
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

/// Writes a row of an output; all rows are `[pixels][channels][IMAGES]`, that of the output possibly with a vector of
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
    assert!(response.len().is_multiple_of(channels * IMAGES), "a row of whole pixels of {channels} channels");
    assert_eq!(shape.affine.shift.len(), channels, "one term per channel");
    let pixels = response.len() / (channels * IMAGES);
    assert!([0, pixels * IMAGES].contains(&y.len().wrapping_sub(response.len())), "a row to write to");
    assert!(shortcut.is_none_or(|h| h.len() == response.len()), "the shortcut is as long as the branch");
    let elements = sums.map(|sums| &mut sums.elements);
    assert!(
        elements.as_ref().is_none_or(|elements| elements.squares.len() == channels),
        "sums of each channel"
    );
    set.run(Form { shape, response, shortcut, y, elements });
}

struct Form<'a> {
    shape: Shape<'a>,
    response: &'a [f32],
    shortcut: Option<&'a [f32]>,
    y: &'a mut [f32],
    elements: Option<&'a mut OutputLanes>,
}

impl Kernel for Form<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(mut self) {
        // SAFETY: the caller guarantees the instructions; `form_row` has checked the lengths.
        unsafe {
            match (self.shape.relu, self.shortcut.is_some(), self.elements.is_some()) {
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
    let pixels = form.response.len() / (channels * IMAGES);
    for element in (0..IMAGES).step_by(I::Vector::ELEMENTS) {
        // SAFETY: guaranteed by the caller; the pixels are those of the row.
        unsafe {
            let mut totals = Totals::<I::Vector>::none();
            for first in (0..pixels - pixels % PIXELS).step_by(PIXELS) {
                strip::<I::Vector, PIXELS, RELU, SHORTCUT, MEASURED>(form, first, element, &mut totals);
            }
            for first in pixels - pixels % PIXELS..pixels {
                strip::<I::Vector, 1, RELU, SHORTCUT, MEASURED>(form, first, element, &mut totals);
            }
            if let Some(elements) = form.elements.as_deref_mut() {
                totals.add_to::<SHORTCUT>(elements, element);
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
    element: usize,
    totals: &mut Totals<V>,
) {
    let Affine { scale, shift } = form.shape.affine;
    let step = scale.len() * IMAGES;
    let from = first * step + element;
    let x = form.response.as_ptr().wrapping_add(from);
    let h = form.shortcut.unwrap_or_default().as_ptr().wrapping_add(from);
    let to_step = form.y.len() / (form.response.len() / step);
    let y = form.y.as_mut_ptr().wrapping_add(first * to_step + element);
    let of_channels = match form.elements.as_deref_mut() {
        Some(elements) => elements.squares.as_mut_ptr().cast::<f32>().wrapping_add(element),
        None => std::ptr::null_mut(),
    };
    // SAFETY: pixel p and channel c are read and written at (p * channels + c) * IMAGES + element, V's elements of them,
    // which all rows have; if something is measured there is a vector of squares per channel.
    unsafe {
        for channel in 0..scale.len() {
            let factor = V::splat(*scale.get_unchecked(channel));
            let term = V::splat(*shift.get_unchecked(channel));
            let squares_at = of_channels.wrapping_add(channel * IMAGES);
            let mut squares = if MEASURED { V::load(squares_at) } else { V::zero() };
            for p in 0..COUNT {
                let at = p * step + channel * IMAGES;
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
                out.store(y.add(p * to_step + channel * IMAGES));
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
    /// The machine has the instructions, and the elements from `element` on exist.
    #[inline(always)]
    unsafe fn add_to<const SHORTCUT: bool>(&self, elements: &mut OutputLanes, element: usize) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            for p in 0..2 {
                add(&mut elements.sum, self.sum[p], element);
                add(&mut elements.zeros, self.zeros[p], element);
                if SHORTCUT {
                    add(&mut elements.response_squares, self.ours[p], element);
                    add(&mut elements.shortcut_squares, self.theirs[p], element);
                    add(&mut elements.products, self.both[p], element);
                }
                let to = elements.min.as_mut_ptr().add(element);
                V::load(to).min(self.min[p]).store(to);
                let to = elements.max.as_mut_ptr().add(element);
                V::load(to).max(self.max[p]).store(to);
            }
        }
    }
}

/// Adds a vector to sums in f64, from `element` on.
///
/// # Safety
/// The machine has the instructions, and the elements exist.
#[inline(always)]
pub(in crate::nn::kernels) unsafe fn add<V: Vector>(to: &mut [f64; IMAGES], vector: V, element: usize) {
    let mut numbers = [0.0_f32; IMAGES];
    // SAFETY: guaranteed by the caller; `numbers` has room for a vector of any set.
    unsafe { vector.store(numbers.as_mut_ptr()) };
    for (to, number) in to[element..element + V::ELEMENTS].iter_mut().zip(numbers) {
        *to += f64::from(number);
    }
}
