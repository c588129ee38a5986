//! Permits to compute: limits how many lanes compute at once, in the order in which they asked, so that lanes that
//! share a processor advance side by side.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A fair semaphore: a number of permits, granted in turn.
#[derive(Debug)]
pub(super) struct Permits {
    permits: u64,
    turns: Mutex<Turns>,
    moved: Condvar,
}

/// Tickets are numbered from 0; a ticket is served once all but `permits` of those before it are returned.
#[derive(Debug, Default)]
struct Turns {
    issued: u64,
    returned: u64,
}

/// A permit, returned when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    permits: Arc<Permits>,
}

impl Permits {
    /// At least one permit.
    pub(super) fn new(permits: usize) -> Arc<Permits> {
        Arc::new(Permits { permits: permits.max(1) as u64, turns: Mutex::default(), moved: Condvar::new() })
    }

    /// Waits for a permit.
    pub(super) fn acquire(self: &Arc<Permits>) -> Permit {
        self.wait_in_line(self.lock());
        Permit { permits: Arc::clone(self) }
    }

    fn wait_in_line(&self, mut turns: MutexGuard<'_, Turns>) {
        let ticket = turns.issued;
        turns.issued += 1;
        while ticket >= turns.returned + self.permits {
            turns = self.moved.wait(turns).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Counters stay valid if a holder panics, so that a poisoned lock can be used.
    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Lets waiting lanes go first, if there are any, and waits for the next turn.
    pub(super) fn give_way(&mut self) {
        let mut turns = self.permits.lock();
        if turns.issued > turns.returned + self.permits.permits {
            turns.returned += 1;
            self.permits.moved.notify_all();
            self.permits.wait_in_line(turns);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.lock().returned += 1;
        self.permits.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn never_more_than_so_many_work_and_all_get_their_turn() {
        let permits = Permits::new(2);
        let (working, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    let mut permit = permits.acquire();
                    for _ in 0..200 {
                        most.fetch_max(working.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        working.fetch_sub(1, Ordering::SeqCst);
                        permit.give_way();
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 2);
        assert_eq!(working.into_inner(), 0);
        let turns = permits.lock();
        assert_eq!(turns.issued, turns.returned);
    }

    #[test]
    fn those_who_share_one_permit_take_turns() {
        let permits = Permits::new(1);
        let order = Mutex::new(Vec::new());
        let first = permits.acquire();
        thread::scope(|scope| {
            for name in ["a", "b"] {
                let (permits, order) = (&permits, &order);
                let waiting = permits.lock().issued;
                scope.spawn(move || {
                    let mut permit = permits.acquire();
                    for _ in 0..3 {
                        order.lock().unwrap().push(name);
                        permit.give_way();
                    }
                });
                while permits.lock().issued == waiting {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), ["a", "b", "a", "b", "a", "b"]);
    }
}
