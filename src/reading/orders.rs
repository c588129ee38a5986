//! The orders of a lane's log: which of them precede a checkpoint, and which a lane that is resumed from there
//! carries out again. The latter may be in a superseded part of the log and not have been reached again before the
//! process was killed once more, so all records are noted, not only the effective ones.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::{Kind, Outcome, Rewind, RunEvent};
use crate::order::{Order, Taken};

/// The orders of a lane, found by noting all events of its log in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TakenOrders {
    /// The effective orders, in order, each with the byte at which its record begins.
    taken: Vec<(Taken, u64)>,
    /// Orders that counted before the lane went back and have not been carried out again since.
    again: VecDeque<Taken>,
    /// Whether the lane was stopped individually.
    stopped_alone: bool,
}

impl TakenOrders {
    /// Notes the log's next event, whose record begins at this byte.
    pub(super) fn note(&mut self, event: &RunEvent, offset: u64) {
        match &event.kind {
            Kind::Measured(_) => {
                // Orders before this step were carried out, even if their records are lost.
                while let Some(missed) = self.again.pop_front_if(|taken| taken.step < event.step) {
                    self.taken.push((missed, offset));
                }
            }
            Kind::OrderTaken(_) | Kind::NoteTaken(_) => {
                if let Some(taken) = event.as_taken() {
                    self.again.pop_front_if(|again| *again == taken);
                    self.taken.push((taken, offset));
                }
            }
            Kind::LaneFinished(end) if end.outcome == Outcome::Stopped => {
                // The end carries out the order: a lane that is resumed later is not stopped by it again.
                let before = self.taken.len();
                self.taken.retain(|(taken, _)| taken.order != Order::StopLane);
                self.again.retain(|taken| taken.order != Order::StopLane);
                self.stopped_alone = self.taken.len() < before;
            }
            _ => {}
        }
        if let Some(rewind) = event.rewind() {
            self.stopped_alone = false;
            let before = self.before(rewind);
            self.again = self.obeyed_again(before);
            self.taken.truncate(before);
        }
    }

    /// The number of orders taken before a state that the lane goes back to.
    fn before(&self, rewind: Rewind) -> usize {
        self.taken.partition_point(|(taken, offset)| rewind.keeps(taken.step, Some(*offset)))
    }

    /// The orders to be carried out again after a state that `before` orders precede.
    fn obeyed_again(&self, before: usize) -> VecDeque<Taken> {
        let undone = self.taken[before..].iter().map(|(taken, _)| taken);
        let undone = undone.filter(|taken| taken.order.is_obeyed_again());
        undone.chain(&self.again).cloned().collect()
    }

    /// The orders before a state, and those to be carried out again after it.
    pub fn at(&self, rewind: Rewind) -> (Vec<Taken>, VecDeque<Taken>) {
        let before = self.before(rewind);
        (self.taken[..before].iter().map(|(taken, _)| taken.clone()).collect(), self.obeyed_again(before))
    }

    /// Whether the lane was stopped individually and not resumed since.
    pub fn is_stopped_alone(&self) -> bool {
        self.stopped_alone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CheckpointWritten, LaneFinished, LaneResumed, NoteTaken, OrderTaken, Values};
    use crate::units::Step;

    /// Notes records of one byte each: a step `7`, a checkpoint `c7`, a return to it `r7`, to one whose record is
    /// damaged `d7` or to the beginning `r0`, a factor `f7`, a note `n7`, a single step `s7`, a stop of this lane
    /// `x7` and the end that follows it `e7`.
    fn noted(records: &[&str]) -> TakenOrders {
        let mut orders = TakenOrders::default();
        for (at, text) in records.iter().enumerate() {
            orders.note(&event(text, &records[..at]), at as u64);
        }
        orders
    }

    /// The return to a checkpoint, or to the beginning.
    fn to(step: u64, records: &[&str]) -> Rewind {
        let checkpoint = records.iter().rposition(|other| *other == format!("c{step}"));
        Rewind { step: Step(step), from: Some(checkpoint.map_or(0, |at| at as u64 + 1)) }
    }

