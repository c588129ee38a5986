//! Token and position embeddings.

use std::rc::Rc;

use dfdx::shapes::Const;

use super::{record, record_gradient};
use crate::nn::kernels::bundle::{IMAGES, Layout, Shape};
use crate::nn::ops::activation::{Activation, Observed};
use crate::nn::ops::parameter::{AnyParameter, Parameter};
use crate::nn::ops::{Context, Features};

/// A table with a row of `N` features for each token or position.
pub type Table<const N: usize> = Rc<Parameter<(usize, Const<N>)>>;

/// Computes `tokens[token] + positions[position]` for every token of sequences of `length`.
pub fn embedding<const N: usize>(
    tokens: &[u16],
    layout: Layout,
    [of_tokens, of_positions]: [&Table<N>; 2],
    observed: Observed,
    context: &Context,
) -> Features<1, N> {
    let shape = Shape::new(1, 1, N);
    let mut x = context.buffers.take(layout.bundles() * shape.bundle());
    {
        let (table, positions) = (of_tokens.values(), of_positions.values());
        for (bundle, to) in x.chunks_exact_mut(shape.bundle()).enumerate() {
            for (row, (token, position)) in rows_of(tokens, layout, bundle).into_iter().enumerate() {
                let numbers = table[token * N..][..N].iter().zip(&positions[position * N..][..N]);
                let places = to[row..].iter_mut().step_by(IMAGES);
                places.zip(numbers).for_each(|(to, (token, position))| *to = token + position);
            }
        }
    }
    let x = Rc::new(Activation::in_memory(shape, layout, x, true));
    record(&x, observed, None, context);

    let (output, context, tokens) = (Rc::clone(&x), context.clone(), tokens.to_vec());
    let [of_tokens, of_positions] = [of_tokens, of_positions].map(Rc::clone);
    context.tape.clone().record(move |gradients| {
        let Some(dx) = output.left(&context) else { return Ok(()) };
        record_gradient(&output, &dx, observed, &context);
        let mut add = |parameter: &Table<N>, is_position: bool| {
            let gradient = parameter.gradient(gradients)?;
            for (bundle, dx) in dx.chunks_exact(shape.bundle()).enumerate() {
                let valid = layout.valid(bundle);
                let rows = rows_of(&tokens, layout, bundle).into_iter().take(valid).enumerate();
                for (row, (token, position)) in rows {
                    let at = if is_position { position } else { token };
                    let numbers = dx[row..].iter().step_by(IMAGES);
                    gradient[at * N..][..N].iter_mut().zip(numbers).for_each(|(to, dx)| *to += dx);
                }
            }
            Ok(())
        };
        add(&of_tokens, false)?;
        add(&of_positions, true)
    });
    Features::of(x)
}

/// The token and position of each row of a bundle; rows that don't count repeat the last one.
fn rows_of(tokens: &[u16], layout: Layout, bundle: usize) -> [(usize, usize); IMAGES] {
    let of_run = layout.bundles_of_run();
    let (run, first) = (bundle / of_run, bundle % of_run * IMAGES);
    std::array::from_fn(|row| {
        let position = (first + row).min(layout.length - 1);
        (usize::from(tokens[run * layout.length + position]), position)
    })
}
