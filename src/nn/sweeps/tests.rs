//! Tests sweeps over the shares of a batch against the reference's operations in f64 on NHWC images: for all kinds of
//! inputs and outputs, shapes, batches that fill neither bundles nor shares, seeds and instruction sets.
//!
//! Every share is in its own memory between inaccessible pages, with arbitrary numbers in unused elements. Formed outputs
//! are multiples of a power of two and so exact: ReLU has the same result for all.

use std::ops::Range;

use super::*;
use crate::nn::kernels::bundle::{bundles, images_of, interleave, separate, shares};
use crate::nn::kernels::guarded::{Guarded, Side};
use crate::nn::kernels::normalisation::Affine;
use crate::nn::kernels::samples::{assert_close, assert_fused_agree, assert_sum, bits, numbers};
use crate::nn::thread_pool::ThreadPool;
use crate::statistics::{Moments, Products, Sums};

mod composition;
mod layer;
mod shapes;

/// The content of unused elements.
const EMPTY: f32 = 5.0;

/// Batches of one bundle, full or not, and of more than there are shares.
const BATCHES: [usize; 6] = [1, 5, 16, 19, 40, 70];

/// An activation of a batch, in NHWC except for the shares that sweeps work on.
#[derive(Clone, Copy, Debug)]
struct Activation {
    shape: Shape,
    images: usize,
    /// Where the memory of a share ends.
    side: Side,
}

impl Activation {
    /// Multiples of 1/32 between -2 and 2.
    fn exact_numbers(self, seed: u64) -> Vec<f32> {
        exact(self.images * self.shape.image(), 32.0, 2.0, seed)
    }

    fn numbers(self, seed: u64) -> Vec<f32> {
        numbers(self.images * self.shape.image(), seed)
    }

    /// Images of a share.
    fn images_of(self, share: &BatchShare) -> Range<usize> {
        share.bundles.start * IMAGES..(share.bundles.end * IMAGES).min(self.images)
    }

    /// A share of this activation.
    fn share(self, share: &BatchShare, nhwc: &[f32]) -> Guarded {
        let Range { start, end } = self.images_of(share);
        let image = self.shape.image();
        let mut to = self.room(share);
        interleave(&nhwc[start * image..end * image], image, &mut to);
        let last = to.len() - self.shape.bundle();
        let images = images_of(share.bundles.end - 1, self.images);
        to[last..].as_chunks_mut::<IMAGES>().0.iter_mut().for_each(|elements| elements[images..].fill(EMPTY));
        to
    }

    /// Memory for a share, not yet written to.
    fn room(self, share: &BatchShare) -> Guarded {
        Guarded::filled(self.side, share.bundles.len() * self.shape.bundle(), f32::NAN)
    }

    /// The images of all shares.
    fn together<'a>(self, shares: impl IntoIterator<Item = &'a Guarded>) -> Vec<f32> {
        let shares: Vec<f32> = shares.into_iter().flat_map(|share| share.iter().copied()).collect();
        assert_eq!(shares.len(), bundles(self.images) * self.shape.bundle());
        let mut nhwc = vec![f32::NAN; self.images * self.shape.image()];
        separate(&shares, self.shape.image(), &mut nhwc);
        nhwc
    }

    /// The numbers of a channel.
    fn channel(self, nhwc: &[f32], channel: usize) -> impl Iterator<Item = f32> {
        nhwc.iter().skip(channel).step_by(self.shape.channels).copied()
    }
}

/// Numbers between minus and plus `most` that are multiples of one over `denominator`.
fn exact(count: usize, denominator: f32, most: f32, seed: u64) -> Vec<f32> {
    numbers(count, seed).iter().map(|x| (x * most * denominator).round() / denominator).collect()
}

/// Runs `work` for each share and returns the results, in the order of the shares.
fn in_shares<R: Send>(workers: &ThreadPool, images: usize, work: impl Fn(&BatchShare) -> R + Sync) -> Vec<R> {
    let mut jobs: Vec<(BatchShare, Option<R>)> = shares(images).map(|share| (share, None)).collect();
    workers.run(&mut jobs, |(share, result)| *result = Some(work(share)));
    jobs.into_iter().map(|(_, result)| result.expect("each job is done")).collect()
}

/// How an activation is obtained from its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// It is in memory.
    Formed,
    /// It is formed during the sweep.
    Unkept,
    /// It is formed during the sweep and kept.
    Kept,
}

const READINGS: [Reading; 3] = [Reading::Formed, Reading::Unkept, Reading::Kept];

