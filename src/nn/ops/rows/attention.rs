//! Causal self-attention (Vaswani et al. 2017, section 3.2) of the tokens of each sequence.

use std::rc::Rc;

use crate::nn::kernels::attention::{Head, QueryStatistics, attend, attend_gradient};
use crate::nn::kernels::bundle::Shape;
use crate::nn::ops::activation::Activation;
use crate::nn::ops::{Context, Features};
use crate::units::BlockIdx;

/// Computes the outputs of all heads from the queries, keys and values of each token, stacked in this order:
/// `softmax(q k^T / sqrt(OUT / heads)) v`, over the tokens up to the query's own. Records the entropy of each head's
/// attention for a block.
pub fn attention<const IN: usize, const OUT: usize>(
    inputs: &Features<1, IN>,
    heads: usize,
    block: BlockIdx,
    context: &Context,
) -> Features<1, OUT> {
    const { assert!(IN == 3 * OUT, "queries, keys and values of the same size") };
    let x = Rc::clone(&inputs.activation);
    let (set, layout, shape) = (context.instructions, x.layout, Shape::new(1, 1, OUT));
    let all: Vec<Head> = (0..heads).map(|head| Head::of(layout.length, OUT, heads, head)).collect();
    let of_run = layout.bundles_of_run();
    let mut y = context.buffers.take(layout.bundles() * shape.bundle());
    let mut statistics = vec![vec![QueryStatistics::default(); heads * of_run]; layout.runs];
    let mut entropies = vec![vec![0.0_f64; heads]; layout.runs];
    if !y.is_empty() {
        let values = x.kept();
        let sequences =
            values.chunks_exact(of_run * x.shape.bundle()).zip(y.chunks_exact_mut(of_run * shape.bundle()));
        let jobs = sequences.zip(statistics.iter_mut().zip(&mut entropies));
        context.run(jobs, |((x, y), (statistics, entropies))| {
            y.fill(0.0);
            for ((head, statistics), entropy) in
                all.iter().zip(statistics.chunks_exact_mut(of_run)).zip(entropies)
            {
                *entropy = attend(set, head, x, y, statistics);
            }
        });
    }
    if let Some(recorder) = &context.recorder {
        let mean = |head: usize| entropies.iter().map(|of| of[head]).sum::<f64>() / layout.rows() as f64;
        recorder.entropies(block, (0..heads).map(|head| mean(head) as f32).collect());
    }
    let y = Rc::new(Activation::in_memory(shape, layout, y, true));

    let (output, context) = (Rc::clone(&y), context.clone());
    context.tape.clone().record(move |_| {
        let Some(dy) = output.left(&context) else { return Ok(()) };
        let mut dx = context.buffers.take(x.len());
        if !dx.is_empty() {
            let (values, outputs) = (x.kept(), output.kept());
            let (inner, outer) = (of_run * x.shape.bundle(), of_run * shape.bundle());
            let forward = values.chunks_exact(inner).zip(outputs.chunks_exact(outer));
            let gradients = dy.chunks_exact(outer).zip(dx.chunks_exact_mut(inner));
            let jobs = forward.zip(&statistics).zip(gradients);
            context.run(jobs, |(((x, y), statistics), (dy, dx))| {
                dx.fill(0.0);
                for (head, statistics) in all.iter().zip(statistics.chunks_exact(of_run)) {
                    attend_gradient(set, head, x, y, statistics, dy, dx);
                }
            });
        }
        x.add_extra(Rc::new(dx), &context);
        Ok(())
    });
    Features::of(y)
}
