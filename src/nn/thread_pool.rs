//! A thread pool that works on one layer at a time. A sweep over a layer takes from a tenth of a millisecond to a few,
//! and a step has a hundred of them, so threads spin while waiting for the next one, and sleep only if none comes for a
//! while. Results don't depend on the number of threads: jobs are divided by the batch alone.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Checks of the board before a member sleeps, or before the caller yields: some 50 microseconds.
const LOOKS: usize = 1 << 11;

/// The function that members call with their number.
type Call = *const (dyn Fn(usize) + Sync);

/// The calling thread and its helper threads.
pub struct ThreadPool {
    board: Arc<Board>,
    helpers: Vec<JoinHandle<()>>,
    /// Makes the pool `!Sync`, so that there is one call at a time.
    _one_caller: Cell<()>,
}

/// The state shared by caller and helpers.
struct Board {
    /// Counts the calls; a helper that sees it change reads `call`.
    calls: AtomicUsize,
    call: Mutex<Option<SharedCall>>,
    /// Helpers that have not finished the current call.
    busy: AtomicUsize,
    asleep: AtomicUsize,
    wake: Condvar,
    stop: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

#[derive(Clone, Copy)]
struct SharedCall(Call);

// SAFETY: the pointee is `Sync`, and lives until every helper is done, for which the caller waits.
unsafe impl Send for SharedCall {}

impl ThreadPool {
    /// A pool of `threads` threads, including the caller's.
    pub fn new(threads: usize) -> ThreadPool {
        let board = Arc::new(Board {
            calls: AtomicUsize::new(0),
            call: Mutex::new(None),
            busy: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            wake: Condvar::new(),
            stop: AtomicBool::new(false),
            panic: Mutex::new(None),
        });
        let helpers = (1..threads).map_while(|member| {
            let board = Arc::clone(&board);
            // If the system cannot start more threads, the pool is smaller, which changes no result.
            thread::Builder::new().name(format!("workers-{member}")).spawn(move || board.help(member)).ok()
        });
        ThreadPool { helpers: helpers.collect(), board, _one_caller: Cell::new(()) }
    }

    /// Runs all jobs, each on one member, and returns when they are done.
    ///
    /// # Panics
    /// If a job panics, once all others are done.
    pub fn run<J: Send>(&self, jobs: impl IntoIterator<Item = J>, work: impl Fn(J) + Sync) {
        if self.helpers.is_empty() {
            jobs.into_iter().for_each(work);
            return;
        }
        let mut jobs: Vec<Option<J>> = jobs.into_iter().map(Some).collect();
        if jobs.len() <= 1 {
            // No helper is needed.
            jobs.into_iter().flatten().for_each(work);
            return;
        }
        let members = self.helpers.len() + 1;
        let (first, count) = (Jobs(jobs.as_mut_ptr()), jobs.len());
        let share = |member: usize| {
            for job in (member..count).step_by(members) {
                // SAFETY: `job` is below the number of jobs and no other member has it, and J is Send.
                if let Some(job) = unsafe { &mut *first.at(job) }.take() {
                    work(job);
                }
            }
        };
        let call: &(dyn Fn(usize) + Sync) = &share;
        // SAFETY: only the lifetime is changed; `wait` returns when no helper uses the call any more, and is
        // called before this function ends, even by a panic.
        let call: Call =
            unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(call) };
        self.board.post(SharedCall(call), self.helpers.len());
        let own = catch_unwind(AssertUnwindSafe(|| share(0)));
        self.board.wait();
        let of_helper = lock(&self.board.panic).take();
        if let Some(panic) = own.err().or(of_helper) {
            resume_unwind(panic);
        }
    }
}

/// A pointer to the first of the jobs, which members share out.
struct Jobs<J>(*mut Option<J>);

// SAFETY: each job is used by only one member, and can be sent to it.
unsafe impl<J: Send> Sync for Jobs<J> {}
// SAFETY: as above.
unsafe impl<J: Send> Send for Jobs<J> {}

impl<J> Jobs<J> {
    fn at(&self, index: usize) -> *mut Option<J> {
        self.0.wrapping_add(index)
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.board.stop.store(true, Ordering::Release);
        self.board.announce();
        for helper in self.helpers.drain(..) {
            // A helper's panic has been passed to the caller.
            let _ = helper.join();
        }
    }
}

impl Board {
    fn post(&self, call: SharedCall, helpers: usize) {
        self.busy.store(helpers, Ordering::Relaxed);
        *lock(&self.call) = Some(call);
        self.announce();
    }

    /// Wakes the helpers.
    fn announce(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) > 0 {
            // A helper about to sleep holds the lock until it does.
            drop(lock(&self.call));
            self.wake.notify_all();
        }
    }

    /// Waits until no helper is busy.
    fn wait(&self) {
        let mut looks = 0;
        while self.busy.load(Ordering::Acquire) > 0 {
            looks += 1;
            if looks < LOOKS { std::hint::spin_loop() } else { thread::yield_now() }
        }
    }

    /// The body of a helper thread.
    fn help(&self, member: usize) {
        let mut seen = 0;
        loop {
            seen = self.next(seen);
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            let Some(SharedCall(call)) = *lock(&self.call) else { continue };
            // SAFETY: the caller keeps the call alive until this helper is no longer busy.
            let done = catch_unwind(AssertUnwindSafe(|| unsafe { (*call)(member) }));
            if let Err(panic) = done {
                *lock(&self.panic) = Some(panic);
            }
            self.busy.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits for a call after the `seen` ones.
    fn next(&self, seen: usize) -> usize {
        for _ in 0..LOOKS {
            let calls = self.calls.load(Ordering::Acquire);
            if calls != seen {
                return calls;
            }
            std::hint::spin_loop();
        }
        let mut guard = lock(&self.call);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        while self.calls.load(Ordering::SeqCst) == seen {
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
        drop(guard);
        self.calls.load(Ordering::Acquire)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while holding one of these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_job_is_done_once_whoever_does_it() {
        for threads in [1, 2, 3, 5] {
            let workers = ThreadPool::new(threads);
            for round in 0..200_u32 {
                let mut jobs: Vec<(u32, u32)> = (0..round % 9).map(|job| (job, 0)).collect();
                workers.run(&mut jobs, |(job, done)| *done += *job + round);
                assert!(jobs.iter().all(|(job, done)| *done == job + round), "{jobs:?}");
                if round % 50 == 0 {
                    // Long enough for the helpers to fall asleep.
                    thread::sleep(Duration::from_millis(3));
                }
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_goes_on() {
        let workers = ThreadPool::new(3);
        for culprit in 0..3 {
            let panic = catch_unwind(AssertUnwindSafe(|| {
                workers.run([0, 1, 2], |job| assert!(job != culprit, "job {job}"));
            }));
            assert!(panic.is_err());
            let mut jobs = [1, 2, 3, 4];
            workers.run(&mut jobs, |job| *job *= 2);
            assert_eq!(jobs, [2, 4, 6, 8]);
        }
    }
}
