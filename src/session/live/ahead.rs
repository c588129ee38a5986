//! Prepares batches ahead: while a step runs, a second thread fills the batch of the next one. Knows nothing of the
//! content of batches.

use std::any::Any;
use std::io;
use std::mem;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread::{Builder, Scope};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::datasets::Batch;
use crate::trainer::Batches;
use crate::units::Step;

/// The most batches that wait for their step.
const AHEAD: usize = 1;

/// The lane's handle to the thread that makes its batches. Two buffers circulate between them: one belongs to the
/// running step, the other is being filled or waits. Dropping the handle lets the thread end.
pub(super) struct Ahead {
    made: Receiver<Made>,
    used: Sender<Batch>,
    /// The buffer of the step that runs.
    current: Batch,
}

/// A step's batch, or the payload of the panic while making it.
type Made = (Step, Result<Batch, Box<dyn Any + Send>>);

impl Ahead {
    /// Starts the thread, which calls `fill` for each of the steps in order. It ends after the last one, after a panic,
    /// or when this handle is dropped; the scope waits for it.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        name: String,
        steps: RangeInclusive<u64>,
        fill: impl FnMut(Step, &mut Batch) + Send + 'scope,
    ) -> io::Result<Ahead> {
        let (made_in, made) = bounded(AHEAD);
        let (used, used_out) = bounded(AHEAD + 1);
        // The channel is empty, so there is room for it.
        let _ = used.try_send(Batch::default());
        Builder::new().name(name).spawn_scoped(scope, move || make(steps, fill, &used_out, &made_in))?;
        Ok(Ahead { made, used, current: Batch::default() })
    }
}

impl Batches for Ahead {
    /// Resumes the panic of the thread that made the batch.
    fn next(&mut self, step: Step) -> &Batch {
        if step.0 > 2 {
            crate::panics::if_asked();
        }
        // After the last step no buffers are received.
        let _ = self.used.send(mem::take(&mut self.current));
        let (of, batch) = self.made.recv().expect("steps are asked for one after another, to the last");
        assert_eq!(of, step, "steps are asked for one after another");
        self.current = batch.unwrap_or_else(|panic| resume_unwind(panic));
        &self.current
    }
}

/// Makes batches as long as buffers are returned and batches are received.
fn make(
    steps: RangeInclusive<u64>,
    mut fill: impl FnMut(Step, &mut Batch),
    used: &Receiver<Batch>,
    made: &Sender<Made>,
) {
    for step in steps.map(Step) {
        let Ok(mut batch) = used.recv() else { return };
        // After a panic neither the buffer nor `fill` is used again.
        let filled = catch_unwind(AssertUnwindSafe(|| {
            if step.0 > 2 {
                crate::panics::if_asked();
            }
            fill(step, &mut batch);
        }));
        let is_last = filled.is_err();
        if made.send((step, filled.map(|()| batch))).is_err() || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Only a failing test waits that long.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn label(step: Step, batch: &mut Batch) {
        batch.labels.clear();
        batch.labels.resize(1000, step.0 as u16);
    }

    /// Runs `work` with batches that `fill` makes in another thread, and returns once that has ended.
    fn with_batches<T>(
        steps: RangeInclusive<u64>,
        fill: impl FnMut(Step, &mut Batch) + Send,
        work: impl FnOnce(&mut Ahead) -> T,
    ) -> T {
        thread::scope(|scope| work(&mut Ahead::start(scope, "batches".to_owned(), steps, fill).unwrap()))
    }

    #[test]
    fn batches_come_in_order_in_two_buffers_that_go_round() {
        with_batches(5..=60, label, |batches| {
            let mut buffers = BTreeSet::new();
            for step in 5..=60 {
                let batch = batches.next(Step(step));
                assert_eq!(batch.labels, [step as u16; 1000]);
                buffers.insert(batch.labels.as_ptr() as usize);
            }
            assert_eq!(buffers.len(), 2);
        });
    }

    #[test]
    fn one_batch_is_made_while_a_step_runs_and_no_more() {
        let running = AtomicU64::new(0);
        let (began, begun) = bounded(100);
        let fill = |step: Step, batch: &mut Batch| {
            assert!(step.0 <= running.load(Ordering::SeqCst) + 1, "step {step} is made too early");
            began.send(step).unwrap();
            label(step, batch);
        };
        with_batches(1..=40, fill, |batches| {
            assert_eq!(begun.recv_timeout(PATIENCE), Ok(Step(1)));
            for step in 1..40 {
                running.store(step, Ordering::SeqCst);
                let batch = batches.next(Step(step));
                assert_eq!(begun.recv_timeout(PATIENCE), Ok(Step(step + 1)));
                // It still belongs to the step, and is not written to.
                assert_eq!(batch.labels, [step as u16; 1000]);
            }
        });
    }

    #[test]
    fn a_panic_is_that_of_the_step_whose_batch_is_missing() {
        let fill = |step: Step, _: &mut Batch| assert_ne!(step, Step(3), "no third batch");
        with_batches(1..=10, fill, |batches| {
            batches.next(Step(1));
            batches.next(Step(2));
            let panic = catch_unwind(AssertUnwindSafe(|| _ = batches.next(Step(3)))).unwrap_err();
            assert!(panic.downcast_ref::<String>().unwrap().contains("no third batch"));
        });
    }

    #[test]
    fn the_thread_ends_with_its_lane_wherever_either_stands() {
        /// Records that the thread has dropped its captures.
        struct Ended<'a>(&'a AtomicBool);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        for taken in [0, 1, 2, 7] {
            let is_over = AtomicBool::new(false);
            let ended = Ended(&is_over);
            let fill = move |step: Step, batch: &mut Batch| {
                let _ = &ended;
                // The batch after the last one taken cannot be made, which has no effect.
                assert_ne!(step.0, taken + 1, "nobody waits for this batch");
                label(step, batch);
            };
            with_batches(1..=1000, fill, |batches| {
                for step in 1..=taken {
                    batches.next(Step(step));
                }
            });
            assert!(is_over.into_inner());
        }
        let panic = catch_unwind(|| {
            with_batches(1..=1000, label, |batches| {
                batches.next(Step(1));
                panic!("the step panics");
            })
        });
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"the step panics"));
    }
}
