//! The orders and notes of a lane, each with its step, for the charts and the timeline. Single steps are left out, like
//! pauses: they change nothing that is drawn.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::RunEvent;
use crate::order::{Order, Taken};
use crate::units::Step;

/// The most orders and notes that are kept, the newest.
const MOST: usize = 256;

/// The last orders and notes that count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderHistory {
    /// In order, each with the byte of the log at which its record begins, if known.
    taken: VecDeque<(Taken, Option<u64>)>,
}

impl OrderHistory {
    /// Folds an event whose record begins at this byte.
    pub(super) fn apply(&mut self, event: &RunEvent, offset: Option<u64>) {
        if let Some(rewind) = event.rewind() {
            // The others are taken again at their steps.
            self.taken.retain(|(taken, offset)| rewind.keeps(taken.step, *offset));
        }
        let shown = event.as_taken().filter(|taken| !matches!(taken.order, Order::Step(_)));
        let Some(taken) = shown else { return };
        if self.taken.len() == MOST {
            self.taken.pop_front();
        }
        self.taken.push_back((taken, offset));
    }

    /// All that are kept, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Taken> {
        self.taken.iter().map(|(taken, _)| taken)
    }

    /// The last that was taken up to a step.
    pub fn last_at(&self, step: Step) -> Option<&Taken> {
        self.iter().rev().find(|taken| taken.step <= step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, LaneResumed, NoteTaken, OrderTaken};

    fn note(step: u64) -> RunEvent {
        let kind = Kind::NoteTaken(NoteTaken { text: format!("at {step}") });
        RunEvent::new(Step(step), 0.0, kind)
    }

    fn resumed(step: u64, from: Option<u64>) -> RunEvent {
        RunEvent::new(Step(step), 0.0, Kind::LaneResumed(LaneResumed { from, ..LaneResumed::default() }))
    }

    /// The steps of what is kept of events whose records are ten bytes long.
    fn folded(events: &[RunEvent]) -> Vec<u64> {
        let mut history = OrderHistory::default();
        events.iter().zip(0..).for_each(|(event, at)| history.apply(event, Some(10 * at)));
        history.iter().map(|taken| taken.step.0).collect()
    }

    #[test]
    fn going_back_leaves_what_came_before_the_checkpoint() {
        let mut events = vec![note(1), note(2), note(2), note(3), resumed(2, Some(20))];
        assert_eq!(folded(&events), [1, 2]);
        events.extend([note(2), note(3)]);
        assert_eq!(folded(&events), [1, 2, 2, 3]);
        events.push(resumed(2, None));
        assert_eq!(folded(&events), [1, 2, 2]);
        events.push(resumed(0, Some(0)));
        assert_eq!(folded(&events), [0; 0]);
    }

    #[test]
    fn only_the_newest_are_kept() {
        let mut events: Vec<RunEvent> = (1..=300).map(note).collect();
        assert_eq!(folded(&events), (45..=300).collect::<Vec<_>>());
        events.push(resumed(290, Some(2900)));
        assert_eq!(folded(&events), (45..=290).collect::<Vec<_>>());
    }

    #[test]
    fn the_last_one_up_to_a_step_is_found() {
        let mut history = OrderHistory::default();
        let order = Order::Step(1.try_into().unwrap());
        let step = RunEvent::new(Step(8), 0.0, Kind::OrderTaken(OrderTaken { order }));
        [note(3), note(7), step].iter().for_each(|event| history.apply(event, None));
        assert_eq!(
            [2, 3, 6, 9].map(|step| history.last_at(Step(step)).map(|taken| taken.step.0)),
            [None, Some(3), Some(3), Some(7)]
        );
    }
}
