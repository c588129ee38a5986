//! Operations of dense networks (Huang et al. 2017), whose channels grow from layer to layer: their number is known at
//! run time.

use std::cell::RefCell;
use std::rc::Rc;

use super::activation::{Activation, Observed, Pending, Spread, divide_mut};
use super::buffers::Buffer;
use super::convolution::convolve;
use super::map::{Following, Running, normalise};
use super::parameter::AnyParameter;
use super::recorder::Measured;
use super::rows::Rows;
use super::sums::channel_sums;
use super::{Context, Features};
use crate::nn::kernels::bundle::{IMAGES, Shape};
use crate::nn::kernels::convolution::Geometry;
use crate::nn::kernels::elementwise;
use crate::nn::kernels::moments::ChannelSums;
use crate::nn::kernels::normalisation::spread_row;
use crate::nn::kernels::row_sums;
use crate::nn::kernels::scratch::with_scratch;
use crate::statistics::{Moments, Products, Sums};
use crate::units::BlockIdx;

/// Activations of `SIDE` by `SIDE` pixels whose number of channels is known at run time.
#[derive(Clone, Debug)]
pub struct Stack<const SIDE: usize> {
    activation: Rc<Activation>,
}

/// A batch norm of such activations.
#[derive(Clone)]
pub struct StackNorm {
    /// Scale.
    pub gamma: Rc<dyn AnyParameter>,
    /// Shift.
    pub beta: Rc<dyn AnyParameter>,
    /// Running statistics.
    pub running: Rc<RefCell<Running>>,
}

impl<const SIDE: usize, const C: usize> From<Features<SIDE, C>> for Stack<SIDE> {
    fn from(features: Features<SIDE, C>) -> Stack<SIDE> {
        Stack { activation: features.activation }
    }
}

impl<const SIDE: usize> Stack<SIDE> {
    fn of(activation: Rc<Activation>) -> Stack<SIDE> {
        debug_assert_eq!((activation.shape.height, activation.shape.width), (SIDE, SIDE));
        Stack { activation }
    }

    /// Batch norm and ReLU, formed by the first reader.
    pub fn activated(&self, norm: &StackNorm, observed: Observed, context: &Context) -> Stack<SIDE> {
        let following = Following { factor: 1.0, shortcut: None, relu: true, observed };
        let StackNorm { gamma, beta, running } = norm.clone();
        let base = Rc::clone(&self.activation);
        Stack::of(normalise(base, [gamma, beta], &running, following, context))
    }

    /// A convolution with a square kernel that keeps the side.
    pub fn convolved(
        &self,
        weights: &Rc<dyn AnyParameter>,
        [kernel, outputs]: [usize; 2],
        observed: Observed,
        context: &Context,
    ) -> Stack<SIDE> {
        let geometry = Geometry::new(kernel, 1, self.activation.shape, outputs);
        let x = Rc::clone(&self.activation);
        Stack::of(convolve(x, Rc::clone(weights), geometry, None, observed, context))
    }

    /// The channels of both, as the output of a block whose branch is `branch`.
    pub fn joined(&self, branch: &Stack<SIDE>, block: BlockIdx, context: &Context) -> Stack<SIDE> {
        let (x, f) = (Rc::clone(&self.activation), Rc::clone(&branch.activation));
        let parts = [x.shape.channels, f.shape.channels];
        let shape = Shape { channels: parts[0] + parts[1], ..x.shape };
        let (shares, mut y) = (x.shares(), context.buffers.take(x.layout.bundles() * shape.bundle()));
        {
            let (x_values, f_values) = (x.kept(), f.kept());
            let of_parts = x.divide(&x_values, &shares).zip(f.divide(&f_values, &shares));
            context.run(of_parts.zip(divide_mut(shape, &mut y, &shares)), |((x, f), y)| {
                interleave(parts, [x, f], y);
            });
        }
        let sums = [&x, &f].map(|part| part.sums.as_ref().expect("sums of each channel"));
        let joined =
            |of: fn(&ChannelSums) -> &Vec<f64>| sums.iter().flat_map(|sums| of(sums)).copied().collect();
        let of_both = ChannelSums {
            count: sums[0].count,
            sum: joined(|sums| &sums.sum),
            squares: joined(|sums| &sums.squares),
        };
        let y = Rc::new(Activation::response(shape, x.layout, y, of_both));
        let observed = Observed { block: Some(block), ..Observed::NOTHING };
        record_join(&y, [&f, &x], observed, context);

        let (output, context) = (Rc::clone(&y), context.clone());
        context.tape.clone().record(move |_| {
            let Some([dx, df]) = parted(&output, parts, observed, &context) else { return Ok(()) };
            x.add_extra(Rc::new(dx), &context);
            f.add_extra(Rc::new(df), &context);
            Ok(())
        });
        Stack::of(y)
    }

    /// As many images of the same side, with so many channels of zeros.
    pub fn zeros(&self, channels: usize, context: &Context) -> Stack<SIDE> {
        let (shape, layout) = (Shape { channels, ..self.activation.shape }, self.activation.layout);
        let mut zeros = context.buffers.take(layout.bundles() * shape.bundle());
        zeros.fill(0.0);
        let sums = channel_sums(shape, layout, &zeros, context);
        Stack::of(Rc::new(Activation::response(shape, layout, zeros, sums)))
    }

