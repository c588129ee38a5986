//! Estimates the memory of a run before it starts: what each lane needs, and what they share.

use crate::datasets::Dataset;
use crate::event::Histogram;
use crate::experiment::Experiment;
use crate::history::{Bounds, History, Span};
use crate::metric::known;
use crate::model::{HISTOGRAMS, Memory};
use crate::session::threads;
use crate::topology::Topology;

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
    /// What an experiment on this data set takes on this many threads. `topologies` are those of its lanes.
    pub(in crate::cli) fn of(
        experiment: &Experiment,
        dataset: &Dataset,
        topologies: &[Topology],
        threads: usize,
    ) -> RunMemory {
        let examples = dataset.train.bytes() + dataset.test.bytes();
        let lane = |topology: &Topology, threads: usize| {
            let (batch, optimizer) = (experiment.training.batch, &experiment.training.optimizer);
            let network = Memory::of(topology, batch, optimizer, threads);
            let batches = (BATCHES * batch * topology.input.len() * size_of::<f32>()) as u64;
            network.total() + COPIES * network.remembered + batches
        };
        let count = topologies.len();
        let each = topologies.iter().enumerate();
        RunMemory {
            program: PROGRAM,
            examples,
            lanes: each.map(|(index, of)| lane(of, threads::of_lane(threads, count, index))).collect(),
            histories: topologies.iter().map(|of| histories(experiment, of)).sum(),
            alone: topologies
                .iter()
                .map(|of| PROGRAM + examples + lane(of, threads) + histories(experiment, of))
                .collect(),
        }
    }

    /// The total with all lanes together, without a dashboard.
    pub(super) fn total(&self) -> u64 {
        self.program + self.examples + self.lanes.iter().sum::<u64>() + self.histories
    }
}

/// The histories of a lane's layers.
fn histories(experiment: &Experiment, topology: &Topology) -> u64 {
    let recorded =
        |every: u64| experiment.training.steps.checked_div(every).map_or(0, |recorded| recorded + 1);
    let recording = &experiment.statistics;
    let histogram = size_of::<Span>() + size_of::<Histogram>() + Histogram::BINS * size_of::<u32>();
    let most = Bounds::HISTOGRAMS.merged;
    let histograms = usize::try_from(recorded(recording.histograms_every)).unwrap_or(most).min(most);
    let metrics = known::ALL.iter().filter(|metric| metric.is_of_layers() || metric.is_of_blocks()).count();
    let of_layer = History::bytes_of(Bounds::COLUMNS, recorded(recording.every)) * metrics
        + HISTOGRAMS.len() * histograms * histogram;
    (topology.layers.len() * of_layer) as u64
}