/// An output with what it is formed from.
#[derive(Debug)]
struct Output {
    of: Activation,
    relu: bool,
    scale: Vec<f32>,
    shift: Vec<f32>,
    response: Vec<f32>,
    shortcut: Option<Vec<f32>>,
    /// The output by definition.
    formed: Vec<f32>,
    /// One number per channel, in place of the response's mean.
    mean: Vec<f32>,
}

/// What a sweep has formed and measured.
struct Formed {
    /// None if it is not kept.
    kept: Vec<f32>,
    sums: OutputSums,
}

impl Output {
    fn new(of: Activation, relu: bool, has_shortcut: bool, seed: u64) -> Output {
        let channels = of.shape.channels;
        let (scale, mut shift) = (exact(channels, 4.0, 1.0, seed), exact(channels, 64.0, 1.0, seed + 1));
        let response = of.exact_numbers(seed + 2);
        let shortcut = has_shortcut.then(|| of.exact_numbers(seed + 3));
        if relu && !has_shortcut {
            // So low that the first channel is dead.
            shift[0] = -3.0;
        }
        let form = |(i, response): (usize, &f32)| {
            let (c, shortcut) = (i % channels, shortcut.as_ref().map_or(0.0, |shortcut| shortcut[i]));
            let sum = response * scale[c] + shift[c] + shortcut;
            if relu { sum.max(0.0) } else { sum }
        };
        let formed = response.iter().enumerate().map(form).collect();
        let mean = numbers(channels, seed + 4);
        Output { of, relu, scale, shift, response, shortcut, formed, mean }
    }

    fn affine(&self) -> Affine<'_> {
        Affine { scale: &self.scale, shift: &self.shift }
    }

    /// Calls `sweep` with this as its source for a share, and returns what it has formed.
    fn read(
        &self,
        share: &BatchShare,
        reading: Reading,
        sweep: impl FnOnce(Source),
    ) -> (Guarded, OutputSums) {
        let mut sums = OutputSums::none(self.of.shape.channels);
        let mut keep = self.of.room(share);
        if reading == Reading::Formed {
            let formed = self.of.share(share, &self.formed);
            sweep(Source::Formed(&formed));
            return (keep, sums);
        }
        let response = self.of.share(share, &self.response);
        let shortcut = self.shortcut.as_ref().map(|shortcut| self.of.share(share, shortcut));
        sweep(Source::Response(Unformed {
            shape: FormShape { affine: self.affine(), relu: self.relu },
            response: &response,
            shortcut: shortcut.as_deref(),
            keep: (reading == Reading::Kept).then_some(&mut *keep),
            sums: Some(&mut sums),
        }));
        (keep, sums)
    }

    /// Forms and keeps a share by itself.
    fn form(&self, set: InstructionSet, share: &BatchShare) -> (Guarded, OutputSums) {
        self.read(share, Reading::Kept, |source| match source {
            Source::Response(unformed) => form(set, self.of.shape, share, unformed),
            Source::Formed(_) => unreachable!("a response is read"),
        })
    }

    /// Merges what the shares have formed.
    fn merge<'a>(
        &self,
        reading: Reading,
        shares: impl Iterator<Item = (&'a Guarded, &'a OutputSums)>,
    ) -> Formed {
        let (keep, sums): (Vec<&Guarded>, Vec<&OutputSums>) = shares.unzip();
        let mut all = OutputSums::none(self.of.shape.channels);
        sums.into_iter().for_each(|sums| all.merge(sums));
        let kept = if reading == Reading::Kept { self.of.together(keep) } else { Vec::new() };
        Formed { kept, sums: all }
    }

    /// Asserts that a sweep has formed, kept and measured this output.
    fn check(&self, what: &str, reading: Reading, formed: &Formed) {
        let OutputSums { moments, products, alive, .. } = &formed.sums;
        if reading == Reading::Formed {
            assert_eq!((moments.count(), *products), (0, Products::default()), "{what}: measured before");
            return;
        }
        if reading == Reading::Kept {
            assert_eq!(formed.kept, self.formed, "{what}: what is kept");
        }
        let naive = Moments::of(&self.formed);
        assert_eq!(moments.count(), naive.count(), "{what}");
        assert_eq!((moments.min, moments.max, moments.zeros), (naive.min, naive.max, naive.zeros), "{what}");
        assert_sum(what, moments.sums.sum, self.formed.iter().map(|y| f64::from(*y)), 1e-6);
        assert_sum(what, moments.sums.squares, self.formed.iter().map(|y| f64::from(*y).powi(2)), 1e-6);
        for (channel, alive) in alive.iter().enumerate() {
            assert_eq!(*alive, self.of.channel(&self.formed, channel).any(|y| y != 0.0), "{what}: {channel}");
        }
        let naive = self.shortcut.as_ref().map_or_else(Products::default, |shortcut| {
            let channels = self.scale.len();
            let affine = |(i, r): (usize, &f32)| r * self.scale[i % channels] + self.shift[i % channels];
            Products::of(&self.response.iter().enumerate().map(affine).collect::<Vec<_>>(), shortcut)
        });
        let size = (naive.first * naive.second).sqrt();
        assert!((products.first - naive.first).abs() <= 1e-6 * naive.first, "{what}");
        assert!((products.second - naive.second).abs() <= 1e-6 * naive.second, "{what}");
        assert!((products.both - naive.both).abs() <= 1e-6 * size, "{what}");
    }
}

