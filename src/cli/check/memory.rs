//! Estimates the memory of a run before it starts: what each lane needs, and what they share.

use crate::datasets::Dataset;
use crate::event::Histogram;
use crate::experiment::Experiment;
use crate::history::{Bounds, History, Span};
use crate::metric::{BLOCK, LAYER, Metric};
use crate::model::{self, Description, HISTOGRAMS, WITH_HISTOGRAMS};
use crate::session::threads;

/// Batches of a lane: that of the running step, the one prepared ahead, and that of evaluations.
const BATCHES: usize = 3;

/// Copies of a checkpoint while it is written: the state, its bytes, and the contents of the file.
const COPIES: u64 = 3;

/// The peak memory of a run, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct RunMemory {
    /// The program without examples and lanes.
    pub(super) program: u64,
    /// The examples of the data set.
    pub(super) examples: u64,
    /// Of each lane, the activations that a step keeps for its backward pass.
    pub(super) activations: Vec<u64>,
    /// What each lane adds if all train together.
    pub(in crate::cli) lanes: Vec<u64>,
    /// What a run of each lane alone takes, on all threads, including program and examples.
    pub(super) alone: Vec<u64>,
    /// The histories of all layers at the end of the run, at most: kept for the indexes of the logs, and once more
    /// by the dashboard.
    pub(in crate::cli) histories: u64,
}

/// Resident memory that is not estimated from the experiment: used pages of the program and its libraries, stacks, and
/// what allocators keep. Measured on x86-64 Linux as the peak of headless runs of small networks minus the rest of
/// [`RunMemory`].
const PROGRAM: u64 = 9 << 20;

impl RunMemory {
    /// What an experiment on this data set takes on this many threads. `networks` are those of its lanes.
    pub(in crate::cli) fn of(
        experiment: &Experiment,
        dataset: &Dataset,
        networks: &[Description],
        threads: usize,
    ) -> RunMemory {
        let examples = dataset.train.bytes() + dataset.test.bytes();
        let (batch, optimizer) = (experiment.training.batch, &experiment.training.optimizer);
        let network = |index: usize, threads: usize| {
            let Description { input, classes, .. } = networks[index];
            // It has been described, so it can be built.
            model::memory(&experiment.lanes[index], input, classes, batch, optimizer, threads)
                .unwrap_or_default()
        };
        let lane = |index: usize, threads: usize| {
            let network = network(index, threads);
            let batches = (BATCHES * batch * networks[index].input.len() * size_of::<f32>()) as u64;
            network.total() + COPIES * network.remembered + batches
        };
        let count = networks.len();
        let histories = |index: usize| histories(experiment, &networks[index]);
        RunMemory {
            program: PROGRAM,
            examples,
            activations: (0..count).map(|at| network(at, 1).activations).collect(),
            lanes: (0..count).map(|at| lane(at, threads::of_lane(threads, count, at))).collect(),
            histories: (0..count).map(histories).sum(),
            alone: (0..count).map(|at| PROGRAM + examples + lane(at, threads) + histories(at)).collect(),
        }
    }

    /// What so many such runs take side by side in one process.
    pub(in crate::cli) fn of_several(mut self, runs: u64) -> RunMemory {
        self.lanes.iter_mut().for_each(|lane| *lane *= runs);
        self.histories *= runs;
        self
    }

    /// The total with all lanes together, without a dashboard.
    pub(in crate::cli) fn total(&self) -> u64 {
        self.program + self.examples + self.lanes.iter().sum::<u64>() + self.histories
    }
}

/// The histories of a lane's layers and blocks.
fn histories(experiment: &Experiment, description: &Description) -> u64 {
    let recorded =
        |every: u64| experiment.training.steps.checked_div(every).map_or(0, |recorded| recorded + 1);
    let recording = &experiment.statistics;
    let histogram = size_of::<Span>() + size_of::<Histogram>() + Histogram::BINS * size_of::<u32>();
    let most = Bounds::HISTOGRAMS.merged;
    let histograms = usize::try_from(recorded(recording.histograms_every)).unwrap_or(most).min(most);
    let structure = &description.structure;
    let (layers, blocks) = (structure.layers.len(), structure.blocks.len());
    let length = |axis: &&str| match *axis {
        LAYER => layers,
        BLOCK => blocks,
        _ => description.heads,
    };
    let width = |metric: &Metric| metric.axes().iter().map(length).product::<usize>();
    let numbers: usize = model::metrics(description).iter().map(width).sum();
    let of_number = |every| History::bytes_of(Bounds::COLUMNS, recorded(every));
    let with_histograms = layers * WITH_HISTOGRAMS.len() * of_number(recording.histograms_every);
    let histograms = layers * HISTOGRAMS.len() * histograms * histogram;
    (numbers * of_number(recording.every) + with_histograms + histograms) as u64
}
