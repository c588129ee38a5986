//! Token and position embeddings.

use std::rc::Rc;

use dfdx::shapes::Const;

use super::linear::panels_of;
use super::{record, record_gradient};
use crate::nn::kernels::bundle::{BatchShare, IMAGES, Layout, Shape};
use crate::nn::ops::activation::{Activation, Observed, divide_mut};
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
        let (table, positions): (&[f32], &[f32]) = (&table, &positions);
        let shares: Vec<BatchShare> = layout.shares().collect();
        let jobs = shares.iter().zip(divide_mut(shape, &mut x, &shares));
        context.run(jobs, |(share, x)| {
            for (bundle, to) in share.bundles.clone().zip(x.chunks_exact_mut(shape.bundle())) {
                let rows = rows_of(tokens, layout, bundle);
                let terms =
                    rows.map(|(token, position)| (&table[token * N..][..N], &positions[position * N..][..N]));
                for (feature, to) in to.as_chunks_mut::<IMAGES>().0.iter_mut().enumerate() {
                    *to = terms.map(|(token, position)| token[feature] + position[feature]);
                }
            }
        });
    }
    let x = Rc::new(Activation::in_memory(shape, layout, x, true));
    record(&x, observed, None, context);

    let (output, context, tokens) = (Rc::clone(&x), context.clone(), tokens.to_vec());
    let [of_tokens, of_positions] = [of_tokens, of_positions].map(Rc::clone);
    context.tape.clone().record(move |gradients| {
        let Some(dx) = output.left(&context) else { return Ok(()) };
        record_gradient(&output, &dx, observed, &context);
        let panels = panels_of(layout, N, &dx, &context);
        let mut add = |parameter: &Table<N>, is_position: bool| {
            let gradient = parameter.gradient(gradients)?;
            for (at, panel) in panels.chunks_exact(layout.bundles() * IMAGES * IMAGES).enumerate() {
                let features = at * IMAGES..N.min((at + 1) * IMAGES);
                for (bundle, rows) in panel.chunks_exact(IMAGES * IMAGES).enumerate() {
                    let of_rows = rows_of(&tokens, layout, bundle).into_iter().take(layout.valid(bundle));
                    for ((token, position), numbers) in of_rows.zip(rows.as_chunks::<IMAGES>().0) {
                        let first = N * if is_position { position } else { token };
                        let to = &mut gradient[first + features.start..first + features.end];
                        to.iter_mut().zip(numbers).for_each(|(to, dx)| *to += dx);
                    }
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
