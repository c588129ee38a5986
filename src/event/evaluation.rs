//! Evaluations: passes over a fixed set of images without an update. Each gives a loss and an error; they are separate
//! metrics for each set of images and each mode of batch norm.

use serde::{Deserialize, Serialize};

use crate::metric::{Metric, known};

/// The images an evaluation used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The first images of the training split, without augmentation.
    Train,
    /// The test split.
    Test,
}

/// The statistics that batch norm used during an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Running statistics, as at inference.
    Eval,
    /// Statistics of the batch itself, as in training.
    Batch,
}

/// The metrics of an evaluation: its loss and its error.
pub fn evaluated(split: Split, mode: Mode) -> [Metric; 2] {
    match (split, mode) {
        (Split::Train, Mode::Eval) => [known::TRAIN_LOSS, known::TRAIN_ERROR],
        (Split::Train, Mode::Batch) => [known::TRAIN_BATCH_LOSS, known::TRAIN_BATCH_ERROR],
        (Split::Test, Mode::Eval) => [known::TEST_LOSS, known::TEST_ERROR],
        (Split::Test, Mode::Batch) => [known::TEST_BATCH_LOSS, known::TEST_BATCH_ERROR],
    }
}
