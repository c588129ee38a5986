//! What drawing costs, for the status line: the time of a frame and what is written per second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long what was written counts.
const WINDOW: Duration = Duration::from_secs(5);
/// The shortest time over which a rate is told.
const LEAST_TIME: Duration = Duration::from_secs(1);

/// The cost of drawing.
#[derive(Debug, Default)]
pub(in crate::tui) struct Cost {
    frames: u64,
    ms: f64,
    begun: Option<Instant>,
    /// All that was written when a frame was begun.
    total: u64,
    /// When frames were begun, and what was written from there to the next one.
    written: VecDeque<(Instant, u64)>,
}

impl Cost {
    /// Records that a frame is begun, and what was written to the terminal up to now.
    pub(in crate::tui) fn begin(&mut self, now: Instant, total: u64) {
        self.begun.get_or_insert(now);
        let bytes = total.saturating_sub(self.total);
        // What was written before the first frame, such as by another screen, does not count.
        if let Some((_, last)) = self.written.back_mut() {
            *last += bytes;
        }
        self.total = total;
        self.written.push_back((now, 0));
        while self.written.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW) {
            self.written.pop_front();
        }
    }

    /// Records how long a frame took.
    pub(in crate::tui) fn end(&mut self, elapsed: Duration) {
        self.frames += 1;
        // A moving average over about ten frames.
        let share = 1.0 / (self.frames.min(10) as f64);
        self.ms += (elapsed.as_secs_f64() * 1000.0 - self.ms) * share;
    }

    /// The bytes per second that were written over the last seconds.
    pub(in crate::tui) fn rate(&self, now: Instant) -> f64 {
        let since = self.begun.map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun));
        let bytes: u64 = self.written.iter().map(|(_, bytes)| bytes).sum();
        bytes as f64 / since.clamp(LEAST_TIME, WINDOW).as_secs_f64()
    }

    /// The cost in a few characters; `merged` is the number of events that could not be shown one by one.
    pub(in crate::tui) fn text(&self, now: Instant, merged: u64) -> Option<String> {
        if self.frames == 0 {
            return None;
        }
        let dropped = if merged > 0 { format!(" {merged} merged") } else { String::new() };
        Some(format!("{:.1} ms {:.1} kB/s{dropped}", self.ms, self.rate(now) / 1000.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_what_was_written_in_the_last_seconds() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut cost = Cost::default();
        assert_eq!(cost.text(start, 0), None);
        // 300 bytes after each frame, ten times a second; what another screen wrote before does not count.
        for frame in 0..=100 {
            cost.begin(at(frame * 100), 7_000 + frame * 300);
            cost.end(Duration::from_millis(2));
        }
        assert_eq!(cost.rate(at(10_000)), 3_000.0);
        assert_eq!(cost.text(at(10_000), 0).as_deref(), Some("2.0 ms 3.0 kB/s"));
        assert_eq!(cost.text(at(10_000), 3).as_deref(), Some("2.0 ms 3.0 kB/s 3 merged"));
        // A frame long after shows only what came since, which was nothing.
        cost.begin(at(60_000), 7_000 + 100 * 300);
        assert_eq!(cost.rate(at(60_000)), 0.0);
    }

    #[test]
    fn a_burst_at_the_start_is_not_spread_over_time_that_has_not_passed() {
        let start = Instant::now();
        let mut cost = Cost::default();
        cost.begin(start, 0);
        cost.begin(start + Duration::from_millis(100), 20_000);
        assert_eq!(cost.rate(start + Duration::from_millis(100)), 20_000.0);
        cost.begin(start + Duration::from_secs(2), 20_000);
        assert_eq!(cost.rate(start + Duration::from_secs(2)), 10_000.0);
    }
}
