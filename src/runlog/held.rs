//! Records that wait to be written: what a lane's log will hold behind its end, seen from the lane's thread, which
//! writes them when it can, and from the screen's, which may read them meanwhile.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most bytes that are held for a lane.
///
/// It is to bridge the time in which somebody makes room: a step's record is 4.3 KB with 20 layers and 21 KB with 110, so
/// it holds 15,000 steps or 3,000; and a machine that trains has this much memory to spare for each of a few lanes.
pub(super) const HELD: usize = 64 << 20;

/// Records behind the end of a log, in order.
#[derive(Debug, Default)]
pub struct Held(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// Where the first one will stand in the log.
    start: u64,
    records: VecDeque<Arc<[u8]>>,
    bytes: usize,
}

impl Held {
    /// Adds a record that will stand behind the log's first `length` bytes and those that are held; gives its place,
    /// or none where there is no room.
    pub(super) fn push(&self, length: u64, record: &[u8]) -> Option<Range<u64>> {
        let mut queue = self.lock();
        if queue.bytes + record.len() > HELD {
            return None;
        }
        queue.start = length;
        let start = length + queue.bytes as u64;
        queue.bytes += record.len();
        queue.records.push_back(record.into());
        Some(start..start + record.len() as u64)
    }

    /// The first record.
    pub(super) fn first(&self) -> Option<Arc<[u8]>> {
        self.lock().records.front().cloned()
    }

    /// Removes the first record, which is in the log by now.
    pub(super) fn pop(&self) {
        let mut queue = self.lock();
        if let Some(record) = queue.records.pop_front() {
            queue.start += record.len() as u64;
            queue.bytes -= record.len();
        }
    }

    /// The part of a range of the log's bytes that is still held, and where it begins; the log itself holds what comes
    /// before. The range begins and ends between records.
    pub fn part_of(&self, range: &Range<u64>) -> (u64, Vec<u8>) {
        let queue = self.lock();
        let (mut at, mut from, mut bytes) = (queue.start, range.end, Vec::new());
        for record in &queue.records {
            if range.start <= at && at < range.end {
                from = from.min(at);
                bytes.extend_from_slice(record);
            }
            at += record.len() as u64;
        }
        (from, bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
