//! The places of step records in a lane's log, in bounded memory, so that one of them can be read again. Knows nothing
//! of their content.

use bytemuck::{Pod, Zeroable};

use crate::units::Step;

/// The most offsets kept; beyond that every second one is dropped, and a reader starts at the offset before.
const MOST: usize = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct StepOffset {
    step: Step,
    /// The byte of the log at which its record begins.
    offset: u64,
}

/// The offsets of the first record with statistics of each step, in ascending steps. See [`MOST`].
#[derive(Clone, Debug)]
pub(super) struct StepOffsets {
    all: Vec<StepOffset>,
    /// The last step that was added.
    last: Option<Step>,
    /// One of this many steps is kept.
    every: u64,
    /// Steps since the last one that was kept.
    since: u64,
}

impl Default for StepOffsets {
    fn default() -> StepOffsets {
        StepOffsets { all: Vec::new(), last: None, every: 1, since: 0 }
    }
}

impl StepOffsets {
    /// Adds the offset of a step's record. Of several records of a step in a row the first one is kept, from which all of
    /// them are found; a step before the last one first rewinds to it.
    pub(super) fn push(&mut self, step: Step, offset: u64) {
        if self.last == Some(step) {
            return;
        }
        self.rewind(step);
        self.last = Some(step);
        self.since += 1;
        if self.since < self.every && !self.all.is_empty() {
            return;
        }
        self.since = 0;
        if self.all.len() == MOST {
            let mut at = 0;
            self.all.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.every = self.every.saturating_mul(2);
        }
        self.all.push(StepOffset { step, offset });
    }

    /// Removes everything from `step` on; the next record's offset is kept.
    pub(super) fn rewind(&mut self, step: Step) {
        let kept = self.all.partition_point(|offset| offset.step < step);
        if kept < self.all.len() {
            self.all.truncate(kept);
            self.since = self.every;
        }
        self.last.take_if(|last| *last >= step);
    }

    /// Where to begin reading to find the last record not after `step`.
    pub(super) fn before(&self, step: Step) -> Option<u64> {
        let after = self.all.partition_point(|offset| offset.step <= step);
        self.all[..after].last().map(|offset| offset.offset)
    }

    /// Where the first record after `step` begins that is known.
    pub(super) fn after(&self, step: Step) -> Option<u64> {
        let after = self.all.partition_point(|offset| offset.step <= step);
        self.all.get(after).map(|offset| offset.offset)
    }

    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// As bytes in native order.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let last = self.last.map_or(0, |last| last.0 + 1);
        let mut bytes = bytemuck::cast_slice(&[self.every, self.since, last]).to_vec();
        bytes.extend_from_slice(bytemuck::cast_slice(&self.all));
        bytes
    }

    /// Restores what [`StepOffsets::to_bytes`] wrote; none if the bytes are not valid.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<StepOffsets> {
        let (head, rest) = bytes.split_at_checked(size_of::<[u64; 3]>())?;
        let [every, since, last] = bytemuck::pod_read_unaligned::<[u64; 3]>(head);
        if !rest.len().is_multiple_of(size_of::<StepOffset>())
            || rest.len() / size_of::<StepOffset>() > MOST
            || every == 0
        {
            return None;
        }
        let all: Vec<StepOffset> = bytemuck::pod_collect_to_vec(rest);
        let sound = all.windows(2).all(|pair| pair[0].step < pair[1].step);
        sound.then_some(StepOffsets { all, last: last.checked_sub(1).map(Step), every, since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_before_every_step_is_known_however_many_there_are() {
        let mut offsets = StepOffsets::default();
        let steps = 5 * MOST as u64 / 2;
        (1..=steps).for_each(|step| offsets.push(Step(2 * step), 100 * step));
        assert!(offsets.all.len() <= MOST);
        assert_eq!((offsets.before(Step(1)), offsets.before(Step(2))), (None, Some(100)));
        assert_eq!((offsets.after(Step(1)), offsets.after(Step(u64::MAX))), (Some(100), None));
        for step in [7, 999, steps, 2 * steps, 3 * steps] {
            let offset = offsets.before(Step(step)).expect("covered");
            let wanted = 100 * (step / 2).min(steps);
            assert!(offset <= wanted && offset + 100 * offsets.every >= wanted, "{step}: {offset}");
        }
        assert_eq!(
            format!("{:?}", StepOffsets::from_bytes(&offsets.to_bytes())),
            format!("{:?}", Some(&offsets))
        );
        assert!(StepOffsets::from_bytes(&offsets.to_bytes()[..32]).is_none());
    }

    #[test]
    fn of_several_records_of_a_step_the_first_is_found() {
        let mut offsets = StepOffsets::default();
        let steps = 3 * MOST as u64 / 2;
        for step in 1..=steps {
            (0..3).for_each(|record| offsets.push(Step(step), 10 * step + record));
            if step == steps / 2 {
                offsets = StepOffsets::from_bytes(&offsets.to_bytes()).expect("valid");
                offsets.push(Step(step), 0);
            }
        }
        assert!(offsets.all.iter().all(|kept| kept.offset == 10 * kept.step.0));
        offsets.rewind(Step(steps));
        offsets.push(Step(steps), 7);
        assert_eq!(offsets.before(Step(steps)), Some(7), "a step that is made again");
    }

    #[test]
    fn what_is_made_again_is_found_where_it_stands_now() {
        let mut offsets = StepOffsets::default();
        (1..=10).for_each(|step| offsets.push(Step(step), step));
        offsets.rewind(Step(6));
        (6..=8).for_each(|step| offsets.push(Step(step), 100 + step));
        assert_eq!([5, 6, 7, 20].map(|step| offsets.before(Step(step))), [5, 106, 107, 108].map(Some));
    }
}
