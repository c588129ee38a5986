//! The gradient through ReLU, addition and batch norm: one pass that sums over each channel, one that spreads
//! the sums over the pixels.

use super::Saved;
use super::columns::{Columns, lanes, lanes_mut};
use super::extremes::{Extremes, add, add_products};
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::statistics::Moments;

/// Sums the gradient g that passes ReLU over each channel, and hands it to the shortcut.
pub(super) struct Reduce<'a, const L: usize> {
    pub(super) columns: Columns<L>,
    pub(super) relu: bool,
    pub(super) mean: &'a [f32],
    pub(super) saved: Saved<'a>,
    /// Where g is added to.
    pub(super) dshortcut: Option<&'a mut [f32]>,
    /// The sum of g of each channel, to be written.
    pub(super) gradient: &'a mut [f64],
    /// The sum of g times the distance from the mean of each channel, to be written.
    pub(super) along: &'a mut [f64],
    /// Of the gradient before ReLU, to be written.
    pub(super) statistics: Option<&'a mut Moments>,
}

impl<const L: usize> Kernel for Reduce<'_, L> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(mut self) {
        match (self.relu, self.dshortcut.is_some(), self.statistics.is_some()) {
            (false, false, false) => self.pass::<false, false, false>(),
            (false, true, false) => self.pass::<false, true, false>(),
            (true, false, false) => self.pass::<true, false, false>(),
            (true, true, false) => self.pass::<true, true, false>(),
            (false, false, true) => self.pass::<false, false, true>(),
            (false, true, true) => self.pass::<false, true, true>(),
            (true, false, true) => self.pass::<true, false, true>(),
            (true, true, true) => self.pass::<true, true, true>(),
        }
    }
}

impl<const L: usize> Reduce<'_, L> {
    #[inline(always)]
    fn pass<const RELU: bool, const SHORTCUT: bool, const MEASURED: bool>(&mut self) {
        let columns = self.columns;
        let (x, y, dy) = (lanes::<L>(self.saved.x), lanes::<L>(self.saved.y), lanes::<L>(self.saved.dy));
        let mut extremes = Extremes::none();
        let mut nowhere = [];
        let dshortcut = lanes_mut::<L>(self.dshortcut.as_deref_mut().unwrap_or(&mut nowhere));
        for group in 0..columns.groups() {
            let mean = columns.expand(self.mean, group);
            let (mut sum, mut sum_along) = ([0.0_f64; L], [0.0_f64; L]);
            let mut at = group;
            while at < dy.len() {
                let (x, dy) = (x[at], dy[at]);
                let passed = pass_relu::<RELU, L>(dy, y[at]);
                let distance = std::array::from_fn(|lane| x[lane] - mean[lane]);
                add(&mut sum, &passed);
                add_products(&mut sum_along, &passed, &distance);
                if SHORTCUT {
                    let before = dshortcut[at];
                    dshortcut[at] = std::array::from_fn(|lane| before[lane] + passed[lane]);
                }
                if MEASURED {
                    extremes.add(&dy);
                }
                at += columns.groups();
            }
            columns.fold(sum, group, self.gradient);
            columns.fold(sum_along, group, self.along);
        }
        if let Some(statistics) = self.statistics.as_deref_mut() {
            *statistics = extremes.moments(self.saved.dy, 0);
        }
    }
}

/// Adds `scale (g - constant - slope (x - mean))` to `dx`, with g the gradient that passes ReLU.
pub(super) struct Spread<'a, const L: usize> {
    pub(super) columns: Columns<L>,
    pub(super) relu: bool,
    pub(super) mean: &'a [f32],
    pub(super) scale: &'a [f32],
    pub(super) constant: &'a [f32],
    pub(super) slope: &'a [f32],
    pub(super) saved: Saved<'a>,
    pub(super) dx: &'a mut [f32],
}

impl<const L: usize> Kernel for Spread<'_, L> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(mut self) {
        if self.relu { self.pass::<true>() } else { self.pass::<false>() }
    }
}

impl<const L: usize> Spread<'_, L> {
    #[inline(always)]
    fn pass<const RELU: bool>(&mut self) {
        let columns = self.columns;
        let (x, y, dy) = (lanes::<L>(self.saved.x), lanes::<L>(self.saved.y), lanes::<L>(self.saved.dy));
        let dx = lanes_mut::<L>(self.dx);
        for group in 0..columns.groups() {
            let mean = columns.expand(self.mean, group);
            let scale = columns.expand(self.scale, group);
            let constant = columns.expand(self.constant, group);
            let slope = columns.expand(self.slope, group);
            let mut at = group;
            while at < dx.len() {
                let (x, before) = (x[at], dx[at]);
                let passed = pass_relu::<RELU, L>(dy[at], y[at]);
                dx[at] = std::array::from_fn(|lane| {
                    let along = (x[lane] - mean[lane]) * slope[lane];
                    before[lane] + scale[lane] * (passed[lane] - constant[lane] - along)
                });
                at += columns.groups();
            }
        }
    }
}

/// The gradient before ReLU, from that behind it and what ReLU put out.
#[inline(always)]
fn pass_relu<const RELU: bool, const L: usize>(dy: [f32; L], y: [f32; L]) -> [f32; L] {
    let mut passed = dy;
    if RELU {
        for lane in 0..L {
            // A mask of bits rather than a choice, because choices are compiled to jumps here.
            let mask = u32::from(y[lane] <= 0.0).wrapping_sub(1);
            passed[lane] = f32::from_bits(passed[lane].to_bits() & mask);
        }
    }
    passed
}
