//! Decides when to draw, and how far playback advances. Times are arguments, so that both can be tested.

use std::time::{Duration, Instant};

/// The least time between two frames without user input: fast enough to watch, and little to send.
pub(super) const FRAME: Duration = Duration::from_millis(100);

/// The least time between frames that respond to the user: held keys repeat every 25 to 40 ms.
const ANSWER: Duration = Duration::from_millis(10);

/// Draws only after changes, at most once per [`FRAME`], or sooner in response to the user.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    last: Option<Instant>,
    /// The least time since the last frame, if something changed.
    changed: Option<Duration>,
}

impl Pacer {
    /// Records that something visible has changed.
    pub(super) fn change(&mut self) {
        self.changed.get_or_insert(FRAME);
    }

    /// Records that the user changed something, and waits for it.
    pub(super) fn answer(&mut self) {
        self.changed = Some(ANSWER);
    }

    /// Whether to draw now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.wait(now) == Some(Duration::ZERO)
    }

    /// How long until the next frame; none while nothing changed.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let gap = self.changed?;
        let due = self.last.map_or(now, |last| last + gap);
        Some(due.saturating_duration_since(now))
    }

    /// Records that a frame was begun.
    pub(super) fn drawn(&mut self, now: Instant) {
        self.last = Some(now);
        self.changed = None;
    }
}

/// Converts time into whole steps of playback.
#[derive(Debug, Default)]
pub(super) struct Playhead {
    last: Option<Instant>,
    /// The fraction of a step that is due.
    fraction: f64,
}

impl Playhead {
    /// The steps that became due since the last call at a speed; stopping resets it.
    pub(super) fn advance(&mut self, now: Instant, steps_per_second: Option<u32>) -> u64 {
        let Some(speed) = steps_per_second else {
            *self = Playhead::default();
            return 0;
        };
        let elapsed = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.last = Some(now);
        self.fraction += elapsed.as_secs_f64() * f64::from(speed);
        let whole = self.fraction.floor();
        self.fraction -= whole;
        whole as u64
    }
}

/// The cost of drawing: an average over recent frames, and the last one.
#[derive(Debug, Default)]
pub(super) struct Cost {
    frames: u64,
    ms: f64,
    bytes: f64,
}

impl Cost {
    /// Records how long a frame took and how much it wrote.
    pub(super) fn frame(&mut self, elapsed: Duration, bytes: usize) {
        self.frames += 1;
        // A moving average over about ten frames.
        let share = 1.0 / (self.frames.min(10) as f64);
        self.ms += (elapsed.as_secs_f64() * 1000.0 - self.ms) * share;
        self.bytes += (bytes as f64 - self.bytes) * share;
    }

    /// The cost in a few characters.
    pub(super) fn text(&self, conflated: u64) -> Option<String> {
        if self.frames == 0 {
            return None;
        }
        let size = if self.bytes < 1000.0 {
            format!("{:.0} B", self.bytes)
        } else {
            format!("{:.1} kB", self.bytes / 1000.0)
        };
        let dropped = if conflated > 0 { format!(" {conflated} merged") } else { String::new() };
        Some(format!("{:.1} ms {size}/frame{dropped}", self.ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_while_nothing_changes() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        assert_eq!(pacer.wait(start), None);
        pacer.change();
        assert!(pacer.is_due(start));
        pacer.drawn(start);
        assert_eq!(pacer.wait(start + Duration::from_secs(9)), None);
    }

    #[test]
    fn a_thousand_changes_a_second_are_ten_frames() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        let mut frames = 0;
        for ms in 0..1000 {
            let now = start + Duration::from_millis(ms);
            pacer.change();
            if pacer.is_due(now) {
                pacer.drawn(now);
                frames += 1;
            }
        }
        assert_eq!(frames, 10);
    }

    #[test]
    fn the_user_does_not_wait_for_the_next_frame() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        pacer.drawn(start);
        pacer.change();
        assert_eq!(pacer.wait(start), Some(FRAME));
        pacer.answer();
        pacer.change();
        assert_eq!(pacer.wait(start), Some(ANSWER));
        assert!(pacer.is_due(start + ANSWER));
    }

    #[test]
    fn playback_keeps_its_speed_whatever_the_frames_do() {
        let start = Instant::now();
        let mut playhead = Playhead::default();
        let at = |ms| start + Duration::from_millis(ms);
        let total: u64 =
            [0, 7, 90, 91, 333, 1000].into_iter().map(|ms| playhead.advance(at(ms), Some(64))).sum();
        assert_eq!(total, 64);
        assert_eq!(playhead.advance(at(2000), None), 0);
        assert_eq!(playhead.advance(at(3000), Some(64)), 0);
    }
}