    fn event(text: &str, before: &[&str]) -> RunEvent {
        let (kind, number) = text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap());
        let step = Step(number.parse().unwrap());
        let order = |order| Kind::OrderTaken(OrderTaken { order });
        let file = format!("c{number}");
        let kind = match kind {
            "" => Kind::Measured(Values::default()),
            "c" => Kind::CheckpointWritten(CheckpointWritten { file, checksums: None }),
            "r" => {
                let from = to(step.0, before).from;
                Kind::LaneResumed(LaneResumed { from, ..LaneResumed::default() })
            }
            "d" => Kind::LaneResumed(LaneResumed::default()),
            "f" => order(Order::LearningRate("x0.5".parse().unwrap())),
            "n" => Kind::NoteTaken(NoteTaken { text: "seen".to_owned() }),
            "s" => order(Order::Step(1.try_into().unwrap())),
            "x" => order(Order::StopLane),
            _ => Kind::LaneFinished(LaneFinished { outcome: Outcome::Stopped }),
        };
        RunEvent::new(step, 0.0, kind)
    }

    /// The steps of those before a checkpoint, or the beginning, and of those after it.
    fn at(records: &[&str], checkpoint: u64) -> (Vec<u64>, Vec<u64>) {
        let (taken, again) = noted(records).at(to(checkpoint, records));
        let step = |taken: &Taken| taken.step.0;
        (taken.iter().map(step).collect(), again.iter().map(step).collect())
    }

    #[test]
    fn a_checkpoint_parts_the_orders_even_of_its_own_step() {
        let records = ["f0", "1", "2", "n2", "c2", "f2", "s2", "3", "n3"];
        assert_eq!(at(&records, 2), (vec![0, 2], vec![2, 3]));
        assert_eq!(at(&records, 0).1.len(), 4, "the single step is not among them");
    }

    #[test]
    fn what_was_not_reached_again_is_not_forgotten() {
        // Killed at 6, resumed at 2, killed at 4: the order at 5 is only in the superseded part.
        let mut records = vec!["1", "2", "c2", "f3", "4", "5", "f5", "6", "r2", "3", "f3", "4"];
        assert_eq!(at(&records, 2), (vec![], vec![3, 5]));
        records.extend(["r2", "3", "f3", "n3", "4"]);
        assert_eq!(at(&records, 2), (vec![], vec![3, 3, 5]), "a new one is taken in between");
        records.extend(["5", "f5", "c5", "r5", "6"]);
        assert_eq!(at(&records, 5), (vec![3, 3, 5], vec![]));
        assert_eq!(at(&records, 2), (vec![], vec![3, 3, 5]));
        records.extend(["r0"]);
        assert_eq!(at(&records, 0).1.len(), 3);
    }

    #[test]
    fn an_order_whose_record_was_lost_counts_once_its_step_is_over() {
        assert_eq!(at(&["1", "c1", "2", "f2", "3", "r1", "2", "3", "c3"], 3), (vec![2], vec![]));
    }

    #[test]
    fn a_damaged_checkpoint_record_leaves_it_to_the_steps() {
        assert_eq!(at(&["1", "f1", "2", "f2", "3", "f3", "d2", "3", "c3"], 3), (vec![1, 2], vec![3]));
    }

    #[test]
    fn a_lane_that_ended_alone_is_told_apart_and_goes_on_when_it_is_gone_on_with() {
        let mut records = vec!["1", "c1", "x1"];
        assert_eq!(at(&records, 1).1, [1], "killed before its end, it ends again");
        records.push("e1");
        assert_eq!((noted(&records).is_stopped_alone(), at(&records, 1).1), (true, vec![]));
        records.push("r1");
        assert!(!noted(&records).is_stopped_alone());
        assert!(!noted(&["1", "c1", "e1"]).is_stopped_alone());
    }
}
