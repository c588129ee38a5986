//! Everything that a live run needs before it can start.

use std::sync::Arc;
use std::time::Instant;

use super::SessionError;
use super::drift::Drift;
use super::starting::lock;
use crate::datasets::{self, Dataset};
use crate::event::{FORMAT_VERSION, Outcome};
use crate::experiment::{Available, Experiment, Lane};
use crate::model::{self, ModelError, Network};
use crate::printable::printable;
use crate::reading::{self, Opened, Resumption};
use crate::runlog::{LaneSummary, Manifest, RunFolder, RunLock, RunLogError, State};
use crate::session::permits::Permits;
use crate::session::threads;
use crate::trainer;
use crate::units::LaneIdx;

/// The default capacity of the channel in events: several seconds of several fast lanes.
pub(crate) const CAPACITY: usize = 1024;

/// Builds the network of a lane, in the lane's thread; the last argument is the threads that a step may use.
pub type Build =
    dyn Fn(&Lane, &Experiment, &Dataset, usize) -> Result<Box<dyn Network>, ModelError> + Send + Sync;

/// Everything that a live run needs.
pub struct Setup {
    /// The experiment.
    pub experiment: Experiment,
    /// The data.
    pub dataset: Arc<Dataset>,
    /// Where logs and checkpoints go.
    pub folder: RunFolder,
    /// The number of threads to compute with, at least 1. They are split between the lanes that train; if there are
    /// more lanes than threads, the lanes take turns.
    pub threads: usize,
    /// Builds the networks.
    pub build: Box<Build>,
    /// Milliseconds since the run started.
    pub clock: Box<dyn Fn() -> f64 + Send + Sync>,
    /// The capacity of the channel in events, at least 1.
    pub capacity: usize,
    /// Remarks about a resumed run that are not errors.
    pub notes: Vec<String>,
    /// What lets lanes compute, if they share it with those of other runs.
    pub(super) permits: Option<Arc<Permits>>,
    /// What has changed since the run was started, in words.
    pub(super) changes: Vec<String>,
    /// The state of each lane to resume; empty for a new run.
    pub(super) resumed: Vec<Resumption>,
    /// The run's lock, if it is held already.
    pub(super) lock: Option<RunLock>,
}

impl Setup {
    /// A new run of compiled networks, whose clock starts now.
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
            permits: None,
            changes: Vec::new(),
            resumed: Vec::new(),
            lock: None,
        }
    }

    /// Resumes a run in its own folder, each lane that has something left to do from its last checkpoint; also
    /// returns the run as folded so far. Its clock continues from the last event. If the experiment or data have
    /// changed, that is accepted only with `force`, and only if the lanes are still the same networks.
    ///
    /// # Errors
    /// If another process trains the run; if its logs or experiment cannot be read or are of an older format, which
    /// has no records for resumed lanes; if the experiment or data are not accepted.
    pub fn resume(
        dataset: Arc<Dataset>,
        folder: RunFolder,
        threads: usize,
        force: bool,
    ) -> Result<(Setup, Opened), SessionError> {
        // Locked first, since what is read must not change any more.
        let lock = Some(lock(&folder)?);
        let found = folder.manifest().version;
        if found != FORMAT_VERSION {
            let path = folder.path().join(Manifest::FILE);
            let reason =
                format!("expected log format {FORMAT_VERSION}, found {found}; such a run cannot be resumed");
            return Err(RunLogError::Malformed { path, reason }.into());
        }
        let (datasets, architectures) = (datasets::available(), model::available());
        let available = Available { datasets, architectures, probes: trainer::probes() };
        let experiment = folder.experiment()?.completed(&available);
        let (opened, mut resumed) = find_all(&folder, experiment.lanes.len())?;
        let Drift { changes, same_networks, mut notes } =
            Drift::find(folder.manifest(), &resumed, &experiment, &dataset, &available);
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

    /// The same run, each of whose lanes computes with one thread, when these permits let it.
    pub(in crate::session) fn sharing(self, permits: Arc<Permits>) -> Setup {
        Setup { threads: 1, permits: Some(permits), ..self }
    }

    /// Whether no lane has anything left to do.
    pub fn is_over(&self) -> bool {
        !self.resumed.is_empty() && self.resumed.iter().all(|lane| lane.outcome.is_some())
    }

    /// The summary of each lane before training: as an earlier part of the run left it, or new.
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

    /// The number of threads that a step of a lane may use. Lanes that have nothing left to do take none.
    pub(super) fn threads_of(&self, lane: LaneIdx) -> usize {
        let trains = |lane: &usize| self.resumed.get(*lane).is_none_or(|lane| lane.outcome.is_none());
        let lanes = (0..self.experiment.lanes.len()).filter(trains).count();
        threads::of_lane(self.threads, lanes, (0..lane.0).filter(trains).count())
    }
}

/// Keeps lanes ended that were stopped individually, as long as another one has something left to do, so that the run
/// is continued as it was. Returns remarks about them.
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

/// The run as folded, and from where each lane can be resumed.
fn find_all(folder: &RunFolder, lanes: usize) -> Result<(Opened, Vec<Resumption>), RunLogError> {
    let (opened, mut resumed) = reading::open_to_resume(&[folder.reach().to_owned()])?;
    let logs = opened.replay.lanes().iter().map(|lane| lane.origin.path().to_owned());
    let without_beginning =
        |lane: &Resumption| lane.log_bytes().is_some_and(|bytes| bytes > 0) && lane.started.is_none();
    if let Some((_, path)) = resumed.iter().zip(logs).find(|(lane, _)| without_beginning(lane)) {
        let reason = "expected a readable first record, found none; the lane cannot be resumed".to_owned();
        return Err(RunLogError::Malformed { path, reason });
    }
    resumed.truncate(lanes);
    Ok((opened, resumed))
}
