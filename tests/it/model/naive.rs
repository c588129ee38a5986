//! A network of one block per stage, forward and backward, built by hand from the reference operations: an independent
//! computation of what the statistics measure.

use std::collections::HashMap;

use skiplane::datasets::Batch;
use skiplane::model::{NamedTensor, Network};
use skiplane::nn::kernels::reference::{BatchNorm, Convolution, Size};

use super::{RGB16, floats};

/// The values of a layer of the network after a step.
#[derive(Clone, Default)]
pub(super) struct NaiveLayer {
    pub(super) output: Vec<f32>,
    pub(super) response: Vec<f32>,
    pub(super) channels: usize,
    pub(super) output_gradient: Vec<f32>,
    pub(super) weight_gradient: Vec<f32>,
    pub(super) weights: Vec<f32>,
}

/// Layers in the topology's order; residual branches with shortcuts, and outputs with their gradients, in the order of
/// the blocks.
#[derive(Default)]
pub(super) struct Naive {
    pub(super) layers: Vec<NaiveLayer>,
    pub(super) branches: Vec<(Vec<f32>, Vec<f32>)>,
    pub(super) blocks: Vec<(Vec<f32>, Vec<f32>)>,
    pub(super) loss: f64,
}

/// A convolution with its batch norm, its input and its output.
struct Pass {
    shape: Convolution,
    size: Size,
    relu: bool,
    weights: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    x: Vec<f32>,
    shortcut: Option<Vec<f32>>,
    between: Vec<f32>,
    response: Vec<f32>,
    y: Vec<f32>,
}

fn round(values: Vec<f64>) -> Vec<f32> {
    values.into_iter().map(|x| x as f32).collect()
}

fn add(a: Vec<f32>, b: &[f32]) -> Vec<f32> {
    a.into_iter().zip(b).map(|(a, b)| a + b).collect()
}

impl Pass {
    fn norm(&self) -> BatchNorm<'_> {
        BatchNorm { gamma: &self.gamma, beta: &self.beta, epsilon: 1e-5, relu: self.relu }
    }

    /// Gradients with respect to input, weights and shortcut.
    fn backward(&self, dy: &[f32]) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let through = self.norm().gradients(&self.between, self.shortcut.as_deref(), dy);
        let between = round(through.dx);
        (
            round(self.shape.input_gradient(self.size, &between, &self.weights)),
            round(self.shape.weight_gradient(self.size, &self.x, &between)),
            round(through.dshortcut),
        )
    }

    fn layer(&self, dy: &[f32], dweights: Vec<f32>) -> NaiveLayer {
        NaiveLayer {
            output: self.y.clone(),
            response: self.response.clone(),
            channels: self.shape.outputs,
            output_gradient: dy.to_vec(),
            weight_gradient: dweights,
            weights: self.weights.clone(),
        }
    }
}

/// The network's tensors by name.
struct Parameters(HashMap<String, NamedTensor>);

impl Parameters {
    fn get(&self, name: &str) -> Vec<f32> {
        floats(&self.0[name]).to_vec()
    }

    /// Convolution weights from out, in, height, width to height, width, in, out.
    fn kernel(&self, name: &str) -> (Convolution, Vec<f32>) {
        let tensor = &self.0[name];
        let [outputs, inputs, kernel, _] = tensor.shape[..] else { panic!("{name} is no convolution") };
        let values = floats(tensor);
        let mut turned = Vec::new();
        for sink in 0..kernel * kernel {
            for input in 0..inputs {
                turned.extend((0..outputs).map(|o| values[(o * inputs + input) * kernel * kernel + sink]));
            }
        }
        (Convolution { kernel, stride: 1, inputs, outputs }, turned)
    }

    fn pass(
        &self,
        names: [&str; 2],
        stride: usize,
        size: Size,
        x: &[f32],
        shortcut: Option<Vec<f32>>,
    ) -> Pass {
        let [convolution, norm] = names;
        let (shape, weights) = self.kernel(&format!("{convolution}.weight"));
        let shape = Convolution { stride, ..shape };
        let mut pass = Pass {
            shape,
            size,
            relu: !convolution.contains("downsample"),
            between: round(shape.forward(size, x, &weights)),
            weights,
            gamma: self.get(&format!("{norm}.weight")),
            beta: self.get(&format!("{norm}.bias")),
            x: x.to_vec(),
            shortcut,
            response: Vec::new(),
            y: Vec::new(),
        };
        pass.response = round(pass.norm().response(&pass.between));
        pass.y = round(pass.norm().forward(&pass.between, pass.shortcut.as_deref()));
        pass
    }
}

/// For each number that option A keeps, its places in the input and in the output: every second pixel, after half of
/// the channels of zeros.
fn kept(size: Size, channels: usize) -> impl Iterator<Item = (usize, usize)> {
    let half = size.strided(2);
    (0..half.pixels()).flat_map(move |pixel| {
        let (row, column) = (pixel / half.width, pixel % half.width);
        let from = (2 * row * size.width + 2 * column) * channels;
        (0..channels).map(move |c| (from + c, pixel * 2 * channels + channels / 2 + c))
    })
}

fn zero_padding(size: Size, x: &[f32], channels: usize) -> Vec<f32> {
    let mut y = vec![0.0; size.strided(2).pixels() * 2 * channels];
    kept(size, channels).for_each(|(from, to)| y[to] = x[from]);
    y
}

fn zero_padding_gradient(size: Size, dy: &[f32], channels: usize) -> Vec<f32> {
    let mut dx = vec![0.0; size.pixels() * channels];
    kept(size, channels).for_each(|(to, from)| dx[to] = dy[from]);
    dx
}

