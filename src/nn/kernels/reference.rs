//! The same operations in simple Rust, computed in f64: the reference for the fast kernels. Its own gradients are
//! checked against finite differences of its forward passes.

mod size;

pub use size::Size;

/// The shape of a square convolution with padding `kernel / 2`.
#[derive(Clone, Copy, Debug)]
pub struct Convolution {
    /// Rows and columns of the kernel: 1 or 3.
    pub kernel: usize,
    /// Distance of neighbouring outputs in input pixels.
    pub stride: usize,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
}

impl Convolution {
    /// Calls `visit(x, w, y)` with the indices of every product that the convolution of a batch of this input
    /// size consists of: `y[y] += x[x] * w[w]`.
    fn for_each_product(self, size: Size, mut visit: impl FnMut(usize, usize, usize)) {
        let Convolution { kernel, stride, inputs, outputs } = self;
        let output = size.strided(stride);
        let pad = kernel / 2;
        for image in 0..size.batch {
            for (row, column) in pixels(output) {
                for (kernel_row, kernel_column) in
                    (0..kernel * kernel).map(|tap| (tap / kernel, tap % kernel))
                {
                    let (Some(input_row), Some(input_column)) = (
                        (row * stride + kernel_row).checked_sub(pad),
                        (column * stride + kernel_column).checked_sub(pad),
                    ) else {
                        continue;
                    };
                    if input_row >= size.height || input_column >= size.width {
                        continue;
                    }
                    let x = ((image * size.height + input_row) * size.width + input_column) * inputs;
                    let w = (kernel_row * kernel + kernel_column) * inputs;
                    let y = ((image * output.height + row) * output.width + column) * outputs;
                    for input in 0..inputs {
                        for channel in 0..outputs {
                            visit(x + input, (w + input) * outputs + channel, y + channel);
                        }
                    }
                }
            }
        }
    }

    /// The number of weights.
    pub fn weights(self) -> usize {
        self.kernel * self.kernel * self.inputs * self.outputs
    }

    /// The convolution of `x`.
    pub fn forward(self, size: Size, x: &[f32], weights: &[f32]) -> Vec<f64> {
        let mut y = vec![0.0; size.strided(self.stride).pixels() * self.outputs];
        self.for_each_product(size, |i, w, o| y[o] += f64::from(x[i]) * f64::from(weights[w]));
        y
    }

    /// The gradient with respect to `x`.
    pub fn input_gradient(self, size: Size, dy: &[f32], weights: &[f32]) -> Vec<f64> {
        let mut dx = vec![0.0; size.pixels() * self.inputs];
        self.for_each_product(size, |i, w, o| dx[i] += f64::from(dy[o]) * f64::from(weights[w]));
        dx
    }

    /// The gradient with respect to the weights.
    pub fn weight_gradient(self, size: Size, x: &[f32], dy: &[f32]) -> Vec<f64> {
        let mut dw = vec![0.0; self.weights()];
        self.for_each_product(size, |i, w, o| dw[w] += f64::from(x[i]) * f64::from(dy[o]));
        dw
    }
}

fn pixels(size: Size) -> impl Iterator<Item = (usize, usize)> {
    (0..size.height).flat_map(move |row| (0..size.width).map(move |column| (row, column)))
}

/// Mean and biased variance of each channel.
pub(crate) fn channel_statistics(channels: usize, x: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let count = (x.len() / channels) as f64;
    let of = |channel: usize| x.iter().skip(channel).step_by(channels).map(|&v| f64::from(v));
    let mean: Vec<f64> = (0..channels).map(|c| of(c).sum::<f64>() / count).collect();
    let variance = (0..channels).map(|c| of(c).map(|v| (v - mean[c]).powi(2)).sum::<f64>() / count).collect();
    (mean, variance)
}

/// Batch norm with the statistics of the batch itself, an addition where there is a shortcut, ReLU if asked.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a> {
    /// Scale of each channel.
    pub gamma: &'a [f32],
    /// Shift of each channel.
    pub beta: &'a [f32],
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether ReLU follows.
    pub relu: bool,
}

/// The gradients of [`BatchNorm`].
#[derive(Clone, Debug)]
pub struct BatchNormGradients {
    /// With respect to what is normalised.
    pub dx: Vec<f64>,
    /// With respect to the scale.
    pub dgamma: Vec<f64>,
    /// With respect to the shift.
    pub dbeta: Vec<f64>,
    /// With respect to the shortcut.
    pub dshortcut: Vec<f64>,
}

impl BatchNorm<'_> {
    /// The output of batch norm, before addition and ReLU.
    pub fn response(&self, x: &[f32]) -> Vec<f64> {
        let channels = self.gamma.len();
        let (mean, variance) = channel_statistics(channels, x);
        let normalised = |(i, &v): (usize, &f32)| {
            let c = i % channels;
            let scaled = (f64::from(v) - mean[c]) / (variance[c] + self.epsilon).sqrt();
            scaled * f64::from(self.gamma[c]) + f64::from(self.beta[c])
        };
        x.iter().enumerate().map(normalised).collect()
    }

    /// The output.
    pub fn forward(&self, x: &[f32], shortcut: Option<&[f32]>) -> Vec<f64> {
        let mut y = self.response(x);
        if let Some(shortcut) = shortcut {
            y.iter_mut().zip(shortcut).for_each(|(y, &h)| *y += f64::from(h));
        }
        if self.relu {
            y.iter_mut().filter(|y| **y < 0.0).for_each(|y| *y = 0.0);
        }
        y
    }

    /// The gradients for the gradient `dy` with respect to the output.
    pub fn gradients(&self, x: &[f32], shortcut: Option<&[f32]>, dy: &[f32]) -> BatchNormGradients {
        let channels = self.gamma.len();
        let count = (x.len() / channels) as f64;
        let (mean, variance) = channel_statistics(channels, x);
        let y = self.forward(x, shortcut);
        let passes = |y: f64| !self.relu || y > 0.0;
        let dshortcut: Vec<f64> =
            y.iter().zip(dy).map(|(&y, &d)| if passes(y) { f64::from(d) } else { 0.0 }).collect();
        let deviation = |c: usize| (variance[c] + self.epsilon).sqrt();
        let normalised = |i: usize| (f64::from(x[i]) - mean[i % channels]) / deviation(i % channels);
        let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
        for (i, g) in dshortcut.iter().enumerate() {
            dgamma[i % channels] += g * normalised(i);
            dbeta[i % channels] += g;
        }
        let dx = |(i, g): (usize, &f64)| {
            let c = i % channels;
            f64::from(self.gamma[c]) / deviation(c)
                * (g - dbeta[c] / count - normalised(i) * dgamma[c] / count)
        };
        let dx = dshortcut.iter().enumerate().map(dx).collect();
        BatchNormGradients { dx, dgamma, dbeta, dshortcut }
    }
}

#[cfg(test)]
mod tests;
