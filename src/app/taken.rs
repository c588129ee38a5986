//! The orders and notes of a lane, each with its step, for the charts and the timeline. Single steps are left out as pauses
//! are: they change nothing of what is drawn.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::{Kind, LaneResumed, RunEvent};
use crate::order::{Order, Taken};
use crate::units::Step;

/// The orders that are kept, the newest.
const MOST: usize = 256;
/// The checkpoints that a lane can go back to exactly; before them the step decides.
const CHECKPOINTS: usize = 8;

/// The last orders and notes that count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderHistory {
    /// In order.
    taken: VecDeque<Taken>,
    /// How many counted before the first that is kept.
    before: u64,
    /// The last checkpoints by their files, with how many counted by then.
    checkpoints: VecDeque<(String, u64)>,
}

impl OrderHistory {
    /// Folds an event.
    pub(super) fn apply(&mut self, event: &RunEvent) {
        match &event.kind {
            Kind::OrderTaken(_) | Kind::NoteTaken(_) => {
                let shown = event.as_taken().filter(|taken| !matches!(taken.order, Order::Step(_)));
                let Some(taken) = shown else { return };
                if self.taken.len() == MOST {
                    self.taken.pop_front();
                    self.before += 1;
                }
                self.taken.push_back(taken);
            }
            Kind::CheckpointWritten(written) => {
                if self.checkpoints.len() == CHECKPOINTS {
                    self.checkpoints.pop_front();
                }
                self.checkpoints.push_back((written.file.clone(), self.before + self.taken.len() as u64));
            }
            Kind::LaneResumed(resumed) => self.rewind(resumed, event.step),
            _ => {}
        }
    }

    /// Takes back what came after the state that the lane goes on from; it is taken again at its steps.
    fn rewind(&mut self, resumed: &LaneResumed, step: Step) {
        let Some(file) = &resumed.checkpoint else {
            *self = OrderHistory::default();
            return;
        };
        match self.checkpoints.iter().rposition(|(other, _)| other == file) {
            Some(at) => {
                self.checkpoints.truncate(at + 1);
                let kept = self.checkpoints[at].1.saturating_sub(self.before);
                self.taken.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
            }
            None => {
                self.checkpoints.clear();
                self.taken.retain(|taken| taken.step <= step);
            }
        }
    }

    /// All that are kept, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Taken> {
        self.taken.iter()
    }

    /// The last that was taken up to a step.
    pub fn last_at(&self, step: Step) -> Option<&Taken> {
        self.taken.iter().rev().find(|taken| taken.step <= step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CheckpointWritten, NoteTaken, OrderTaken};

    fn note(step: u64) -> RunEvent {
        let kind = Kind::NoteTaken(NoteTaken { text: format!("at {step}") });
        RunEvent::new(Step(step), 0.0, kind)
    }

    fn checkpoint(step: u64) -> RunEvent {
        let kind = Kind::CheckpointWritten(CheckpointWritten { file: format!("c{step}"), checksums: None });
        RunEvent::new(Step(step), 0.0, kind)
    }

    fn resumed(step: u64, checkpoint: Option<&str>) -> RunEvent {
        let checkpoint = checkpoint.map(str::to_owned);
        RunEvent::new(Step(step), 0.0, Kind::LaneResumed(LaneResumed { checkpoint, changes: Vec::new() }))
    }

    fn folded(events: &[RunEvent]) -> Vec<u64> {
        let mut history = OrderHistory::default();
        events.iter().for_each(|event| history.apply(event));
        history.iter().map(|taken| taken.step.0).collect()
    }

    #[test]
    fn going_back_leaves_what_came_before_the_checkpoint() {
        let mut events = vec![note(1), note(2), checkpoint(2), note(2), note(3), resumed(2, Some("c2"))];
        assert_eq!(folded(&events), [1, 2]);
        events.extend([note(2), note(3)]);
        assert_eq!(folded(&events), [1, 2, 2, 3]);
        events.push(resumed(2, Some("its record is damaged")));
        assert_eq!(folded(&events), [1, 2, 2]);
        events.push(resumed(0, None));
        assert_eq!(folded(&events), [0; 0]);
    }

    #[test]
    fn only_the_newest_are_kept_and_rewound_by_their_number() {
        let mut events: Vec<RunEvent> = (1..=300).map(note).collect();
        events.insert(290, checkpoint(290));
        assert_eq!(folded(&events), (45..=300).collect::<Vec<_>>());
        events.push(resumed(290, Some("c290")));
        assert_eq!(folded(&events), (45..=290).collect::<Vec<_>>());
    }

    #[test]
    fn the_last_one_up_to_a_step_is_found() {
        let mut history = OrderHistory::default();
        let order = Order::Step(1.try_into().unwrap());
        let step = RunEvent::new(Step(8), 0.0, Kind::OrderTaken(OrderTaken { order }));
        [note(3), note(7), step].iter().for_each(|event| history.apply(event));
        assert_eq!(
            [2, 3, 6, 9].map(|step| history.last_at(Step(step)).map(|taken| taken.step.0)),
            [None, Some(3), Some(3), Some(7)]
        );
    }
}
