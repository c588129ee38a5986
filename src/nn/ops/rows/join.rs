//! The addition of a residual branch and its shortcut.

use std::rc::Rc;

use super::{record, record_gradient};
use crate::nn::kernels::{elementwise, row_sums};
use crate::nn::ops::activation::{Activation, Observed};
use crate::nn::ops::parameter::AnyParameter;
use crate::nn::ops::{Context, Features};
use crate::units::BlockIdx;

/// How a branch is added.
#[derive(Clone, Default)]
pub struct Join {
    /// A trained factor of the branch, one number.
    pub gain: Option<Rc<dyn AnyParameter>>,
    /// What the sum is the output of.
    pub observed: Observed,
}

/// Computes `gain branch + shortcut`.
pub fn joined<const N: usize>(
    branch: Features<1, N>,
    shortcut: &Features<1, N>,
    join: Join,
    context: &Context,
) -> Features<1, N> {
    let Join { gain, observed } = join;
    let (f, h) = (branch.activation, Rc::clone(&shortcut.activation));
    let f = match gain {
        Some(gain) => {
            if let Some((recorder, block)) = context.recorder.as_ref().zip(observed.block) {
                recorder.gate(block, gain.values()[0]);
            }
            scaled(f, gain, 0, context)
        }
        None => f,
    };
    let (set, shares) = (context.instructions, f.shares());
    let mut y = context.buffers.take(f.len());
    {
        let (f_values, h_values) = (f.kept(), h.kept());
        let terms = f.divide(&f_values, &shares).zip(f.divide(&h_values, &shares));
        context.run(terms.zip(f.divide_mut(&mut y, &shares)), |((f, h), y)| {
            elementwise::sum(set, y, [f, h]);
        });
    }
    let y = Rc::new(Activation::in_memory(f.shape, f.layout, y, true));
    record(&y, observed, Some([&f, &h]), context);

    let (output, context) = (Rc::clone(&y), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        record_gradient(&output, &dy, observed, &context);
        f.add_extra(Rc::clone(&dy), &context);
        h.add_extra(dy, &context);
        Ok(())
    });
    Features::of(y)
}

/// Two parameters, of which a layer has one number each.
#[derive(Clone)]
pub struct Weighing {
    /// The factors of the first and the second term.
    pub factors: [Rc<dyn AnyParameter>; 2],
    /// Which of their numbers.
    pub at: usize,
    /// The blocks of the layer.
    pub blocks: [BlockIdx; 2],
}

/// Computes `a x + b y` with two trained numbers.
pub fn weighed<const N: usize>(
    x: &Features<1, N>,
    y: &Features<1, N>,
    weighing: &Weighing,
    context: &Context,
) -> Features<1, N> {
    let Weighing { factors: [a, b], at, blocks } = weighing;
    if let Some(recorder) = &context.recorder {
        for block in blocks {
            recorder.gate(*block, a.values()[*at]);
            recorder.embedding_gate(*block, b.values()[*at]);
        }
    }
    let x = scaled(Rc::clone(&x.activation), Rc::clone(a), *at, context);
    let y = Features::of(scaled(Rc::clone(&y.activation), Rc::clone(b), *at, context));
    joined(Features::of(x), &y, Join::default(), context)
}

/// Rows times one number of a parameter.
fn scaled(x: Rc<Activation>, gain: Rc<dyn AnyParameter>, at: usize, context: &Context) -> Rc<Activation> {
    let factor = gain.values()[at];
    let (set, shares, mut y) = (context.instructions, x.shares(), context.buffers.take(x.len()));
    {
        let values = x.kept();
        let jobs = x.divide_mut(&mut y, &shares).zip(x.divide(&values, &shares));
        context.run(jobs, |(y, x)| elementwise::scaled(set, y, x, factor));
    }
    let y = Rc::new(Activation::in_memory(x.shape, x.layout, y, true));
    let (output, context) = (Rc::clone(&y), context.clone());
    context.tape.clone().record(move |gradients| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        let (bundle, layout, shares) = (x.shape.bundle(), x.layout, x.shares());
        let mut along = vec![0.0_f64; layout.bundles()];
        {
            let values = x.kept();
            let mut rest = &mut along[..];
            let of_shares = shares.iter().map(|share| rest.split_off_mut(..share.bundles.len()));
            let jobs = x.divide(&values, &shares).zip(x.divide(&dy, &shares));
            context.run(shares.iter().zip(jobs).zip(of_shares), |((share, (x, dy)), along)| {
                let bundles = x.chunks_exact(bundle).zip(dy.chunks_exact(bundle));
                let bundles = share.bundles.clone().zip(bundles).zip(along.into_iter().flatten());
                for ((at, (x, dy)), along) in bundles {
                    *along = row_sums::products(set, x, dy, layout.valid(at)).both;
                }
            });
        }
        let mut dx = output.owned(dy, &context);
        context.run(x.divide_mut(&mut dx, &shares), |dx| elementwise::scale(set, dx, factor));
        gain.gradient(gradients)?[at] += along.iter().sum::<f64>() as f32;
        x.add_extra(Rc::new(dx), &context);
        Ok(())
    });
    y
}
