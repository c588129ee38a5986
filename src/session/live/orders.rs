//! Sends orders to the lanes: one sender for all of them, a receiver in each lane's thread. Pending orders of a lane
//! are a state rather than a queue, except for those that must be logged one by one, whose queue is bounded.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::order::{LaneOrder, Order, ProbeName};
use crate::printable::printable;
use crate::trainer::{self, Place};
use crate::units::Step;

/// The most learning rates, notes and probes queued for a lane.
const WAITING: usize = 64;

/// Gives orders to the lanes of a run, from any thread.
#[derive(Clone, Debug, Default)]
pub struct OrderSender {
    /// The lanes' names and pending orders.
    lanes: Vec<(String, Arc<Lane>)>,
}

/// The receiver in a lane's thread.
#[derive(Debug, Default)]
pub(super) struct OrderReceiver {
    lane: Arc<Lane>,
}

/// Why an order was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OrderError {
    /// All lanes have ended.
    #[error("the run is over")]
    RunOver,
    /// This lane has ended.
    #[error("lane {} is over", printable(.0))]
    LaneOver(String),
    /// The run has no such lane.
    #[error("expected one of the lanes {}, found `{}`", printable(&.lanes.join(", ")), printable(.lane))]
    NoSuchLane {
        /// The name given.
        lane: String,
        /// The lanes of the run.
        lanes: Vec<String>,
    },
    /// This build has no such probe.
    #[error("expected a probe of `skiplane keys`, found `{0}`")]
    NoSuchProbe(ProbeName),
    /// An order to end one lane does not say which.
    #[error("expected the name of the lane that is to stop, found none")]
    NoLane,
    /// Too many orders are pending.
    #[error("expected at most {WAITING} orders at a time, found one more; try again after the next step")]
    Full,
}

/// The pending orders of one lane, shared by sender and receiver.
#[derive(Debug, Default)]
struct Lane {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Wanted {
    /// The step after which to pause; [`Step`] 0 for at once.
    pause_at: Option<Step>,
    checkpoint: bool,
    stop: Option<Order>,
    /// Steps to make before the next pause.
    steps: Option<NonZeroU64>,
    /// Learning rates, notes and probes, in order.
    waiting: VecDeque<Order>,
    /// Whether the receiver is gone.
    closed: bool,
}

impl OrderSender {
    /// Adds a lane; returns its receiver.
    pub(super) fn add(&mut self, lane: &str) -> OrderReceiver {
        let shared = Arc::<Lane>::default();
        self.lanes.push((lane.to_owned(), Arc::clone(&shared)));
        OrderReceiver { lane: shared }
    }

    /// Gives an order to its lane, or to all that have not ended. Returns before it is carried out.
    ///
    /// # Errors
    /// If no lane can take it, or too many are pending.
    pub fn send(&self, order: &LaneOrder) -> Result<(), OrderError> {
        let LaneOrder { order, lane } = order;
        check(order)?;
        match lane {
            None if *order == Order::StopLane => Err(OrderError::NoLane),
            None => {
                let open: Vec<_> = self.lanes.iter().filter(|(_, lane)| !lane.lock().closed).collect();
                if open.is_empty() {
                    return Err(OrderError::RunOver);
                }
                open.into_iter().try_for_each(|(_, lane)| lane.give(order))
            }
            Some(name) => {
                let Some((_, lane)) = self.lanes.iter().find(|(other, _)| other == name) else {
                    let lanes = self.lanes.iter().map(|(name, _)| name.clone()).collect();
                    return Err(OrderError::NoSuchLane { lane: name.clone(), lanes });
                };
                if lane.lock().closed {
                    return Err(OrderError::LaneOver(name.clone()));
                }
                // A lane that was stopped by itself stays stopped.
                lane.give(if *order == Order::Stop { &Order::StopLane } else { order })
            }
        }
    }
}

/// Refuses a probe that there is not.
fn check(order: &Order) -> Result<(), OrderError> {
    match order {
        Order::Probe(name) if !trainer::probes().iter().any(|probe| probe.name == name.as_str()) => {
            Err(OrderError::NoSuchProbe(name.clone()))
        }
        _ => Ok(()),
    }
}

impl OrderReceiver {
    /// As [`crate::trainer::Sink::poll`].
    pub(super) fn poll(&self, step: Step, place: Place) -> Option<Order> {
        self.lane.lock().take(step, place)
    }

