//! What still counts of a lane that was resumed from an earlier state. The reader of the log decides this, once; all
//! state that is kept of a lane follows [`Rewind::keeps`].

use crate::units::Step;

/// A return to an earlier state of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewind {
    /// The updates made in that state; later steps are repeated.
    pub step: Step,
    /// The byte of the lane's log from which on nothing counts: the end of the record of that state's checkpoint.
    /// None if that record is damaged; then the steps decide.
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

    /// The first step that is repeated.
    pub fn next(self) -> Step {
        Step(self.step.0.saturating_add(1))
    }
}