/// What a gradient to an [`Output`] is propagated back through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Through {
    /// ReLU, by the output.
    Output,
    /// ReLU, by the recomputed output; there is no shortcut.
    FormedAgain,
    /// No ReLU.
    Everywhere,
}

/// The sums of a gradient, as plain numbers.
#[derive(Clone, Debug, PartialEq)]
struct Measured {
    sums: Sums,
    passed: Vec<f64>,
    along: Vec<f64>,
}

impl Measured {
    /// The sums of all shares.
    fn merged<'a>(channels: usize, shares: impl IntoIterator<Item = &'a GradientSums>) -> Measured {
        let mut all = GradientSums::none(channels);
        shares.into_iter().for_each(|sums| all.merge(sums));
        Measured { sums: all.sums, passed: all.passed, along: all.along }
    }
}

impl Output {
    /// The ways in which a gradient can be propagated back.
    fn ways(&self) -> Vec<Through> {
        match (self.relu, self.shortcut.is_some()) {
            (true, true) => vec![Through::Output],
            (true, false) => vec![Through::Output, Through::FormedAgain],
            (false, _) => vec![Through::Everywhere],
        }
    }

    /// Calls `sweep` with this for a share of a gradient to propagate back, and returns the sums.
    fn mask(
        &self,
        share: &BatchShare,
        through: Through,
        measured: bool,
        sweep: impl FnOnce(Masked),
    ) -> GradientSums {
        let formed = self.of.share(share, &self.formed);
        let response = self.of.share(share, &self.response);
        let mut sums = GradientSums::none(self.of.shape.channels);
        let passed = match through {
            Through::Output => Passed::Output(&formed),
            Through::FormedAgain => Passed::Formed(self.affine()),
            Through::Everywhere => Passed::Everywhere,
        };
        sweep(Masked { passed, response: &response, mean: &self.mean, sums: &mut sums, measured });
        sums
    }

    /// The gradient that passes ReLU, by definition.
    fn passed(&self, gradient: &[f64]) -> Vec<f64> {
        let passes = |(y, gradient): (&f32, &f64)| if !self.relu || *y > 0.0 { *gradient } else { 0.0 };
        self.formed.iter().zip(gradient).map(passes).collect()
    }

    /// Asserts that sums are those of this gradient to the output, each number of which is as exact as the largest.
    fn check_measured(&self, what: &str, measured: bool, sums: &Measured, gradient: &[f64]) {
        let channels = self.of.shape.channels;
        let largest = gradient.iter().fold(0.0, |most: f64, g| most.max(g.abs()));
        // Each gradient comes with what it is multiplied by.
        let check = |ours: f64, products: &mut dyn Iterator<Item = (f64, f64)>| {
            let (mut expected, mut size) = (0.0, 0.0);
            products.for_each(|(g, by)| (expected, size) = (expected + g * by, size + largest * by.abs()));
            assert!((ours - expected).abs() <= 2e-6 * size, "{what}: {ours}, expected {expected}");
        };
        assert_eq!(sums.sums.count, gradient.len() as u64, "{what}");
        if measured {
            check(sums.sums.sum, &mut gradient.iter().map(|g| (*g, 1.0)));
            check(sums.sums.squares, &mut gradient.iter().map(|g| (*g, *g)));
        } else {
            assert_eq!((sums.sums.sum, sums.sums.squares), (0.0, 0.0), "{what}: not measured");
        }
        let passed = self.passed(gradient);
        for channel in 0..channels {
            let of = || passed.iter().zip(&self.response).skip(channel).step_by(channels);
            check(sums.passed[channel], &mut of().map(|(g, _)| (*g, 1.0)));
            let distance = |r: f32| f64::from(r) - f64::from(self.mean[channel]);
            check(sums.along[channel], &mut of().map(|(g, r)| (*g, distance(*r))));
        }
    }
}

/// The numbers as f64.
fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|x| f64::from(*x)).collect()
}

/// The numbers as f32.
fn narrow(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|x| *x as f32).collect()
}
