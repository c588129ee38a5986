//! The orders of a lane's log: which of them brought the lane into the state of a checkpoint, and which are to be obeyed
//! again by whoever goes on from there. The latter may stand in a part of the log that is superseded, and not have been
//! reached again before the process was killed once more, so all records are noted, not only the effective ones.

use std::collections::VecDeque;

use crate::event::{Kind, LaneResumed, Outcome, RunEvent};
use crate::order::{Order, Taken};
use crate::units::Step;

/// The orders of a lane, found by noting all events of its log in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Obeyed {
    /// Those that count, in order.
    taken: Vec<Taken>,
    /// Those that counted before the lane went back, and were not obeyed again by now.
    again: VecDeque<Taken>,
    /// The files of checkpoints, with how many orders had been taken before each.
    checkpoints: Vec<(String, usize)>,
    /// Whether the lane was ended alone.
    stopped_alone: bool,
}

impl Obeyed {
    /// Takes in the log's next event.
    pub(super) fn note(&mut self, event: &RunEvent) {
        match &event.kind {
            Kind::Measured(_) => {
                // Whatever was to be obeyed before this step was, even where its record is lost.
                while let Some(missed) = self.again.pop_front_if(|taken| taken.step < event.step) {
                    self.taken.push(missed);
                }
            }
            Kind::OrderTaken(_) | Kind::NoteTaken(_) => {
                if let Some(taken) = event.as_taken() {
                    self.again.pop_front_if(|again| *again == taken);
                    self.taken.push(taken);
                }
            }
            Kind::CheckpointWritten(written) => {
                self.checkpoints.push((written.file.clone(), self.taken.len()));
            }
            Kind::LaneResumed(resumed) => self.go_back(resumed, event.step),
            Kind::LaneFinished(end) if end.outcome == Outcome::Stopped => {
                // With the end the order is carried out: who goes on with the lane later wants it to go on.
                let before = self.taken.len();
                self.taken.retain(|taken| taken.order != Order::StopLane);
                self.again.retain(|taken| taken.order != Order::StopLane);
                self.stopped_alone = self.taken.len() < before;
            }
            _ => {}
        }
    }

    fn go_back(&mut self, resumed: &LaneResumed, step: Step) {
        self.stopped_alone = false;
        let before = match &resumed.checkpoint {
            None => 0,
            Some(file) => match self.checkpoints.iter().rposition(|(other, _)| other == file) {
                Some(at) => {
                    self.checkpoints.truncate(at + 1);
                    self.checkpoints[at].1
                }
                // Its record is damaged; then the step tells.
                None => self.taken.partition_point(|taken| taken.step <= step),
            },
        };
        let before = before.min(self.taken.len());
        self.again = self.obeyed_again(before);
        self.taken.truncate(before);
        self.checkpoints.retain(|(_, taken)| *taken <= before);
    }

    /// What is to be obeyed again by whoever has obeyed so many.
    fn obeyed_again(&self, before: usize) -> VecDeque<Taken> {
        let undone = self.taken[before..].iter().filter(|taken| taken.order.is_obeyed_again());
        undone.chain(&self.again).cloned().collect()
    }

    /// The orders before the state of a checkpoint, and those that are to be obeyed again after it.
    pub(super) fn at(&self, checkpoint: &str) -> (Vec<Taken>, VecDeque<Taken>) {
        let found = self.checkpoints.iter().rfind(|(file, _)| file == checkpoint);
        let before = found.map_or(0, |(_, taken)| (*taken).min(self.taken.len()));
        (self.taken[..before].to_vec(), self.obeyed_again(before))
    }

    /// The orders that are to be obeyed again from the beginning.
    pub(super) fn since_start(&self) -> VecDeque<Taken> {
        self.obeyed_again(0)
    }

    /// Whether the lane was ended alone, and not gone on with since.
    pub(super) fn is_stopped_alone(&self) -> bool {
        self.stopped_alone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CheckpointWritten, LaneFinished, NoteTaken, OrderTaken, Values};

