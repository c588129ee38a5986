//! All that a live run needs before it can start.

use std::sync::Arc;
use std::time::Instant;

use super::SessionError;
use super::drift::Drift;
use super::starting::lock;
use crate::datasets::Dataset;
use crate::event::{FORMAT_VERSION, Outcome};
use crate::experiment::{Experiment, Lane};
use crate::model::{self, ModelError, Network};
use crate::printable::printable;
use crate::reading::{self, Opened, Resumption};
use crate::runlog::{LaneSummary, Manifest, RunFolder, RunLock, RunLogError, State};
use crate::session::threads;
use crate::units::LaneIdx;

/// Events that the channel holds: seconds of several fast lanes.
pub const CAPACITY: usize = 1024;

/// Builds the network of a lane, in the lane's thread; the last argument is the threads that a step may use.
pub type Build =
    dyn Fn(&Lane, &Experiment, &Dataset, usize) -> Result<Box<dyn Network>, ModelError> + Send + Sync;

/// All that a live run needs.
pub struct Setup {
    /// What is trained.
    pub experiment: Experiment,
    /// On what.
    pub dataset: Arc<Dataset>,
    /// Where logs and checkpoints go.
    pub folder: RunFolder,
    /// Threads that compute, at least 1: split between the lanes that train, or where those are more, lanes
    /// that compute at once.
    pub threads: usize,
    /// Makes the networks.
    pub build: Box<Build>,
    /// Milliseconds since the run started.
    pub clock: Box<dyn Fn() -> f64 + Send + Sync>,
    /// Events that the channel holds, at least 1.
    pub capacity: usize,
    /// What is to be told of a run that goes on, as far as it is no error.
    pub notes: Vec<String>,
    /// What is another than when the run was begun, in words.
    pub(super) changes: Vec<String>,
    /// What is left of each lane's earlier part; empty for a new run.
    pub(super) resumed: Vec<Resumption>,
    /// The run's lock, where it is held already.
    pub(super) lock: Option<RunLock>,
}

impl Setup {
    /// A run of compiled networks from now on.
    pub fn new(experiment: Experiment, dataset: Arc<Dataset>, folder: RunFolder, threads: usize) -> Setup {
        let started = Instant::now();
        Setup {
            experiment,
            dataset,
            folder,
            threads,
            build: Box::new(|lane, experiment, dataset, threads| {
                let optimizer = &experiment.training.optimizer;
                let (input, classes) = (dataset.shape, dataset.classes.len());
                model::build(lane, input, classes, experiment.seed, optimizer, threads)
            }),
            clock: Box::new(move || started.elapsed().as_secs_f64() * 1e3),
            capacity: CAPACITY,
            notes: Vec::new(),
            changes: Vec::new(),
            resumed: Vec::new(),
            lock: None,
        }
    }

    /// A run that goes on in its own folder, each lane that has something left to do from its last checkpoint, and the run
    /// as it was folded up to there. Its clock goes on too, from the last event. Another experiment or other data than it
    /// was begun with are accepted where `force` says so, and its lanes are the same networks.
    ///
    /// # Errors
    /// A run that another process trains; logs or the experiment of the run that cannot be read, or are of an older
    /// format, in which nothing can be said of a lane that goes on; an experiment or data that are not accepted.
    pub fn resume(
        dataset: Arc<Dataset>,
        folder: RunFolder,
        threads: usize,
        force: bool,
    ) -> Result<(Setup, Opened), SessionError> {
        // First of all, since what is read must not change any more.
        let lock = Some(lock(&folder)?);
        let found = folder.manifest().version;
        if found != FORMAT_VERSION {
            let path = folder.path().join(Manifest::FILE);
            let reason =
                format!("expected log format {FORMAT_VERSION}, found {found}; such a run cannot be resumed");
            return Err(RunLogError::Malformed { path, reason }.into());
        }
        let experiment = folder.experiment()?;
        let (opened, mut resumed) = find_all(&folder, experiment.lanes.len())?;
        let Drift { changes, same_networks, mut notes } =
            Drift::find(folder.manifest(), &resumed, &experiment, &dataset);
        let accepted = changes.is_empty() || force && same_networks;
        if !accepted {
            let folder = folder.path().display().to_string();
            return Err(SessionError::Changed { folder, changes, same_networks });
        }
        notes.extend(keep_stopped(&mut resumed));
        let before_ms = resumed.iter().map(|lane| lane.at_ms).fold(0.0, f64::max);
        let setup = Setup::new(experiment, dataset, folder, threads);
        let since = setup.clock;
        let clock = Box::new(move || before_ms + since());
        Ok((Setup { resumed, lock, clock, notes, changes, ..setup }, opened))
    }

    /// Whether no lane has anything left to do.
    pub fn is_over(&self) -> bool {
        !self.resumed.is_empty() && self.resumed.iter().all(|lane| lane.outcome.is_some())
    }

    /// Each lane as an earlier part of the run left it, or as it begins.
    pub(super) fn summaries(&self) -> Vec<LaneSummary> {
        let steps = self.experiment.training.steps;
        let lanes = self.experiment.lanes.iter().enumerate();
        let summary = |(index, lane): (usize, &Lane)| match self.resumed.get(index) {
            Some(resumed) if resumed.outcome.is_some() => resumed.summary.clone(),
            Some(resumed) => LaneSummary { state: State::Running, reason: None, ..resumed.summary.clone() },
            None => LaneSummary::new(&lane.name, steps),
        };
        lanes.map(summary).collect()
    }

    /// The threads that a step of a lane may use. Lanes that have nothing left to do take none.
    pub(super) fn threads_of(&self, lane: LaneIdx) -> usize {
        let trains = |lane: &usize| self.resumed.get(*lane).is_none_or(|lane| lane.outcome.is_none());
        let lanes = (0..self.experiment.lanes.len()).filter(trains).count();
        threads::of_lane(self.threads, lanes, (0..lane.0).filter(trains).count())
    }
}

/// Leaves lanes ended that were stopped alone, as long as another one has something left to do: the run then stays what
/// it was. Gives what is to be told of it.
fn keep_stopped(resumed: &mut [Resumption]) -> Vec<String> {
    let is_alone = |lane: &Resumption| lane.outcome.is_none() && lane.orders.is_stopped_alone();
    if !resumed.iter().any(|lane| lane.outcome.is_none() && !is_alone(lane)) {
        return Vec::new();
    }
    let stopped = resumed.iter_mut().filter(|lane| is_alone(lane));
    let note = |lane: &mut Resumption| {
        lane.outcome = Some(Outcome::Stopped);
        let name = printable(&lane.summary.name);
        format!(
            "lane {name} was stopped individually and stays stopped; to continue it, resume again after the other \
             lanes have ended"
        )
    };
    stopped.map(note).collect()
}

/// The run as it was folded, and where each lane can go on.
fn find_all(folder: &RunFolder, lanes: usize) -> Result<(Opened, Vec<Resumption>), RunLogError> {
    let (opened, mut resumed) = reading::open_to_resume(&[folder.reach().to_owned()])?;
    let logs = opened.replay.lanes().iter().map(|lane| lane.log.clone());
    let without_beginning =
        |lane: &Resumption| lane.log_bytes().is_some_and(|bytes| bytes > 0) && lane.started.is_none();
    if let Some((_, path)) = resumed.iter().zip(logs).find(|(lane, _)| without_beginning(lane)) {
        let reason = "expected a readable first record, found none; the lane cannot be resumed".to_owned();
        return Err(RunLogError::Malformed { path, reason });
    }
    resumed.truncate(lanes);
    Ok((opened, resumed))
}