/// The forward pass of one block.
struct BlockPass {
    first: Pass,
    second: Pass,
    projection: Option<Pass>,
    padded: bool,
}

/// Forward and backward pass of a network of depth 8 and base width 4, with its current weights.
pub(super) fn step(network: &dyn Network, batch: &Batch, shortcut: &'static str) -> Naive {
    let state = network.state().into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
    let parameters = Parameters(state);
    let images = batch.labels.len();
    let mut size = Size::new(images, RGB16.height, RGB16.width);
    let stem = parameters.pass(["conv1", "bn1"], 1, size, batch.inputs.numbers().unwrap(), None);

    let mut x = stem.y.clone();
    let mut blocks: Vec<BlockPass> = Vec::new();
    for stage in 1..=3 {
        let name = |part: &str| format!("layer{stage}.0.{part}");
        let stride = if stage == 1 { 1 } else { 2 };
        let channels = x.len() / size.pixels();
        let projection = (shortcut == "projection" && stage > 1)
            .then(|| parameters.pass([&name("downsample.0"), &name("downsample.1")], 2, size, &x, None));
        let padded = shortcut == "identity" && stage > 1;
        let h = match (&projection, shortcut) {
            (_, "none") => None,
            (Some(projection), _) => Some(projection.y.clone()),
            _ if padded => Some(zero_padding(size, &x, channels)),
            _ => Some(x.clone()),
        };
        let first = parameters.pass([&name("conv1"), &name("bn1")], stride, size, &x, None);
        size = size.strided(stride);
        let second = parameters.pass([&name("conv2"), &name("bn2")], 1, size, &first.y, h);
        x = second.y.clone();
        blocks.push(BlockPass { first, second, projection, padded });
    }

    let (head, loss, mut dx) = head(&parameters, batch, size, &x);
    let mut naive = Naive { loss, ..Naive::default() };
    let mut layers = vec![head];
    for block in blocks.iter().rev() {
        naive.blocks.insert(0, (block.second.y.clone(), dx.clone()));
        let mut of_block = Vec::new();
        let (inner, dweights, dshortcut) = block.second.backward(&dx);
        of_block.push(block.second.layer(&dx, dweights));
        let (mut below, dweights, _) = block.first.backward(&inner);
        of_block.insert(0, block.first.layer(&inner, dweights));
        if let Some(h) = &block.second.shortcut {
            naive.branches.insert(0, (block.second.response.clone(), h.clone()));
            if let Some(projection) = &block.projection {
                let (through, dweights, _) = projection.backward(&dshortcut);
                of_block.push(projection.layer(&dshortcut, dweights));
                below = add(below, &through);
            } else if block.padded {
                below = add(
                    below,
                    &zero_padding_gradient(block.first.size, &dshortcut, block.first.shape.inputs),
                );
            } else {
                below = add(below, &dshortcut);
            }
        }
        layers.splice(0..0, of_block);
        dx = below;
    }
    let (_, dweights, _) = stem.backward(&dx);
    layers.insert(0, stem.layer(&dx, dweights));
    naive.layers = layers;
    naive
}

/// The head's layer, the loss and the gradient with respect to what the head reads.
fn head(parameters: &Parameters, batch: &Batch, size: Size, x: &[f32]) -> (NaiveLayer, f64, Vec<f32>) {
    let (weights, bias) = (parameters.get("fc.weight"), parameters.get("fc.bias"));
    let (features, classes) = (weights.len() / bias.len(), bias.len());
    let (images, area) = (batch.labels.len(), size.area());
    let pooled: Vec<f64> = (0..images * features)
        .map(|i| {
            let of_image = &x[i / features * area * features..][..area * features];
            of_image.iter().skip(i % features).step_by(features).map(|&x| f64::from(x)).sum::<f64>()
                / area as f64
        })
        .collect();
    let logit = |image: usize, class: usize| {
        let products =
            (0..features).map(|f| pooled[image * features + f] * f64::from(weights[class * features + f]));
        products.sum::<f64>() + f64::from(bias[class])
    };
    let logits: Vec<f64> = (0..images * classes).map(|i| logit(i / classes, i % classes)).collect();
    let (mut loss, mut dlogits) = (0.0, vec![0.0; logits.len()]);
    for (image, &label) in batch.labels.iter().enumerate() {
        let row = &logits[image * classes..][..classes];
        let sum: f64 = row.iter().map(|z| z.exp()).sum();
        loss += (sum.ln() - row[usize::from(label)]) / images as f64;
        for class in 0..classes {
            let target = f64::from(u8::from(class == usize::from(label)));
            dlogits[image * classes + class] = (row[class].exp() / sum - target) / images as f64;
        }
    }
    let mut dweights = vec![0.0; weights.len()];
    let mut dpooled = vec![0.0; pooled.len()];
    for (i, &d) in dlogits.iter().enumerate() {
        for feature in 0..features {
            let (pool, weight) = (i / classes * features + feature, i % classes * features + feature);
            dweights[weight] += d * pooled[pool];
            dpooled[pool] += d * f64::from(weights[weight]);
        }
    }
    let dx = (0..x.len()).map(|i| dpooled[i / (area * features) * features + i % features] / area as f64);
    let layer = NaiveLayer {
        output: round(logits.clone()),
        response: round(logits),
        channels: classes,
        output_gradient: round(dlogits),
        weight_gradient: round(dweights),
        weights,
    };
    (layer, loss, round(dx.collect()))
}