    /// The mean of every two by two pixels. `self` must be in memory.
    pub fn halved<const HALF: usize>(&self, context: &Context) -> Stack<HALF> {
        const { assert!(2 * HALF == SIDE, "pooling halves the side") };
        let x = Rc::clone(&self.activation);
        let shape = Shape { height: HALF, width: HALF, ..x.shape };
        let (shares, mut y) = (x.shares(), context.buffers.take(x.layout.bundles() * shape.bundle()));
        {
            let (values, input) = (x.kept(), x.shape);
            let jobs = x.divide(&values, &shares).zip(divide_mut(shape, &mut y, &shares));
            context.run(jobs, |(x, y)| pool(input, x, y));
        }
        let sums = channel_sums(shape, x.layout, &y, context);
        let y = Rc::new(Activation::response(shape, x.layout, y, sums));

        let (output, context) = (Rc::clone(&y), context.clone());
        context.tape.clone().record(move |_| {
            let Some(dy) = output.left(&context) else { return Ok(()) };
            let (shares, input, mut dx) = (x.shares(), x.shape, context.buffers.take(x.len()));
            let jobs = output.divide(&dy, &shares).zip(x.divide_mut(&mut dx, &shares));
            context.run(jobs, |(dy, dx)| unpool(input, dy, dx));
            x.add_extra(Rc::new(dx), &context);
            Ok(())
        });
        Stack::of(y)
    }

    /// The mean of each channel over each image.
    pub fn averaged(&self, context: &Context) -> Rows {
        self.activation.form_now(context);
        let x = Rc::clone(&self.activation);
        let shape = Shape::new(1, 1, x.shape.channels);
        let (input, shares) = (x.shape, x.shares());
        let mut y = context.buffers.take(x.layout.bundles() * shape.bundle());
        {
            let values = x.kept();
            let jobs = x.divide(&values, &shares).zip(divide_mut(shape, &mut y, &shares));
            context.run(jobs, |(x, y)| average(input, x, y));
        }
        let y = Rc::new(Activation::in_memory(shape, x.layout, y, true));

        let (output, context) = (Rc::clone(&y), context.clone());
        context.tape.clone().record(move |_| {
            let Some(dy) = output.left(&context) else { return Ok(()) };
            let (shares, input, mut dx) = (x.shares(), x.shape, context.buffers.take(x.len()));
            let jobs = output.divide(&dy, &shares).zip(x.divide_mut(&mut dx, &shares));
            context.run(jobs, |(dy, dx)| spread_average(input, dy, dx));
            x.add_extra(Rc::new(dx), &context);
            Ok(())
        });
        Rows::of(y)
    }
}

/// Writes the channels of two activations side by side, pixel by pixel.
fn interleave(channels: [usize; 2], parts: [&[f32]; 2], to: &mut [f32]) {
    let [first, second] = channels.map(|channels| channels * IMAGES);
    let pixels = parts[0].chunks_exact(first).zip(parts[1].chunks_exact(second));
    for (to, (x, f)) in to.chunks_exact_mut(first + second).zip(pixels) {
        to[..first].copy_from_slice(x);
        to[first..].copy_from_slice(f);
    }
}

/// The gradients to the channels that an output joins, row by row from what its readers have left; none if nothing has
/// read it.
fn parted(y: &Activation, parts: [usize; 2], observed: Observed, context: &Context) -> Option<[Buffer; 2]> {
    let Pending { spread, extra } = y.take_pending();
    let (gradient, numbers, extra) = match spread {
        Some(Spread { gradient, numbers }) => (gradient, Some(numbers), extra),
        None => (extra?, None, None),
    };
    let (shares, set, row) = (y.shares(), context.instructions, y.shape.row());
    let shapes = parts.map(|channels| Shape { channels, ..y.shape });
    let [mut dx, mut df] = shapes.map(|shape| context.buffers.take(y.layout.bundles() * shape.bundle()));
    context.buffers.note_scratch(row);
    let (values, measured, height) = (y.kept(), context.measures(), y.shape.height);
    let numbers = numbers.as_ref().map(|numbers| numbers.each_ref().map(Vec::as_slice));
    let mut sums = vec![Sums::default(); shares.len()];
    {
        let mut extra = extra.as_ref().map(|extra| y.divide(extra, &shares));
        let to = divide_mut(shapes[0], &mut dx, &shares).zip(divide_mut(shapes[1], &mut df, &shares));
        let of_parts = y.divide(&gradient, &shares).zip(y.divide(&values, &shares)).zip(to);
        let jobs = shares.iter().zip(of_parts).zip(&mut sums).map(|((share, of_parts), sums)| {
            (share, of_parts, extra.as_mut().and_then(Iterator::next), sums)
        });
        let rows = |part: usize| shapes[part].row();
        context.run(jobs, |(share, ((gradient, values), (dx, df)), extra, sums)| {
            with_scratch([row], |[complete]| {
                let to = dx.chunks_exact_mut(rows(0)).zip(df.chunks_exact_mut(rows(1)));
                let from = gradient.chunks_exact(row).zip(values.chunks_exact(row)).zip(to);
                for (at, ((gradient, values), (dx, df))) in from.enumerate() {
                    match numbers {
                        Some(numbers) => spread_row(set, numbers, gradient, values, complete),
                        None => complete.copy_from_slice(gradient),
                    }
                    if let Some(extra) = extra {
                        elementwise::add(set, complete, &extra[at * row..][..row]);
                    }
                    if measured {
                        let bundle = share.bundles.start + at / height;
                        sums.merge(&row_sums::sums(set, complete, share.layout.valid(bundle)));
                    }
                    separate(parts, complete, [dx, df]);
                }
            });
        });
    }
    if let Some(recorder) = context.recorder.as_ref().filter(|_| measured) {
        let mut total = Sums::default();
        sums.iter().for_each(|sums| total.merge(sums));
        recorder.output_gradient(observed, total, total.sum.is_finite());
    }
    Some([dx, df])
}

