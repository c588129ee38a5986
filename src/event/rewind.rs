//! What still counts of a lane that went on from an earlier state. The reader of the log decides it, once: whoever keeps
//! something of the lane keeps what [`Rewind::keeps`] says.

use crate::units::Step;

/// A return to an earlier state of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewind {
    /// The updates made in that state: later steps are made again.
    pub step: Step,
    /// The byte of the lane's log from which on nothing counts: the end of that state's own record. None where the log
    /// does not have it, because the record of the checkpoint is damaged; then the steps decide.
    pub from: Option<u64>,
}

impl Rewind {
    /// Whether an event of this step, whose record begins at this byte of the log, still counts.
    pub fn keeps(self, step: Step, offset: Option<u64>) -> bool {
        match (self.from, offset) {
            (Some(from), Some(offset)) => offset < from,
            _ => step <= self.step,
        }
    }

    /// The first step that is made again.
    pub fn next(self) -> Step {
        Step(self.step.0.saturating_add(1))
    }
}
