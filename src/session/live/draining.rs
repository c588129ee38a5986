//! Delivers a run's events: from the channel, and from the log those for which the channel had no room.

use std::path::Path;

use super::{LaneEvent, Live, Warning};
use crate::event::{Declared, RunEvent};
use crate::runlog::{Entry, LogReader, RunLogError, parse_records, read_records};
use crate::units::LaneIdx;

impl Live {
    /// Delivers every event since the last call, without blocking: all of each lane, in order, each with the byte of the
    /// lane's log at which its record begins, if it has one.
    pub fn drain(&mut self, mut apply: impl FnMut(LaneIdx, &RunEvent, Option<u64>)) {
        let _ = self.wakeups.try_recv();
        // Events that arrive meanwhile signal again; this bound lets the caller draw in between.
        for _ in 0..self.events.len() {
            let Ok(LaneEvent { lane, event, bytes }) = self.events.try_recv() else { break };
            self.fill_up_to(lane, bytes.start, &mut apply);
            let place = &mut self.lanes[lane.0];
            // Otherwise it, or a later one, was read from the log before it arrived.
            if bytes.start >= place.applied {
                place.applied = bytes.end;
                place.is_log &= !bytes.is_empty();
                // Contradictory declarations are never written.
                let _ = place.declared.note(&event);
                apply(lane, &event, Some(bytes.start));
            }
        }
        for index in 0..self.lanes.len() {
            let lane = &mut self.lanes[index];
            let dropped = lane.progress.dropped();
            if dropped != lane.dropped {
                lane.dropped = dropped;
                let written = lane.progress.written();
                self.fill_up_to(LaneIdx(index), written, &mut apply);
            }
        }
    }

    /// Delivers the undelivered records up to a byte of the log, from the log or from those held for it.
    fn fill_up_to(
        &mut self,
        lane: LaneIdx,
        end: u64,
        apply: &mut impl FnMut(LaneIdx, &RunEvent, Option<u64>),
    ) {
        let place = &mut self.lanes[lane.0];
        if place.applied >= end {
            return;
        }
        let gap = place.applied..end;
        place.applied = end;
        let (filled, declared) = (&mut self.filled, &mut place.declared);
        let mut each = |event, offset| {
            *filled += 1;
            apply(lane, &event, Some(offset));
        };
        let (written, held) = place.progress.held().part_of(&gap);
        let read = match gap.start {
            // The first record is there twice.
            0 => read_beginning(&place.log, written, declared, &mut each),
            start => read_records(&place.log, start..written, declared, &mut each),
        };
        let read = read
            .map_err(|error| error.to_string())
            .and_then(|()| parse_records(&held, declared, |event, at| each(event, written + at)));
        if let Err(error) = read {
            place.is_log = false;
            let problem = format!("events are missing on screen, though not in the log: {error}");
            let _ = self.wires.warnings.try_send(Warning { lane, problem });
        }
    }
}

/// Reads the events of a log up to a byte, skipping damaged records.
fn read_beginning(
    log: &Path,
    end: u64,
    declared: &mut Declared,
    mut each: impl FnMut(RunEvent, u64),
) -> Result<(), RunLogError> {
    let mut reader = LogReader::open(log)?;
    while reader.position().offset() < end {
        match reader.next_entry()? {
            // Skipping the copy of the first record may lead past the end.
            Some(Entry::Event { event, bytes }) if bytes.start < end => each(event, bytes.start),
            Some(_) => {}
            None => break,
        }
    }
    declared.clone_from(reader.position().declared());
    Ok(())
}
