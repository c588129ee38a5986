//! Networks against what the PyTorch reference computes in f64 (`tests/golden/networks`): logits, loss, gradients,
//! statistics of blocks, three steps of SGD (momentum 0.9, decay 1e-4), and an evaluation after them.

use std::collections::HashMap;
use std::rc::Rc;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::datasets::{Batch, Inputs, NO_LABEL};
use crate::event::Mode;
use crate::experiment::Optimizer;
use crate::model::architectures::Built;
use crate::model::trained::Trained;
use crate::model::{NamedTensor, Network, TensorData, Wanted};
use crate::nn::ops::{BlockRecord, Chance};
use crate::units::BlockIdx;

/// The largest relative error of any tensor.
const TOLERANCE: f64 = 1e-4;

/// The tensors of a golden file by name.
pub(super) struct Golden(HashMap<String, NamedTensor>);

/// The sizes of a reference network, by their names in `networks_torch.py`.
pub(super) struct Config(serde_json::Value);

impl Config {
    /// A size.
    pub(super) fn size(&self, name: &str) -> usize {
        let size = self.0["config"][name].as_u64().unwrap_or_else(|| panic!("no size {name}"));
        usize::try_from(size).unwrap()
    }
}

impl Golden {
    /// Reads a file.
    pub(super) fn read(name: &str) -> (Golden, Config) {
        let file = format!("{}/tests/golden/networks/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let about = &metadata.metadata().as_ref().expect("metadata")["about"];
        let config = Config(serde_json::from_str(about).unwrap());
        let read = |(name, view): (String, TensorView)| {
            let data = match view.dtype() {
                Dtype::F32 => TensorData::F32(
                    view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
                ),
                Dtype::I64 => TensorData::I64(
                    view.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect(),
                ),
                other => panic!("{name} is {other:?}"),
            };
            (name.clone(), NamedTensor { name, shape: view.shape().to_vec(), data })
        };
        (Golden(tensors.tensors().into_iter().map(read).collect()), config)
    }

    fn get(&self, name: &str) -> &NamedTensor {
        self.0.get(name).unwrap_or_else(|| panic!("no {name}"))
    }

    fn floats(&self, name: &str) -> &[f32] {
        match &self.get(name).data {
            TensorData::F32(values) => values,
            TensorData::I64(_) => panic!("{name} holds no floats"),
        }
    }

    fn integers(&self, name: &str) -> &[i64] {
        match &self.get(name).data {
            TensorData::I64(values) => values,
            TensorData::F32(_) => panic!("{name} holds no integers"),
        }
    }

    /// The batch; images from channels first to channels last.
    fn batch(&self) -> Batch {
        let label = |&label: &i64| if label == -100 { NO_LABEL } else { label.try_into().unwrap() };
        let inputs = match &self.get("input").data {
            TensorData::F32(_) => Inputs::Numbers(channels_last(self.get("input"))),
            TensorData::I64(tokens) => {
                Inputs::Tokens(tokens.iter().map(|&t| t.try_into().unwrap()).collect())
            }
        };
        Batch { inputs, labels: self.integers("labels").iter().map(label).collect() }
    }

    /// Loads the reference's initial weights into a network.
    fn initialise(&self, network: &mut Trained) {
        let with_ours = |mut tensor: NamedTensor| {
            if let Some(reference) = self.0.get(&format!("weights.{}", tensor.name)) {
                assert_eq!(tensor.shape, reference.shape, "{}", tensor.name);
                tensor.data = reference.data.clone();
            } else {
                assert!(tensor.name.ends_with("num_batches_tracked"), "the reference lacks {}", tensor.name);
            }
            tensor
        };
        let state: Vec<NamedTensor> = network.state().into_iter().map(with_ours).collect();
        for name in self.0.keys().filter_map(|name| name.strip_prefix("weights.")) {
            assert!(state.iter().any(|tensor| tensor.name == name), "the network lacks {name}");
        }
        network.load_state(&state).unwrap();
    }

    /// The random decisions of a step, where the reference made any.
    fn chance(&self, step: i64) -> Rc<dyn Chance> {
        let survival = self.0.get(&format!("survival.step{step}"));
        let survives = survival.map(|of| self.integers(&of.name).iter().map(|&one| one == 1).collect());
        let blocks = (0..).map_while(|block| self.0.get(&format!("mask.step{step}.block{block}")));
        let masks = blocks.map(channels_last).collect();
        Rc::new(Decided { survives, masks })
    }
}

/// The reference's random decisions.
struct Decided {
    survives: Option<Vec<bool>>,
    masks: Vec<Vec<f32>>,
}

impl Chance for Decided {
    fn survives(&self, block: BlockIdx, _: f64) -> bool {
        self.survives.as_ref().expect("the reference drops branches")[block.0]
    }

