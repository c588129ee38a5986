//! Global average pooling, where the bundles end and dfdx's tensors begin.

use std::rc::Rc;

use dfdx::shapes::Const;
use dfdx::tensor::{Cpu, CpuError, OwnedTape, PutTape, Tensor, TensorFromVec};

use super::storage::take_gradient;
use super::{Context, Features};
use crate::nn::kernels::bundle::IMAGES;
use crate::nn::sweeps;

/// The mean of each channel for each image, with the tape.
pub type Means<const C: usize> = Tensor<(usize, Const<C>), f32, Cpu, OwnedTape<f32, Cpu>>;

/// Computes the mean of each channel over each image: `[batch][SIDE][SIDE][C]` gives `[batch][C]`. The tape
/// goes on as the tensor's.
pub fn global_average<const SIDE: usize, const C: usize>(
    x: &Features<SIDE, C>,
    device: &Cpu,
    context: &Context,
) -> Result<Means<C>, CpuError> {
    let x = Rc::clone(&x.activation);
    let shares = x.shares();
    let mut means = vec![0.0; x.layout.rows() * C];
    x.read(context, &shares, |sources| {
        let mut rest: &mut [f32] = &mut means;
        let of_parts = shares.iter().map(|share| {
            let length = (share.bundles.len() * IMAGES * C).min(rest.len());
            let (share, behind) = std::mem::take(&mut rest).split_at_mut(length);
            rest = behind;
            share
        });
        let (set, shape) = (context.instructions, x.shape);
        context.run(shares.iter().zip(sources.into_iter().zip(of_parts)), |(share, (source, means))| {
            sweeps::pool(set, shape, share, source, means);
        });
    });
    let y = device.try_tensor_from_vec(means, (x.layout.rows(), Const::<C>))?;

    let output = y.clone();
    let tape = context.tape.clone();
    let context = context.clone();
    tape.record(move |gradients| {
        let dy = take_gradient(gradients, &output)?;
        let x = Rc::clone(&x);
        let shares = x.shares();
        let gradient = context.buffers.take(x.len());
        x.take_back(&context, &shares, gradient, |jobs| {
            let (set, shape, dy) = (context.instructions, x.shape, &dy);
            context.run(shares.iter().zip(jobs), |(share, (gradient, masked))| {
                let first = share.bundles.start * IMAGES * C;
                let end = (share.bundles.end * IMAGES * C).min(dy.len());
                sweeps::unpool(set, shape, share, &dy[first..end], gradient, masked);
            });
        });
        Ok(())
    });
    Ok(y.put_tape(tape.take()))
}
