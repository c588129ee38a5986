//! A network that computes nothing but records all calls, and a tiny data set for it.

use std::sync::{Arc, Mutex};

use skiplane::datasets::{Batch, Dataset, Examples, NO_LABEL};
use skiplane::event::{Histogram, Mode, Pass, Value, Values};
use skiplane::metric::{Metric, known};
use skiplane::model::{
    Changes, Description, Evaluation, HISTOGRAMS, LossGradient, ModelError, NamedTensor, Network, NonFinite,
    StepResult, Stream, TensorData, Wanted,
};
use skiplane::units::{ImageShape, LayerIdx};

/// What a fake network was asked to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    Trained { labels: Vec<u16>, learning_rate: f64, wanted: Wanted },
    Evaluated { labelled: usize, mode: Mode },
}

/// A network whose loss falls by one each step from 100.
#[derive(Default)]
pub(crate) struct FakeNetwork {
    pub(crate) description: Option<Description>,
    pub(crate) calls: Arc<Mutex<Vec<Call>>>,
    pub(crate) steps: u64,
    /// The step whose backward pass is not finite, in the third layer.
    pub(crate) diverges_at: Option<u64>,
    /// The step that panics.
    pub(crate) panics_at: Option<u64>,
}

impl FakeNetwork {
    pub(crate) fn new() -> FakeNetwork {
        FakeNetwork { description: Some(crate::runlog::description()), ..FakeNetwork::default() }
    }
}

impl Network for FakeNetwork {
    fn description(&self) -> &Description {
        self.description.as_ref().unwrap()
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![known::WEIGHT_NORM]
    }

    fn activation_bytes(&self, examples: usize) -> u64 {
        4 * examples as u64
    }

    fn train_step(&mut self, batch: &Batch, learning_rate: f64, wanted: Wanted) -> StepResult {
        self.steps += 1;
        assert_ne!(self.panics_at, Some(self.steps), "this network was told to panic");
        let labels = batch.labels.clone();
        self.calls.lock().unwrap().push(Call::Trained { labels, learning_rate, wanted });
        let diverges = self.diverges_at == Some(self.steps);
        let norms = vec![self.steps as f32; 4];
        StepResult {
            loss: if diverges { f32::NAN } else { 100.0 - self.steps as f32 },
            wrong: 1,
            labelled: labelled(batch),
            statistics: if wanted.scalars {
                Values::from_iter([(known::WEIGHT_NORM, norms)])
            } else {
                Values::default()
            },
            histograms: if wanted.histograms {
                let of_layers = || Value::Histograms(vec![Histogram::default(); 4]);
                HISTOGRAMS.iter().map(|metric| (*metric, of_layers())).collect()
            } else {
                Values::default()
            },
            non_finite: diverges.then_some(NonFinite { layer: Some(LayerIdx(2)), pass: Pass::Backward }),
            statistics_ms: 0.25,
        }
    }

    fn evaluate(&mut self, batch: &Batch, mode: Mode) -> Evaluation {
        let labelled = labelled(batch);
        self.calls.lock().unwrap().push(Call::Evaluated { labelled, mode });
        Evaluation { loss_sum: 0.5 * labelled as f64, wrong: labelled / 2, labelled }
    }

    fn logits(&mut self, batch: &Batch, _mode: Mode) -> Vec<f32> {
        vec![0.0; 10 * batch.labels.len()]
    }

    fn can_change(&self, _changes: &Changes) -> bool {
        true
    }

    fn evaluate_changed(&mut self, batch: &Batch, mode: Mode, _changes: &Changes) -> Evaluation {
        self.evaluate(batch, mode)
    }

    fn logits_changed(&mut self, batch: &Batch, mode: Mode, _changes: &Changes) -> Vec<f32> {
        self.logits(batch, mode)
    }

    fn streams(&mut self, batch: &Batch, _mode: Mode) -> Vec<Stream> {
        let rows = batch.labels.len();
        let blocks = self.description().structure.blocks.len();
        vec![Stream::of(&vec![0.0; 4 * rows], rows, 4); blocks]
    }

    fn gradients(&mut self, batch: &Batch) -> LossGradient {
        LossGradient { loss: 0.5, labelled: labelled(batch), tensors: Vec::new() }
    }

    fn state(&self) -> Vec<NamedTensor> {
        let steps = TensorData::I64(vec![self.steps as i64]);
        vec![NamedTensor { name: "steps".to_owned(), shape: vec![], data: steps }]
    }

    fn load_state(&mut self, state: &[NamedTensor]) -> Result<(), ModelError> {
        if let TensorData::I64(steps) = &state[0].data {
            self.steps = steps[0] as u64;
        }
        Ok(())
    }

    fn optimizer_state(&self) -> Vec<NamedTensor> {
        let momentum = TensorData::F32(vec![self.steps as f32]);
        vec![NamedTensor { name: "optimizer.first_moment.w".to_owned(), shape: vec![1], data: momentum }]
    }

    fn load_optimizer_state(&mut self, _state: &[NamedTensor]) -> Result<(), ModelError> {
        Ok(())
    }

    fn shared_weights_hash(&self) -> String {
        "0f0f".to_owned()
    }
}

fn labelled(batch: &Batch) -> usize {
    batch.labels.iter().filter(|&&label| label != NO_LABEL).count()
}

/// 20 training and 10 test images of 16x16 gray pixels.
pub(crate) fn dataset() -> Dataset {
    let shape = ImageShape { channels: 1, height: 16, width: 16 };
    let split = |images: usize, seed: usize| {
        let labels: Vec<u8> = (0..images).map(|index| (index % 10) as u8).collect();
        Examples::images((0..images * 256).map(|at| (at * 31 + seed) as u8).collect(), &labels)
    };
    Dataset::new(shape, (0..10).map(|class| class.to_string()).collect(), split(20, 0), split(10, 7))
}