    /// As [`crate::trainer::Sink::wait`].
    pub(super) fn wait(&self, step: Step, place: Place) -> Order {
        let mut wanted = self.lane.lock();
        loop {
            match wanted.take(step, place) {
                Some(Order::Pause) => {
                    wanted = self.lane.changed.wait(wanted).unwrap_or_else(PoisonError::into_inner);
                }
                Some(order) => return order,
                None => return Order::Resume,
            }
        }
    }
}

impl Drop for OrderReceiver {
    fn drop(&mut self) {
        self.lane.lock().closed = true;
    }
}

impl Lane {
    /// Adds an order to the pending ones. A stop is final.
    fn give(&self, order: &Order) -> Result<(), OrderError> {
        let mut wanted = self.lock();
        match order {
            Order::Pause => (wanted.pause_at, wanted.steps) = (Some(Step(0)), None),
            Order::Resume => (wanted.pause_at, wanted.steps) = (None, None),
            Order::Checkpoint => wanted.checkpoint = true,
            Order::Stop | Order::StopLane => wanted.stop = Some(order.clone()),
            Order::Step(more) => {
                let before = wanted.steps.map_or(0, NonZeroU64::get);
                wanted.steps = Some(more.saturating_add(before));
            }
            Order::LearningRate(_) | Order::Note(_) | Order::Probe(_) if wanted.waiting.len() == WAITING => {
                return Err(OrderError::Full);
            }
            Order::LearningRate(_) | Order::Note(_) | Order::Probe(_) => {
                wanted.waiting.push_back(order.clone())
            }
        }
        self.changed.notify_all();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wanted {
    /// The next order to carry out, removed from the pending ones unless it is a pause or a stop.
    fn take(&mut self, step: Step, place: Place) -> Option<Order> {
        if place == Place::AtEnd {
            return self.waiting.pop_front();
        }
        if let Some(stop) = &self.stop {
            // Earlier rates and notes are logged before the lane ends.
            return self.waiting.pop_front().or_else(|| Some(stop.clone()));
        }
        if std::mem::take(&mut self.checkpoint) {
            return Some(Order::Checkpoint);
        }
        if place == Place::BetweenSteps
            && let Some(order) = self.waiting.pop_front()
        {
            return Some(order);
        }
        if let Some(steps) = self.steps.take() {
            self.pause_at = Some(Step(step.0.saturating_add(steps.get())));
            return Some(Order::Step(steps));
        }
        // An ordered step is complete only after its evaluation.
        let is_due = |at: Step| at == Step(0) || place == Place::BetweenSteps && at <= step;
        self.pause_at.is_some_and(is_due).then_some(Order::Pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Note, RateChange};

    fn lane() -> (OrderSender, OrderReceiver) {
        let mut sender = OrderSender::default();
        let receiver = sender.add("plain");
        (sender, receiver)
    }

    fn give(sender: &OrderSender, orders: &[Order]) {
        orders.iter().for_each(|order| sender.send(&order.clone().into()).unwrap());
    }

    fn steps(count: u64) -> Order {
        Order::Step(NonZeroU64::new(count).unwrap())
    }

    fn note(text: &str) -> Order {
        Order::Note(Note::cut(text).unwrap())
    }

    const BETWEEN: Place = Place::BetweenSteps;

    #[test]
    fn orders_are_kept_until_they_are_obeyed() {
        let (sender, lane) = lane();
        let poll = || lane.poll(Step(3), BETWEEN);
        assert_eq!(poll(), None);
        give(&sender, &[Order::Pause, Order::Checkpoint]);
        assert_eq!([poll(), poll(), poll()], [Order::Checkpoint, Order::Pause, Order::Pause].map(Some));
        give(&sender, &[Order::Resume]);
        assert_eq!(lane.wait(Step(3), BETWEEN), Order::Resume);
        give(&sender, &[Order::Pause, Order::Stop, Order::Resume]);
        assert_eq!((poll(), lane.wait(Step(3), BETWEEN)), (Some(Order::Stop), Order::Stop));
    }

    #[test]
    fn steps_are_counted_from_where_they_are_taken_and_end_in_a_pause() {
        let (sender, lane) = lane();
        give(&sender, &[Order::Pause, steps(1), steps(1)]);
        assert_eq!(lane.wait(Step(5), BETWEEN), steps(2));
        assert_eq!([5, 6].map(|step| lane.poll(Step(step), BETWEEN)), [None, None]);
        assert_eq!(lane.poll(Step(7), Place::WithinEvaluation), None, "the evaluation belongs to the step");
        assert_eq!(lane.poll(Step(7), BETWEEN), Some(Order::Pause));
        give(&sender, &[steps(9), Order::Resume]);
        assert_eq!(lane.wait(Step(7), BETWEEN), Order::Resume);
        assert_eq!(lane.poll(Step(50), BETWEEN), None, "going on takes the pause back");
        give(&sender, &[Order::Pause]);
        assert_eq!(lane.poll(Step(50), Place::WithinEvaluation), Some(Order::Pause));
    }

    #[test]
    fn what_is_written_down_waits_for_its_place_and_is_not_lost_at_the_end() {
        let (sender, lane) = lane();
        let rate = Order::LearningRate("x0.1".parse::<RateChange>().unwrap());
        give(&sender, &[note("a"), rate.clone()]);
        assert_eq!(lane.poll(Step(1), Place::WithinEvaluation), None);
        assert_eq!([(); 3].map(|()| lane.poll(Step(1), BETWEEN)), [Some(note("a")), Some(rate), None]);
        give(&sender, &[note("b"), Order::Stop]);
        assert_eq!(lane.poll(Step(1), Place::WithinEvaluation), Some(note("b")));
        give(&sender, &[note("c")]);
        assert_eq!([(); 2].map(|()| lane.poll(Step(1), Place::AtEnd)), [Some(note("c")), None]);
    }

    #[test]
    fn a_probe_waits_for_its_place_and_must_exist() {
        let (sender, lane) = lane();
        let probe = |name: &str| Order::Probe(name.to_owned().try_into().unwrap());
        let refused = sender.send(&probe("lesions").into()).unwrap_err().to_string();
        assert_eq!(refused, "expected a probe of `skiplane keys`, found `lesions`");
        give(&sender, &[probe("lesion"), note("a")]);
        assert_eq!(lane.poll(Step(1), Place::WithinEvaluation), None);
        assert_eq!(
            [(); 3].map(|()| lane.poll(Step(1), BETWEEN)),
            [Some(probe("lesion")), Some(note("a")), None]
        );
    }

    #[test]
    fn an_order_reaches_the_lane_that_is_meant() {
        let mut sender = OrderSender::default();
        let [plain, residual] = ["plain", "residual"].map(|name| sender.add(name));
        sender.send(&Order::Stop.for_lane("plain")).unwrap();
        assert_eq!(plain.poll(Step(1), BETWEEN), Some(Order::StopLane));
        assert_eq!(residual.poll(Step(1), BETWEEN), None);
        let refused = |order: LaneOrder| sender.send(&order).unwrap_err().to_string();
        assert_eq!(
            refused(Order::Pause.for_lane("x")),
            "expected one of the lanes plain, residual, found `x`"
        );
        assert_eq!(
            refused(Order::StopLane.into()),
            "expected the name of the lane that is to stop, found none"
        );
        drop(plain);
        assert_eq!(refused(Order::Pause.for_lane("plain")), "lane plain is over");
        sender.send(&Order::Pause.into()).unwrap();
        assert_eq!(residual.poll(Step(1), BETWEEN), Some(Order::Pause));
        drop(residual);
        assert_eq!(refused(Order::Pause.into()), "the run is over");
    }

    #[test]
    fn what_waits_is_bounded() {
        let (sender, lane) = lane();
        give(&sender, &vec![note("x"); WAITING]);
        assert_eq!(sender.send(&note("y").into()), Err(OrderError::Full));
        give(&sender, &[Order::Checkpoint, Order::Pause]);
        assert_eq!(lane.poll(Step(1), BETWEEN), Some(Order::Checkpoint));
        assert_eq!(lane.poll(Step(1), BETWEEN), Some(note("x")));
        give(&sender, &[note("y")]);
    }
}
