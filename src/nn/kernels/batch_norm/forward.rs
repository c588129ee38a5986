//! Normalising, adding the shortcut, ReLU, and measuring all of it, in one pass.

use super::ForwardStatistics;
use super::columns::{Columns, lanes_mut};
use super::extremes::{Extremes, add, add_products, total};
use crate::nn::kernels::dispatch::{Instructions, Kernel};
use crate::statistics::{Products, Sums};

/// Writes `y = f((x - mean) scale + beta + shortcut)`.
pub(super) struct Forward<'a, const L: usize> {
    pub(super) columns: Columns<L>,
    pub(super) relu: bool,
    pub(super) mean: &'a [f32],
    pub(super) scale: &'a [f32],
    pub(super) beta: &'a [f32],
    pub(super) x: &'a [[f32; L]],
    pub(super) shortcut: Option<&'a [[f32; L]]>,
    pub(super) y: &'a mut [f32],
    pub(super) statistics: Option<&'a mut ForwardStatistics>,
}

impl<const L: usize> Kernel for Forward<'_, L> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<I: Instructions>(mut self) {
        match (self.relu, self.shortcut.is_some(), self.statistics.is_some()) {
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

impl<const L: usize> Forward<'_, L> {
    #[inline(always)]
    fn pass<const RELU: bool, const SHORTCUT: bool, const MEASURED: bool>(&mut self) {
        let columns = self.columns;
        let h = self.shortcut.unwrap_or(self.x);
        let y = lanes_mut::<L>(self.y);
        let mut totals = Totals::none();
        let mut zeros = vec![0_u32; self.mean.len()];
        for group in 0..columns.groups() {
            let mean = columns.expand(self.mean, group);
            let scale = columns.expand(self.scale, group);
            let beta = columns.expand(self.beta, group);
            let mut at = group;
            while at < y.len() {
                let (x, h) = (self.x[at], h[at]);
                let response: [f32; L] =
                    std::array::from_fn(|lane| (x[lane] - mean[lane]) * scale[lane] + beta[lane]);
                let mut out = response;
                for lane in 0..L {
                    if SHORTCUT {
                        out[lane] += h[lane];
                    }
                    if RELU {
                        // The other way round, `max` would make a zero of NaN.
                        out[lane] = if out[lane] < 0.0 { 0.0 } else { out[lane] };
                    }
                }
                y[at] = out;
                if MEASURED {
                    totals.add::<SHORTCUT>(&out, &response, &h);
                }
                at += columns.groups();
            }
            if MEASURED {
                columns.fold(totals.output.take_zeros(), group, &mut zeros);
            }
        }
        if let Some(statistics) = self.statistics.as_deref_mut() {
            *statistics = totals.statistics::<SHORTCUT>(self.y, &zeros);
        }
    }
}

/// What a pass gathers.
struct Totals<const L: usize> {
    output: Extremes<L>,
    response: [f64; L],
    response_squares: [f64; L],
    shortcut_squares: [f64; L],
    products: [f64; L],
}

impl<const L: usize> Totals<L> {
    #[inline(always)]
    fn none() -> Totals<L> {
        let nothing = [0.0; L];
        Totals {
            output: Extremes::none(),
            response: nothing,
            response_squares: nothing,
            shortcut_squares: nothing,
            products: nothing,
        }
    }

    #[inline(always)]
    fn add<const SHORTCUT: bool>(&mut self, y: &[f32; L], response: &[f32; L], h: &[f32; L]) {
        self.output.add(y);
        add(&mut self.response, response);
        add_products(&mut self.response_squares, response, response);
        if SHORTCUT {
            add_products(&mut self.shortcut_squares, h, h);
            add_products(&mut self.products, response, h);
        }
    }

    /// The statistics of an output whose channels have these zeros.
    fn statistics<const SHORTCUT: bool>(&self, y: &[f32], zeros: &[u32]) -> ForwardStatistics {
        let pixels = y.len() / zeros.len();
        let squares = total(&self.response_squares);
        ForwardStatistics {
            output: self.output.moments(y, zeros.iter().copied().map(u64::from).sum()),
            dead_units: zeros.iter().filter(|zeros| **zeros as usize == pixels).count(),
            response: Sums { count: y.len() as u64, sum: total(&self.response), squares },
            branch: SHORTCUT.then(|| Products {
                first: squares,
                second: total(&self.shortcut_squares),
                both: total(&self.products),
            }),
        }
    }
}
