//! Networks through their public interface: against the PyTorch reference, and against naive computations.

use skiplane::datasets::{Batch, Inputs};
use skiplane::experiment::{Lane, Optimizer, Settings};
use skiplane::model::{self, NamedTensor, Network, TensorData};
use skiplane::units::ImageShape;

mod golden;
mod naive;
mod statistics;
mod shapes;

/// What blocks may add to their residual branch.
const SHORTCUTS: [&str; 3] = ["none", "identity", "projection"];

/// Images of the reference: RGB, 16x16.
const RGB16: ImageShape = ImageShape { channels: 3, height: 16, width: 16 };

fn lane(depth: usize, width: usize, shortcut: &'static str) -> Lane {
    let settings = Settings::default()
        .with("depth", depth.into())
        .with("width", width.into())
        .with("shortcut", shortcut.into());
    Lane::new("lane", "resnet", settings)
}

fn sgd(momentum: f64, weight_decay: f64) -> Optimizer {
    Optimizer::Sgd { learning_rate: 0.1, momentum, weight_decay }
}

fn network(depth: usize, width: usize, shortcut: &'static str, optimizer: &Optimizer) -> Box<dyn Network> {
    model::build(&lane(depth, width, shortcut), RGB16, 10, 0, optimizer, 1).unwrap()
}

fn floats(tensor: &NamedTensor) -> &[f32] {
    match &tensor.data {
        TensorData::F32(values) => values,
        TensorData::I64(_) => panic!("{} holds no floats", tensor.name),
    }
}

/// Images without structure, the same in every run.
fn noise(images: usize, shape: ImageShape, classes: u16) -> Batch {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    Batch {
        inputs: Inputs::Numbers((0..images * shape.len()).map(|_| 4.0 * next() - 2.0).collect()),
        labels: (0..images).map(|image| (image % usize::from(classes)) as u16).collect(),
    }
}
