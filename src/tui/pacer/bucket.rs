//! A budget as a token bucket: it fills at a constant rate, and what was overdrawn is waited for. Reads no clock.

use std::time::{Duration, Instant};

/// How much the bucket holds, as the time in which it fills.
pub(super) const MOST_SAVED: f64 = 0.25;
/// How much can be overdrawn, as the time in which it is made good.
const MOST_OWED: f64 = 2.0;

/// A budget in bytes per second.
#[derive(Debug)]
pub(super) struct Bucket {
    bytes_per_second: f64,
    /// What was left at a time, negative if overdrawn.
    left: Option<(f64, Instant)>,
}

impl Bucket {
    pub(super) fn new(bytes_per_second: u32) -> Bucket {
        Bucket { bytes_per_second: f64::from(bytes_per_second.max(1)), left: None }
    }

    /// Takes bytes, even if there are not as many.
    pub(super) fn spend(&mut self, now: Instant, bytes: usize) {
        let (rate, full) = (self.bytes_per_second, self.bytes_per_second * MOST_SAVED);
        let before = self.left.map_or(full, |(left, at)| {
            (left + now.saturating_duration_since(at).as_secs_f64() * rate).min(full)
        });
        self.left = Some(((before - bytes as f64).max(-rate * MOST_OWED), now));
    }

    /// When nothing is owed any more; none if nothing is.
    pub(super) fn solvent_at(&self) -> Option<Instant> {
        let (left, at) = self.left.filter(|(left, _)| *left < 0.0)?;
        Some(at + Duration::from_secs_f64(-left / self.bytes_per_second))
    }

    /// The time in which the bucket takes in that many bytes.
    pub(super) fn time_of(&self, bytes: usize) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_per_second)
    }
}