    /// What the records tell: a step `7`, a checkpoint `c7`, a return to it `r7` or to the beginning `r0`, a factor `f7`,
    /// a note `n7`, a single step `s7`, a stop of this lane `x7` and the end that follows it `e7`.
    fn noted(records: &[&str]) -> Obeyed {
        let mut obeyed = Obeyed::default();
        records.iter().for_each(|text| obeyed.note(&event(text)));
        obeyed
    }

    fn event(text: &str) -> RunEvent {
        let (kind, number) = text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap());
        let step = Step(number.parse().unwrap());
        let order = |order| Kind::OrderTaken(OrderTaken { order });
        let file = format!("c{number}");
        let kind = match kind {
            "" => Kind::Measured(Values::default()),
            "c" => Kind::CheckpointWritten(CheckpointWritten { file, checksums: None }),
            "r" => {
                let checkpoint = (step.0 > 0).then_some(file);
                Kind::LaneResumed(LaneResumed { checkpoint, changes: Vec::new() })
            }
            "f" => order(Order::LearningRate("x0.5".parse().unwrap())),
            "n" => Kind::NoteTaken(NoteTaken { text: "seen".to_owned() }),
            "s" => order(Order::Step(1.try_into().unwrap())),
            "x" => order(Order::StopLane),
            _ => Kind::LaneFinished(LaneFinished { outcome: Outcome::Stopped }),
        };
        RunEvent::new(step, 0.0, kind)
    }

    /// The steps of those before a checkpoint and of those after it.
    fn at(obeyed: &Obeyed, checkpoint: &str) -> (Vec<u64>, Vec<u64>) {
        let (taken, again) = obeyed.at(checkpoint);
        let step = |taken: &Taken| taken.step.0;
        (taken.iter().map(step).collect(), again.iter().map(step).collect())
    }

    #[test]
    fn a_checkpoint_parts_the_orders_even_of_its_own_step() {
        let obeyed = noted(&["f0", "1", "2", "n2", "c2", "f2", "s2", "3", "n3"]);
        assert_eq!(at(&obeyed, "c2"), (vec![0, 2], vec![2, 3]));
        assert_eq!(obeyed.since_start().len(), 4, "the single step is not among them");
    }

    #[test]
    fn what_was_not_reached_again_is_not_forgotten() {
        // Killed at 6, resumed at 2, killed at 4: the order at 5 stands in the superseded part alone.
        let mut records = vec!["1", "2", "c2", "f3", "4", "5", "f5", "6", "r2", "3", "f3", "4"];
        assert_eq!(at(&noted(&records), "c2"), (vec![], vec![3, 5]));
        records.extend(["r2", "3", "f3", "n3", "4"]);
        assert_eq!(at(&noted(&records), "c2"), (vec![], vec![3, 3, 5]), "a new one is taken in between");
        records.extend(["5", "f5", "c5", "r5", "6"]);
        assert_eq!(at(&noted(&records), "c5"), (vec![3, 3, 5], vec![]));
        assert_eq!(at(&noted(&records), "c2"), (vec![], vec![3, 3, 5]));
        records.extend(["r0"]);
        assert_eq!(noted(&records).since_start().len(), 3);
    }

    #[test]
    fn an_order_whose_record_was_lost_counts_once_its_step_is_over() {
        let obeyed = noted(&["1", "c1", "2", "f2", "3", "r1", "2", "3", "c3"]);
        assert_eq!(at(&obeyed, "c3"), (vec![2], vec![]));
    }

    #[test]
    fn a_damaged_checkpoint_record_leaves_it_to_the_steps() {
        let obeyed = noted(&["1", "f1", "2", "f2", "3", "f3", "r2", "3", "c3"]);
        assert_eq!(at(&obeyed, "c3"), (vec![1, 2], vec![3]));
    }

    #[test]
    fn a_lane_that_ended_alone_is_told_apart_and_goes_on_when_it_is_gone_on_with() {
        let mut records = vec!["1", "c1", "x1"];
        assert_eq!(at(&noted(&records), "c1").1, [1], "killed before its end, it ends again");
        records.push("e1");
        let obeyed = noted(&records);
        assert_eq!((obeyed.is_stopped_alone(), at(&obeyed, "c1").1), (true, vec![]));
        records.push("r1");
        assert!(!noted(&records).is_stopped_alone());
        assert!(!noted(&["1", "c1", "e1"]).is_stopped_alone());
    }
}
