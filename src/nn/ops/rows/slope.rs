//! GELU (Hendrycks & Gimpel 2016), exact: `x (1 + erf(x / sqrt 2)) / 2`.

use std::rc::Rc;

use super::{record, record_gradient};
use crate::nn::kernels::{elementwise, gelu as kernel};
use crate::nn::ops::activation::{Activation, Observed};
use crate::nn::ops::{Context, Features};

/// Computes GELU of every number. `x` is read by nothing else: in training its memory takes the slopes.
pub fn gelu<const N: usize>(x: Features<1, N>, observed: Observed, context: &Context) -> Features<1, N> {
    let x = x.activation;
    let (set, shares, is_training) = (context.instructions, x.shares(), context.tape.is_recording());
    let mut y = context.buffers.take(x.len());
    {
        let mut values = x.kept_mut();
        let jobs = x.divide_mut(&mut values, &shares).zip(x.divide_mut(&mut y, &shares));
        context.run(jobs, |(x, y)| match is_training {
            true => kernel::gelu_with_slope(set, x, y),
            false => kernel::gelu(set, x, y),
        });
    }
    let y = Rc::new(Activation::in_memory(x.shape, x.layout, y, true));
    record(&y, observed, None, context);

    let (output, context) = (Rc::clone(&y), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        record_gradient(&output, &dy, observed, &context);
        let mut dx = output.owned(dy, &context);
        {
            let slopes = x.kept();
            let shares = x.shares();
            let jobs = x.divide_mut(&mut dx, &shares).zip(x.divide(&slopes, &shares));
            context.run(jobs, |(dx, slopes)| elementwise::multiply(set, dx, slopes));
        }
        x.add_extra(Rc::new(dx), &context);
        Ok(())
    });
    Features::of(y)
}
