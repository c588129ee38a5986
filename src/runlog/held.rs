//! Records waiting to be written, which will follow the end of a lane's log. Shared by the lane's thread, which writes
//! them when it can, and the screen's, which may read them meanwhile.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most bytes held for a lane.
///
/// Bridges the time until somebody frees disk space: a step's record is 4.3 KB with 20 layers and 21 KB with 110, so it
/// suffices for 15,000 or 3,000 steps; a training machine can spare this much memory for each of a few lanes.
pub(super) const HELD: usize = 64 << 20;

/// Records that follow the end of a log, in order.
#[derive(Debug, Default)]
pub struct Held(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// The byte of the log at which the first one will begin.
    start: u64,
    records: VecDeque<Arc<[u8]>>,
    bytes: usize,
}

impl Held {
    /// Adds a record that will follow the log's first `length` bytes and the held ones; returns its place, or none if
    /// there is no room.
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

    /// Removes the first record once it is in the log.
    pub(super) fn pop(&self) {
        let mut queue = self.lock();
        if let Some(record) = queue.records.pop_front() {
            queue.start += record.len() as u64;
            queue.bytes -= record.len();
        }
    }

    /// Where the held part of a range of the log's bytes begins, and that part; what comes before is in the log itself.
    /// The range begins and ends between records.
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