    fn kept(&self, block: BlockIdx, _: f64, length: usize) -> Vec<f32> {
        assert_eq!(self.masks[block.0].len(), length);
        self.masks[block.0].clone()
    }
}

/// A tensor's values; those of images from channels first to channels last.
fn channels_last(tensor: &NamedTensor) -> Vec<f32> {
    let TensorData::F32(values) = &tensor.data else { panic!("{} holds no floats", tensor.name) };
    let [_, channels, height, width] = tensor.shape[..] else { return values.clone() };
    let (area, image) = (height * width, channels * height * width);
    let at = |i: usize| {
        let (image_at, rest) = (i / image, i % image);
        image_at * image + rest % channels * area + rest / channels
    };
    (0..values.len()).map(|i| values[at(i)]).collect()
}

/// |a - b| / |b| over whole tensors; absolute where the reference is nearly zero.
fn error(ours: &[f32], reference: &[f32]) -> f64 {
    assert_eq!(ours.len(), reference.len());
    let square = |x: f64| x * x;
    let difference: f64 =
        ours.iter().zip(reference).map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
    let length: f64 = reference.iter().map(|&b| square(f64::from(b))).sum();
    difference.sqrt() / length.sqrt().max(1e-6)
}

fn assert_close(what: &str, ours: &[f32], reference: &[f32]) {
    let error = error(ours, reference);
    // NaN is not within the tolerance.
    assert!(error <= TOLERANCE, "{what}: relative error {error:e}");
}

/// Compares a network with the reference's results.
pub(super) fn check(name: &str, build: impl Fn(&Config) -> Built) {
    let (golden, config) = Golden::read(name);
    first_step(name, &golden, build(&config));
    three_steps(name, &golden, build(&config));
}

fn trained(golden: &Golden, built: Built, weight_decay: f64) -> Trained {
    let rate = f64::from(golden.floats("learning_rate")[0]);
    let optimizer = Optimizer::Sgd { learning_rate: rate, momentum: 0.9, weight_decay };
    let mut network = Trained::new(built, 0, &optimizer, 1);
    golden.initialise(&mut network);
    let chances: Vec<Rc<dyn Chance>> = (0..3).map(|step| golden.chance(step)).collect();
    network.chance = Box::new(move |updates| Rc::clone(&chances[updates as usize % 3]));
    network
}

/// Sizes, logits, loss, gradients and statistics of the first step.
fn first_step(name: &str, golden: &Golden, built: Built) {
    let structure = built.description.structure.clone();
    assert_eq!(structure.parameters(), Some(golden.integers("parameters")[0] as u64), "{name}: parameters");
    assert_eq!(structure.multiply_adds(), Some(golden.integers("multiply_adds")[0] as u64), "{name}");
    // Without decay the momentum buffer after the first step is the gradient itself.
    let mut network = trained(golden, built, 0.0);
    let batch = golden.batch();
    let blocks = network.blocks(&batch);
    let reference = |block: usize, what: &str| golden.0.get(&format!("block.{block}.{what}"));
    for (index, block) in blocks.iter().enumerate() {
        for (what, ours) in of_block(block) {
            let what_of = format!("{name}: {what} of block {index}");
            match (ours, reference(index, what)) {
                (Some(ours), Some(reference)) => {
                    assert_close(&what_of, &[ours], golden.floats(&reference.name));
                }
                // A branch that was dropped.
                (None, Some(reference)) => assert!(
                    golden.floats(&reference.name) == [0.0] || what == "shortcut_rms",
                    "{what_of} is missing"
                ),
                (Some(ours), None) => {
                    assert!(!ours.is_finite(), "{what_of} is {ours}, the reference has none")
                }
                (None, None) => {}
            }
        }
    }
    assert!(reference(blocks.len(), "output_rms").is_none(), "{name}: blocks");

    let rate = f64::from(golden.floats("learning_rate")[0]);
    network.train_step(&batch, rate, Wanted::default());
    let mut compared = 0;
    for tensor in network.optimizer_state() {
        if let Some(of) = tensor.name.strip_prefix("optimizer.first_moment.") {
            let TensorData::F32(ours) = &tensor.data else { panic!("floats") };
            assert_close(&format!("{name}: gradient of {of}"), ours, golden.floats(&format!("grad.{of}")));
            compared += 1;
        }
    }
    assert_eq!(compared, golden.0.keys().filter(|key| key.starts_with("grad.")).count(), "{name}");
}

/// The statistics of a block by the reference's names.
fn of_block(block: &BlockRecord) -> [(&'static str, Option<f32>); 5] {
    let count = block.output.count as f64;
    let rms = |squares: f64| (squares / count).sqrt() as f32;
    [
        ("output_rms", Some(block.output.rms())),
        ("branch_rms", block.terms.map(|terms| rms(terms.first))),
        ("shortcut_rms", block.terms.map(|terms| rms(terms.second))),
        ("branch_cosine", block.terms.map(|terms| terms.cosine())),
        ("output_gradient_norm", Some(block.output_gradient.norm())),
    ]
}

fn three_steps(name: &str, golden: &Golden, built: Built) {
    let mut network = trained(golden, built, 1e-4);
    let (batch, rate) = (golden.batch(), f64::from(golden.floats("learning_rate")[0]));
    for step in 0..3 {
        let what = format!("{name}: step {step}");
        let logits = network.training_logits(&batch);
        assert_close(&what, &logits, golden.floats(&format!("step{step}.logits")));
        let loss = network.train_step(&batch, rate, Wanted::default()).loss;
        assert_close(&what, &[loss], golden.floats(&format!("step{step}.loss")));
    }
    for tensor in network.state() {
        let what = format!("{name}: {} after three steps", tensor.name);
        match &tensor.data {
            TensorData::I64(batches) => assert!(batches[0] > 0, "{what}"),
            TensorData::F32(ours) => {
                assert_close(&what, ours, golden.floats(&format!("after3.{}", tensor.name)));
            }
        }
    }
    let logits = network.logits(&batch, Mode::Eval);
    assert_close(&format!("{name}: evaluation"), &logits, golden.floats("eval_logits_after3"));
}