/// Writes channels that lie side by side apart.
fn separate(channels: [usize; 2], from: &[f32], [x, f]: [&mut [f32]; 2]) {
    let [first, second] = channels.map(|channels| channels * IMAGES);
    let pixels = x.chunks_exact_mut(first).zip(f.chunks_exact_mut(second));
    for (from, (x, f)) in from.chunks_exact(first + second).zip(pixels) {
        x.copy_from_slice(&from[..first]);
        f.copy_from_slice(&from[first..]);
    }
}

/// The four pixels of `shape` whose mean is pixel `at` of one of half its side, by their place in a bundle.
fn four(shape: Shape, at: usize) -> [usize; 4] {
    let half = shape.width / 2;
    let (row, column) = (2 * (at / half), 2 * (at % half));
    [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(down, right)| (row + down) * shape.width + column + right)
}

fn pool(shape: Shape, x: &[f32], y: &mut [f32]) {
    let pixel = shape.channels * IMAGES;
    let bundles = x.chunks_exact(shape.bundle()).zip(y.chunks_exact_mut(shape.bundle() / 4));
    for (x, y) in bundles {
        for (at, y) in y.chunks_exact_mut(pixel).enumerate() {
            let [a, b, c, d] = four(shape, at).map(|from| &x[from * pixel..][..pixel]);
            let sums = a.iter().zip(b).zip(c.iter().zip(d));
            y.iter_mut().zip(sums).for_each(|(y, ((a, b), (c, d)))| *y = 0.25 * ((a + b) + (c + d)));
        }
    }
}

fn unpool(shape: Shape, dy: &[f32], dx: &mut [f32]) {
    let pixel = shape.channels * IMAGES;
    let bundles = dx.chunks_exact_mut(shape.bundle()).zip(dy.chunks_exact(shape.bundle() / 4));
    for (dx, dy) in bundles {
        for (at, dy) in dy.chunks_exact(pixel).enumerate() {
            for to in four(shape, at) {
                dx[to * pixel..][..pixel].iter_mut().zip(dy).for_each(|(dx, dy)| *dx = 0.25 * dy);
            }
        }
    }
}

/// The means of each channel over the pixels of each image.
fn average(shape: Shape, x: &[f32], y: &mut [f32]) {
    let (step, pixels) = (shape.channels * IMAGES, shape.area() as f32);
    for (y, x) in y.chunks_exact_mut(step).zip(x.chunks_exact(shape.bundle())) {
        y.fill(0.0);
        x.chunks_exact(step).for_each(|pixel| y.iter_mut().zip(pixel).for_each(|(y, x)| *y += x));
        y.iter_mut().for_each(|y| *y /= pixels);
    }
}

fn spread_average(shape: Shape, dy: &[f32], dx: &mut [f32]) {
    let (step, pixels) = (shape.channels * IMAGES, shape.area() as f32);
    for (dy, dx) in dy.chunks_exact(step).zip(dx.chunks_exact_mut(shape.bundle())) {
        let to = dx.chunks_exact_mut(step);
        to.for_each(|pixel| pixel.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dy / pixels));
    }
}

/// Records the output of a block that joins channels, whose sums are those of its terms. The squares of these, which
/// have fewer numbers, are scaled to the output's; there is no angle between them.
fn record_join(y: &Activation, terms: [&Activation; 2], observed: Observed, context: &Context) {
    let Some(recorder) = context.recorder.as_ref().filter(|_| context.measures()) else { return };
    let all = |of: &Activation| of.sums.as_ref().map(ChannelSums::all).unwrap_or_default();
    let squares = terms.map(|term| all(term).squares * y.shape.channels as f64 / term.shape.channels as f64);
    let measured = Measured {
        moments: Moments { sums: all(y), ..Moments::default() },
        dead_units: 0,
        terms: Some(Products { first: squares[0], second: squares[1], both: f64::NAN }),
    };
    recorder.output(observed, y.shape.channels, all(y), Some(measured), || y.values(context));
}
