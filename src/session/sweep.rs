//! Trains many runs one after another, so many at a time that each core has a lane to compute. Knows neither what the
//! runs are for nor how their events are used.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::Select;

use super::live::{self, Live, SessionError, Setup};
use super::permits::Permits;

/// A run that is to be trained. Each of its lanes computes with one thread.
///
/// It is a function that makes its folder, or reads what an earlier part of the run left, when its turn comes; and what the
/// caller keeps beside it.
pub type Job<'a, T> = Box<dyn FnOnce() -> Result<(Setup, T), SessionError> + 'a>;

/// Runs that wait for their turn, and those that train.
pub struct Queue<'a, T> {
    waiting: VecDeque<(usize, Job<'a, T>)>,
    going: Vec<Going<T>>,
    cores: usize,
    permits: Arc<Permits>,
}

/// A run that trains.
pub struct Going<T> {
    /// Its place among the jobs.
    pub job: usize,
    /// The run.
    pub live: Live,
    /// What the caller keeps beside it.
    pub kept: T,
}

impl<'a, T> Queue<'a, T> {
    /// A queue of jobs, in this order, for a number of cores, at least 1. None is started yet.
    pub fn new(jobs: Vec<Job<'a, T>>, cores: usize) -> Queue<'a, T> {
        let cores = cores.max(1);
        let waiting = jobs.into_iter().enumerate().collect();
        Queue { waiting, going: Vec::new(), cores, permits: Permits::new(cores) }
    }

    /// Starts the next run, if there is a core that no lane uses; returns its place among the jobs, and the run or why
    /// it could not be started.
    pub fn start_next(&mut self) -> Option<(usize, Result<&mut Going<T>, SessionError>)> {
        let busy: usize = self.going.iter().map(|going| going.live.open_lanes()).sum();
        if busy >= self.cores {
            return None;
        }
        let (job, prepare) = self.waiting.pop_front()?;
        let started = prepare().and_then(|(setup, kept)| {
            let live = live::start(setup.sharing(Arc::clone(&self.permits)))?;
            Ok(Going { job, live, kept })
        });
        let place = self.going.len();
        Some((
            job,
            started.map(|going| {
                self.going.push(going);
                &mut self.going[place]
            }),
        ))
    }

    /// The runs that train.
    pub fn going(&mut self) -> &mut [Going<T>] {
        &mut self.going
    }

    /// Removes a run that has ended, whose last events may not have been drained; none if all of them train.
    pub fn take_ended(&mut self) -> Option<Going<T>> {
        let at = self.going.iter().position(|going| going.live.is_finished())?;
        Some(self.going.remove(at))
    }

    /// Stops the runs that train, with a checkpoint, and starts no more.
    pub fn stop(&mut self) {
        self.waiting.clear();
        self.going.iter().for_each(|going| going.live.stop());
    }

    /// Whether nothing trains and nothing waits.
    pub fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.going.is_empty()
    }

    /// Adds to a selection the channels that become ready when a run has something to drain.
    pub fn watch<'s>(&'s self, select: &mut Select<'s>) {
        self.going.iter().for_each(|going| {
            select.recv(going.live.wakeups());
        });
    }
}
